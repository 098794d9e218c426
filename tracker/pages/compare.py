"""Chosen runs side by side: what differs between them, and their curves over each other."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Sequence
from typing import Any

from contract.values import number
from tracker.documents import Object
from tracker.errors import RequestError
from tracker.pages import charts, common, series
from tracker.runs.tables import ProjectRow

MOST_ROWS = 1_000  # of a table
MOST_COLOURS = 10
REPLICATE = "seed"  # an axis that is no part of a cell


def compare(
    db: sqlite3.Connection,
    project: ProjectRow,
    names: Sequence[str],
    *,
    baseline: str = "",
    everything: bool = False,
    colour: str = "",
) -> Object:
    """`names`: of runs; the first is the baseline unless another is named. `colour`: a key of the
    config by which curves are coloured, and over whose values they are averaged if wanted.
    """
    asked = list(dict.fromkeys(names))
    names = asked[: charts.MOST_RUNS]
    if not names:
        raise RequestError("choose the runs to compare in the table of a project")
    rows = [common.find_run(db, project, name) for name in names]
    runs = [common.with_values(row) for row in rows]
    base = next((run for run in runs if run["name"] == baseline), runs[0])
    keys = sorted({key for row in rows for key in series.numeric_keys(row)})
    differing = varied([run["values"] for run in runs])
    other = varied([run["results"] for run in runs])
    config = lines(runs, base, "values", None if everything else differing)
    results = lines(runs, base, "results", None if everything else other)
    colour = colour if colour in differing else default_colour(runs, differing)
    return {
        "runs": runs,
        "left_out": len(asked) - len(names),
        "baseline": base["name"],
        "everything": everything,
        "config": config[:MOST_ROWS],
        "results": results[:MOST_ROWS],
        "cut": max(0, len(config) - MOST_ROWS) + max(0, len(results) - MOST_ROWS),
        "sections": series.sections(keys),
        "axes": series.axes_of(rows),
        "differing": differing,
        "colour": colour,
        "legend": legend(runs, colour),
    }


def varied(documents: Sequence[dict[str, Any]]) -> list[str]:
    """Keys whose value is not the same, and there, in all of the documents."""
    found: dict[str, set[str]] = {}
    for values in documents:
        for key, value in values.items():
            found.setdefault(key, set()).add(text(value))
    absent = {key for key in found if any(key not in values for values in documents)}
    return sorted(key for key, values in found.items() if len(values) > 1 or key in absent)


def text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def lines(
    runs: Sequence[Object], base: Object, part: str, keys: Sequence[str] | None
) -> list[Object]:
    """A row of a table for each key: every run's value, whether it is the baseline's, and of
    numbers the difference to it.
    """
    chosen = sorted({key for run in runs for key in run[part]}) if keys is None else keys
    found = []
    for key in chosen:
        own = base[part].get(key)
        cells = []
        for run in runs:
            value = run[part].get(key)
            cells.append(
                {
                    "value": value,
                    "missing": key not in run[part],
                    "same": run is base or text(value) == text(own),
                    "delta": difference(value, own) if run is not base else None,
                }
            )
        found.append({"key": key, "cells": cells})
    return found


def difference(value: Any, base: Any) -> float | None:
    a, b = number(value), number(base)
    if a is None or b is None or not math.isfinite(a - b):
        return None
    return a - b


def default_colour(runs: Sequence[Object], differing: Sequence[str]) -> str:
    """The axis with fewest values, as of which there are replicates; "": every run for itself."""
    counts = {
        key: len({text(run["values"].get(key)) for run in runs})
        for key in differing
        if key.rpartition(".")[2] != REPLICATE
    }
    fitting = [key for key, n in counts.items() if n <= MOST_COLOURS and n < len(runs)]
    return min(fitting, key=lambda key: (counts[key], key), default="")


def legend(runs: Sequence[Object], colour: str) -> list[Object]:
    """Runs of one colour each: `title`, `place` (which colour), `runs` (names)."""
    if not colour:
        return [{"title": r["title"], "place": i, "runs": [r["name"]]} for i, r in enumerate(runs)]
    groups: dict[str, list[Object]] = {}
    for run in runs:
        groups.setdefault(common.named(run["values"], colour), []).append(run)

    def place(title: str) -> list[tuple[Any, ...]]:
        values = groups[title][0]["values"]
        return [rank(values.get(key)) for key in colour.split(common.TOGETHER)]

    return [
        {"title": title, "place": i, "runs": [run["name"] for run in groups[title]]}
        for i, title in enumerate(sorted(groups, key=place))
    ]


def rank(value: Any) -> tuple[Any, ...]:
    """An order of values of any kind: numbers before all others."""
    read = number(value)
    return read is None, read or 0.0, str(value)
