"""How pages are answered: read in a thread within a query's budget, refused in words, and what
stands before them for who is not logged in.
"""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote, unquote

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import Response

from tracker.errors import RequestError
from tracker.http.signing import LOGIN_SECONDS
from tracker.pages.render import render
from tracker.store.passing import passing
from tracker.work import EndedError

log = logging.getLogger(__name__)

MOST_PLACE_CHARS = 2_000  # of an address that is kept over a login

Read = Callable[[sqlite3.Connection, Request], Any]
Answer = Callable[[Any], Response]


def login_page() -> Response:
    return render("login.html", 401)


async def not_logged_in(scope: Any, receive: Any, send: Any) -> None:
    """The answer for a page that nobody is shown yet. Where it was is kept for after the login."""
    answer = login_page()
    query = scope["query_string"].decode("latin-1")
    place = quote(scope["path"]) + (f"?{query}" if query else "")
    if len(place) <= MOST_PLACE_CHARS:
        answer.set_cookie(
            wanted_cookie(scope), quote(place), LOGIN_SECONDS, httponly=True, samesite="lax"
        )
    await answer(scope, receive, send)


def wanted_cookie(scope: Any) -> str:
    """Browsers share cookies between the ports of a host, so the port is in the name."""
    return f"tracker_wanted_{scope['server'][1]}"


def wanted_place(request: Request) -> str:
    """The page that somebody had asked for before the login: of this server, whatever is said."""
    place = unquote(request.cookies.get(wanted_cookie(request.scope), ""))
    is_local = place[:1] == "/" and place[1:2] not in ("/", "\\") and place.isprintable()
    return place if is_local else "/"


def missing(status: int, message: str) -> Response:
    heading = "Not found" if status == 404 else "This page cannot be shown"
    return render("missing.html", status, heading=heading, message=message)


def problem(status: int, message: str) -> Response:
    return Response(json.dumps({"error": message}), status, media_type="application/json")


def json_answer(values: dict[str, Any]) -> Response:
    text = json.dumps(values, allow_nan=False, separators=(",", ":"))
    return Response(text, media_type="application/json")


def reading(answer: Answer, refuse: Callable[[int, str], Response]) -> Callable[[Read], Any]:
    """Makes a handler of a function that reads values, in a thread and within the budget of one
    query (`work`).
    """

    def decorate(read: Read) -> Any:
        async def handler(request: Request) -> Response:
            def build() -> Response:
                server = request.app.state.server
                work = server.context(request).work
                work.begin()
                try:
                    with server.store.bounded(work.over), server.store.read() as db:
                        return answer(read(db, request))
                except RequestError as error:
                    return refuse(error.status, str(error))
                except Exception as error:
                    try:
                        work.check()  # SQLite's word for it is "interrupted"
                    except EndedError as ended:
                        return refuse(ended.status, str(ended))
                    log.exception("page %s failed", read.__name__)
                    return refuse(passing(error) or 500, f"Internal error: {type(error).__name__}")

            return await anyio.to_thread.run_sync(build)

        return handler

    return decorate


def page(template: str) -> Callable[[Read], Any]:
    return reading(lambda values: render(template, **values), missing)


data = reading(json_answer, problem)


def changing(change: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Any]:
    """Makes a handler of a form's: what is refused is said on a page."""

    async def handler(request: Request) -> Response:
        try:
            return await change(request)
        except RequestError as error:
            return missing(error.status, str(error))
        except Exception as error:
            log.exception("%s failed", change.__name__)
            return missing(passing(error) or 500, f"Internal error: {type(error).__name__}")

    return handler
