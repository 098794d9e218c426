"""Which cells get more seeds, look by look."""

from __future__ import annotations

import pytest

from analysis.build import build
from analysis.judge import sequential
from analysis.judge.sequential import LookError, cells_of, undecided


def contrast(a: str, b: str, verdict: str, p: float | None = 0.5, metric: str = "test/loss"):
    return {
        "a": {"fusion": a}, "b": {"fusion": b}, "a_label": a, "b_label": b,
        "metric": metric, "verdict": verdict, "p_holm": p,
    }  # fmt: skip


REPORT = {
    "primary": "test/loss",
    "cells": [{"config": {"fusion": name}} for name in ("late", "concat", "add", "rgb")],
    "contrasts": [
        contrast("concat", "late", "INCONCLUSIVE"),
        contrast("add", "late", "DIFFERENT", 1e-6),
        contrast("rgb", "late", "SATURATED", None),
        contrast("rgb", "late", "INCONCLUSIVE", metric="test/f1"),
    ],
}


def test_cells_of_undecided_contrasts_on_the_primary_metric() -> None:
    found = cells_of(REPORT, undecided(REPORT))
    assert found == [{"fusion": "late"}, {"fusion": "concat"}]


def test_an_open_pooled_effect_asks_for_seeds_of_all_its_cells() -> None:
    cells = [{"fusion": f, "pool": p} for f in ("late", "add") for p in ("max", "mean", "no")]
    effect = {
        "axis": "pool", "a": "no", "b": "max", "metric": "test/loss", "verdict": "INCONCLUSIVE",
    }  # fmt: skip
    report = {**REPORT, "contrasts": [], "effects": [effect]}
    report["cells"] = [{"config": cell} for cell in cells]
    found = cells_of(report, undecided(report))
    assert found == [cell for cell in cells if cell["pool"] != "mean"]


@pytest.mark.parametrize(
    ("description", "looks"),
    [
        ("seeds added until decided: look 2 of 4", (2, 4)),
        ("look 5 of 4", None),
        ("look 0 of 4", None),
        ("what I look for", None),
        ("", None),
        (None, None),
    ],
)
def test_a_sweeps_description_says_which_look_it_is(description, looks) -> None:
    assert sequential.looks_in(description) == looks


def test_the_levels_of_all_looks_add_up() -> None:
    assert sum(sequential.alpha_of_look(k, 7) for k in range(1, 8)) == pytest.approx(0.05)


@pytest.mark.parametrize(("look", "looks"), [(0, 3), (4, 3), (1, 0)])
def test_looks_that_make_no_sense(look: int, looks: int) -> None:
    with pytest.raises(LookError, match="looks run from 1"):
        sequential.alpha_of_look(look, looks)


def test_a_report_of_a_look_uses_its_level(sweep) -> None:
    made = sweep({"fusion": ["late", "concat"]}, quality=lambda c: 1.2 + (c["fusion"] == "concat"))
    assert build(made).contrasts[0].verdict == "DIFFERENT"
    made.looks = (1, 10**9)
    report = build(made)
    assert report.looks is not None and report.looks.alpha == pytest.approx(5e-11)
    assert report.contrasts[0].verdict != "DIFFERENT"
    content = report.model_dump()
    assert cells_of(content, undecided(content)) == [{"fusion": "late"}, {"fusion": "concat"}]
