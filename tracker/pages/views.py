"""What stands behind every address that the client prints: HTML made here, and the data of its
charts. Shown with the login cookie (`runner.py serve --link`) or the key; nothing from outside.
"""

from __future__ import annotations

import sqlite3
from typing import Any
from urllib.parse import urlencode

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from contract import places
from tracker.api import paging
from tracker.api.addresses import get_url
from tracker.errors import RequestError
from tracker.http.gate import FORM_PREFIX, STATIC_PREFIX
from tracker.pages import artifact as artifact_page
from tracker.pages import charts as chart_data
from tracker.pages import common, forms, media, reports, table
from tracker.pages import compare as comparison
from tracker.pages import project as project_page
from tracker.pages import run as run_page
from tracker.pages import sweep as sweep_page
from tracker.pages.answers import changing, data, missing, page, reading
from tracker.pages.render import static_answer
from tracker.runs import rows as run_rows
from tracker.runs.states import ENDED
from tracker.runs.tables import ProjectRow
from tracker.store import blobs


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
    chosen, shown = query.getlist("run"), {row["name"] for row in values["runs"]}
    own = {"chosen": chosen, "elsewhere": [name for name in chosen if name not in shown]}
    own |= {"project": here, "tab": "runs", "more": more, "live": live}
    return values | own | addresses(query)


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
    own = {"project": here, "tab": "", "live": live, "query": query}
    return {**values, **own} | addresses(query)


def project_of(db: sqlite3.Connection, request: Request) -> ProjectRow:
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
    place, folder = request.path_params, request.app.state.server.blobs
    values = run_page.run(db, place["entity"], place["project"], place["run"], folder)
    own = {"live": is_live(values["run"]), "token": forms.token(request)}
    return {**values, **own, "query": request.query_params}


@page("logs.html")
def logs(db: sqlite3.Connection, request: Request) -> dict[str, Any]:
    place = request.path_params
    values = run_page.logs(
        db,
        place["entity"],
        place["project"],
        place["run"],
        line_of(request.query_params.get("from")),
    )
    return {**values, "live": is_live(values["run"]) and values["first"] == values["last"]}


@page("table.html")
def run_table(db: sqlite3.Connection, request: Request) -> dict[str, Any]:
    """A table that a run has logged, in pages: `path` (its file), `sort`, `from`."""
    here, query, server = project_of(db, request), request.query_params, request.app.state.server
    row = common.find_run(db, here, request.path_params["run"])
    path = query.get("path", "")
    file = media.find(db, row, path)
    if file["size"] > media.MOST_TABLE_BYTES:
        raise RequestError("this table is too large to be shown: download it")
    content = blobs.path_of(server.blobs, file["hash"]).read_bytes()
    found = media.read_table(content, query.get("sort", ""), line_of(query.get("from")) or 0)
    values = {"project": here, "run": common.with_values(row), "path": path, "table": found}
    return values | addresses(query)


def line_of(text: str | None) -> int | None:
    """The place where a page begins; None where an address names none."""
    return int(text[:18]) if text and text.isdecimal() else None


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
        alive_since=server.clock() - server.settings.agent_timeout,
        colour=request.query_params.get("colour", ""),
    )
    live = values["sweep"]["state"] in ("RUNNING", "PENDING")
    report = reports.find(values["project"], values["sweep"])
    own = {"live": live, "token": forms.token(request), "report": report}
    return {**values, **own, "query": request.query_params}


@page("report.html")
def report(db: sqlite3.Connection, request: Request) -> dict[str, Any]:
    name = request.path_params["name"]
    found = reports.read(name)
    if found is None:
        raise common.missing(f"report {name}")
    about = reports.about(places.reports() / name / "report.json")
    return {"name": name, "report": found, "about": about}


async def report_picture(request: Request) -> Response:
    found = reports.picture(request.path_params["name"], request.path_params["file"])
    if found is None:
        return missing(404, "There is no such picture here.")
    return FileResponse(found, media_type="image/png")


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
    Route(f"{FORM_PREFIX}run{HERE}/{{run}}", changing(forms.change_run), methods=["POST"]),
    Route(f"{FORM_PREFIX}sweep{HERE}/{{sweep}}", changing(forms.change_sweep), methods=["POST"]),
    Route("/-/reports/{name}/", report, methods=["GET"]),
    Route("/-/reports/{name}/{file}", report_picture, methods=["GET"]),
    Route("/authorize", authorize, methods=["GET"]),
    Route(f"{HERE}/series", series, methods=["GET"]),
    Route(f"{HERE}/runs/{{run}}", run, methods=["GET"]),
    Route(f"{HERE}/runs/{{run}}/logs", logs, methods=["GET"]),
    Route(f"{HERE}/runs/{{run}}/table", run_table, methods=["GET"]),
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
