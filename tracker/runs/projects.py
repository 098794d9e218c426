"""Resolvers: projects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphql import GraphQLResolveInfo as Info

from tracker.api import ids, paging
from tracker.api.filters import parse
from tracker.api.users import entity, viewer
from tracker.documents import Object
from tracker.errors import RequestError
from tracker.runs import reads as runs
from tracker.runs import rows as run_rows
from tracker.runs.keys import run_operand
from tracker.runs.rows import RunQuery
from tracker.runs.tables import ProjectRow, RunRow
from tracker.store import blobs
from tracker.store.rows import delete, update


def project(_: Any, info: Info, name: str | None = None, entityName: str | None = None, **__: Any):
    settings = info.context.settings
    with info.context.store.read() as db:
        return run_rows.find_project(db, entityName or settings.entity, name or settings.project)


def entity_project(source: Object, info: Info, name: str | None = None) -> ProjectRow | None:
    return project(None, info, name, source["name"])


def projects(
    _: Any,
    info: Info,
    entityName: str | None = None,
    first: int | None = None,
    after: str | None = None,
    **__: Any,
) -> Object:
    limit = paging.bound(first)
    place = paging.read_cursor(after) or [0]
    with info.context.store.read() as db:
        rows = run_rows.list_projects(db, entityName, int(place[0]), limit + 1)
    return paging.connection(rows, limit, lambda row: [row["id"]])


def upsert_model(_: Any, info: Info, input: Object) -> Object:
    """Makes a project, or finds it by id or name; changes its description."""
    context = info.context
    with context.store.write() as db:
        if input.get("id") and not input.get("name"):
            row = run_rows.get_project(db, ids.decode("Project", input["id"]))
            inserted = False
            if row is None:
                raise RequestError("no such project", status=404)
        else:
            name = input.get("entityName") or context.settings.entity
            if not input.get("name"):
                raise RequestError("a project needs a name")
            row, inserted = run_rows.ensure_project(db, name, input["name"], context.now)
        if input.get("description") is not None:
            run_rows.describe_project(db, row["id"], input["description"], context.now)
        row = run_rows.get_project(db, row["id"])
    return {"model": row, "project": row, "inserted": inserted}


def delete_model(_: Any, info: Info, input: Object) -> Object:
    """Deletes a project with its runs, sweeps and artifacts."""
    context = info.context
    with context.store.write() as db:
        delete(db, "projects", ids.decode("Project", input["id"]))
    blobs.sweep_unused(context.store, context.blobs)
    return {"success": True}


def project_runs(source: ProjectRow, info: Info, **arguments: Any) -> Object:
    return runs.run_connection(info, RunQuery(source["id"]), **arguments)


def run_count(source: ProjectRow, info: Info, filters: str | None = None) -> int:
    with info.context.store.read() as db:
        return RunQuery(source["id"], [parse(filters, run_operand)]).count(db)


def project_run(
    source: ProjectRow, info: Info, name: str | None = None, **__: Any
) -> RunRow | None:
    with info.context.store.read() as db:
        return run_rows.find_run(db, source["id"], name or "")


def project_bucket(
    source: ProjectRow, info: Info, name: str, missingOk: bool | None = None, **__: Any
) -> RunRow | None:
    """A run. Only a client that is about to go on with it says `missingOk`: see `changes`."""
    run = project_run(source, info, name)
    if run and missingOk:
        with info.context.store.write() as db:
            update(db, "runs", run["id"], resume_asked_at=info.context.now)
    return run


RESOLVERS: dict[str, dict[str, Callable[..., Any]]] = {
    "Query": {
        "project": project,
        "model": project,
        "models": projects,
        "projects": projects,
    },
    "Mutation": {"upsertModel": upsert_model, "deleteModel": delete_model},
    "Entity": {"project": entity_project},
    "Project": {
        "id": lambda row, info: ids.encode("Project", row["id"]),
        "internalId": lambda row, info: row["id"],
        "entityName": lambda row, info: row["entity"],
        "entity": lambda row, info: entity(None, info, row["entity"]),
        "user": lambda row, info: viewer(None, info),
        "isBenchmark": lambda row, info: False,
        "access": lambda row, info: "PRIVATE",
        "readOnly": lambda row, info: False,
        "runCount": run_count,
        "runs": project_runs,
        "buckets": project_runs,
        "run": project_run,
        "bucket": project_bucket,
    },
}
