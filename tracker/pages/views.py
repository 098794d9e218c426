"""HTML pages: what stands behind every address that the client prints. Only read, no scripts,
nothing from outside; shown with the login cookie (`runner.py serve --link`) or the key.
"""

from __future__ import annotations

import logging
import secrets
import sqlite3
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import anyio.to_thread
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from tracker.api import paging
from tracker.api.addresses import get_url
from tracker.errors import RequestError
from tracker.pages import data as page_data
from tracker.runs.states import ENDED
from tracker.store.passing import passing

log = logging.getLogger(__name__)

PAGES = Path(__file__).parent
REFRESH_SECONDS = 15  # of a page about something that is running


@cache
def environment() -> Environment:
    env = Environment(
        loader=FileSystemLoader(PAGES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.globals |= {"link": link}
    env.filters |= {"number": show, "ago": ago, "moment": moment, "bytes": show_bytes}
    return env


def link(*parts: str) -> str:
    """A path of this server; every part is quoted whole."""
    return "/" + "/".join(quote(str(part), safe="") for part in parts)


def show(value: Any) -> str:
    """A value of a config or a summary, short."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "–"}[value]
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, dict) and "_type" in value:
        return f"({value['_type']})"
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= 200 else text[:199] + "…"


def show_bytes(size: int) -> str:
    amount, unit = float(size), "B"
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024 or unit == "GiB":
            break
        amount /= 1024
    return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"


def moment(seconds: float | None) -> str:
    return datetime.fromtimestamp(seconds or 0, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def ago(seconds: float | None) -> str:
    passed = max(0.0, time.time() - (seconds or 0))
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if passed >= size:
            n = int(passed // size)
            return f"{n} {unit}{'s' if n > 1 else ''} ago"
    return "just now"


def render(template: str, status: int = 200, **values: Any) -> Response:
    nonce = secrets.token_urlsafe(12)
    html = environment().get_template(template).render(nonce=nonce, **values)
    policy = (
        f"default-src 'none'; style-src 'nonce-{nonce}'; img-src 'self'; form-action 'none'; "
        "frame-ancestors 'none'; base-uri 'none'"
    )
    headers = {"Content-Security-Policy": policy}
    if values.get("live"):
        headers["Refresh"] = str(REFRESH_SECONDS)
    return HTMLResponse(html, status, headers)


def not_logged_in() -> Response:
    return render("login.html", 401)


def missing(status: int, message: str) -> Response:
    heading = "Not found" if status == 404 else "This page cannot be shown"
    return render("missing.html", status, heading=heading, message=message)


def page(template: str) -> Callable[..., Callable[[Request], Any]]:
    """Makes a handler of a function that reads a page's values in a thread."""

    def decorate(read: Callable[[sqlite3.Connection, Request], dict[str, Any]]) -> Any:
        async def handler(request: Request) -> Response:
            def build() -> Response:
                server = request.app.state.server
                try:
                    with server.store.read() as db:
                        return render(template, **read(db, request))
                except RequestError as error:
                    return missing(error.status, str(error))
                except Exception as error:
                    log.exception("page %s failed", template)
                    return missing(passing(error) or 500, f"Internal error: {type(error).__name__}")

            return await anyio.to_thread.run_sync(build)

        return handler

    return decorate


@page("authorize.html")
def authorize(db: sqlite3.Connection, request: Request) -> dict[str, Any]:
    """Where `wandb login` sends people who look for their key."""
    return {}


@page("home.html")
def home(db: sqlite3.Connection, request: Request) -> dict[str, Any]:
    entity = request.path_params.get("entity")
    return {"projects": page_data.home(db, entity), "entity": entity}


@page("project.html")
def project(db: sqlite3.Connection, request: Request) -> dict[str, Any]:
    place = request.path_params
    before = paging.read_cursor(request.query_params.get("after"))
    values = page_data.project(db, place["entity"], place["project"], before)
    more = values["more"] and paging.write_cursor(values["more"])
    live = any(run["state"] not in ENDED for run in values["runs"])
    return {**values, "more": more, "live": live and before is None}


@page("run.html")
def run(db: sqlite3.Connection, request: Request) -> dict[str, Any]:
    place = request.path_params
    values = page_data.run(db, place["entity"], place["project"], place["run"])
    collection = values.pop("collection")
    artifacts = [{**row, "place": collection(row)} for row in values["artifacts"]]
    live = values["run"]["state"] not in ENDED
    return {**values, "artifacts": artifacts, "live": live}


@page("sweep.html")
def sweep(db: sqlite3.Connection, request: Request) -> dict[str, Any]:
    place = request.path_params
    values = page_data.sweep(db, place["entity"], place["project"], place["sweep"])
    return {**values, "live": values["sweep"]["state"] in ("RUNNING", "PENDING")}


@page("artifact.html")
def artifact(db: sqlite3.Connection, request: Request) -> dict[str, Any]:
    place = request.path_params
    values = page_data.artifact(
        db,
        place["entity"],
        place["project"],
        place["collection"],
        place.get("version") or "latest",
    )
    context = request.app.state.server.context(request)
    files = [
        {**row, "url": row["hash"] and get_url(context, row["hash"], row["name"])}
        for row in values["files"]
    ]
    return {**values, "files": files}


HERE = "/{entity}/{project}"
ROUTES = [
    Route("/", home, methods=["GET"]),
    Route("/authorize", authorize, methods=["GET"]),
    Route(f"{HERE}/runs/{{run}}", run, methods=["GET"]),
    Route(f"{HERE}/runs/{{run}}/{{tab:path}}", run, methods=["GET"]),
    Route(f"{HERE}/sweeps/{{sweep}}", sweep, methods=["GET"]),
    Route(f"{HERE}/sweeps/{{sweep}}/{{tab:path}}", sweep, methods=["GET"]),
    Route(f"{HERE}/artifacts/{{kind}}/{{collection}}", artifact, methods=["GET"]),
    Route(f"{HERE}/artifacts/{{kind}}/{{collection}}/{{version}}", artifact, methods=["GET"]),
    Route(
        f"{HERE}/artifacts/{{kind}}/{{collection}}/{{version}}/{{tab:path}}",
        artifact,
        methods=["GET"],
    ),
    Route(HERE, project, methods=["GET"]),
    Route(f"{HERE}/{{tab}}", project, methods=["GET"]),
    Route("/{entity}", home, methods=["GET"]),
]
