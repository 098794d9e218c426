"""What the pages of projects show besides their runs, read from the store."""

from __future__ import annotations

import sqlite3

from tracker.artifacts import rows as artifact_rows
from tracker.documents import Object
from tracker.runs import file_rows
from tracker.runs.tables import ProjectRow
from tracker.store.rows import select
from tracker.store.where import Order, Where
from tracker.sweeps import rows as sweep_rows
from tracker.sweeps.states import config_of

MOST_SWEEPS = MOST_COLLECTIONS = 500


def sweeps(db: sqlite3.Connection, project: ProjectRow) -> list[Object]:
    """The newest first."""
    found = []
    for sweep in sweep_rows.list_sweeps(db, project["id"])[:MOST_SWEEPS]:
        config = config_of(sweep["config"])
        cells = sweep_rows.count_cells(db, sweep["id"])
        title = sweep["display_name"] or config.name or sweep["name"]
        metric = config.metric and config.metric.name
        row = {**sweep, "title": title, "cells": cells, "done": cells.get("done", 0)}
        found.append({**row, "expected": config.expected, "metric": metric})
    return found


def artifacts(db: sqlite3.Connection, project: ProjectRow) -> list[Object]:
    where = [Where("project_id = ?", [project["id"]])]
    return select(db, "collections", where, Order("name"), limit=MOST_COLLECTIONS)


def disk_use(db: sqlite3.Connection, project: ProjectRow) -> list[Object]:
    """`what`, and how many contents (`n`) of how many bytes (`size`) it holds; what several hold
    is stored once, and counted at each.
    """
    return [
        {"what": "files of runs", **file_rows.disk_use(db, project["id"])},
        {"what": "artifacts", **artifact_rows.disk_use(db, project["id"])},
    ]
