"""Resolvers: server, user, projects, runs and their history."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from graphql import GraphQLResolveInfo

from tracker import filters, history, ids, paging, store_lines, store_runs, stream
from tracker.errors import RequestError
from tracker.store_runs import Row, RunQuery

MAX_TAIL = 100
MAX_HISTORY_ROWS = 100_000
MAX_LOG_LINES = 10_000

# Those that switch the client to a code path that is served here
FEATURES = (
    "LARGE_FILENAMES",
    "ARTIFACT_TAGS",
    "CLIENT_IDS",
    "ARTIFACT_COLLECTION_MEMBERSHIP_FILES",
    "USE_ARTIFACT_WITH_ENTITY_AND_PROJECT_INFORMATION",
    "PROJECT_ARTIFACT_COLLECTION_MEMBERSHIP",
    "ARTIFACT_MEMBERSHIP_IN_LINK_ARTIFACT_RESPONSE",
    "TOTAL_COUNT_IN_FILE_CONNECTION",
    "ARTIFACT_COLLECTIONS_FILTERING_SORTING",
    "MARK_RUN_FILES_UPLOADED",
    "SWEEPS_QUERY_FILTERING",
    "FILESTREAM_GZIP",
)

Info = GraphQLResolveInfo


# ------------------------------------------------------------------------------ server and user


def viewer(_: Any, info: Info) -> Row:
    name = info.context.settings.entity
    return {
        "id": ids.encode("User", 1),
        "name": name,
        "username": name,
        "email": f"{name}@localhost",
        "admin": True,
        "flags": "{}",
        "entity": name,
        "api_keys": {"edges": []},
        "teams": {"edges": [{"node": entity(None, info, name)}]},
        "organizations": [],
    }


def entity(_: Any, info: Info, name: str | None = None) -> Row:
    name = name or info.context.settings.entity
    return {
        "id": ids.encode("Entity", 1),
        "name": name,
        "available": False,
        "read_only": False,
        "read_only_admin": False,
        "is_team": False,
        "entity_type": "user",
        "private_only": False,
        "storage_bytes": 0,
        "code_saving_enabled": True,
        "default_access": "PRIVATE",
        "is_paid": False,
        "members": [],
        "xxhash_digests_enabled": False,
        "user": lambda _info: viewer(None, info),
    }


def server_info(_: Any, info: Info) -> Row:
    return {
        "features": [{"name": name, "is_enabled": True} for name in FEATURES],
        "cli_version_info": {"max_cli_version": "99.0.0", "min_cli_version": "0.13.0"},
    }


# ------------------------------------------------------------------------------------- projects


def project(_: Any, info: Info, name: str | None = None, entityName: str | None = None, **__: Any):
    with info.context.store.read() as db:
        return store_runs.find_project(db, entityName or info.context.settings.entity, name or "")


def entity_project(source: Row, info: Info, name: str | None = None) -> Row | None:
    return project(None, info, name, source["name"])


def projects(
    _: Any,
    info: Info,
    entityName: str | None = None,
    first: int | None = None,
    after: str | None = None,
    **__: Any,
) -> Row:
    limit = paging.bound(first)
    place = paging.read_cursor(after) or [0]
    with info.context.store.read() as db:
        rows = store_runs.list_projects(db, entityName, int(place[0]), limit + 1)
    return paging.connection(rows, limit, lambda row: [row["id"]])


def upsert_model(_: Any, info: Info, input: Row) -> Row:
    context = info.context
    with context.store.write() as db:
        if input.get("id") and not input.get("name"):
            row = store_runs.get_project(db, ids.decode("Project", input["id"]))
            inserted = False
            if row is None:
                raise RequestError("no such project", status=404)
        else:
            name = input.get("entityName") or context.settings.entity
            if not input.get("name"):
                raise RequestError("a project needs a name")
            row, inserted = store_runs.ensure_project(db, name, input["name"], context.now)
        if input.get("description") is not None:
            store_runs.describe_project(db, row["id"], input["description"], context.now)
        row = store_runs.get_project(db, row["id"])
    return {"model": row, "project": row, "inserted": inserted}


def delete_model(_: Any, info: Info, input: Row) -> Row:
    with info.context.store.write() as db:
        store_runs.delete_project(db, ids.decode("Project", input["id"]))
    return {"success": True}


# ----------------------------------------------------------------------------------------- runs


def run_connection(info: Info, query: RunQuery, **arguments: Any) -> Row:
    """A RunConnection: `filters`, `order`, `first`, `after` narrow and order `query`."""
    narrowed = RunQuery(
        query.project_id,
        [*query.where, filters.parse(arguments.get("filters"))],
        filters.parse_order(arguments["order"]) if arguments.get("order") else query.order,
    )
    names = [name for name in arguments.get("names") or () if name]
    if names:
        narrowed.where.append(filters.parse(json.dumps({"name": {"$in": names}})))
    limit = paging.bound(arguments.get("first"))
    with info.context.store.read() as db:
        rows = narrowed.page(db, limit + 1, paging.read_cursor(arguments.get("after")))

    def total(_info: Info) -> int:
        with info.context.store.read() as db:
            return narrowed.count(db)

    return paging.connection(rows, limit, lambda row: row["cursor"]) | {"total_count": total}


def project_runs(source: Row, info: Info, **arguments: Any) -> Row:
    return run_connection(info, RunQuery(source["id"]), **arguments)


def run_count(source: Row, info: Info, filters: str | None = None) -> int:
    from tracker.filters import parse

    with info.context.store.read() as db:
        return RunQuery(source["id"], [parse(filters)]).count(db)


def project_run(source: Row, info: Info, name: str | None = None, **__: Any) -> Row | None:
    with info.context.store.read() as db:
        return store_runs.find_run(db, source["id"], name or "")


def run_project(source: Row, info: Info) -> Row | None:
    with info.context.store.read() as db:
        return store_runs.get_project(db, source["project_id"])


def json_column(name: str) -> Callable[[Row, Info], Any]:
    return lambda source, _info: json.loads(source[name])


def run_summary(source: Row, _: Info, keys: list[str] | None = None) -> str:
    return picked(source["summary"], keys)


def picked(document: str, keys: list[str] | None) -> str:
    """A JSON document, reduced to the given top-level keys."""
    if not keys:
        return document
    values = json.loads(document)
    return json.dumps({key: values[key] for key in keys if key in values})


def wandb_config(source: Row, _: Info, keys: list[str] | None = None) -> str:
    """The client's own part of the config; `t` is in it once a client has begun the run."""
    values = json.loads(source["config"]).get("_wandb", {})
    values = values.get("value", values) if isinstance(values, dict) else {}
    values = {"t": {}} | values if source["started"] else {k: values[k] for k in values if k != "t"}
    return json.dumps({key: values[key] for key in keys or values if key in values})


