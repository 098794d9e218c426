"""What the pages of projects show, read from the store."""

from __future__ import annotations

import sqlite3
from typing import Any

from contract.sweepfile.read import load
from tracker.pages import common
from tracker.runs.rows import RunQuery
from tracker.store.rows import Row, select
from tracker.store.where import Order, Where
from tracker.sweeps import rows as sweep_rows

RUNS_PER_PAGE = 100


def project(db: sqlite3.Connection, entity: str, name: str, before: list[Any] | None) -> Row:
    row = common.find_project(db, entity, name)
    query = RunQuery(row["id"], order=Order(descending=True))
    runs = query.page(db, RUNS_PER_PAGE + 1, before)
    return {
        "project": row,
        "runs": [common.with_values(run) for run in runs[:RUNS_PER_PAGE]],
        "more": runs[RUNS_PER_PAGE - 1]["cursor"] if len(runs) > RUNS_PER_PAGE else None,
        "total": query.count(db),
        "sweeps": [
            {
                **sweep,
                "title": sweep["display_name"]
                or load(sweep["config"]).get("name")
                or sweep["name"],
                "cells": sweep_rows.count_cells(db, sweep["id"]),
            }
            for sweep in sweep_rows.list_sweeps(db, row["id"])
        ],
        "artifacts": select(
            db, "collections", [Where("project_id = ?", [row["id"]])], Order("name"), limit=200
        ),
    }
