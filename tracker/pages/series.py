"""Curves: which keys a run has, over what they are drawn, and few points that look like all."""

from __future__ import annotations

import bisect
import itertools
import json
import math
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from contract.values import number, word
from tracker.api.operands import SIMPLE, json_path
from tracker.documents import Object
from tracker.runs import history
from tracker.runs import lines as run_lines
from tracker.store.rows import Columns

MOST_POINTS = 1_000  # of one curve
MOST_MARKS = 100  # of non-finite values of one curve, that are named with their place
STEP, RUNTIME, EPOCH = "_step", "_runtime", "epoch"
MOST_DOTS = 4  # in a key that SQLite looks for: each of them doubles the places to look
Point = tuple[float, float]  # y may be NaN or infinite


def numeric_keys(run: Columns) -> list[str]:
    """Every key that was logged as a number, but for the clocks."""
    keys = json.loads(run["history_keys"]).get("keys", {})
    return sorted(
        key
        for key, entry in keys.items()
        if not key.startswith("_") and any(c["type"] == "number" for c in entry["typeCounts"])
    )


def sections(keys: Iterable[str]) -> list[tuple[str, list[str]]]:
    """Keys by what stands before their first slash, those without one first."""
    found: dict[str, list[str]] = {}
    for key in keys:
        head, slash, _ = key.partition("/")
        found.setdefault(head if slash else "", []).append(key)
    return sorted(found.items())


def defined_axes(run: Columns) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """What `define_metric` has said: key -> its axis, and (prefix of keys, axis) for `name*`.

    The client keeps it in the config, by the numbers of its protocol's fields: 1 name, 2 a name
    with `*`, 5 the place of the axis in this list, from 1.
    """
    internal = json.loads(run["config"]).get("_wandb")
    internal = internal.get("value", internal) if isinstance(internal, dict) else {}
    defined = internal.get("m") if isinstance(internal, dict) else None
    defined = [d for d in defined if isinstance(d, dict)] if isinstance(defined, list) else []
    names, prefixes = {}, []
    for entry in defined:
        place = entry.get("5")
        if not isinstance(place, int) or not 0 < place <= len(defined):
            continue
        axis = defined[place - 1].get("1")
        if isinstance(axis, str) and isinstance(entry.get("1"), str):
            names[entry["1"]] = axis
        elif isinstance(axis, str) and isinstance(entry.get("2"), str):
            prefixes.append((entry["2"].rstrip("*"), axis))
    return names, prefixes


def axis_of(run: Columns, key: str) -> str:
    """The axis over which a key is drawn unless somebody chooses another: `_step`, or what
    `define_metric` has said.
    """
    names, prefixes = defined_axes(run)
    if key in names:
        return names[key]
    fitting = [(prefix, axis) for prefix, axis in prefixes if key.startswith(prefix)]
    return max(fitting, key=lambda pair: len(pair[0]))[1] if fitting else STEP


def axes_of(runs: Sequence[Columns]) -> list[tuple[str, str]]:
    """(axis, its name) that can be chosen for these runs."""
    found = [("", "as logged"), (STEP, "step"), (RUNTIME, "relative time")]
    known = {key for run in runs for key in numeric_keys(run)}
    defined = {axis for run in runs for axis in defined_axes(run)[0].values()}
    defined |= {axis for run in runs for _, axis in defined_axes(run)[1]}
    chosen = sorted((defined & known) | ({EPOCH} & known))
    return found + [(axis, axis) for axis in chosen if axis != STEP]


def read_columns(
    db: sqlite3.Connection, table: str, run_id: int, keys: Sequence[str]
) -> list[list[float | None]]:
    """The numbers of each key, row by row; None where a row has none there."""
    rows = read_rows(db, table, run_id, keys)
    columns = list(zip(*rows, strict=True)) or [()] * len(keys)
    return [[v if v.__class__ is float else number(v) for v in column] for column in columns]


