"""table.tex: what it marks is the verdict."""

from __future__ import annotations

import pytest

from analysis.build import build
from analysis.judge.verdict import DIFFERENT_HERE, EQUIVALENT, INSUFFICIENT, SATURATED
from analysis.show.latex import table


def row(report, arm: str) -> str:
    (found,) = [line for line in table(report).splitlines() if line.startswith(arm)]
    return found


def test_there_is_no_interval_without_inference(sweep) -> None:
    report = build(sweep({"fusion": ["late", "add"]}, seeds=2))
    assert {contrast.verdict for contrast in report.contrasts} == {INSUFFICIENT}
    found = row(report, "add")
    assert "[" not in found and found.count(r"$^\dagger$") == len(report.contrasts)


@pytest.mark.parametrize(
    ("verdict", "mark"),
    [(EQUIVALENT, r"\approx"), (DIFFERENT_HERE, r"\ddagger"), (SATURATED, r"$^\dagger$")],
)
def test_every_verdict_has_its_mark(sweep, verdict: str, mark: str) -> None:
    report = build(sweep({"fusion": ["late", "add"]}, seeds=3))
    judged = [c.model_copy(update={"verdict": verdict}) for c in report.contrasts]
    found = row(report.model_copy(update={"contrasts": judged}), "add")
    assert found.count(mark) == len(judged)
