"""What it takes to resolve what is open: seeds, runs, and minutes as they passed here."""

from __future__ import annotations

import math
from datetime import datetime

import numpy as np

from analysis.grid.cells import Cell, Grid
from analysis.judge.sequential import cells_of, undecided
from analysis.judge.verdict import INCONCLUSIVE
from analysis.read.snapshot import Run
from analysis.schema import report as schema

FEWEST = 4  # what `--max-seeds` takes at least


def more(report: schema.Report, grid: Grid) -> schema.More | None:
    """Seeds for the question where it is open, else for what is open beside it."""
    members = [*report.effects, *report.contrasts]
    members = [item for item in members if item.metric == report.primary]
    open_ = undecided(report.model_dump(include={"effects", "contrasts", "primary"}))
    asked = [item for item in open_ if item["main"] or not any(m.main for m in members)]
    found = asked or open_
    forecast = [
        item["seeds_needed_looks"] for item in found
        if item["seeds_needed_looks"] and item["verdict"] == INCONCLUSIVE
    ]  # fmt: skip
    if not forecast:
        return None
    most = max((len(cell.slots) for cell in grid.cells), default=0)
    seeds = max(max(forecast) if asked else min(forecast), most + 1, FEWEST)
    about = cells_of(report.model_dump(include={"cells"}), open_)
    cells = [cell for cell in grid.cells if cell.config in about]
    added = [seeds - len(cell.runs) for cell in cells]
    anywhere = seconds([run for cell in grid.cells for run in cell.runs.values()])
    times = [_seconds(cell, anywhere) for cell in cells]
    return schema.More(
        question=bool(asked),
        comparisons=len(found),
        seeds=seeds,
        without=sum(item["verdict"] == INCONCLUSIVE for item in found) - len(forecast),
        runs=sum(added),
        minutes=math.ceil(sum(n * t for n, t in zip(added, times, strict=True)) / 60)
        if math.isfinite(sum(times)) else math.nan,
    )  # fmt: skip


def _seconds(cell: Cell, otherwise: float) -> float:
    found = seconds(list(cell.runs.values()))
    return found if math.isfinite(found) else otherwise


def seconds(runs: list[Run]) -> float:
    """Median time from the start of a run to its last sign of life; NaN where none is known."""
    found = [_lasted(run.created_at, run.heartbeat_at) for run in runs]
    known = [value for value in found if value > 0]
    return float(np.median(known)) if known else math.nan


def _lasted(start: str, end: str) -> float:
    try:
        return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
    except (TypeError, ValueError):  # unknown, or one with a time zone and one without
        return math.nan
