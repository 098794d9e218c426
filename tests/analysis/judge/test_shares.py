"""Shares of a family's level: what answers the question first, and nothing beyond the level."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analysis.build import build
from analysis.judge import multiple

P = st.lists(st.one_of(st.floats(1e-9, 1), st.just(math.nan)), min_size=1, max_size=12)


@given(P, st.data())
@settings(max_examples=120, deadline=None)
def test_the_level_at_the_end_says_what_the_adjusted_p_says(p: list[float], data) -> None:
    main = data.draw(st.lists(st.booleans(), min_size=len(p), max_size=len(p)))
    shares = multiple.shares(main)
    assert sum(shares) == pytest.approx(1)
    adjusted = multiple.holm(p, shares=shares)
    levels = multiple.tested_at(adjusted, shares, 0.05)
    for value, after, level in zip(p, adjusted, levels, strict=True):
        if not math.isnan(value) and abs(after - 0.05) > 1e-9:
            assert (value < level) == (after < 0.05)


def test_equal_shares_are_holms_procedure() -> None:
    p = [0.001, 0.04, 0.012, math.nan, 0.03]
    weighted = multiple.holm(p, shares=[1 / 6] * 5)
    assert weighted == pytest.approx(multiple.holm(p, 6), nan_ok=True)


def test_what_answers_the_question_spends_most_and_hands_it_on() -> None:
    shares = multiple.shares([True, True, *[False] * 8])
    assert shares == pytest.approx([0.25] * 2 + [0.0625] * 8)
    p = [0.012, 0.012, *[0.006] * 8]
    adjusted = multiple.holm(p, shares=shares)
    # 0.012 is below 0.25 · 0.05; the eight then share all of the level: 8 · 0.006 = 0.048
    assert max(adjusted) == pytest.approx(0.048)
    assert min(multiple.holm(p, 10)) > 0.05
    open_question = multiple.holm([0.5, 0.5, *[0.006] * 8], shares=shares)
    assert min(open_question) > 0.05


@pytest.mark.parametrize("n", [3, 5])
def test_any_shares_keep_the_level(n: int) -> None:
    draws = np.random.default_rng(n).normal(size=(1000, 11, n))
    deltas = draws[:, 1:] - draws[:, :1]
    t = deltas.mean(-1) / (deltas.std(-1, ddof=1) / math.sqrt(n))
    p = 2 * stats.t.sf(np.abs(t), n - 1)
    shares = multiple.shares([True, True, *[False] * 8])
    wrong = sum(min(multiple.holm(row.tolist(), shares=shares)) < 0.05 for row in p)
    assert wrong / 1000 <= 0.055


def test_pooled_effects_are_what_answers_unless_the_plan_names_contrasts(sweep) -> None:
    axes = {"fusion": ["late", "add"], "downsample": ["maxpool", "strided_append"]}
    made = build(sweep(axes, seeds=3, name="maxpool_vs_strided_ablation"))
    assert {e.main for e in made.effects} == {True}
    assert {c.main for c in made.contrasts} == {False}
    assert {e.share for e in made.effects} == {0.5}


def test_the_interval_that_decides_agrees_with_the_verdict(sweep) -> None:
    made = build(sweep(seeds=5))
    seen = set()
    for item in made.contrasts:
        seen.add(item.verdict)
        low, high = item.decides_low, item.decides_high
        assert low is not None and high is not None
        assert (low > 0 or high < 0) == (item.verdict == "DIFFERENT")
    assert {"DIFFERENT", "INCONCLUSIVE"} <= seen
