"""Where in a run a metric is read, and what is said of it."""

from __future__ import annotations

import numpy as np
import pytest

from analysis import choices
from analysis.build import build
from analysis.grid import at
from analysis.read.snapshot import Snapshot
from tests.analysis.strangers import run, snapshot

NAN = float("nan")
HISTORY = {
    "epoch": np.array([1, NAN, 2, NAN, 3]),
    "_step": np.arange(5.0),
    "acc": np.array([NAN, 0.5, NAN, 0.9, 0.7]),
}


def test_a_value_is_the_summarys_else_the_historys() -> None:
    told = run(0, {}, {"acc": 0.6}, history=HISTORY)
    only = run(1, {}, {}, history=HISTORY)
    bare = run(2, {}, {"acc": 0.6})
    assert [at.value(r, "acc", "") for r in (told, only, bare)] == [0.6, 0.7, 0.6]
    assert [at.value(r, "acc", "max") for r in (told, only, bare)] == [0.9, 0.9, 0.6]
    assert at.value(run(3, {}, {"acc.max": 0.95}, history=HISTORY), "acc", "max") == 0.95
    assert [at.value(told, "acc", epoch) for epoch in (1, 2, 3, 4)] == [0.5, 0.9, 0.7, None]
    steps = run(4, {}, {}, history={n: v for n, v in HISTORY.items() if n != "epoch"})
    assert at.value(steps, "acc", 3) == 0.9
    assert at.value(run(5, {}, {"acc": "NaN"}, history=HISTORY), "acc", "max") == "NaN"


def taken() -> Snapshot:
    """Two arms whose metric stands in the history alone."""
    draws = np.random.default_rng(0)
    runs = []
    for arm in ("a", "b"):
        for seed in range(4):
            acc = draws.random(6)
            runs.append(run(len(runs), {"arm": arm, "seed": seed}, {}, history={"acc": acc}))
    parameters = {"arm": {"values": ["a", "b"]}, "seed": {"values": [0, 1, 2, 3]}}
    return snapshot(runs, parameters, metric={"name": "acc", "goal": "maximize"})


def test_a_metric_of_the_history_alone_is_judged() -> None:
    made = taken()
    report = build(made)
    assert report.primary == "acc" and report.contrasts[0].n == 4
    first = made.runs[0].history["acc"]
    assert report.cells[0].metrics["acc"].values["0"] == pytest.approx(first[-1])
    assert not any("inflates" in line for line in report.warnings)


def test_the_maximum_of_a_curve_is_called_inflated() -> None:
    made = taken()
    made.choices = choices.said({"at": "best"})
    report = build(made)
    values = report.cells[0].metrics["acc"].values
    assert values["0"] == pytest.approx(made.runs[0].history["acc"].max())
    assert any("acc is the highest of up to 6 evaluations" in line for line in report.warnings)
    logged = taken()
    for item in logged.runs:  # as programs do that keep the best
        item.summary["best_acc"] = float(item.history["acc"].max())
    logged.choices = choices.said({"metric": ["best_acc"]})
    lines = build(logged).warnings
    assert any("best_acc is the highest of up to 6 evaluations of acc" in line for line in lines)


def test_best_needs_a_direction() -> None:
    made = taken()
    del made.sweep["config"]["metric"]
    made.choices = choices.said({"metric": ["acc"], "at": "best"})
    with pytest.raises(at.AtError, match="--better"):
        build(made)
    made.choices = choices.said({"metric": ["acc"], "at": "best", "better": ["lower"]})
    assert build(made).metric("acc").better == "lower"
