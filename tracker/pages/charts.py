"""The data of charts: curves of several keys over chosen runs."""

from __future__ import annotations

import math
import sqlite3
from collections import Counter
from collections.abc import Sequence

from tracker.documents import Object
from tracker.errors import RequestError
from tracker.pages import common, series
from tracker.pages.replicates import interval
from tracker.runs.tables import ProjectRow
from tracker.store.rows import Columns

MOST_RUNS = 40
MOST_KEYS = 24
MOST_KEY_CHARS = 2_000
STRETCHES = 200  # of an axis that runs share few places of


def check(names: Sequence[str], keys: Sequence[str], axis: str) -> None:
    if not 0 < len(names) <= MOST_RUNS or not 0 < len(keys) <= MOST_KEYS:
        raise RequestError(f"ask for 1 to {MOST_RUNS} runs and 1 to {MOST_KEYS} keys")
    if any(len(key) > MOST_KEY_CHARS for key in (*keys, axis)):
        raise RequestError(f"a key is longer than {MOST_KEY_CHARS} characters")


def curves(
    db: sqlite3.Connection,
    project: ProjectRow,
    names: Sequence[str],
    keys: Sequence[str],
    *,
    axis: str = "",
    table: str = "history",
    mean: str | None = None,
) -> Object:
    """{"curves": [{run, title, key, axis, x, y, marks, note, …}]}; runs without a key are left out.

    `axis`: a key of the rows; "" for what `define_metric` has said, or the step. `mean`: a key of
    the config, or several joined; in the place of runs with the same values stands their mean, with
    a band.
    """
    check(names, keys, axis)
    runs = [common.find_run(db, project, name) for name in dict.fromkeys(names)]
    read = [(run, series.points_of(db, run, keys, axis, table)) for run in runs]
    if mean is not None:
        return {"curves": means(read, mean)}
    return {
        "curves": [
            one_curve(run["name"], run["display_name"] or run["name"], curve)
            for run, found in read
            for curve in found
            if curve["points"] or curve["unplaced"]
        ]
    }


def one_curve(run: str, title: str, curve: Object) -> Object:
    points = curve.pop("points")
    whole = {"run": run, "title": title, **curve, **series.describe(points)}
    return {**whole, "note": series.note(whole)}


def means(read: Sequence[tuple[Columns, list[Object]]], key: str) -> list[Object]:
    """Of each key and each group of runs: `y` is the mean, `low` and `high` its 95 % interval."""
    groups: dict[str, list[tuple[Columns, list[Object]]]] = {}
    for run, found in read:
        title = common.named(common.config_values(run["config"]), key)
        groups.setdefault(title, []).append((run, found))
    curves = []
    for group, members in groups.items():
        for i, first in enumerate(members[0][1]):
            own = [found[i]["points"] for _, found in members if found[i]["points"]]
            if not own:
                continue
            points, band = mean_of(own)
            unplaced = sum(found[i]["unplaced"] for _, found in members)
            title = f"{group} ({len(own)} runs)"
            name = members[0][0]["name"]
            curve = {**first, "unplaced": unplaced, "points": points}
            drawn = one_curve(name, title, curve)
            drawn["low"] = [band[x][0] for x in drawn["x"]]
            drawn["high"] = [band[x][1] for x in drawn["x"]]
            curves.append(drawn)
    return curves


def mean_of(
    runs: Sequence[Sequence[series.Point]],
) -> tuple[list[series.Point], dict[float, tuple[float, float]]]:
    """Mean at each place, and its 95 % interval. Where runs share few places, as over time, places
    are the middles of STRETCHES equal stretches, in which each run counts once.
    """
    finite = [[(x, y) for x, y in points if math.isfinite(y)] for points in runs]
    counts = Counter(x for points in finite for x in {x for x, _ in points})
    if len(finite) > 1 and sum(n > 1 for n in counts.values()) < len(counts) / 2:
        low, high = min(counts), max(counts)
        width = (high - low) / STRETCHES or 1.0

        def middle(x: float) -> float:
            return low + (min(int((x - low) / width), STRETCHES - 1) + 0.5) * width

        finite = [[(middle(x), y) for x, y in points] for points in finite]
    at: dict[float, list[float]] = {}
    for points in finite:
        own: dict[float, list[float]] = {}
        for x, y in points:
            own.setdefault(x, []).append(y)
        for x, ys in own.items():
            at.setdefault(x, []).append(math.fsum(ys) / len(ys))
    band, found = {}, []
    for x in sorted(at):
        value = interval(at[x])
        half = value["half"] or 0.0
        band[x] = (value["mean"] - half, value["mean"] + half)
        found.append((x, value["mean"]))
    return found, band
