"""What may be compared: mutated runs, leaks, saturation, noise floors, missing predictions."""

from __future__ import annotations

import pytest
from scipy import stats as scipy_stats

from analysis.build import build
from analysis.read.snapshot import Examples, Predictions

TWO = {"fusion": ["late", "concat"]}


def verdicts(report, metric: str = "test/loss") -> list[str]:
    return [c.verdict for c in report.contrasts if c.metric == metric]


@pytest.mark.parametrize("key", ["data_hash", "split_hash", "test_hash"])
def test_other_hashes_forbid_a_comparison(sweep, key: str) -> None:
    made = sweep(TWO)
    made.runs[1].provenance[key] = "another"
    report = build(made)
    assert verdicts(report) == ["NOT_COMPARABLE"]
    assert report.contrasts[0].differing == [key]
    assert any(key in warning for warning in report.warnings)


@pytest.mark.parametrize(
    ("key", "value"), [("epochs", 7), ("batch_size", 64), ("learning_rate", 0.01), ("width", 0.5)]
)
def test_a_leaked_setting_forbids_a_comparison(sweep, key: str, value: float) -> None:
    made = sweep(TWO, common={"width": 0.25})
    made.runs[1].config[key] = value
    report = build(made)
    assert verdicts(report) == ["NOT_COMPARABLE"]
    assert key in report.contrasts[0].differing
    assert key in report.constants.leaked


@pytest.mark.parametrize("key", ["commit", "torch", "gpu", "precision"])
def test_another_environment_is_a_warning(sweep, key: str) -> None:
    made = sweep(TWO)
    made.runs[1].provenance[key] = "another"
    report = build(made)
    assert "NOT_COMPARABLE" not in verdicts(report)
    assert any(w.startswith("Runs differ in") and key in w for w in report.warnings)


def test_other_examples_forbid_a_comparison_even_if_hashes_agree(sweep) -> None:
    made = sweep(TWO)
    before = made.runs[1].predictions
    pairs = tuple(f"cubes/9{i:03d}" for i in range(before.examples.labels.size))
    other = Examples(pairs, before.examples.labels)
    made.runs[1].predictions = Predictions(other, before.logits)
    assert verdicts(build(made)) == ["NOT_COMPARABLE"]


def test_a_summary_that_is_not_what_the_predictions_give(sweep) -> None:
    made = sweep(TWO)
    made.runs[1].summary["test/accuracy"] += 0.05
    report = build(made)
    assert verdicts(report, "test/accuracy") == ["NOT_COMPARABLE"]
    assert verdicts(report, "test/loss") != ["NOT_COMPARABLE"]
    assert any("is not what their predictions give" in warning for warning in report.warnings)


def test_a_swept_axis_explains_what_it_changes(sweep) -> None:
    made = sweep({"train_pairs": [400, 800]}, name="strided_concat_by_train_pairs")
    for run in made.runs:
        run.provenance["split_hash"] = str(run.config["train_pairs"])
    assert "NOT_COMPARABLE" not in verdicts(build(made))
    made.runs[0].provenance["test_hash"] = "another"
    assert verdicts(build(made)) == ["NOT_COMPARABLE"]


def test_unknown_hashes_are_named_not_guessed(sweep) -> None:
    made = sweep(TWO)
    made.runs[0].provenance["data_hash"] = ""
    report = build(made)
    assert "NOT_COMPARABLE" not in verdicts(report)
    assert any("equality is not verified" in warning for warning in report.warnings)


def test_two_saturated_cells_are_not_ranked(sweep) -> None:
    arms = {"fusion": ["late", "concat", "add"]}
    made = sweep(arms, quality=lambda c: 1.0 if c["fusion"] == "add" else 9.0)
    report = build(made)
    found = {
        (c.a_label, c.b_label): c.verdict for c in report.contrasts if c.metric == "test/accuracy"
    }
    assert found["concat", "late"] == "SATURATED"
    assert found["add", "late"] == found["concat", "add"] == "DIFFERENT"
    assert any("reach the ceiling" in warning for warning in report.warnings)


def test_cells_that_are_always_right_are_saturated_not_unknown(sweep) -> None:
    made = sweep(TWO, quality=lambda _: 30.0)
    assert verdicts(build(made), "test/accuracy") == ["SATURATED"]
    assert build(made).contrasts[-1].delta == 0


def test_cells_at_chance_are_named(sweep) -> None:
    made = sweep(TWO, quality=lambda c: 1.5 if c["fusion"] == "concat" else 0.0, own_sd=0.01)
    found = [w for w in build(made).warnings if "not above chance" in w]
    assert found == ["1 of 2 cells are not above chance on test/accuracy in any run: late."]


def test_tiny_losses_are_below_fp32_resolution(sweep) -> None:
    made = sweep(TWO, quality=lambda _: 40.0)
    report = build(made)
    assert verdicts(report) == ["SATURATED"]


