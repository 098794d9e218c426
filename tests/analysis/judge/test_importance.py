"""Importance of parameters: null parameters are called important as seldom as is said."""

from __future__ import annotations

import re

import numpy as np
import pytest
from scipy import stats as scipy_stats

from analysis.build import build
from analysis.judge import importance
from analysis.read.snapshot import Snapshot
from analysis.show.pictures.results import real
from analysis.show.render import markdown
from tests.analysis.strangers import run, snapshot

TRIALS = 400


def drawn(rng: np.random.Generator, n: int) -> list[dict]:
    return [
        {"lr": float(10 ** rng.uniform(-5, -1)), "opt": str(rng.choice(["a", "b", "c"])),
         "wd": float(rng.uniform(0, 1))}
        for _ in range(n)
    ]  # fmt: skip


def estimates(rng: np.random.Generator, configs: list[dict], effect: float) -> dict:
    """Heavy-tailed losses; `effect` of the logarithm of lr, none of the others."""
    x = np.log10([config["lr"] for config in configs])
    losses = np.exp(effect * x + rng.standard_t(3, size=len(configs)))
    columns = importance.design(configs, ["lr", "opt", "wd"]).columns
    found = importance.shares(scipy_stats.rankdata(losses), columns)
    return {name: rest for name, *rest in found}


def test_parameters_of_no_effect_are_called_important_one_time_in_twenty() -> None:
    rng = np.random.default_rng(0)
    low, p = [], []
    for _ in range(TRIALS):
        found = estimates(rng, drawn(rng, 30), 1.0)
        low += [found[name][1] > 0 for name in ("opt", "wd")]
        p += [found[name][3] < 0.05 for name in ("opt", "wd")]
    assert np.mean(p) == pytest.approx(0.05, abs=0.025)
    assert np.mean(low) < 0.025  # an interval that excludes none is rarer still


def test_points_that_earlier_runs_chose_make_no_parameter_important() -> None:
    """Every point is drawn near the lowest loss so far: a crude search by experience."""
    rng = np.random.default_rng(1)
    hits = []
    for _ in range(TRIALS):
        points, losses = [], []
        for i in range(40):
            centre = points[int(np.argmin(losses))] if i > 10 else rng.uniform(size=2)
            wild = rng.uniform() < 0.3
            points.append(rng.uniform(size=2) if wild else np.clip(
                centre + 0.1 * rng.normal(size=2), 0, 1))  # fmt: skip
            losses.append(points[-1][0] + rng.normal())
        configs = [{"x": float(a), "null": float(b)} for a, b in points]
        columns = importance.design(configs, ["x", "null"]).columns
        found = importance.shares(scipy_stats.rankdata(losses), columns)
        hits.append(found[1][4] < 0.05)
    assert np.mean(hits) < 0.09


def test_an_interval_holds_the_share_that_many_runs_tell() -> None:
    rng = np.random.default_rng(2)
    truth = estimates(rng, drawn(rng, 40_000), 1.0)["lr"][0]
    inside = []
    for _ in range(TRIALS):
        share, low, high, _ = estimates(rng, drawn(rng, 40), 1.0)["lr"]
        assert low <= share <= high
        inside.append(low <= truth <= high)
    assert np.mean(inside) == pytest.approx(0.955, abs=0.03)


def test_the_noncentral_f_is_scipys_where_that_works() -> None:
    for lam in (0.5, 3.0, 40.0, 900.0):
        for f in (0.3, 2.0, 20.0):
            ours = importance.noncentral_cdf(f, 2, 30, lam)
            assert ours == pytest.approx(scipy_stats.ncf.cdf(f, 2, 30, lam), abs=1e-6)
    lam = importance.noncentrality(20.0, 2, 30, 0.025)
    assert importance.noncentral_cdf(20.0, 2, 30, lam) == pytest.approx(0.025, abs=1e-6)


def searched(n: int, method: str = "random", goal: str | None = "minimize") -> Snapshot:
    rng = np.random.default_rng(3)
    runs = []
    for i, config in enumerate(drawn(rng, n)):
        loss = np.log10(config["lr"]) + 0.1 * rng.normal()
        runs.append(run(i, {**config, "seed": i}, {"val_loss": loss}))
    parameters = {
        "lr": {"distribution": "log_uniform_values", "min": 1e-5, "max": 0.1},
        "opt": {"values": ["a", "b", "c"]}, "wd": {"min": 0.0, "max": 1.0},
    }  # fmt: skip
    own = {"metric": {"name": "val_loss", "goal": goal}} if goal else {}
    return snapshot(runs, parameters, method=method, run_cap=n, **own)


def test_a_search_has_runs_in_order_and_parameters_that_matter_or_cannot_be_told() -> None:
    report = build(searched(40, "bayes"))
    assert report.search is not None and not report.contrasts
    values = [top.value for top in report.search.top]
    assert len(values) == 10 and values == sorted(values, key=real)
    first, *others = report.search.importance
    assert first.parameter == "lr" and real(first.low) > 0.5
    assert all(real(item.p_holm) >= 0.05 for item in others)
    text = markdown(report, [])
    assert re.search(r"\| lr \| 0\.9\d+ \[0\.\d+, 0\.\d+\] .* matters \|", text)
    assert text.count("cannot be told from no effect") == 2
    assert "which earlier runs chose" in text


def test_too_few_runs_or_no_direction_are_said() -> None:
    report = build(searched(12))
    assert report.search is not None and report.search.importance == []
    said = "12 finished runs are too few for 3 parameters: it takes 30, 10 a parameter"
    assert f"The importance of parameters cannot be told: {said}." in markdown(report, [])
    taken = searched(40, goal=None)
    taken.sweep["config"]["metric"] = {}
    report = build(taken)
    assert report.search is not None and report.search.top == []
    assert "runs are in no order: `--better lower`" in markdown(report, [])
