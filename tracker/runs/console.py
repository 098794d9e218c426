"""Console output of runs: the lines as clients send them, and what they say."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from graphql import GraphQLResolveInfo as Info

from contract.values import whole
from tracker.api import ids, paging
from tracker.documents import Object
from tracker.errors import RequestError
from tracker.runs import lines as run_lines
from tracker.runs.tables import RunRow

MAX_LINES = 10_000  # of one answer
PLAIN = re.compile(
    r"(?P<error>ERROR )?(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?) (?P<text>.*)"
)


def read_line(number: int, text: str) -> Object:
    """`[ERROR ]<time> <text>`, or a JSON object (structured console logs), or just text."""
    node: Object = {"number": number, "line": text, "level": "", "label": "", "timestamp": ""}
    if text.startswith("{"):
        return node | read_structured(text)
    found = PLAIN.match(text)
    if found:
        node |= {
            "line": found["text"],
            "level": "error" if found["error"] else "",
            "timestamp": found["time"],
        }
    return node


def read_structured(text: str) -> Object:
    try:
        values = whole(json.loads(text))
    except (ValueError, RecursionError):
        return {}
    if not isinstance(values, dict) or not isinstance(values.get("content"), str):
        return {}
    return {
        "line": values["content"],
        "level": str(values.get("level") or ""),
        "label": str(values.get("label") or ""),
        "timestamp": str(values.get("ts") or ""),
    }


def log_lines(
    source: RunRow,
    info: Info,
    first: int | None = None,
    last: int | None = None,
    after: str | None = None,
    **_: Any,
) -> Object:
    """From the beginning (or behind `after`), or the `last` lines."""
    limit = min(MAX_LINES if first is None else first, MAX_LINES)
    if limit < 0 or (last is not None and last < 0):
        raise RequestError("`first` and `last` must not be negative")
    place = paging.read_cursor(after) or [-1]
    with info.context.store.read() as db:
        if last is not None:
            lines = run_lines.last_log_lines(db, source["id"], min(last, MAX_LINES))
            limit = len(lines)
        else:
            lines = run_lines.log_lines(db, source["id"], int(place[0]), limit + 1)
    rows = [read_line(number, text) for number, text in lines]
    return paging.connection(rows, limit, lambda row: [row["number"]])


RESOLVERS: dict[str, dict[str, Callable[..., Any]]] = {
    "Run": {"logLines": log_lines},
    "LogLine": {"id": lambda row, info: ids.encode("LogLine", row["number"])},
}
