"""Losing predictions, cells or copied runs never raises a verdict, and a copy never counts."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analysis.build import build
from analysis.judge.verdict import DIFFERENT, DIFFERENT_HERE, EQUIVALENT
from analysis.read import snapshot
from analysis.read.snapshot import Snapshot

AXES = {"fusion": ["late", "concat", "add"], "downsample": ["maxpool", "strided_append"]}
# how much is claimed; what claims nothing is equal
RANKS = {DIFFERENT: 2, EQUIVALENT: 2, DIFFERENT_HERE: 1}
Key = tuple[str, str, str]


def verdicts(taken: Snapshot) -> dict[Key, str]:
    """Every verdict of the report, of contrasts and of pooled effects."""
    made = build(taken)
    found = {(c.a_label, c.b_label, c.metric): c.verdict for c in made.contrasts}
    return found | {(str(e.a), str(e.b), e.metric): e.verdict for e in made.effects}


def made_by(sweep, seed: int) -> Snapshot:
    """Six cells with effects of all sizes, so that every verdict occurs."""
    level = {"late": 1.2, "concat": 1.45, "add": 1.3}
    return sweep(
        AXES,
        4 + seed % 3,
        quality=lambda c: level[c["fusion"]] + 0.25 * (c["downsample"] == "strided_append"),
        name="maxpool_vs_strided_ablation",
        own_sd=0.2,
        seed_sd=0.04,
        n=200,
        rng=seed,
        common={"epochs": 3},
    )


def cell_of(run: Any) -> tuple[str, str]:
    return run.config["fusion"], run.config["downsample"]


@given(st.integers(0, 40), st.sampled_from(["predictions", "cells"]), st.data())
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_losing_never_raises_a_verdict(sweep, seed: int, what: str, data) -> None:
    whole = made_by(sweep, seed)
    cells = sorted({cell_of(run) for run in whole.runs})
    lost = data.draw(st.sets(st.sampled_from(cells), min_size=1, max_size=len(cells)))
    before = verdicts(whole)
    runs = copy.copy(whole.runs)
    if what == "cells":
        runs = [run for run in runs if cell_of(run) not in lost]
    else:
        ids = {run.id for run in runs if cell_of(run) in lost}
        few = data.draw(st.sets(st.sampled_from(sorted(ids)), min_size=1))
        runs = [copy.copy(run) for run in runs]
        for run in runs:
            run.predictions = None if run.id in few else run.predictions
    after = verdicts(Snapshot(whole.sweep, runs))
    for key, verdict in after.items():
        assert RANKS.get(verdict, 0) <= RANKS.get(before[key], 0), (key, before[key], verdict)


def copied(taken: Snapshot, arm: str, seeds: list[int]) -> Snapshot:
    """The same sweep; runs of an arm with these seeds are copies of its first."""
    first = next(r for r in taken.runs if r.config["fusion"] == arm)
    runs = []
    for run in taken.runs:
        if run.config["fusion"] == arm and run.config["seed"] in seeds:
            again = copy.deepcopy(first)
            again.id, again.config = run.id, run.config
            again.summary["epoch_seconds"] *= 1.1
            run = again
        runs.append(run)
    return Snapshot(taken.sweep, runs)


def test_copies_count_once(sweep) -> None:
    whole = sweep({"fusion": ["late", "concat"]}, 6)
    with_copies = copied(whole, "concat", [1, 2])
    report = build(with_copies)
    assert [c.n for c in report.contrasts] == [4, 4, 4]
    cell = next(cell for cell in report.cells if cell.label == "concat")
    assert cell.copies == {"1": "0", "2": "0"} and cell.metrics["test/loss"].n == 4
    said = [w for w in report.warnings if "copies" in w]
    assert len(said) == 1 and "concat 1, 2" in said[0]
    kept = [r for r in whole.runs if (r.config["fusion"], r.config["seed"]) not in
            {("concat", 1), ("concat", 2)}]  # fmt: skip
    for one, other in zip(
        report.contrasts, build(Snapshot(whole.sweep, kept)).contrasts, strict=True
    ):
        assert (one.delta, one.p_holm, one.verdict) == (other.delta, other.p_holm, other.verdict)


def test_a_sweep_of_copies_shows_nothing(sweep) -> None:
    taken = sweep({"fusion": ["late", "concat", "add"]}, 5)
    for arm in ("late", "concat", "add"):
        taken = copied(taken, arm, [1, 2, 3, 4])
    report = build(taken)
    assert {c.verdict for c in report.contrasts} == {"INSUFFICIENT"}
    assert report.contrasts[0].sentence == "8 of 10 runs are copies of one another; no inference."


def unseeded(taken: Snapshot) -> Snapshot:
    """The same runs, of a sweep that lists no seed."""
    del taken.sweep["config"]["parameters"]["seed"]
    return taken


def test_repeats_of_a_cell_without_a_seed_are_unpaired_replicates(sweep) -> None:
    taken = unseeded(sweep({"fusion": ["late", "concat"]}, 6))
    for run in taken.runs[::2]:
        del run.config["seed"]
    taken.runs.pop()
    report = build(taken)
    assert report.grid.expected == report.grid.done == 11 and report.grid.duplicates == 0
    contrast = report.contrasts[0]
    assert not contrast.matched and contrast.n == 5 and contrast.deltas == {}
    assert contrast.verdict == "DIFFERENT" and "5 unpaired runs each" in contrast.sentence
    assert contrast.p == pytest.approx(contrast.p) and contrast.welch_low == contrast.low
    assert contrast.p_family is not None and contrast.crossed is not None
    assert contrast.p_family >= (contrast.crossed.p or 0)


def test_effects_over_cells_without_seeds(sweep) -> None:
    taken = unseeded(made_by(sweep, 5))
    for run in taken.runs:
        del run.config["seed"]
    report = build(taken)
    assert report.effects and not any(e.matched for e in report.effects)
    effect = report.effects[0]
    deltas = [c.delta or 0.0 for c in report.contrasts if c.metric == effect.metric]
    assert effect.delta == pytest.approx(sum(deltas) / len(deltas))


def test_the_family_is_that_of_the_declared_grid(sweep) -> None:
    whole = made_by(sweep, 6)
    report = build(whole)
    assert {c.family for c in report.contrasts} == {4} == {e.family for e in report.effects}
    gone = [run for run in whole.runs if run.config["fusion"] != "late"]
    fewer = build(Snapshot(whole.sweep, gone))
    assert {c.family for c in fewer.contrasts} == {4}
    assert {e.verdict for e in fewer.effects} == {"INSUFFICIENT"}
    assert fewer.effects[0].sentence == "1 of 3 levels lack a cell; no inference."


def test_a_difference_that_is_the_same_in_every_seed_is_not_for_want_of_seeds(sweep) -> None:
    taken = sweep({"fusion": ["late", "concat"]}, 5, name="mine")
    taken.sweep["config"]["metric"] = {"name": "score", "goal": "maximize"}
    for run in taken.runs:
        run.summary = {"score": 0.75 + 0.1 * (run.config["fusion"] == "late")}
        run.predictions = None
    contrast = build(taken).contrasts[0]
    assert contrast.verdict == "INCONCLUSIVE" and "no spread" in contrast.sentence
    assert "Only" not in contrast.sentence and "same in every" in contrast.needs


def returns(sweep) -> Snapshot:
    """A sweep whose metric is no mean over a test set."""
    taken = sweep({"kind": ["a", "b"]}, 6, name="agents")
    taken.sweep["config"]["metric"] = {"name": "return", "goal": "maximize"}
    for run in taken.runs:
        level = 200.0 if run.config["kind"] == "a" else 260.0
        run.summary = {"return": level + 10 * run.summary["test/loss"]}
        run.predictions = None
    return taken


def test_a_return_is_about_seeds_where_somebody_says_so(sweep, tmp_path) -> None:
    taken = returns(sweep)
    here = build(taken)
    assert here.contrasts[0].verdict == DIFFERENT_HERE
    assert "no per-example terms were logged" in here.contrasts[0].sentence
    assert any("--population seeds" in warning for warning in here.warnings)
    path = tmp_path / "s.json.gz"
    taken.choices = {"population": "seeds"}
    snapshot.save(taken, path)
    report = build(snapshot.load(path))
    assert report.contrasts[0].verdict == DIFFERENT
    assert "test set" not in report.contrasts[0].sentence
    assert "examples" not in report.contrasts[0].sentence
    assert not any("--population" in warning for warning in report.warnings)


def test_a_plan_says_what_a_metric_is_about(sweep, tmp_path, monkeypatch) -> None:
    facts = "facts: {return: {better: higher, population: seeds}}\n"
    plan = "kind: architecture\naxis: kind\nbaseline: a\nmetrics: [return]\n"
    (tmp_path / "agents.plan.yaml").write_text(plan + facts)
    monkeypatch.chdir(tmp_path)
    assert build(returns(sweep)).contrasts[0].verdict == DIFFERENT
