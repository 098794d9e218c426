"""What stands behind every address that the client prints: HTML made here, and the data of its
charts. Shown with the login cookie (`runner.py serve --link`) or the key; nothing from outside.
"""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import anyio.to_thread
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tracker.api import paging
from tracker.api.addresses import get_url
from tracker.errors import RequestError
from tracker.http.gate import STATIC_PREFIX
from tracker.pages import artifact as artifact_page
from tracker.pages import charts as chart_data
from tracker.pages import common, table
from tracker.pages import compare as comparison
from tracker.pages import project as project_page
from tracker.pages import run as run_page
from tracker.pages import sweep as sweep_page
from tracker.pages.render import render, static_answer
from tracker.runs import rows as run_rows
from tracker.runs.states import ENDED
from tracker.store.passing import passing
from tracker.work import EndedError

log = logging.getLogger(__name__)

Read = Callable[[sqlite3.Connection, Request], Any]
Answer = Callable[[Any], Response]


def not_logged_in() -> Response:
    return render("login.html", 401)


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


async def static_file(request: Request) -> Response:
    return static_answer(request.path_params["name"]) or missing(404, "There is no such file here.")


@page("authorize.html")
def authorize(db: sqlite3.Connection, request: Request) -> dict[str, Any]:
    """Where `wandb login` sends people who look for their key."""
    return {}


@page("home.html")
def home(db: sqlite3.Connection, request: Request) -> dict[str, Any]:
    """Projects, the one with the latest news first."""
    entity = request.path_params.get("entity")
    projects = run_rows.project_overview(db, entity)
    live = any(project["running"] for project in projects)
    return {"projects": projects, "entity": entity, "live": live}


@page("project.html")
def project(db: sqlite3.Connection, request: Request) -> dict[str, Any]:
    """The table of runs."""
    here, query = project_of(db, request), request.query_params
    before = paging.read_cursor(query.get("after"))
    values = table.runs_table(db, here, table.View.read(query), before)
    more = values["more"] and paging.write_cursor(values["more"])
    live = before is None and any(map(is_live, values["runs"]))
    return {**values, "project": here, "tab": "runs", "more": more, "live": live} | addresses(query)


@page("sweeps.html")
def sweeps(db: sqlite3.Connection, request: Request) -> dict[str, Any]:
    here = project_of(db, request)
    found = project_page.sweeps(db, here)
    live = any(sweep["state"] == "RUNNING" for sweep in found)
    return {"project": here, "tab": "sweeps", "sweeps": found, "live": live}


@page("artifacts.html")
def artifacts(db: sqlite3.Connection, request: Request) -> dict[str, Any]:
    here = project_of(db, request)
    found = project_page.artifacts(db, here)
    return {"project": here, "tab": "artifacts", "artifacts": found}


@page("overview.html")
def overview(db: sqlite3.Connection, request: Request) -> dict[str, Any]:
    here = project_of(db, request)
    return {"project": here, "tab": "overview", "disk": project_page.disk_use(db, here)}


@page("compare.html")
def compare(db: sqlite3.Connection, request: Request) -> dict[str, Any]:
    here, query = project_of(db, request), request.query_params
    values = comparison.compare(
        db,
        here,
        query.getlist("run"),
        baseline=query.get("baseline", ""),
        everything=query.get("all") == "1",
        colour=query.get("colour", ""),
    )
    live = any(map(is_live, values["runs"]))
    return {**values, "project": here, "tab": "", "live": live} | addresses(query)


def project_of(db: sqlite3.Connection, request: Request) -> dict[str, Any]:
    place = request.path_params
    return common.find_project(db, place["entity"], place["project"])


def addresses(query: QueryParams) -> dict[str, Any]:
    """What a template makes addresses of the same view with: `with_query(sort="x")` for one that
    differs in that, `without` for the pairs of all but some names.
    """

    def without(*names: str) -> list[tuple[str, str]]:
        return [(name, value) for name, value in query.multi_items() if name not in names]

    def with_query(**changes: str | None) -> str:
        kept = without("after", *changes)
        return "?" + urlencode([*kept, *((k, v) for k, v in changes.items() if v)])

    return {"with_query": with_query, "without": without}


@page("run.html")
def run(db: sqlite3.Connection, request: Request) -> dict[str, Any]:
    place = request.path_params
    values = run_page.run(db, place["entity"], place["project"], place["run"])
    return {**values, "live": is_live(values["run"])}


@page("logs.html")
def logs(db: sqlite3.Connection, request: Request) -> dict[str, Any]:
    place = request.path_params
    first = request.query_params.get("from")
    values = run_page.logs(
        db,
        place["entity"],
        place["project"],
        place["run"],
        int(first[:18]) if first and first.isdecimal() else None,
    )
    return {**values, "live": is_live(values["run"]) and values["first"] == values["last"]}


def is_live(run: dict[str, Any]) -> bool:
    return run["state"] not in ENDED


@page("sweep.html")
def sweep(db: sqlite3.Connection, request: Request) -> dict[str, Any]:
    place = request.path_params
    server = request.app.state.server
    values = sweep_page.sweep(
        db,
        place["entity"],
        place["project"],
        place["sweep"],
        server.clock() - server.settings.agent_timeout,
    )
    return {**values, "live": values["sweep"]["state"] in ("RUNNING", "PENDING")}


@page("artifact.html")
def artifact(db: sqlite3.Connection, request: Request) -> dict[str, Any]:
    place = request.path_params
    values = artifact_page.artifact(
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


@data
def series(db: sqlite3.Connection, request: Request) -> dict[str, Any]:
    """The curves of a chart: `run` and `key` (each any number of times), `axis`, `of` system."""
    query = request.query_params
    return chart_data.curves(
        db,
        project_of(db, request),
        query.getlist("run"),
        query.getlist("key"),
        axis=query.get("axis", ""),
        table="events" if query.get("of") == "system" else "history",
        mean=query.get("mean"),
    )


def csv_answer(text: str) -> Response:
    headers = {"Content-Disposition": 'attachment; filename="runs.csv"'}
    return Response(text, media_type="text/csv; charset=utf-8", headers=headers)


@reading(csv_answer, missing)
def runs_csv(db: sqlite3.Connection, request: Request) -> str:
    view = table.View.read(request.query_params)
    return table.csv_text(db, project_of(db, request), view)


HERE = "/{entity}/{project}"
ROUTES = [
    Route("/", home, methods=["GET"]),
    Route(f"{STATIC_PREFIX}{{name:path}}", static_file, methods=["GET"]),
    Route("/authorize", authorize, methods=["GET"]),
    Route(f"{HERE}/series", series, methods=["GET"]),
    Route(f"{HERE}/runs/{{run}}", run, methods=["GET"]),
    Route(f"{HERE}/runs/{{run}}/logs", logs, methods=["GET"]),
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
    Route(f"{HERE}/runs.csv", runs_csv, methods=["GET"]),
    Route(f"{HERE}/sweeps", sweeps, methods=["GET"]),
    Route(f"{HERE}/artifacts", artifacts, methods=["GET"]),
    Route(f"{HERE}/overview", overview, methods=["GET"]),
    Route(f"{HERE}/compare", compare, methods=["GET"]),
    Route(f"{HERE}/{{tab}}", project, methods=["GET"]),
    Route("/{entity}", home, methods=["GET"]),
]