def history_keys(source: Row, _: Info) -> Row | None:
    return json.loads(source["history_keys"]) if source["history_lines"] else None


def run_history(
    source: Row,
    info: Info,
    minStep: int | None = None,
    maxStep: int | None = None,
    samples: int | None = None,
) -> list[str]:
    """With steps: every row of minStep <= step < maxStep; without: evenly sampled rows."""
    with info.context.store.read() as db:
        if minStep is not None or maxStep is not None:
            last = source["last_step"] if maxStep is None else int(maxStep) - 1
            return store_lines.history_rows(db, source["id"], int(minStep or 0), last)
        rows = store_lines.history_rows(db, source["id"], 0, source["last_step"])
    return history.thin(rows, samples or 500)


def sampled_history(source: Row, info: Info, specs: list[str]) -> list[list[Row]]:
    """Per spec {"keys", "minStep", "maxStep" (both inclusive), "samples"}: rows with all keys."""
    answers = []
    for text in specs:
        try:
            spec = json.loads(text)
        except ValueError:
            raise RequestError("specs: not JSON") from None
        if not isinstance(spec, dict):
            raise RequestError("specs: expected an object")
        first, last = spec.get("minStep"), spec.get("maxStep")
        last = source["last_step"] if last is None else min(int(last), source["last_step"])
        with info.context.store.read() as db:
            texts = store_lines.history_rows(db, source["id"], int(first or 0), last)
        rows = history.select(texts, spec.get("keys") or [])
        answers.append(history.thin(rows, int(spec.get("samples") or 500)))
    return answers


def parquet_history(_: Row, info: Info, liveKeys: list[str]) -> Row:
    """Nothing is exported to Parquet: clients then read live pages, which are exact."""
    return {"parquet_urls": [], "live_data": []}


def run_events(source: Row, info: Info, samples: int | None = None) -> list[str]:
    with info.context.store.read() as db:
        return history.thin(store_lines.event_rows(db, source["id"]), samples or 500)


