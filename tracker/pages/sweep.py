"""What the page of a sweep shows, read from the store."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Sequence
from typing import Any

from contract.sweepfile.space import SweepConfig
from contract.values import number
from tracker.documents import Object
from tracker.pages import charts, common, compare, console
from tracker.runs import history
from tracker.runs import lines as run_lines
from tracker.runs.keys import of_sweep
from tracker.runs.rows import RunQuery
from tracker.sweeps import rows as sweep_rows
from tracker.sweeps import score_rows
from tracker.sweeps.states import config_of
from tracker.sweeps.tables import SweepRow

MOST_RUNS = MOST_CELLS = 2_000
MOST_TROUBLES = 50  # failed and retried cells that are shown with their console
MOST_DECISIONS = 200
LAST_LINES = 8
SHADES = 8  # of a heat map
SHOWN_RUNS = 200


def sweep(
    db: sqlite3.Connection,
    entity: str,
    name: str,
    sweep_name: str,
    *,
    alive_since: float,
    colour: str = "",
) -> Object:
    """`alive_since`: an agent not heard of since then has gone. `colour`: the axis, or a
    cell's axes together, by which the learning curves are coloured.
    """
    project = common.find_project(db, entity, name)
    row = common.find_sweep(db, project, sweep_name)
    config = config_of(row["config"])
    query = RunQuery(project["id"], [of_sweep(sweep_name)])
    runs = [common.with_values(run) for run in query.page(db, MOST_RUNS)]
    axes, metric = varied(config), config.metric and config.metric.name
    cells = cells_of(db, row, {run["id"]: run for run in runs}, metric)
    counts = sweep_rows.count_cells(db, row["id"])
    drawn = runs[-charts.MOST_RUNS :]
    of_cell = [axis for axis in axes if axis not in seeds_of(axes)]
    colours = [*axes, *([common.TOGETHER.join(of_cell)] if len(of_cell) > 1 else [])]
    colour = colour if colour in colours else compare.default_colour(drawn, axes)
    return {
        "project": project,
        "sweep": {**row, "title": row["display_name"] or config.name or row["name"]},
        "runs": runs[-SHOWN_RUNS:][::-1],
        "total": query.count(db),
        "axes": axes,
        "metric": metric,
        "goal": config.metric and config.metric.goal,
        "expected": config.expected,
        "cells": counts,
        "done": counts.get("done", 0),
        "alive": set(sweep_rows.live_agents(db, row["id"], alive_since)),
        "agents": agents_of(db, row["id"]),
        "map": heat_map(cells, axes, config),
        "troubles": troubles(db, cells),
        "decisions": sweep_rows.last_decisions(db, row["id"], MOST_DECISIONS),
        "rungs": score_rows.rungs_of(db, row["id"]) if config.hyperband else [],
        "parallel": parallel(runs, axes, metric),
        "drawn": [run["name"] for run in drawn],
        "colour": colour,
        "colours": colours,
        "legend": compare.legend(drawn, colour) if drawn else [],
    }


def varied(config: SweepConfig) -> list[str]:
    """The sweep's own axes: parameters with more than one value, nested ones with dots."""
    found = []
    for parameter in config.parameters:
        support = config.support(parameter)
        if support is None or len(support) > 1:
            found.append(".".join(parameter.path))
    return found


def agents_of(db: sqlite3.Connection, sweep_id: int) -> list[Object]:
    outcomes = sweep_rows.count_outcomes(db, sweep_id)
    found = sweep_rows.list_agents(db, sweep_id)
    return [{**agent, "outcomes": outcomes.get(agent["id"], {})} for agent in found]


def cells_of(
    db: sqlite3.Connection, sweep: SweepRow, runs: dict[int, Object], metric: str | None
) -> list[Object]:
    """Cells with their flat `values`, and the `result` of the run of their last attempt."""
    found = []
    for cell in sweep_rows.cells_with_attempts(db, sweep["id"], MOST_CELLS):
        run = runs.get(cell["run_id"])
        result = number(run["results"].get(metric)) if run and metric else None
        values = dict(history.flatten(json.loads(cell["args"])))
        found.append({**cell, "values": values, "result": result})
    return found


def seeds_of(axes: Sequence[str]) -> list[str]:
    """Axes that are no part of a cell: their runs are its replicates."""
    return [axis for axis in axes if axis.rpartition(".")[2] == compare.REPLICATE]


def heat_map(cells: Sequence[Object], axes: Sequence[str], config: SweepConfig) -> Object | None:
    """Rows are cells without their seed, columns are seeds; None where there is nothing to lay out.

    A place holds the cell's state and result, and its shade: 0 for the worst result, SHADES - 1
    for the best.
    """
    seeds = seeds_of(axes)
    rest = [axis for axis in axes if axis not in seeds]
    if not cells or not axes:
        return None
    rows: dict[str, Object] = {}
    columns: dict[str, list[Any]] = {}
    for cell in cells:
        own = [cell["values"].get(axis) for axis in rest]
        across = [cell["values"].get(axis) for axis in seeds]
        columns.setdefault(json.dumps(across), across)
        line = rows.setdefault(json.dumps(own), {"values": own, "places": {}})
        line["places"][json.dumps(across)] = cell
    results = [cell["result"] for cell in cells if is_measured(cell)]
    sign = config.metric.sign if config.metric else 1
    low, high = min(results, default=0.0), max(results, default=0.0)

    def shade(cell: Object) -> int | None:
        if not is_measured(cell):
            return None
        part = (cell["result"] - low) / (high - low) if high > low else 0.5
        return round((part if sign < 0 else 1 - part) * (SHADES - 1))

    for cell in cells:
        cell["shade"] = shade(cell)
    order = sorted(columns, key=lambda key: [compare.rank(value) for value in columns[key]])
    return {
        "axes": rest,
        "seeds": seeds,
        "columns": [columns[key] for key in order],
        "rows": [
            {"values": line["values"], "places": [line["places"].get(key) for key in order]}
            for line in rows.values()
        ],
    }


def is_measured(cell: Object) -> bool:
    """Whether a cell has a result that counts, or is on the way to one."""
    result = cell["result"]
    return cell["state"] in ("done", "leased") and result is not None and math.isfinite(result)


def troubles(db: sqlite3.Connection, cells: Sequence[Object]) -> list[Object]:
    """Cells that have failed or were tried more than once, with their run's last console lines."""
    odd = [cell for cell in cells if cell["attempts"] > 1 or cell["outcome"] in sweep_rows.FAULTS]
    return [
        {
            **cell,
            "lines": console.rendered(run_lines.last_log_lines(db, cell["run_id"], LAST_LINES))
            if cell["run_id"]
            else [],
        }
        for cell in sorted(odd, key=lambda cell: (cell["state"] != "failed", -cell["id"]))
    ][:MOST_TROUBLES]


def parallel(runs: Sequence[Object], axes: Sequence[str], metric: str | None) -> Object | None:
    """Data of the parallel coordinates: axes, and of every run its name and value on each."""
    names = [*axes, *([metric] if metric else [])]
    lines = []
    for run in runs:
        values = [run["values"].get(axis) for axis in axes]
        if metric:
            result = number(run["results"].get(metric))
            values.append(result if result is not None and math.isfinite(result) else None)
        if all(value is not None for value in values):
            lines.append({"run": run["name"], "title": run["title"], "values": values})
    return {"axes": names, "lines": lines} if len(lines) > 1 and len(names) > 1 else None
