"""file_stream: what a running client sends every few seconds. One request is one transaction.

Lines are keyed by their number. A chunk that repeats what is stored changes nothing; one that
differs at a line replaces the history from there on (a run that was begun anew, or rewound).
"""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from tracker import edits, history, shared, store_lines, store_runs
from tracker.context import Context
from tracker.errors import RequestError
from tracker.store_runs import Row

MAX_LINES = 1_000_000_000


def receive(context: Context, entity: str, project: str, name: str, body: Any) -> dict[str, Any]:
    """Stores one request and gives the answer; it is on disk when this returns."""
    if not isinstance(body, dict):
        raise RequestError("expected a JSON object")
    with context.store.write() as db:
        run = store_runs.locate_run(db, entity, project, name)
        if run is None:
            raise RequestError(f"run {entity}/{project}/{name} does not exist", status=404)
        logged = store_files(db, run, body.get("files") or {}, context.writer)
        changes = state_changes(run, body, context.now)
        store_runs.update_run(db, run["id"], **changes)
        if run["state"] == "pending":
            for hook in context.hooks.run_started:
                hook(db, run["id"], context.now)
        if logged:
            for hook in context.hooks.run_logged:
                hook(db, run["id"], context.now)
        if changes.get("state") in store_runs.ENDED:
            for hook in context.hooks.run_ended:
                hook(db, run["id"], context.now)
        current = store_runs.get_run(db, run["id"])
    stopped = bool(current and current["stop_requested"] and current["state"] in store_runs.ALIVE)
    return {"exitcode": None, "limits": {}, "stopped": stopped}


def state_changes(run: Row, body: dict[str, Any], now: float) -> dict[str, Any]:
    """Columns of the run that a request changes besides its lines."""
    changes: dict[str, Any] = {"heartbeat_at": now, "updated_at": now}
    if body.get("complete"):
        if run["state"] in store_runs.ENDED and run["exit_code"] is not None:
            return changes  # the same end, told again
        exit_code = body.get("exitcode")
        exit_code = exit_code if isinstance(exit_code, int) else 0
        return changes | {
            "state": end_state(run, exit_code),
            "exit_code": exit_code,
            "ended_at": now,
        }
    if body.get("preempting") and run["state"] not in store_runs.ENDED:
        return changes | {"preempting": 1, "state": "preempting", "started": 1}
    if run["state"] in ("pending", "crashed"):  # it lives after all
        return changes | {"state": "running", "started": 1, "ended_at": None}
    return changes


def end_state(run: Row, exit_code: int) -> str:
    if exit_code == 0:
        return "finished"
    if run["preempting"]:
        return "preempted"
    return "killed" if run["stop_requested"] else "failed"


def store_files(db: sqlite3.Connection, run: Row, files: dict[str, Any], writer: str) -> bool:
    """Stores every file's lines; true where history rows came."""
    logged = False
    for name, chunk in files.items():
        offset, lines = read_chunk(name, chunk)
        if not lines:
            continue
        if name.endswith("wandb-history.jsonl"):
            logged = add_history(db, run, offset, lines, writer) or logged
        elif name.endswith("wandb-events.jsonl"):
            add_events(db, run, offset, lines, writer)
        elif name.endswith("wandb-summary.json"):
            summary = json_object(lines[-1], name)
            store_runs.update_run(
                db, run["id"], **edits.by_process(db, run, {"summary": summary}, writer)
            )
        elif name.endswith(".log"):
            add_lines(db, run, "logs", offset, lines, writer)
    return logged


def add_lines(
    db: sqlite3.Connection, run: Row, kind: str, offset: int, lines: list[str], writer: str
) -> None:
    """Adds or rewrites `events` or `logs`."""
    if writer:
        shared.add_lines(db, run, writer, kind, offset, lines)
        return
    store_lines.write_lines(db, kind, run["id"], enumerate(lines, offset))
    column = store_lines.TABLES[kind]
    store_runs.update_run(db, run["id"], **{column: max(run[column], offset + len(lines))})


def read_chunk(name: str, chunk: Any) -> tuple[int, list[str]]:
    if not isinstance(chunk, dict):
        raise RequestError(f"files[{name!r}] must be an object")
    offset, lines = chunk.get("offset", 0), chunk.get("content", [])
    if not isinstance(offset, int) or not 0 <= offset <= MAX_LINES:
        raise RequestError(f"files[{name!r}].offset must be an integer from 0 on")
    if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
        raise RequestError(f"files[{name!r}].content must be a list of strings")
    return offset, lines


def json_object(line: str, name: str) -> str:
    try:
        if isinstance(json.loads(line), dict):
            return line
    except (ValueError, RecursionError):
        pass
    raise RequestError(f"{name}: a line is not a JSON object: {line[:80]!r}")


def add_history(
    db: sqlite3.Connection, run: Row, offset: int, lines: list[str], writer: str
) -> bool:
    """Appends rows; true where there was anything new."""
    if writer:
        rows = [json.loads(json_object(line, "history")) for line in lines]
        return shared.add_history(db, run, writer, offset, rows)
    old = store_lines.stored_lines(db, "history", run["id"], offset, len(lines))
    same = 0
    while same < min(len(old), len(lines)) and same_row(old[same], lines[same]):
        same += 1
    fresh, start = lines[same:], offset + same
    if not fresh:
        return False
    keys, last_step = json.loads(run["history_keys"]), run["last_step"]
    if start < run["history_lines"]:
        store_lines.drop_lines(db, "history", run["id"], start)
        current = refresh_history(db, run["id"])
        keys, last_step = json.loads(current["history_keys"]), current["last_step"]
    rows = [json.loads(json_object(line, "history")) for line in fresh]
    steps = []
    for row in rows:
        step = row.get("_step")
        if not isinstance(step, int) or isinstance(step, bool):
            step = last_step + 1
        last_step = max(last_step, step)
        steps.append(step)
    store_lines.write_history(db, run["id"], start, list(zip(steps, fresh, strict=True)))
    store_runs.update_run(
        db,
        run["id"],
        history_lines=start + len(fresh),
        last_step=last_step,
        history_keys=json.dumps(history.merge_keys(keys, rows, last_step)),
    )
    return True


def same_row(stored: str, sent: str) -> bool:
    """Whether two lines say the same: clients do not keep the order of keys."""
    return stored == sent or json.loads(stored) == json.loads(json_object(sent, "history"))


def refresh_history(db: sqlite3.Connection, run_id: int) -> Row:
    """Counts again what the run's columns say of its history rows; returns the run."""
    keys: history.Keys = {}
    last_step, n = -1, 0
    for line, step, text in store_lines.history_with_lines(db, run_id):
        last_step, n = max(last_step, step), line + 1
        history.merge_keys(keys, [json.loads(text)], last_step)
    store_runs.update_run(
        db, run_id, history_lines=n, last_step=last_step, history_keys=json.dumps(keys)
    )
    run = store_runs.get_run(db, run_id)
    assert run
    return run


def add_events(
    db: sqlite3.Connection, run: Row, offset: int, lines: list[str], writer: str
) -> None:
    system_metrics = json.loads(run["system_metrics"])
    for line in lines:
        row = json.loads(json_object(line, "events"))
        system_metrics |= {k: v for k, v in row.items() if k.startswith("system.")}
    store_runs.update_run(db, run["id"], system_metrics=json.dumps(system_metrics))
    add_lines(db, run, "events", offset, lines, writer)