def line_tail(table: str, count: str) -> Callable[[Row, Info], str]:
    """The last line, as the client wants it to take up a run: JSON of a list of JSON texts."""

    def resolve(source: Row, info: Info) -> str:
        with info.context.store.read() as db:
            return json.dumps(store_lines.tail(db, table, source["id"], 1))

    return resolve


def find_or_refuse(db: Any, storage_id: str) -> Row:
    run = store_runs.get_run(db, ids.decode("Run", storage_id))
    if run is None:
        raise RequestError("no such run (it may have been deleted)", status=404)
    return run


RUN_FIELDS = {  # input field -> column
    "groupName": "group_name",
    "description": "description",
    "displayName": "display_name",
    "notes": "notes",
    "config": "config",
    "commit": "commit_hash",
    "host": "host",
    "jobProgram": "program",
    "jobRepo": "repo",
    "jobType": "job_type",
    "summaryMetrics": "summary",
}
STATES = {"running", "pending", "finished", "failed", "crashed", "killed", "preempted"}


def upsert_bucket(_: Any, info: Info, input: Row) -> Row:
    """Creates, begins or changes a run. Null means unchanged.

    A client that names the run (rather than giving its `id`) is running it: a run that had ended
    is taken up again.
    """
    context = info.context
    columns = {RUN_FIELDS[k]: v for k, v in input.items() if k in RUN_FIELDS and v is not None}
    for key in ("config", "summary"):
        if key in columns:
            columns[key] = stream.json_object(columns[key], key)
    if input.get("tags") is not None:
        columns["tags"] = json.dumps(input["tags"])
    if input.get("sweep"):
        columns["sweep"] = input["sweep"].rpartition("/")[2]
    if input.get("state") and input["state"] not in STATES:
        raise RequestError(f"state {input['state']!r} is none of {', '.join(sorted(STATES))}")
    with context.store.write() as db:
        if input.get("id"):
            run, inserted = find_or_refuse(db, input["id"]), False
        else:
            run, inserted = begin_run(context, db, input, columns)
        store_runs.update_run(db, run["id"], **columns, updated_at=context.now)
        if (not input.get("id") and run["state"] not in store_runs.ALIVE) or inserted:
            for hook in context.hooks.run_started:
                hook(db, run["id"], context.now)
        bucket = store_runs.get_run(db, run["id"])
    return {"bucket": bucket, "inserted": inserted, "server_settings": {"server_messages": []}}


def begin_run(context: Any, db: Any, input: Row, columns: Row) -> tuple[Row, bool]:
    """The named run and whether it is new; `columns` gets what beginning it changes."""
    entity_name = input.get("entityName") or context.settings.entity
    project_row, _ = store_runs.ensure_project(
        db, entity_name, input.get("modelName") or "uncategorized", context.now
    )
    name = input.get("name") or ids.random_name()
    run = store_runs.find_run(db, project_row["id"], name)
    state = input.get("state") or "running"
    if run is None:
        run_id = store_runs.create_run(db, project_row["id"], name, state, context.now)
        columns.setdefault("display_name", name)
        columns["started"] = int(state == "running")
        run = store_runs.get_run(db, run_id)
        assert run
        return run, True
    if run["state"] not in store_runs.ALIVE or input.get("state"):
        columns |= {"state": state, "started": 1, "stop_requested": 0, "preempting": 0}
        columns |= {"exit_code": None, "ended_at": None}
    columns["heartbeat_at"] = context.now
    return run, False


def rewind_run(_: Any, info: Info, input: Row) -> Row:
    """Forgets every history row with a step above `metricValue`."""
    context = info.context
    if input["metricName"] != "_step":
        raise RequestError("a run can be rewound to a _step only")
    with context.store.write() as db:
        run = store_runs.locate_run(
            db,
            input.get("entityName") or context.settings.entity,
            input.get("projectName") or "uncategorized",
            input["runName"],
        )
        if run is None:
            raise RequestError("no such run", status=404)
        lines = store_lines.history_with_lines(db, run["id"])
        kept = next((n for n, step, _ in lines if step > input["metricValue"]), None)
        if kept is not None:
            store_lines.drop_lines(db, "history", run["id"], kept)
            keys, last_step = stream.recount(db, run["id"])
            store_runs.update_run(
                db,
                run["id"],
                history_lines=kept,
                last_step=last_step,
                history_keys=json.dumps(keys),
            )
        store_runs.update_run(
            db, run["id"], state="running", exit_code=None, ended_at=None, heartbeat_at=context.now
        )
        return {"rewound_run": store_runs.get_run(db, run["id"])}


