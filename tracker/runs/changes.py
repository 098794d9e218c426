"""Mutations of runs, and the look after those that have fallen silent."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from graphql import GraphQLResolveInfo as Info

from contract.values import whole
from tracker import documents
from tracker.api import ids
from tracker.documents import Object
from tracker.errors import RequestError
from tracker.runs import edits, steps, take_over
from tracker.runs import lines as run_lines
from tracker.runs import rows as run_rows
from tracker.runs.states import ALIVE, ENDED, STATES, Event, has_told_end, next_state
from tracker.runs.tables import RunRow
from tracker.store import blobs
from tracker.store.rows import delete, update


def find_or_refuse(db: Any, storage_id: str) -> RunRow:
    """A run by its storage id; RequestError 404 where it is gone."""
    run = run_rows.get_run(db, ids.decode("Run", storage_id))
    if run is None:
        raise RequestError("no such run (it may have been deleted)", status=404)
    return run


RESUME_SECONDS = 600.0  # between a client's question and its beginning
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


NAMED = set(STATES) - {"preempting"}  # what a client may say that a run is
REQUESTS: dict[str, Event] = {"pending": "set back", "failed": "called off"}


def upsert_bucket(_: Any, info: Info, input: Object) -> Object:
    """Creates, begins or changes a run. Null means unchanged.

    A client that names the run is running it, and one that gives no `id`, or has just asked where
    the run stands, begins to: a run that had ended is taken up again.
    """
    context, server_settings = info.context, {"server_messages": []}
    columns = {
        RUN_FIELDS[k]: whole(v) for k, v in input.items() if k in RUN_FIELDS and v is not None
    }
    for key in ("config", "summary"):
        if key in columns:
            columns[key] = steps.json_object(columns[key], key)
    if input.get("tags") is not None:
        columns["tags"] = json.dumps(whole(input["tags"]))
    if input.get("sweep"):
        columns["sweep"] = ids.check_name(input["sweep"].rpartition("/")[2], "sweep")
    if input.get("state") and input["state"] not in NAMED:
        raise RequestError(f"state {input['state']!r} is none of {', '.join(sorted(NAMED))}")
    with context.store.write() as db:
        if input.get("id"):
            run, inserted = find_or_refuse(db, input["id"]), False
            begins = asked_lately(run, context.now) and says_who(columns)
        else:
            (run, inserted), begins = find_or_make_run(context, db, input, columns), True
        if context.lease and take_over.standing(db, run, context.lease) == take_over.FORMER:
            return {"bucket": run, "inserted": False, "server_settings": server_settings}
        if begins and not inserted:
            columns |= begin(db, run, input, columns, context.now)
        if input.get("name"):
            columns = edits.by_process(db, run, columns, context.writer)
        else:
            columns = edits.from_outside(db, run, columns)
        update(db, "runs", run["id"], **columns, updated_at=context.now)
        if begins and (inserted or run["state"] not in ALIVE):
            for hook in context.hooks.run_started:
                hook(db, run["id"], context.now)
        bucket = run_rows.get_run(db, run["id"])
    assert bucket
    return {"bucket": bucket, "inserted": inserted, "server_settings": server_settings}


def asked_lately(run: RunRow, now: float) -> bool:
    """Whether a client is about to go on with the run, rather than beginning it anew."""
    return (run["resume_asked_at"] or 0) > now - RESUME_SECONDS


def says_who(columns: Object) -> bool:
    """Whether a client introduces itself. Later, of a change, it says neither."""
    return bool({"program", "host"} & columns.keys())


def find_or_make_run(context: Any, db: Any, input: Object, columns: Object) -> tuple[RunRow, bool]:
    """The named run, and whether it is new. `columns` gets what a new one has besides."""
    entity, project = context.place(input)
    project_row, _ = run_rows.ensure_project(db, entity, project, context.now)
    name = ids.check_name(input.get("name") or ids.random_name(), "run")
    run = run_rows.find_run(db, project_row["id"], name)
    if run is not None:
        return run, False
    state = input.get("state") or "running"
    run_id = run_rows.create_run(db, project_row["id"], name, state, context.now)
    columns.setdefault("display_name", name)
    columns["started"] = int(state == "running")
    fork(db, project_row["id"], run_id, columns.get("config"))
    run = run_rows.get_run(db, run_id)
    assert run
    return run, True


def begin(db: Any, run: RunRow, input: Object, columns: Object, now: float) -> Object:
    """What a client changes that begins a run once more, or that runs it and changes something.

    One that has not asked where the run stands begins it anew, or syncs an offline segment; its
    rows will tell which (`steps`).
    """
    changes: Object = {"heartbeat_at": now, "resume_asked_at": None}
    alive, asked = run["state"] in ALIVE, asked_lately(run, now)
    if asked or has_told_end(run):
        run_rows.forget_sent(db, run["id"])  # it knows what is stored, or begins anew
    if asked or not alive or says_who(columns) or "config" not in columns:
        changes["begun_anew"] = int(not asked)
    if not alive or input.get("state"):
        state = input.get("state") or next_state(run, "begun")
        changes |= {"state": state, "started": 1, "stop_requested": 0, "preempting": 0}
        changes |= {"exit_code": None, "ended_at": None}
    return changes


def fork(db: Any, project_id: int, run_id: int, config: str | None) -> None:
    """A run that branches off another one begins with its history up to the branch point."""
    internal = json.loads(config or "{}").get("_wandb")
    internal = internal.get("value") if isinstance(internal, dict) else None
    point = internal.get("branch_point") if isinstance(internal, dict) else None
    if not isinstance(point, dict) or not isinstance(point.get("step"), (int, float)):
        return
    parent = run_rows.find_run(db, project_id, str(point.get("run_id")))
    if parent is None:
        raise RequestError(f"run {point.get('run_id')}, to fork from, is not in this project")
    run_lines.copy_history(
        db, parent["id"], run_id, documents.whole(point["step"], "branch_point.step")
    )
    steps.refresh_history(db, run_id)


def rewind_run(_: Any, info: Info, input: Object) -> Object:
    """Forgets every history row with a step above `metricValue`."""
    context = info.context
    if input["metricName"] != "_step":
        raise RequestError("a run can be rewound to a _step only")
    with context.store.write() as db:
        entity, project = context.place(input)
        run = run_rows.locate_run(db, entity, project, input["runName"])
        if run is None:
            raise RequestError("no such run", status=404)
        run_lines.drop_steps(db, run["id"], documents.whole(input["metricValue"], "metricValue"))
        steps.refresh_history(db, run["id"])
        update(
            db,
            "runs",
            run["id"],
            state=next_state(run, "rewound"),
            exit_code=None,
            ended_at=None,
            begun_anew=1,
            heartbeat_at=context.now,
        )
        return {"rewound_run": run_rows.get_run(db, run["id"])}


def delete_run(_: Any, info: Info, input: Object) -> Object:
    """Deletes a run; one that was deleted before is what was asked for."""
    context = info.context
    with context.store.write() as db:
        run = run_rows.get_run(db, ids.decode("Run", input["id"]))
        if run is None:
            return {"success": True}
        for hook in context.hooks.run_ended:
            hook(db, run["id"], context.now)
        if input.get("deleteArtifacts"):
            for hook in context.hooks.outputs_unwanted:
                hook(db, run["id"], context.now)
        delete(db, "runs", run["id"])
    blobs.sweep_unused(context.store, context.blobs)
    return {"success": True}


def update_run_state(_: Any, info: Info, input: Object) -> Object:
    """Sets a run back to pending, or calls it failed; not one of a sweep."""
    context, target = info.context, input["state"].lower()
    with context.store.write() as db:
        run = find_or_refuse(db, input["id"])
        if run["sweep"]:
            raise RequestError("the state of a sweep's run cannot be set")
        event = REQUESTS.get(target)
        state = event and next_state(run, event)
        if state in (None, run["state"]):
            raise RequestError(
                f"invalid state transition: a {run['state']} run cannot become {target}"
            )
        ended = context.now if state in ENDED else None
        update(db, "runs", run["id"], state=state, ended_at=ended, updated_at=context.now)
    return {"success": True}


def stop_run(_: Any, info: Info, input: Object) -> Object:
    """Asks the client to stop; it learns of it with its next heartbeat."""
    with info.context.store.write() as db:
        run = find_or_refuse(db, input["id"])
        if run["state"] in ALIVE:
            update(db, "runs", run["id"], stop_requested=1)
    return {"success": True}


def tick(db: Any, now: float, timeout: float, run_ended: tuple[Any, ...]) -> None:
    """Calls runs crashed that have been silent for `timeout` seconds."""
    for run in run_rows.silent_runs(db, now - timeout):
        state = next_state(run, "silent")
        update(db, "runs", run["id"], state=state, ended_at=run["heartbeat_at"])
        for hook in run_ended:
            hook(db, run["id"], now)


RESOLVERS: dict[str, dict[str, Callable[..., Any]]] = {
    "Mutation": {
        "upsertBucket": upsert_bucket,
        "rewindRun": rewind_run,
        "deleteRun": delete_run,
        "updateRunState": update_run_state,
        "stopRun": stop_run,
        "notifyScriptableRunAlert": lambda _, info, input: {"success": True},
    }
}
