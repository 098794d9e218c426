"""W&B's run filters (a Mongo-like JSON document) and orders, as SQL over the table `runs`.

Only the structure of the SQL depends on the filter; names and values are always parameters.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from contract.values import number
from tracker import documents
from tracker.errors import RequestError
from tracker.settings import USER
from tracker.store import patterns
from tracker.store.where import Order, Where, join, negate

MAX_CONDITIONS = 500
MAX_LEVELS = 20
MAX_PATH_PARTS = 6

COLUMNS = {
    "name": "name",
    "id": "name",
    "display_name": "display_name",
    "displayname": "display_name",
    "state": "state",
    "group": "group_name",
    "groupname": "group_name",
    "job_type": "job_type",
    "jobtype": "job_type",
    "commit": "commit_hash",
    "host": "host",
    "description": "description",
    "notes": "notes",
    "exitcode": "exit_code",
    "history_line_count": "history_lines",
    "historylinecount": "history_lines",
}
SWEEP = ("sweep", "sweep_name", "sweepname")
TIMES = {
    "created_at": "created_at",
    "createdat": "created_at",
    "updated_at": "updated_at",
    "updatedat": "updated_at",
    "heartbeat_at": "heartbeat_at",
    "heartbeatat": "heartbeat_at",
}
DOCUMENTS = {
    "config": "config",
    "summary_metrics": "summary",
    "summarymetrics": "summary",
    "summary": "summary",
    "system_metrics": "system_metrics",
    "systemmetrics": "system_metrics",
}
COMPARISONS = {"$gt": ">", "$gte": ">=", "$lt": "<", "$lte": "<="}


@dataclass(frozen=True)
class Operand:
    """Something to compare: an SQL expression, NULL where the run lacks it."""

    sql: str
    values: list[Any] = field(default_factory=list)
    read: Callable[[Any], Any] = lambda value: value
    is_list: bool = False  # a JSON array, of which any member may match
    present: bool = False  # a column that is never NULL
    exists: Where | None = None  # whether the run has it, where its value may be null
    also: Callable[[str], str] | None = None  # a test of {0} -> SQL: what matches besides `sql`


Resolve = Callable[[str], Operand]


def column_operand(columns: dict[str, Operand]) -> Resolve:
    """Keys that stand for the given operands, in camelCase or snake_case."""

    def resolve(key: str) -> Operand:
        found = columns.get(key.lower().replace("_", ""))
        if found is None:
            raise RequestError(f"filters: {key!r} is not known here")
        return found

    return resolve


def parse(text: str | None, operand: Resolve | None = None) -> Where:
    """The condition that a `filters` argument states; RequestError says what is not understood.

    `operand` tells what a key stands for; without it, keys are those of runs.
    """
    if not text:
        return Where("1")
    document = documents.read(text, "filters")
    if not document:
        return Where("1")
    return Parser(operand or run_operand).condition(document, 0)


class Parser:
    """Walks one filter document; the budget bounds the size of the SQL."""

    def __init__(self, operand: Resolve) -> None:
        self.operand = operand
        self.budget = MAX_CONDITIONS

    def spend(self, n: int = 1) -> None:
        self.budget -= n
        if self.budget < 0:
            raise RequestError(f"filters: more than {MAX_CONDITIONS} conditions")

    def condition(self, document: Any, level: int) -> Where:
        if not isinstance(document, dict):
            raise RequestError(f"filters: expected an object, not {document!r:.80}")
        if level > MAX_LEVELS:
            raise RequestError(f"filters: nested deeper than {MAX_LEVELS} levels")
        return join([self.entry(key, value, level) for key, value in document.items()], "AND")

    def entry(self, key: str, value: Any, level: int) -> Where:
        self.spend()
        if key in ("$and", "$or", "$nor"):
            if not isinstance(value, list):
                raise RequestError(f"filters: {key} wants a list")
            members = [self.condition(member, level + 1) for member in value]
            joined = join(members, "AND" if key == "$and" else "OR")
            return negate(joined) if key == "$nor" else joined
        if key == "$not":
            return negate(self.condition(value, level + 1))
        if key.startswith("$"):
            raise RequestError(f"filters: operator {key} is not known here")
        return self.field(self.operand(key), value, level + 1)

    def field(self, target: Operand, test: Any, level: int) -> Where:
        if not (isinstance(test, dict) and any(key.startswith("$") for key in test)):
            return equals(target, test)
        if level > MAX_LEVELS:
            raise RequestError(f"filters: nested deeper than {MAX_LEVELS} levels")
        parts = []
        for operator, value in test.items():
            self.spend()
            if operator == "$not":
                parts.append(negate(self.field(target, value, level + 1)))
            else:
                parts.append(compare(target, operator, value))
        return join(parts, "AND")


def compare(target: Operand, operator: str, value: Any) -> Where:
    if operator == "$eq":
        return equals(target, value)
    if operator == "$ne":
        return negate(equals(target, value))
    if operator in ("$in", "$nin", "$all"):
        if not isinstance(value, list):
            raise RequestError(f"filters: {operator} wants a list")
        if operator == "$all":
            return join([equals(target, member) for member in value[:MAX_CONDITIONS]], "AND")
        return is_in(target, value) if operator == "$in" else negate(is_in(target, value))
    if operator in COMPARISONS:
        read = scalar(target.read(value))
        # SQLite orders every number before every text: compare like with like only
        kind = "typeof({0}) = 'text'" if isinstance(read, str) else "typeof({0}) != 'text'"
        test = f"{{0}} {COMPARISONS[operator]} ? AND {kind}"
        return match(target, test, [read], 2)
    if operator == "$exists":
        return exists(target) if value else negate(exists(target))
    if operator in ("$regex", "$contains"):
        if not isinstance(value, str):
            raise RequestError(f"filters: {operator} wants a text")
        if operator == "$contains":
            return match(target, "contains(CAST({0} AS TEXT), ?)", [value], 1)
        return match(target, "({0}) REGEXP ?", [check_regex(value)], 1)
    raise RequestError(f"filters: operator {operator} is not known here")


def is_in(target: Operand, members: list[Any]) -> Where:
    """One of many; plain values are one parameter, whatever their number."""
    plain = [target.read(m) for m in members if is_plain(m)]
    others = [m for m in members if not is_plain(m)]
    test = "{0} IN (SELECT value FROM json_each(?))"
    matches = [match(target, test, [json.dumps(plain)], 1)] if plain else []
    return join(matches + [equals(target, m) for m in others[:MAX_CONDITIONS]], "OR")


def is_plain(value: Any) -> bool:
    """Whether JSON can hold the value as SQLite reads it."""
    return isinstance(value, (str, int)) or (isinstance(value, float) and math.isfinite(value))


def exists(target: Operand) -> Where:
    """Whether the run has it; in a document, a key whose value is null is there."""
    if target.exists:
        return target.exists
    if target.is_list:  # none of whose members need be there
        return Where(f"({target.sql}) IS NOT NULL", target.values)
    return match(target, "{0} IS NOT NULL", [], 1)


def equals(target: Operand, value: Any) -> Where:
    if value is None:  # or where the key is missing
        return negate(exists(replace(target, exists=None)))
    value = target.read(value)
    if isinstance(value, (list, dict)):
        text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
        return Where(f"({target.sql}) = json(?)", [*target.values, text])
    return match(target, "{0} = ?", [scalar(value)], 1)


def match(target: Operand, test: str, values: list[Any], uses: int) -> Where:
    """`test` about the operand, which it names as {0} `uses` times before its own values."""
    if target.is_list:
        inner = test.format("item.value")
        sql = f"EXISTS (SELECT 1 FROM json_each({target.sql}) AS item WHERE {inner})"
        return Where(sql, [*target.values, *values])
    own = target.values if uses == 2 else []  # {0} op ? AND typeof({0}): behind the value
    found = Where(test.format(f"({target.sql})"), [*target.values, *values, *own])
    return join([found, Where(target.also(test), values)], "OR") if target.also else found


def scalar(value: Any) -> Any:
    if isinstance(value, bool):
        return int(value)  # as json_extract gives it
    if isinstance(value, (int, float, str)):
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            return number(value)
        return value
    raise RequestError(f"filters: cannot compare with {value!r:.80}")


def check_regex(pattern: str) -> str:
    try:
        return patterns.check(pattern)
    except RequestError as error:
        raise RequestError(f"filters: $regex: {error}") from None


def read_time(value: Any) -> float:
    """Seconds since 1970 of an ISO time (UTC unless it says otherwise) or a number."""
    if not isinstance(value, str) and (seconds := number(value)) is not None:
        return seconds
    try:
        time = datetime.fromisoformat(str(value))
    except ValueError:
        raise RequestError(f"filters: {value!r:.80} is not a time") from None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


def run_operand(key: str) -> Operand:
    """What a filter's key, such as `config.optimizer.lr.value` or `state`, stands for."""
    head, _, rest = key.partition(".")
    lower = head.lower()
    if rest and lower in DOCUMENTS:
        return document_operand(DOCUMENTS[lower], rest)
    if key.lower() in SWEEP:
        return Operand("sweep", also=taken_over)
    if key.lower() in COLUMNS:
        column = COLUMNS[key.lower()]
        return Operand(column, present=column in ("name", "state", "history_lines"))
    if key.lower() in TIMES:
        return Operand(TIMES[key.lower()], read=read_time, present=True)
    if key.lower() in ("tags", "tag"):
        return Operand("tags", is_list=True)
    if key.lower() in ("user", "username", "user.username"):
        return Operand("?", [USER])
    if key.lower() == "entity":
        return Operand("(SELECT entity FROM projects WHERE projects.id = project_id)")
    if key.lower() in ("duration", "runtime", "compute_seconds", "computeseconds"):
        return Operand("coalesce(ended_at, heartbeat_at) - created_at")
    raise RequestError(f"filters: {key!r} is not known here")


