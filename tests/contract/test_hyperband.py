"""What a metric's goal means, and hyperband's rungs, as pure functions."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.sweepfile.search import better, impute, judge, reached
from contract.sweepfile.space import (
    Metric,
    SweepConfig,
)
from tests.contract.test_search import config

# --- metric ---


def test_metric_goal_target_and_imputation() -> None:
    low, high = Metric("m", target=0.5), Metric("m", goal="maximize", target=0.5)
    assert better(low, 3, 1) == 1 and better(high, 3, 1) == 3
    assert better(low, None, 3) == 3 and better(low, None, None) is None
    assert reached(low, 0.5) and not reached(low, 0.6) and not reached(low, None)
    assert reached(high, 0.6) and not reached(high, 0.4) and not reached(Metric("m"), 0)
    assert impute(low, "worst", best=1, latest=5, worst=9) == 9
    assert impute(low, "latest", best=1, latest=5, worst=9) == 5
    assert impute(low, "best", best=1, latest=5, worst=9) == 1
    assert impute(low, "best", best=None, latest=None, worst=9) == 9
    assert impute(low, "worst", best=1, latest=5, worst=None) is None


# --- hyperband ---


def hyperband(goal: str = "minimize", **spec: Any) -> SweepConfig:
    return config(
        "random",
        {"x": {"min": 0.0, "max": 1.0}},
        metric={"name": "loss", "goal": goal},
        early_terminate={"type": "hyperband", **spec},
    )


@pytest.mark.parametrize(
    ("spec", "length", "rungs"),
    [
        ({"min_iter": 3}, 30, [3, 9, 27]),
        ({"min_iter": 3}, 2, []),
        ({"min_iter": 1, "eta": 1.5}, 6, [1, 2, 3, 5]),
        ({"max_iter": 27, "s": 2}, 30, [3, 9]),
        ({"max_iter": 27, "s": 9}, 8, [1, 3]),
        ({"max_iter": 5, "s": 2, "eta": 2}, 9, [1, 2]),
    ],
)
def test_rungs(spec: dict, length: int, rungs: list[int]) -> None:
    config = hyperband(**spec)
    assert config.hyperband is not None and config.hyperband.rungs(length) == rungs


def rank(config: SweepConfig, histories: dict[str, list[float]]) -> dict[str, bool]:
    """name -> stopped, when all runs are judged at once."""
    assert config.hyperband is not None and config.metric is not None
    sign = config.metric.sign
    rungs = {name: config.hyperband.rungs(len(h)) for name, h in histories.items()}
    decisions = {}
    for name, history in histories.items():
        if rungs[name]:
            rung = rungs[name][-1]
            peers = [h[rung - 1] for other, h in histories.items() if rung in rungs[other]]
            best = sign * min(sign * value for value in history)
            decisions[name] = judge(config, rung, history[rung - 1], best, peers)
    return {name: getattr(decisions.get(name), "stop", False) for name in histories}


def test_the_published_example_of_wandbs_library() -> None:
    """The docstring of hyperband_stop_runs in PyPI `sweeps` 0.3; running runs are b, c, d."""
    config = hyperband(max_iter=5, s=2, eta=2, strict=False)
    histories = {"a": [10, 9], "b": [10, 10], "c": [10, 8, 8], "d": [10, 7, 7], "e": [10, 6, 6]}
    stopped = rank(config, {name: list(map(float, h)) for name, h in histories.items()})
    assert {name: stopped[name] for name in "bcd"} == {"b": True, "c": False, "d": False}


def test_maximize_is_minimize_upside_down() -> None:
    histories = {name: [float(v)] * 3 for name, v in zip("abcdef", range(6), strict=True)}
    upside = {name: [-v for v in history] for name, history in histories.items()}
    low = rank(hyperband(min_iter=3), histories)
    assert low == rank(hyperband("maximize", min_iter=3), upside)
    assert [name for name, stop in low.items() if not stop] == ["a", "b", "c"]


def test_strict_judges_the_rung_and_lenient_the_best_so_far() -> None:
    histories = {"early": [1.0, 9.0], "late": [9.0, 1.0], "top": [2.0, 0.5], "mid": [3.0, 1.5]}
    assert rank(hyperband(min_iter=2), histories)["early"]
    assert not rank(hyperband(min_iter=2, strict=False), histories)["early"]


def test_a_decision_says_why() -> None:
    decision = judge(hyperband(min_iter=2), 2, 0.9, 0.8, [0.2, 0.3, 0.9, 0.8])
    assert decision is not None and decision.stop
    assert decision.reason == (
        "loss 0.9 at rung 2 is outside the top 1/3 of 4 runs (threshold 0.3, minimize)"
    )


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.floats(-5, 5), min_size=1, max_size=12), min_size=1, max_size=8))
def test_the_best_run_at_a_rung_is_never_stopped(histories: list[list[float]]) -> None:
    config = hyperband(min_iter=1, eta=2)
    stopped = rank(config, {str(i): history for i, history in enumerate(histories)})
    assert config.hyperband is not None
    top = max(len(config.hyperband.rungs(len(history))) for history in histories)
    rung = 2 ** (top - 1)
    at_top = {str(i): h[rung - 1] for i, h in enumerate(histories) if len(h) >= rung}
    assert not stopped[min(at_top, key=lambda name: at_top[name])]
