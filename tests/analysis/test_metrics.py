"""Units, directions, bounds and chance are declared; of a name alone nothing is concluded."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from analysis import metrics
from analysis.build import build
from analysis.read.snapshot import Snapshot
from analysis.show import render
from contract.plan import Fact

Sweep = Callable[..., Snapshot]
FACTS = {
    "loss": Fact(title="loss", unit="nats", better="lower", bound=0.0, chance=0.7),
    "val/loss": Fact(title="own", unit="bits"),
}


def test_a_name_alone_says_nothing() -> None:
    for name in ("test/loss", "test/accuracy", "val/f1", "score"):
        known = metrics.describe(name)
        assert (known.title, known.unit, known.better) == (name, "", "")
        assert known.bound is None and known.chance is None


def test_facts_are_found_by_the_whole_name_then_by_its_last_part() -> None:
    test, val = (metrics.describe(name, FACTS) for name in ("test/loss", "val/loss"))
    assert (test.title, test.unit, test.better, test.bound) == ("test loss", "nats", "lower", 0.0)
    assert (val.title, val.unit, val.bound) == ("validation own", "bits", None)


def test_the_sweeps_own_goal_gives_the_direction() -> None:
    goals = {"val/auc": "higher"}
    assert metrics.describe("val/auc", goals=goals).better == "higher"
    assert metrics.describe("test/auc", goals=goals).better == "higher"
    assert metrics.describe("test/loss", goals=goals).better == ""


def scaled(made: Snapshot, factor: float) -> Snapshot:
    """The same runs with accuracies in another unit, and without predictions."""
    made.sweep["config"]["metric"] = {"name": "test/accuracy", "goal": "maximize"}
    for run in made.runs:
        run.predictions = None
        run.summary = {
            name: value * factor if name.endswith("/accuracy") else value
            for name, value in run.summary.items()
            if not name.endswith(("/loss", "/f1"))
        }
    return made


def test_percent_accuracies_are_at_no_ceiling_and_no_chance(sweep: Sweep) -> None:
    report = build(scaled(sweep({"lr": [1, 2]}, seeds=5, name="mine"), 100))
    assert report.primary == "test/accuracy"
    assert not any(cell.saturated for cell in report.cells)
    assert "SATURATED" not in report.verdicts[report.primary]
    assert all(contrast.failed_at_chance is None for contrast in report.contrasts)
    assert not any("chance" in line or "ceiling" in line for line in report.warnings)
    assert "nats" not in render.markdown(report, [])


@pytest.mark.parametrize(
    ("values", "expected"), [([1.0] * 5, True), ([0.9] * 5, False), ([1.0] * 4 + [0.5], True)]
)
def test_with_a_declared_bound_they_are(
    sweep: Sweep, tmp_path, monkeypatch, values: list[float], expected: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.plan.yaml").write_text("facts: {accuracy: {better: higher, bound: 1}}\n")
    made = scaled(sweep({"lr": [1, 2]}, seeds=5, name="mine"), 1)
    for run in made.runs:
        run.summary["test/accuracy"] = values[run.config["seed"]]
    report = build(made)
    assert all((report.primary in cell.saturated) == expected for cell in report.cells)
    assert report.metric(report.primary).better == "higher"
