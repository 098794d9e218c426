"""Pure functions over history rows: which keys a run has logged, sampling, look-up."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from contract.values import WORDS, finite, number

Keys = dict[
    str, Any
]  # {"keys": {name: {"typeCounts": [{"type", "count"}], …}}, "sets", "lastStep"}

MISSING = object()


def lookup(row: dict[str, Any], key: str) -> Any:
    """The value of a key, in which a dot may part two levels; MISSING where there is none."""
    if key in row:
        return row[key]
    head, dot, rest = key.rpartition(".")
    while dot:
        inner = row.get(head, MISSING)
        if isinstance(inner, dict) and (value := lookup(inner, rest)) is not MISSING:
            return value
        head, dot, more = head.rpartition(".")
        rest = f"{more}.{rest}"
    return MISSING


def flatten(row: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted key, value); a media object (`_type`) is one value."""
    for key, value in row.items():
        if isinstance(value, dict) and "_type" not in value and value:
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def type_name(value: Any) -> str:
    if isinstance(value, dict):
        return str(value.get("_type", "map"))
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, (int, float)):
        return "number"
    if isinstance(value, str):
        return "number" if value in WORDS else "string"
    return "list" if isinstance(value, list) else "nil"


def merge_keys(keys: Keys, rows: Iterable[dict[str, Any]], last_step: int) -> Keys:
    """`keys` with the rows counted in, in the form of the field `historyKeys`."""
    known = keys.setdefault("keys", {})
    for row in rows:
        for key, value in flatten(row):
            entry = known.setdefault(key, {"typeCounts": [], "monotonic": True})
            count_type(entry["typeCounts"], type_name(value))
            if isinstance(value, (int, float)) and math.isfinite(number(value) or 0):
                previous = entry.get("previousValue")
                if previous is not None and value <= previous:
                    entry["monotonic"] = False
                entry["previousValue"] = value
    keys.setdefault("sets", [])
    keys["lastStep"] = last_step
    return keys


def count_type(counts: list[dict[str, Any]], name: str) -> None:
    for entry in counts:
        if entry["type"] == name:
            entry["count"] += 1
            return
    counts.append({"type": name, "count": 1})


def thin(rows: Sequence[Any], samples: int) -> list[Any]:
    """At most `samples` rows, evenly spaced, always with the first and the last."""
    n = len(rows)
    if samples <= 0 or n <= samples:
        return list(rows)
    if samples == 1:
        return [rows[-1]]
    return [rows[i * (n - 1) // (samples - 1)] for i in range(samples)]


def select(texts: Iterable[str], keys: Sequence[str]) -> list[dict[str, Any]]:
    """Rows that hold every one of `keys`, reduced to them; whole rows where `keys` is empty."""
    rows = (finite(json.loads(text)) for text in texts)
    if not keys:
        return list(rows)
    chosen = ({key: lookup(row, key) for key in keys} for row in rows)
    return [row for row in chosen if all(value is not MISSING for value in row.values())]
