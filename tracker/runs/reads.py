"""Resolvers that read runs: config, summary, history."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from graphql import GraphQLResolveInfo as Info

from tracker import documents
from tracker.api import filters, ids, paging
from tracker.api.users import viewer
from tracker.context import Context
from tracker.documents import Object
from tracker.errors import RequestError
from tracker.runs import edits, history
from tracker.runs import lines as run_lines
from tracker.runs import rows as run_rows
from tracker.runs.keys import run_operand
from tracker.runs.rows import RunQuery
from tracker.runs.states import ALIVE, ENDED
from tracker.runs.tables import ProjectRow, RunRow

MAX_KEYS = 1_000
MAX_KEY_CHARS = 10_000
MAX_SPECS = 30  # each may read all of a run; as many as a query may have aliases
PUBLIC_CLIENT = "W&B Public Client"
CLIENTS = (PUBLIC_CLIENT, "wandb-core")


def run_connection(info: Info, query: RunQuery, **arguments: Any) -> Object:
    """A RunConnection: `filters`, `order`, `first`, `after` narrow and order `query`."""
    narrowed = RunQuery(
        query.project_id,
        [*query.where, filters.parse(arguments.get("filters"), run_operand)],
        filters.parse_order(arguments["order"], run_operand)
        if arguments.get("order")
        else query.order,
    )
    names = [name for name in arguments.get("names") or () if name]
    if names:
        narrowed.where.append(filters.is_in(run_operand("name"), names))
    limit = paging.bound(arguments.get("first"))
    with info.context.store.read() as db:
        rows = narrowed.page(db, limit + 1, paging.read_cursor(arguments.get("after")))

    def total(_info: Info) -> int:
        with info.context.store.read() as db:
            return narrowed.count(db)

    return paging.connection(rows, limit, lambda row: row["cursor"]) | {"total_count": total}


def run_project(source: RunRow, info: Info) -> ProjectRow | None:
    with info.context.store.read() as db:
        return run_rows.get_project(db, source["project_id"])


def run_config(source: RunRow, info: Info) -> str:
    """The config as it is stored; for the Api with a stamp (`edits`)."""
    return edits.stamped(source, "config") if may_edit(info) else source["config"]


def run_summary(source: RunRow, info: Info, keys: list[str] | None = None) -> str:
    """The summary, or these keys of it; for the Api, of a run that lives, with a stamp."""
    if not keys and may_edit(info) and source["state"] not in ENDED:
        return edits.stamped(source, "summary")
    return picked(source["summary"], keys)


def may_edit(info: Info) -> bool:
    """Whether it is the Api that reads a run, which may send back what it was given."""
    return info.context.user_agent.startswith(PUBLIC_CLIENT)


def picked(document: str, keys: list[str] | None) -> str:
    """A JSON document, reduced to the given top-level keys."""
    if not keys:
        return document
    values = json.loads(document)
    return json.dumps({key: values[key] for key in keys if key in values})


def wandb_config(source: RunRow, _: Info, keys: list[str] | None = None) -> str:
    """The client's own part of the config; `t` is in it once a client has begun the run."""
    values = json.loads(source["config"]).get("_wandb", {})
    values = values.get("value", values) if isinstance(values, dict) else {}
    values = {"t": {}} | values if source["started"] else {k: values[k] for k in values if k != "t"}
    return json.dumps({key: values[key] for key in keys or values if key in values})


def history_keys(source: RunRow, _: Info) -> Object | None:
    return json.loads(source["history_keys"]) if source["history_lines"] else None


def run_history(
    source: RunRow,
    info: Info,
    minStep: int | None = None,
    maxStep: int | None = None,
    samples: int | None = None,
) -> list[str]:
    """With steps: every row of minStep <= step < maxStep; without: evenly sampled rows."""
    with info.context.store.read() as db:
        if minStep is not None or maxStep is not None:
            first, last = documents.whole(minStep or 0, "minStep"), source["last_step"]
            if maxStep is not None:
                last = documents.whole(maxStep, "maxStep") - 1
            return run_lines.history_rows(db, source["id"], first, last)
        rows = run_lines.history_rows(db, source["id"], 0, source["last_step"])
    return history.thin(rows, samples or 500)


