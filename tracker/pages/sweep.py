"""What the page of a sweep shows, read from the store."""

from __future__ import annotations

import sqlite3

from contract.sweepfile.space import SweepConfig
from tracker.documents import Object
from tracker.pages import common
from tracker.runs.keys import of_sweep
from tracker.runs.rows import RunQuery
from tracker.sweeps import rows as sweep_rows
from tracker.sweeps.states import config_of

MOST_RUNS = 1_000
MOST_CURVES = 40  # of a chart over the runs of a sweep: the newest


def sweep(
    db: sqlite3.Connection, entity: str, name: str, sweep_name: str, alive_since: float
) -> Object:
    """`alive_since`: an agent not heard of since then has gone."""
    project = common.find_project(db, entity, name)
    row = common.find_sweep(db, project, sweep_name)
    config = config_of(row["config"])
    query = RunQuery(project["id"], [of_sweep(sweep_name)])
    runs = [common.with_values(run) for run in query.page(db, MOST_RUNS)]
    counts = sweep_rows.count_cells(db, row["id"])
    return {
        "project": project,
        "sweep": {**row, "title": row["display_name"] or config.name or row["name"]},
        "runs": runs,
        "total": query.count(db),
        "axes": varied(config),
        "metric": config.metric and config.metric.name,
        "goal": config.metric and config.metric.goal,
        "expected": config.expected,
        "cells": counts,
        "done": counts.get("done", 0),
        "alive": len(sweep_rows.live_agents(db, row["id"], alive_since)),
        "agents": sweep_rows.list_agents(db, row["id"]),
        "drawn": [run["name"] for run in runs[-MOST_CURVES:]],
    }


def varied(config: SweepConfig) -> list[str]:
    """The sweep's own axes: parameters with more than one value, nested ones with dots."""
    found = []
    for parameter in config.parameters:
        support = config.support(parameter)
        if support is None or len(support) > 1:
            found.append(".".join(parameter.path))
    return found
