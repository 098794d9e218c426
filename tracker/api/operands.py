"""What keys of filters and orders stand for, as SQL: columns, and values inside JSON columns."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from contract.values import number
from tracker.errors import RequestError
from tracker.store.where import Where

MAX_PATH_PARTS = 6
# keys that SQLite's JSON finds: writers may escape any other character, and it compares as written
SIMPLE = re.compile(r"[A-Za-z0-9 _./:;,@#$%*+=()\[\]{}|~^!?'`-]*")


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


def read_time(value: Any) -> float:
    """Seconds since 1970 of an ISO time (UTC unless it says otherwise) or a number."""
    if not isinstance(value, str) and (seconds := number(value)) is not None:
        return seconds
    try:
        time = datetime.fromisoformat(str(value))
    except ValueError:
        raise RequestError(f"filters: {value!r:.80} is not a time") from None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


def document_operand(column: str, path: str) -> Operand:
    """A value inside a JSON column.

    A dot may belong to a key or part two levels, and config values lie below `value`: the first
    reading that the run has is taken.
    """
    is_simple = SIMPLE.fullmatch(path) is not None
    extract, kind = ("json_extract", "json_type") if is_simple else ("looked_up", "kind_of")
    place = json_path if is_simple else listed
    # SQLite's JSON has no NaN and Infinity, which clients write: `plain` turns them into texts.
    # The limit keeps SQLite from looking for them again at every reading.
    source = (
        f"FROM (SELECT {column} AS document LIMIT 1)"
        if not is_simple
        else (
            f"FROM (SELECT CASE WHEN instr({column}, 'NaN') OR instr({column}, 'Infinity')"
            f" THEN plain({column}) ELSE {column} END AS document LIMIT 1)"
        )
    )
    wrapped, bare, outside = [], [], []
    parts = path.split(".")
    for depth in range(min(len(parts), MAX_PATH_PARTS)):
        # the first len - depth parts are one key, the others one level each
        first, others = ".".join(parts[: len(parts) - depth]), parts[len(parts) - depth :]
        if column != "config" or others[:1] == ["value"]:
            bare.append(Where("{0}(document, ?)", [place(first, *others)]))
            continue
        wrapped.append(Where("{0}(document, ?)", [place(first, "value", *others)]))
        bare.append(
            Where(
                f"CASE WHEN {kind}(document, ?) IS NULL THEN {{0}}(document, ?) END",
                [place(first, "value"), place(first, *others)],
            )
        )
        if others[-1:] == ["value"]:  # said of the whole key, while it belongs to its first level
            inner = place(first, "value", *others[:-1])
            outside.append(Where("{0}(document, ?)", [inner]))
    readings = wrapped + bare + outside
    sql = ", ".join(part.sql for part in readings)
    values = [value for part in readings for value in part.values]
    return Operand(
        f"(SELECT number(coalesce({sql.format(extract)}, NULL)) {source})",
        values,
        exists=Where(f"(SELECT coalesce({sql.format(kind)}, NULL) IS NOT NULL {source})", values),
    )


def listed(*keys: str) -> str:
    """A place in a document for the functions `looked_up` and `kind_of` of the store."""
    return json.dumps(keys)


def json_path(*keys: str) -> str:
    """A place in a document for SQLite's own functions, of keys that are SIMPLE."""
    return "$" + "".join(f'."{key}"' for key in keys)
