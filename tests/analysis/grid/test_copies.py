"""Which runs of a cell are copies of one another, and which only look alike."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from analysis.grid.copies import copies
from analysis.read.snapshot import Run

TWO = {"fusion": ["late", "concat"]}


def run_with(**history: list[float]) -> Run:
    """A run that logged nothing but this."""
    columns = {name.replace("__", "/"): np.array(column) for name, column in history.items()}
    return Run("id", "n", "finished", "2026", "", {}, {}, history=columns)


def test_a_copy_under_another_seed_is_found_by_its_logits_or_its_history(sweep) -> None:
    runs = {str(r.config["seed"]): r for r in sweep(TWO).runs if r.config["fusion"] == "late"}
    assert copies(runs) == {}
    again = copy.deepcopy(runs["1"])
    again.summary["epoch_seconds"] = 99.0
    again.history["epoch_seconds"] = np.array([1.0, 2.0])
    runs["1"].history["epoch_seconds"] = np.array([3.0, 2.0])
    runs["3"] = again
    assert copies(runs) == {"3": "1"}
    without_history, without_logits = copy.deepcopy(runs), copy.deepcopy(runs)
    for run in without_history.values():
        run.history = {}
    for run in without_logits.values():
        run.predictions = None
    assert copies(without_history) == copies(without_logits) == {"3": "1"}


@pytest.mark.parametrize(
    ("history", "same"),
    [
        ({"test__accuracy": [0.93]}, False),
        ({"accuracy": [0.91, 0.93, 0.93], "epoch": [1, 2, 3]}, False),
        ({"accuracy": [93.0], "lr": list(np.geomspace(0.1, 0.001, 20))}, False),
        ({"accuracy": [1.0] * 30, "iteration": list(range(30))}, False),
        ({"f1": [2 / 3, 0.9230769230769231]}, False),
        ({"loss": [0.6931471805599453]}, False),
        ({"loss": [0.7182818284, 0.5819767068]}, True),
        ({"accuracy": [k / 100 for k in (51, 62, 70, 77, 80, 84, 86, 89, 90)]}, True),
        ({"loss": [np.nan, np.nan]}, False),
    ],
)
def test_coarse_numbers_that_agree_are_no_copies(history, same: bool) -> None:
    found = copies({"0": run_with(**history), "1": run_with(**history)})
    assert found == ({"1": "0"} if same else {})


def test_equal_accuracies_by_chance_are_common_and_are_no_copies() -> None:
    rng = np.random.default_rng(0)
    shares = rng.binomial(100, 0.93, size=(500, 5)) / 100
    assert np.mean([len(set(row)) < 5 for row in shares]) > 0.6
    for row in shares:
        assert copies({str(i): run_with(accuracy=[v]) for i, v in enumerate(row)}) == {}
