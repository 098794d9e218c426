"""HTML pages."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route


def not_logged_in() -> Response:
    return HTMLResponse("<p>Not logged in: run <code>runner.py serve --link</code>.</p>", 401)


async def home(request: Request) -> Response:
    return HTMLResponse("<p>tracker</p>")


ROUTES: list[Route] = [Route("/", home, methods=["GET"])]