def delete_run(_: Any, info: Info, input: Row) -> Row:
    context = info.context
    with context.store.write() as db:
        run = find_or_refuse(db, input["id"])
        for hook in context.hooks.run_ended:
            hook(db, run["id"], context.now)
        store_runs.delete_run(db, run["id"])
    return {"success": True}


TRANSITIONS = {
    "pending": {"running", "failed", "crashed", "preempted"},
    "failed": {"pending", "running"},
}


def update_run_state(_: Any, info: Info, input: Row) -> Row:
    context, target = info.context, input["state"].lower()
    with context.store.write() as db:
        run = find_or_refuse(db, input["id"])
        if run["sweep"]:
            raise RequestError("the state of a sweep's run cannot be set")
        if run["state"] not in TRANSITIONS.get(target, ()):
            raise RequestError(f"a {run['state']} run cannot become {target}")
        ended = context.now if target == "failed" else None
        store_runs.update_run(db, run["id"], state=target, ended_at=ended, updated_at=context.now)
    return {"success": True}


def stop_run(_: Any, info: Info, input: Row) -> Row:
    """Asks the client to stop; it learns of it with its next heartbeat."""
    with info.context.store.write() as db:
        run = find_or_refuse(db, input["id"])
        if run["state"] in store_runs.ALIVE:
            store_runs.update_run(db, run["id"], stop_requested=1)
    return {"success": True}


def tick(db: Any, now: float, timeout: float, run_ended: tuple[Any, ...]) -> None:
    """Calls runs crashed that have been silent for `timeout` seconds."""
    for run in store_runs.silent_runs(db, now - timeout):
        state = "preempted" if run["preempting"] else "crashed"
        store_runs.update_run(db, run["id"], state=state, ended_at=run["heartbeat_at"])
        for hook in run_ended:
            hook(db, run["id"], now)


RESOLVERS: dict[str, dict[str, Callable[..., Any]]] = {
    "Query": {
        "viewer": viewer,
        "serverInfo": server_info,
        "entity": entity,
        "organization": lambda _, info, name: None,
        "project": project,
        "model": project,
        "models": projects,
        "projects": projects,
        "users": lambda _, info, query=None: {"edges": [{"node": viewer(None, info)}]},
    },
    "Mutation": {
        "upsertModel": upsert_model,
        "deleteModel": delete_model,
        "upsertBucket": upsert_bucket,
        "rewindRun": rewind_run,
        "deleteRun": delete_run,
        "updateRunState": update_run_state,
        "stopRun": stop_run,
        "notifyScriptableRunAlert": lambda _, info, input: {"success": True},
    },
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
        "bucket": project_run,
    },
    "Run": {
        "id": lambda row, info: ids.encode("Run", row["id"]),
        "project": run_project,
        "user": lambda row, info: viewer(None, info),
        "tags": json_column("tags"),
        "group": lambda row, info: row["group_name"],
        "commit": lambda row, info: row["commit_hash"],
        "readOnly": lambda row, info: False,
        "computeSeconds": lambda row, info: int(
            (row["ended_at"] or row["heartbeat_at"]) - row["created_at"]
        ),
        "exitcode": lambda row, info: row["exit_code"],
        "shouldStop": lambda row, info: bool(row["stop_requested"]),
        "stopped": lambda row, info: bool(row["stop_requested"]),
        "failed": lambda row, info: row["state"] in ("failed", "crashed"),
        "running": lambda row, info: row["state"] in store_runs.ALIVE,
        "sweepName": lambda row, info: row["sweep"],
        "wandbConfig": wandb_config,
        "summaryMetrics": run_summary,
        "historyKeys": history_keys,
        "historyLineCount": lambda row, info: row["history_lines"],
        "eventsLineCount": lambda row, info: row["event_lines"],
        "logLineCount": lambda row, info: row["log_lines"],
        "historyTail": line_tail("history", "history_lines"),
        "eventsTail": line_tail("events", "event_lines"),
        "history": run_history,
        "sampledHistory": sampled_history,
        "parquetHistory": parquet_history,
        "events": run_events,
    },
}
