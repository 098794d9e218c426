"""The study's claims: which runs support, contradict or leave them open."""

from __future__ import annotations

import pytest

from analysis.build import build
from analysis.judge import claims

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