def read_rows(
    db: sqlite3.Connection, table: str, run_id: int, keys: Sequence[str]
) -> Iterable[Sequence[Any]]:
    """The values of the keys in each row; what is a list or an object may come as JSON.

    SQLite picks them out of the text, in a tenth of the time that it takes to make a dict of it.
    """
    if all(SIMPLE.fullmatch(key) and key.count(".") <= MOST_DOTS for key in keys):
        return run_lines.picked_values(db, table, run_id, [paths(key) for key in keys])
    texts = map(json.loads, run_lines.row_texts(db, table, run_id))
    return ([history.lookup(row, key) for key in keys] for row in texts)


def paths(key: str) -> list[str]:
    """Where a key may stand: it is one name, or any of its dots parts two levels."""

    def ways(text: str) -> list[list[str]]:
        cuts = [i for i, sign in enumerate(text) if sign == "."][::-1]
        return [[text]] + [[text[:i], *way] for i in cuts for way in ways(text[i + 1 :])]

    return [json_path(*way) for way in ways(key)]


def points_of(
    db: sqlite3.Connection,
    run: Columns,
    keys: Sequence[str],
    axis: str = "",
    table: str = "history",
) -> list[Object]:
    """All points of each key, over `axis` or over its own where that is ""; `unplaced` is how many
    rows have the key and not the axis.
    """
    own = [axis or (axis_of(run, key) if table == "history" else RUNTIME) for key in keys]
    names = list(dict.fromkeys([*keys, *own]))
    columns = dict(zip(names, read_columns(db, table, run["id"], names), strict=True))
    found = []
    for key, across in zip(keys, own, strict=True):
        pairs = [
            (x, y) for x, y in zip(columns[across], columns[key], strict=True) if y is not None
        ]
        points = [(x, y) for x, y in pairs if x is not None and math.isfinite(x)]
        if any(a[0] > b[0] for a, b in itertools.pairwise(points)):
            points.sort(key=lambda point: point[0])
        unplaced = len(pairs) - len(points)
        found.append({"key": key, "axis": across, "unplaced": unplaced, "points": points})
    return found


def describe(points: list[Point]) -> Object:
    """A curve for a browser: `x`, `y` (null where it has a gap, at a value that is not finite),
    `marks` of those, and how many points there are in all.
    """
    kept = thin(points, MOST_POINTS)
    odd = [(x, word(y)) for x, y in points if not math.isfinite(y)]
    return {
        "x": [x for x, _ in kept],
        "y": [y if math.isfinite(y) else None for _, y in kept],
        "total": len(points),
        "marks": odd[:MOST_MARKS],
        "odd": len(odd),
    }


def thin(points: Sequence[Point], most: int) -> list[Point]:
    """At most `most` (>= 8) points in their order, with the first, the last, and of every stretch
    between them the lowest, the highest and the first that is not finite.
    """
    n = len(points)
    if n <= most:
        return list(points)
    ys = [y for _, y in points]
    odd = [i for i, y in enumerate(ys) if not math.isfinite(y)]
    low, high = list(ys), list(ys)  # in which what is not finite is neither lowest nor highest
    for i in odd:
        low[i], high[i] = math.inf, -math.inf
    stretches = (most - 2) // 3
    edges = [1 + s * (n - 2) // stretches for s in range(stretches + 1)]
    kept = {0, n - 1}
    for start, end in itertools.pairwise(edges):
        kept.add(low.index(min(low[start:end]), start))
        kept.add(high.index(max(high[start:end]), start))
        first = bisect.bisect_left(odd, start)
        if first < len(odd) and odd[first] < end:
            kept.add(odd[first])
    return [points[i] for i in sorted(kept)]


def note(curve: Object) -> str:
    """What is not drawn of a curve, in words; "" where all of it is."""
    parts: list[Any] = []
    if len(curve["x"]) < curve["total"]:
        parts.append(
            f"{len(curve['x'])} of {curve['total']} points, lowest and highest of each stretch"
        )
    if curve["odd"]:
        parts.append(f"{curve['odd']} not finite")
    if curve["unplaced"]:
        parts.append(f"{curve['unplaced']} without {curve['axis']}")
    return "; ".join(parts)
