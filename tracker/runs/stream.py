"""file_stream: what a running client sends every few seconds. One request is one transaction.

History rows are keyed by their step (`steps`), other lines by their number. A chunk that repeats
what is stored changes nothing. Of two processes that write to one run, `take_over` tells whose
words count.
"""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from contract.values import whole
from tracker.context import Context
from tracker.documents import cleaned
from tracker.errors import RequestError
from tracker.runs import edits, steps, take_over, writers
from tracker.runs import lines as run_lines
from tracker.runs import rows as run_rows
from tracker.runs.states import ALIVE, ENDED, has_told_end, next_state
from tracker.runs.steps import json_object
from tracker.runs.tables import RunRow
from tracker.runs.take_over import FORMER, UNSURE
from tracker.store.rows import Columns, update

MAX_LINES = 1_000_000_000
HISTORY = "wandb-history.jsonl"
Files = dict[str, tuple[int, list[str]]]  # name -> (number of the first line, lines)


def receive(context: Context, entity: str, project: str, name: str, body: Any) -> dict[str, Any]:
    """Stores one request and gives the answer; it is on disk when this returns."""
    if not isinstance(body, dict):
        raise RequestError("expected a JSON object")
    with context.store.write() as db:
        run = run_rows.locate_run(db, entity, project, name)
        if run is None:
            raise RequestError(f"run {entity}/{project}/{name} does not exist", status=404)
        standing = take_over.standing(db, run, context.lease)
        files = chunks(body)
        writer = context.writer
        doubtful = standing == UNSURE and not writer  # several writers are meant to be several
        if standing == FORMER or (doubtful and contradicts(db, run, files)):
            return reply(stopped=True)
        logged, rewritten = store_files(db, run, files, writer)
        if doubtful and logged:
            take_over.wrote_on(db, run)
        if doubtful and body.get("complete"):
            put_off = take_over.put_off_end(db, run, exit_code_of(body))
            body = body | {"complete": not put_off}
        changes = state_changes(run, body, context.now)
        update(db, "runs", run["id"], **changes)
        call = [context.hooks.run_started] if run["state"] == "pending" else []
        call += [context.hooks.run_rewritten] if rewritten else []
        call += [context.hooks.run_logged] if logged else []
        call += [context.hooks.run_ended] if changes.get("state") in ENDED else []
        for hook in (hook for hooks in call for hook in hooks):
            hook(db, run["id"], context.now)
        current = run_rows.get_run(db, run["id"])
    stopped = bool(current and current["stop_requested"] and current["state"] in ALIVE)
    return reply(stopped)


def reply(stopped: bool) -> dict[str, Any]:
    return {"exitcode": None, "limits": {}, "stopped": stopped}


def exit_code_of(body: dict[str, Any]) -> int:
    """The exit code of a program, 0 where none is said; GraphQL knows numbers of 32 bits only."""
    code = body.get("exitcode")
    if code is None:
        return 0
    if not isinstance(code, int) or isinstance(code, bool) or not -(2**31) <= code < 2**32:
        raise RequestError(f"exitcode: {code!r:.80} is not an integer of 32 bits")
    return code if code < 2**31 else code - 2**32  # Windows writes some without a sign


def state_changes(run: RunRow, body: dict[str, Any], now: float) -> dict[str, Any]:
    """Columns of the run that a request changes besides its lines."""
    changes: dict[str, Any] = {"heartbeat_at": now, "updated_at": now}
    if body.get("complete"):
        if has_told_end(run):
            return changes  # the same end, told again
        return changes | end_of(run, exit_code_of(body), now)
    state = next_state(run, "warned" if body.get("preempting") else "heard")
    if state == "preempting":
        changes["preempting"] = 1
    if state != run["state"]:
        changes |= {"state": state, "started": 1, "ended_at": None}
    return changes


def end_of(run: RunRow, exit_code: int, now: float) -> dict[str, Any]:
    """Columns of a run whose process has told its end."""
    state = next_state(run, "exited" if exit_code else "succeeded")
    return {"state": state, "exit_code": exit_code, "ended_at": now}


def contradicts(db: sqlite3.Connection, run: RunRow, files: Files) -> bool:
    """Whether history rows of a request differ from those that are stored (`steps`)."""
    return any(
        steps.contradicts(db, run, offset, lines)
        for name, (offset, lines) in files.items()
        if name.endswith(HISTORY)
    )


def store_files(
    db: sqlite3.Connection, run: RunRow, files: Files, writer: str
) -> tuple[bool, bool]:
    """Stores every file's lines; whether history rows came, and whether they changed what was
    there."""
    logged = rewritten = False
    for name, (offset, lines) in files.items():
        if not lines:
            continue
        if name.endswith(HISTORY):
            logged, rewritten = add_history(db, run, offset, lines, writer)
        elif name.endswith("wandb-events.jsonl"):
            add_events(db, run, offset, lines, writer)
        elif name.endswith("wandb-summary.json"):
            summary = json_object(lines[-1], name)
            update(db, "runs", run["id"], **edits.by_process(db, run, {"summary": summary}, writer))
        elif name.endswith(".log"):
            add_lines(db, run, "logs", offset, lines, writer)
    return logged, rewritten


def add_lines(
    db: sqlite3.Connection, run: Columns, kind: str, offset: int, lines: list[str], writer: str
) -> None:
    """Adds or rewrites `events` or `logs`."""
    if writer:
        writers.add_lines(db, run, writer, kind, offset, lines)
        return
    run_lines.write_lines(db, kind, run["id"], enumerate(lines, offset))
    column = run_lines.TABLES[kind]
    update(db, "runs", run["id"], **{column: max(run[column], offset + len(lines))})


def chunks(body: dict[str, Any]) -> Files:
    """Files of a request; RequestError where one makes no sense."""
    files = body.get("files") or {}
    if not isinstance(files, dict):
        raise RequestError("files must be an object")
    return {name: read_chunk(name, chunk) for name, chunk in files.items()}


def read_chunk(name: str, chunk: Any) -> tuple[int, list[str]]:
    if not isinstance(chunk, dict):
        raise RequestError(f"files[{name!r}] must be an object")
    offset, lines = chunk.get("offset", 0), chunk.get("content", [])
    if not isinstance(offset, int) or isinstance(offset, bool) or not 0 <= offset <= MAX_LINES:
        raise RequestError(f"files[{name!r}].offset must be an integer from 0 on")
    if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
        raise RequestError(f"files[{name!r}].content must be a list of strings")
    return offset, [cleaned(line) if ".json" in name else whole(line) for line in lines]


def add_history(
    db: sqlite3.Connection, run: RunRow, offset: int, lines: list[str], writer: str
) -> tuple[bool, bool]:
    """See `steps.add_history`."""
    if not writer:
        return steps.add_history(db, run, offset, lines)
    rows = [json.loads(json_object(line, "history")) for line in lines]
    return writers.add_history(db, run, writer, offset, rows), False


def add_events(
    db: sqlite3.Connection, run: RunRow, offset: int, lines: list[str], writer: str
) -> None:
    """Adds lines of system metrics; the run keeps the latest of each."""
    system_metrics = json.loads(run["system_metrics"])
    for line in lines:
        row = json.loads(json_object(line, "events"))
        system_metrics |= {k: v for k, v in row.items() if k.startswith("system.")}
    update(db, "runs", run["id"], system_metrics=json.dumps(system_metrics))
    add_lines(db, run, "events", offset, lines, writer)
