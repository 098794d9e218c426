"""The study's claims: which runs support, contradict or leave them open."""

from __future__ import annotations

import pytest

from analysis.build import build
from analysis.judge import claims
from contract.plan import PlanError, load

ABLATION = {
    "fusion": ["late", "concat", "add", "matmul"],
    "downsample": ["maxpool", "strided_append"],
}


def found(report) -> dict[int, str]:
    return {claim.id: claim.answer for claim in report.claims}


@pytest.mark.parametrize(
    ("parts", "answer"),
    [
        (["agrees", "agrees"], "supported"),
        (["agrees", "open"], "not resolved"),
        (["agrees", "contradicts"], "mixed"),
        (["contradicts", "open"], "contradicted"),
        (["open"], "not resolved"),
        ([], "not resolved"),
    ],
)
def test_an_answer_from_its_parts(parts: list[str], answer: str) -> None:
    assert claims.combine(parts) == answer


def test_all_eight_claims_are_answered_or_say_what_is_needed(sweep) -> None:
    report = build(sweep())
    assert [claim.id for claim in report.claims] == list(range(1, 9))
    for claim in report.claims:
        assert (claim.answer == "needs another sweep") == bool(claim.needs)
    assert {claim.id for claim in report.claims if not claim.needs} == {1, 2, 3, 5}


def test_claims_of_the_architecture_sweep(sweep) -> None:
    level = {"late": 1.0, "concat": 2.6, "add": 1.8, "matmul": 1.8, "mul": 1.8}
    made = sweep(quality=lambda c: level.get(c["fusion"], 0.4), seeds=8)
    answer = found(build(made))
    assert (answer[1], answer[3], answer[5]) == ("supported", "supported", "supported")
    made = sweep(quality=lambda c: 1.0 if c["fusion"] == "concat" else 2.2, seeds=8)
    answer = found(build(made))
    assert (answer[3], answer[5]) == ("contradicted", "contradicted")


def test_claims_of_the_ablation(sweep) -> None:
    def level(config) -> float:
        strided = config["downsample"] == "strided_append"
        return 1.5 + {"matmul": 0.8, "late": 0.0}.get(config["fusion"], -0.8) * strided

    made = sweep(ABLATION, name="maxpool_vs_strided_ablation-smoke", quality=level, seeds=6)
    report = build(made)
    answer = found(report)
    assert answer[7] == "supported"
    assert answer[6] in ("not resolved", "mixed", "supported")
    claim = next(claim for claim in report.claims if claim.id == 6)
    assert claim.ours["late parameters"] == pytest.approx(1.2)
    assert claim.published["late parameters"] == 1.874


def test_a_cell_that_was_not_run_leaves_its_claim_to_another_sweep(sweep) -> None:
    made = sweep({"fusion": ["late", "concat", "add", "matmul"]})
    claim = next(claim for claim in build(made).claims if claim.id == 3)
    assert claim.answer == "needs another sweep" and "fusion_architecture" in claim.needs


def test_contrasts_are_turned_to_the_direction_of_the_claim(sweep) -> None:
    made = sweep(quality=lambda c: 2.2 if c["fusion"] == "late" else 1.2)
    claim = next(claim for claim in build(made).claims if claim.id == 1)
    assert claim.answer == "contradicted"
    assert all((part.observed or 0) > 0 for part in claim.parts)


def test_claims_of_other_projects_are_not_asked(sweep) -> None:
    assert build(sweep(name="mine", project="mine")).claims == []


def test_cells_of_equal_parameters_are_contrasted_across_widths(sweep) -> None:
    made = sweep(
        {"fusion": ["concat", "add"], "width": [0.114, 0.16, 0.226]},
        name="concat_at_equal_parameters",
        quality=lambda c: 2.4 if c["fusion"] == "concat" else 1.2,
        seeds=8,
    )
    report = build(made)
    pairs = [(c.a["width"], c.b["width"]) for c in report.contrasts if c.metric == "test/loss"]
    assert pairs == [(0.114, 0.114), (0.16, 0.16), (0.226, 0.226), (0.114, 0.16), (0.16, 0.226)]
    assert found(report)[4] == "supported"


def test_a_claim_about_a_level_is_held_against_its_tolerance(sweep) -> None:
    """F1 of 0.95 is no 1, however much higher it is than another's."""
    level = {"late": 1.0, "matmul": 1.0, "concat": 2.6, "add": 2.6}
    report = build(sweep(quality=lambda c: level.get(c["fusion"], 0.4), seeds=8))
    claim = next(claim for claim in report.claims if claim.id == 2)
    levels = [part for part in claim.parts if part.text.startswith("mean ")]
    assert [part.expect for part in levels] == ["≥ 1 − 0.0005"] * 2
    assert all(part.answer == "contradicts" and (part.high or 1) < 0.9995 for part in levels)
    assert claim.kinds["mean test/f1"] == "contradicted" and claim.answer in (
        "mixed",
        "contradicted",
    )
    perfect = build(sweep(quality=lambda c: 30.0 if c["fusion"] != "late" else 1.0, seeds=8))
    claim = next(claim for claim in perfect.claims if claim.id == 2)
    assert {p.answer for p in claim.parts if p.text.startswith("mean ")} == {"agrees"}


def test_a_claim_of_two_quantities_is_answered_for_each(sweep) -> None:
    made = sweep(ABLATION, name="maxpool_vs_strided_ablation", seeds=6)
    for run in made.runs:
        if run.config["downsample"] == "strided_append":
            run.summary["parameters"] = int(run.summary["parameters"] / 0.9)
    claim = next(claim for claim in build(made).claims if claim.id == 6)
    assert set(claim.kinds) == {"parameters", "epoch_seconds"}
    assert claim.kinds["parameters"] == "supported"
    assert all("± 10 %" in part.expect for part in claim.parts) and "± 10 %" in claim.reading


def test_what_no_comparison_tests_is_said(sweep) -> None:
    made = build(sweep(ABLATION, name="maxpool_vs_strided_ablation", seeds=3))
    assert "late is mixed" in next(claim for claim in made.claims if claim.id == 7).untested


def test_an_equality_without_a_margin_is_refused(tmp_path) -> None:
    file = tmp_path / "x.plan.yaml"
    equal = "{a: {k: x}, b: {k: y}, expect: equal}"
    file.write_text(
        "kind: architecture\naxis: k\nbaseline: y\nmetrics: [loss]\nclaims:\n"
        f"  - {{id: 1, text: same, metric: loss, contrasts: [{equal}]}}\n"
    )
    with pytest.raises(PlanError, match="can never be met without margins"):
        load(file)
    file.write_text(file.read_text() + "margins: {loss: 0.1}\n")
    assert load(file).margins == {"loss": 0.1}
