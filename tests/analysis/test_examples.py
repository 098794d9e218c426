"""Terms per example of any metric: they open DIFFERENT where the metric is their mean."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.build import build
from analysis.read import fetch, snapshot
from analysis.read.snapshot import Examples, Snapshot, Terms
from contract import examples as tables

Sweep = Callable[..., Snapshot]
N = 60


@pytest.fixture
def taken(sweep: Sweep) -> Snapshot:
    """Squared errors of two arms, of which the second is lower on every example."""
    made = sweep({"lr": [1, 2]}, seeds=5, name="mine", n=20, common={"epochs": 3})
    made.sweep["config"]["metric"] = {"name": "mse", "goal": "minimize"}
    ids = Examples(tuple(f"{i:03d}" for i in range(N)), np.zeros(0, dtype=np.int8))
    draws = np.random.default_rng(0)
    own = draws.random(N)
    for run in made.runs:
        terms = own + (run.config["lr"] == 1) + 0.1 * draws.random(N)
        run.summary, run.predictions = {"mse": float(terms.mean())}, None
        run.terms = Terms(ids, {"mse": terms})
    return made


def verdict(taken: Snapshot) -> str:
    (contrast,) = build(taken).contrasts
    return contrast.verdict


def test_terms_of_any_metric_open_different(taken: Snapshot) -> None:
    report = build(taken)
    (contrast,) = report.contrasts
    assert contrast.metric == "mse" and contrast.verdict == "DIFFERENT"
    assert contrast.crossed is not None and contrast.crossed.examples == N
    for run in taken.runs:
        run.terms = None
    assert verdict(taken) != "DIFFERENT"


def test_terms_whose_mean_is_not_the_metric_do_not_count(taken: Snapshot) -> None:
    for run in taken.runs:
        run.summary["mse"] *= 2
    report = build(taken)
    assert report.contrasts[0].crossed is None
    assert any("mse of 10 runs is not what" in line for line in report.warnings)


def test_runs_on_other_examples_are_not_compared(taken: Snapshot) -> None:
    for run in taken.runs:
        if run.config["lr"] == 2:
            assert run.terms is not None
            other = Examples(tuple(f"x{i:03d}" for i in range(N)), np.zeros(0, dtype=np.int8))
            run.terms = Terms(other, run.terms.columns)
    assert verdict(taken) == "NOT_COMPARABLE"


def test_terms_survive_the_snapshot_and_are_read_from_a_file(
    taken: Snapshot, tmp_path: Path
) -> None:
    snapshot.save(taken, tmp_path / "snapshot.json.gz")
    again = snapshot.load(tmp_path / "snapshot.json.gz")
    assert again.body == taken.body and verdict(again) == "DIFFERENT"
    terms = taken.runs[0].terms
    assert terms is not None
    tables.write(tmp_path / "examples.csv", terms.examples.pairs, terms.columns)
    shared: dict[str, Any] = {terms.examples.digest: terms.examples}
    found = fetch.parse_terms(tmp_path / "examples.csv", shared)
    assert found is not None and found.examples is terms.examples
    np.testing.assert_array_equal(found.columns["mse"], terms.columns["mse"])
    (tmp_path / "examples.csv").write_text("example,mse\na,b\n")
    assert fetch.parse_terms(tmp_path / "examples.csv", shared) is None