def sampled_history(source: RunRow, info: Info, specs: list[str]) -> list[list[Object]]:
    """Per spec {"keys", "minStep", "maxStep" (both inclusive), "samples"}: rows with all keys."""
    if len(specs) > MAX_SPECS:
        raise RequestError(f"more than {MAX_SPECS} specs")
    answers, work = [], info.context.work
    for text in specs:
        spec = read_spec(text)
        last = source["last_step"]
        if spec["maxStep"] is not None:
            last = min(last, spec["maxStep"] - exclusive(spec, info.context))
        with info.context.store.read() as db:
            texts = run_lines.history_rows(db, source["id"], spec["minStep"], last)
        rows = history.select(work.looking(texts), spec["keys"])
        answers.append(history.thin(rows, spec["samples"] or 500))
    return answers


def read_spec(text: str) -> Object:
    """`keys`, `minStep`, `maxStep` and `samples`; the latter two are None where it names none."""
    spec = documents.read_object(text, "specs")
    numbers = {
        name: None if spec.get(name) is None else documents.whole(spec[name], name)
        for name in ("maxStep", "samples")
    }
    first = documents.whole(spec.get("minStep") or 0, "minStep")
    return {"keys": keys_of(spec), "minStep": first, **numbers}


def keys_of(spec: Object) -> list[str]:
    """Each is looked up in each row."""
    keys = spec.get("keys") or []
    if not isinstance(keys, list) or len(keys) > MAX_KEYS or not all(map(is_key, keys)):
        raise RequestError(f"specs: `keys` wants at most {MAX_KEYS} texts")
    return keys


def is_key(key: Any) -> bool:
    return isinstance(key, str) and len(key) <= MAX_KEY_CHARS


def exclusive(spec: Object, context: Context) -> bool:
    """Whether a page of a client's scan ends before its `maxStep`. Only wandb since 0.28 asks for
    pages with their last step: for as many samples as it has steps, under an operation's name.
    Every older one asks for the step behind; it would show the rows at a border twice.
    """
    if not context.user_agent.startswith(CLIENTS):
        return False
    steps = (
        documents.whole(spec["maxStep"], "maxStep")
        - documents.whole(spec.get("minStep") or 0, "minStep")
        + 1
    )
    return not context.operation_name or spec["samples"] != steps


def parquet_history(source: RunRow, info: Info, liveKeys: list[str]) -> Object:
    """Nothing is exported to Parquet: clients then read live pages, which are exact. Of the rows
    that are live, they want to know where they begin.
    """
    with info.context.store.read() as db:
        first = run_lines.history_rows(db, source["id"], 0, source["last_step"], 1)
    return {"parquet_urls": [], "live_data": history.select(first, liveKeys)}


def run_events(source: RunRow, info: Info, samples: int | None = None) -> list[str]:
    with info.context.store.read() as db:
        return history.thin(run_lines.event_rows(db, source["id"]), samples or 500)


def line_tail(table: str) -> Callable[[RunRow, Info], str]:
    """The last line, as the client wants it to take up a run: JSON of a list of JSON texts."""

    def resolve(source: RunRow, info: Info) -> str:
        with info.context.store.read() as db:
            return json.dumps(run_lines.tail(db, table, source["id"], 1))

    return resolve


RESOLVERS: dict[str, dict[str, Callable[..., Any]]] = {
    "Run": {
        "id": lambda row, info: ids.encode("Run", row["id"]),
        "project": run_project,
        "user": lambda row, info: viewer(None, info),
        "tags": lambda row, info: json.loads(row["tags"]),
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
        "running": lambda row, info: row["state"] in ALIVE,
        "sweepName": lambda row, info: row["sweep"],
        "wandbConfig": wandb_config,
        "config": run_config,
        "summaryMetrics": run_summary,
        "historyKeys": history_keys,
        "historyLineCount": lambda row, info: row["history_lines"],
        "eventsLineCount": lambda row, info: row["event_lines"],
        "logLineCount": lambda row, info: row["log_lines"],
        "historyTail": line_tail("history"),
        "eventsTail": line_tail("events"),
        "history": run_history,
        "sampledHistory": sampled_history,
        "parquetHistory": parquet_history,
        "events": run_events,
    },
}