def taken_over(test: str) -> str:
    """Runs that a sweep with such a name has taken over (`wandb sweep -R`). They stand in that
    sweep, too, while `runs.sweep` goes on to name the one that has made them, if any.
    """
    return (
        "id IN (SELECT run_id FROM prior_runs JOIN sweeps ON sweeps.id = prior_runs.sweep_id"
        f" WHERE {test.format('sweeps.name')})"
    )


def of_sweep(name: str) -> Where:
    """The runs of a sweep."""
    return equals(run_operand("sweep"), name)


def document_operand(column: str, path: str) -> Operand:
    """A value inside a JSON column.

    A dot may belong to a key or part two levels, and config values lie below `value`: the first
    reading that the run has is taken.
    """
    if '"' in path or "\0" in path:
        raise RequestError(f"filters: {path!r:.80} cannot be looked up")
    # SQLite's JSON has no NaN and Infinity, which clients write: `plain` turns them into texts
    plain = (
        f"CASE WHEN instr({column}, 'NaN') OR instr({column}, 'Infinity')"
        f" THEN plain({column}) ELSE {column} END"
    )
    wrapped, bare, outside = [], [], []
    parts = path.split(".")
    for depth in range(min(len(parts), MAX_PATH_PARTS)):
        # the first len - depth parts are one key, the others one level each
        first, others = ".".join(parts[: len(parts) - depth]), parts[len(parts) - depth :]
        if column != "config" or others[:1] == ["value"]:
            bare.append(Where(f"{{0}}({plain}, ?)", [json_path(first, *others)]))
            continue
        wrapped.append(Where(f"{{0}}({plain}, ?)", [json_path(first, "value", *others)]))
        bare.append(
            Where(
                f"CASE WHEN json_type({plain}, ?) IS NULL THEN {{0}}({plain}, ?) END",
                [json_path(first, "value"), json_path(first, *others)],
            )
        )
        if others[-1:] == ["value"]:  # said of the whole key, while it belongs to its first level
            inner = json_path(first, "value", *others[:-1])
            outside.append(Where(f"{{0}}({plain}, ?)", [inner]))
    readings = wrapped + bare + outside
    sql = ", ".join(part.sql for part in readings)
    values = [value for part in readings for value in part.values]
    return Operand(
        f"number(coalesce({sql.format('json_extract')}, NULL))",
        values,
        exists=Where(f"coalesce({sql.format('json_type')}, NULL) IS NOT NULL", values),
    )


def json_path(*keys: str) -> str:
    return "$" + "".join(f'."{key}"' for key in keys)


def parse_order(
    text: str | None, operand: Resolve | None = None, default: str = "+created_at"
) -> Order:
    """`+created_at` (default), `-summary_metrics.loss`, `config.lr.value`.

    NaN and the infinities count as missing: a run that diverged is the best one in no order.
    """
    text = (text or default).strip()
    key = text.lstrip("+-")
    target = (operand or run_operand)(key)
    sql = target.sql if target.present else f"nullif(nullif({target.sql}, 9e999), -9e999)"
    return Order(sql, target.values, text.startswith("-"), target.present)
