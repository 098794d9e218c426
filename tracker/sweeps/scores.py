"""What the sweep's metric has been: read from history as it arrives, kept per run, and what follows
from it (hyperband's stops, the target, what bayes is told).
"""

from __future__ import annotations

import json
import math
import sqlite3
from typing import Any

from contract.sweepfile import search
from contract.sweepfile.space import Metric, Observation, SweepConfig
from tracker.runs import lines as run_lines
from tracker.runs import rows as run_rows
from tracker.runs.history import MISSING, lookup
from tracker.runs.states import ENDED
from tracker.runs.tables import RunRow
from tracker.sweeps import rows as sweep_rows
from tracker.sweeps import score_rows
from tracker.sweeps.tables import ScoreRow

OBSERVED = 500  # newest cells that bayes is told of; its time grows with their number


def read(db: sqlite3.Connection, config: SweepConfig, sweep_id: int, run: RunRow) -> ScoreRow:
    """Read the history lines that came since the last time; return the score."""
    metric = config.metric
    assert metric is not None
    score = score_rows.get_score(db, sweep_id, run["id"])
    if score and score["lines"] > run["history_lines"]:  # the run was rewound, or begun anew
        score_rows.forget_score(db, sweep_id, run["id"])
        score = None
    score = score or unread(sweep_id, run["id"])
    fresh = run["history_lines"] - score["lines"]
    texts = run_lines.stored_lines(db, "history", run["id"], score["lines"], fresh)
    score["lines"] = run["history_lines"]
    for text in texts:
        value = number(json.loads(text), metric)
        if value is None:
            continue
        score["count"] += 1
        score["latest"] = value
        score["best"] = search.better(metric, score["best"], value)
        if config.hyperband and score["count"] in config.hyperband.rungs(score["count"]):
            score_rows.put_rung(db, sweep_id, score["count"], run["id"], value)
    score_rows.put_score(db, score)
    return score


def unread(sweep_id: int, run_id: int) -> ScoreRow:
    """The score of a run of which no history was read yet."""
    return {
        "run_id": run_id,
        "sweep_id": sweep_id,
        "lines": 0,
        "count": 0,
        "best": None,
        "latest": None,
    }


def read_all(db: sqlite3.Connection, config: SweepConfig, sweep_id: int, run: RunRow) -> bool:
    """Keep the score of a run that ended, its summary included; false where there is none."""
    if config.metric is None:
        return False
    score = read(db, config, sweep_id, run)
    value = number(json.loads(run["summary"]), config.metric)
    score["best"] = search.better(config.metric, score["best"], value)
    score["latest"] = score["latest"] if score["latest"] is not None else value
    score_rows.put_score(db, score)
    return score["best"] is not None


def number(row: dict[str, Any], metric: Metric) -> float | None:
    """The metric's finite value in a row of history or summary."""
    value = lookup(row, metric.name)
    if value is MISSING or isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if math.isfinite(value) else None


def judge(
    db: sqlite3.Connection, config: SweepConfig, sweep_id: int, run: RunRow, score: ScoreRow
) -> search.Decision | None:
    """Hyperband's decision on a running run; None before its first rung."""
    rung = score_rows.last_rung(db, sweep_id, run["id"]) if config.hyperband else None
    if rung is None or score["best"] is None:
        return None
    peers = score_rows.rung_values(db, sweep_id, rung["rung"])
    return search.judge(config, rung["rung"], rung["value"], score["best"], peers)


def observations(db: sqlite3.Connection, config: SweepConfig, sweep_id: int) -> list[Observation]:
    """What bayes is told, oldest first: results, imputed failures, pending cells."""
    metric = config.metric
    assert metric is not None
    rows = score_rows.observed_cells(db, sweep_id, OBSERVED)[::-1]
    results = [row["best"] for row in rows if row["state"] in ("done", "stopped")]
    worst = max((r for r in results if r is not None), key=lambda r: metric.sign * r, default=None)
    told = []
    for row in rows:
        value, pending = row["best"], row["state"] in ("leased", "waiting")
        if pending and metric.impute_while_running == "false":
            value = None
        elif pending or row["state"] == "failed" or value is None:
            way = metric.impute_while_running if pending else metric.impute
            value = search.impute(metric, way, row["best"], row["latest"], worst)
        told.append(Observation(json.loads(row["args"]), value, pending and value is None))
    return told


def best(db: sqlite3.Connection, config: SweepConfig, sweep_id: int) -> float | None:
    """Best value of the metric over all runs of the sweep."""
    highest = config.metric is not None and config.metric.goal == "maximize"
    return score_rows.best_score(db, sweep_id, highest=highest)


def read_anew(db: sqlite3.Connection, config: SweepConfig, sweep_id: int) -> None:
    """All scores of a sweep whose metric, or rungs, were changed."""
    for run_id in sweep_rows.attempted_runs(db, sweep_id):
        score_rows.forget_score(db, sweep_id, run_id)
        run = run_rows.get_run(db, run_id)
        if run and config.metric:
            ended = run["state"] in ENDED
            (read_all if ended else read)(db, config, sweep_id, run)
