"""The data of charts: curves of several keys over chosen runs."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from tracker.errors import RequestError
from tracker.pages import common, series
from tracker.store.rows import Row

MOST_RUNS = 40
MOST_KEYS = 24
MOST_KEY_CHARS = 2_000


def check(names: Sequence[str], keys: Sequence[str], axis: str) -> None:
    if not 0 < len(names) <= MOST_RUNS or not 0 < len(keys) <= MOST_KEYS:
        raise RequestError(f"ask for 1 to {MOST_RUNS} runs and 1 to {MOST_KEYS} keys")
    if any(len(key) > MOST_KEY_CHARS for key in (*keys, axis)):
        raise RequestError(f"a key is longer than {MOST_KEY_CHARS} characters")


def curves(
    db: sqlite3.Connection,
    entity: str,
    project: str,
    names: Sequence[str],
    keys: Sequence[str],
    *,
    axis: str = "",
    table: str = "history",
) -> Row:
    """{"curves": [{run, title, key, axis, x, y, marks, note, …}]}; runs without a key are left out.

    `axis`: a key of the rows; "" for what `define_metric` has said, or the step.
    """
    check(names, keys, axis)
    here = common.find_project(db, entity, project)
    runs = [common.find_run(db, here, name) for name in dict.fromkeys(names)]
    found = []
    for run in runs:
        for curve in series.curves(db, run, keys, axis, table):
            if curve["total"] or curve["unplaced"]:
                title = run["display_name"] or run["name"]
                found.append(
                    {"run": run["name"], "title": title, **curve, "note": series.note(curve)}
                )
    return {"curves": found}