def test_two_cells_of_one_model_give_a_noise_floor(sweep, tmp_path, monkeypatch) -> None:
    """Without a seed in common: on the same seeds they would be the same bits."""
    arms = {"fusion": ["late", "again", "concat"]}
    made = sweep(arms, 8, quality=lambda _: 1.4, name="twice", seed_sd=0.3, own_sd=0.0)
    axis = "kind: architecture\naxis: fusion\nbaseline: late\nmetrics: [loss]\n"
    floor = "noise_floor: [{fusion: late}, {fusion: again}]\n"
    (tmp_path / "twice.plan.yaml").write_text(axis + floor)
    monkeypatch.chdir(tmp_path)
    report = build(made)
    values = {c.label: list(c.metrics["test/loss"].values.values()) for c in report.cells}
    found = scipy_stats.ttest_ind(values["late"][::2], values["again"][1::2], equal_var=False)
    ends = found.confidence_interval(0.95)
    assert report.noise[0].range == pytest.approx(max(abs(ends.low), abs(ends.high)))
    assert report.noise[0].n == 8
    assert set(verdicts(report)) == {"BELOW_NOISE_FLOOR"}


def test_without_predictions_only_this_test_set_is_spoken_of(sweep) -> None:
    made = sweep(TWO)
    for run in made.runs:
        run.predictions = None
    report = build(made)
    assert verdicts(report) == ["DIFFERENT_HERE"]
    assert report.contrasts[0].crossed is None
    assert any("No per-example terms are known" in warning for warning in report.warnings)


def test_a_declared_margin_makes_equivalence_possible(sweep) -> None:
    made = sweep(TWO, quality=lambda _: 3.0, seed_sd=0.01, own_sd=0.05, n=2000)
    found = {c.metric: c for c in build(made).contrasts}
    assert found["test/accuracy"].verdict == "EQUIVALENT"
    assert found["test/accuracy"].margin == 0.01
    assert found["test/loss"].verdict != "EQUIVALENT"


def test_disjoint_seeds_are_not_paired(sweep) -> None:
    made = sweep(TWO, seeds=6)
    made.runs = [
        run for run in made.runs if (run.config["fusion"] == "late") == (run.config["seed"] < 3)
    ]
    contrast = build(made).contrasts[0]
    assert (contrast.n, contrast.verdict) == (0, "INSUFFICIENT")
    assert contrast.unmatched_a == ["3", "4", "5"] and contrast.unmatched_b == ["0", "1", "2"]
    assert contrast.welch_low is not None


def test_failed_runs_are_put_at_chance_as_sensitivity(sweep) -> None:
    made = sweep(TWO)
    assert all(c.failed_at_chance is None for c in build(made).contrasts)
    made.runs[1].state = "failed"
    made.runs[3].summary |= {"diverged": True}
    for name in ("test/loss", "test/f1", "test/accuracy"):
        del made.runs[3].summary[name]
    found = {c.metric: c for c in build(made).contrasts}
    accuracy = found["test/accuracy"]
    assert accuracy.n == 3 and accuracy.delta is not None
    assert accuracy.failed_at_chance is not None and accuracy.failed_at_chance < accuracy.delta


def test_costs_are_paired_on_equal_hardware_only(sweep) -> None:
    made = sweep(TWO)
    found = {c.metric: c for c in build(made).costs}
    assert found["parameters"].exact and found["parameters"].low is None
    assert found["parameters"].ratio == pytest.approx(7.0)
    seconds = found["epoch_seconds"]
    low, ratio, high = (getattr(seconds, name) or 0.0 for name in ("low", "ratio", "high"))
    assert 1 < low < ratio < high
    for run in made.runs:
        run.provenance["cpu"] = run.config["fusion"]
    found = {c.metric: c for c in build(made).costs}
    assert found["epoch_seconds"].note == "different hardware"
    assert found["parameters"].ratio == pytest.approx(7.0)


def test_dominance_needs_both_to_be_resolved(sweep) -> None:
    arms = {"fusion": ["late", "matmul"]}
    made = sweep(arms, quality=lambda c: 2.5 if c["fusion"] == "late" else 1.0)
    rows = [(d.a_label, d.b_label, d.cost) for d in build(made).pareto]
    assert ("late", "matmul", "epoch_seconds") in rows
    made = sweep(arms, quality=lambda _: 1.5, own_sd=0.0)
    assert build(made).pareto == []


def test_swapping_the_baseline_turns_contrasts_around(sweep) -> None:
    forth = build(sweep({"kind": ["x", "y"]}, quality=lambda c: 1.2 + (c["kind"] == "y"), name="k"))
    made = sweep({"kind": ["x", "y"]}, quality=lambda c: 1.2 + (c["kind"] == "y"), name="k")
    made.sweep["config"]["parameters"]["kind"]["values"] = ["y", "x"]
    back = build(made)
    assert forth.primary == "val/loss"  # the sweep's own; its terms are those of the test part
    for first, second in zip(forth.contrasts, back.contrasts, strict=True):
        if first.metric.startswith("val/"):
            continue
        assert first.crossed is not None and second.crossed is not None
        assert second.delta == pytest.approx(-(first.delta or 0))
        assert second.crossed.p == pytest.approx(first.crossed.p)
        assert second.verdict == first.verdict


def test_the_order_of_runs_does_not_matter(sweep) -> None:
    made = sweep(TWO)
    first = build(made)
    made.runs.reverse()
    assert build(made) == first
