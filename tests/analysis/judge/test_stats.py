"""Statistics against scipy, and properties that hold for any data."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from analysis.judge import multiple, stats, terms

numbers = st.floats(-1e3, 1e3, allow_nan=False, width=32)
samples = st.lists(numbers, min_size=3, max_size=12)


def test_mean_interval_is_scipys() -> None:
    values = np.array([0.9, 0.7, 1.4, 1.1, 0.2])
    expected = scipy_stats.ttest_1samp(values, 0).confidence_interval(0.95)
    interval = stats.mean_interval(values)
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high))
    assert interval.sd == pytest.approx(np.std(values, ddof=1))


def test_paired_is_scipys() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=9), rng.normal(size=9) + 0.4
    result, expected = stats.paired(a - b), scipy_stats.ttest_rel(a, b)
    interval = expected.confidence_interval(0.95)
    assert result.p == pytest.approx(expected.pvalue)
    assert (result.low, result.high) == pytest.approx((interval.low, interval.high))
    exact = scipy_stats.permutation_test(
        (a, b), lambda x, y: np.mean(x - y), permutation_type="samples", n_resamples=10**6
    )
    assert result.p_exact == pytest.approx(exact.pvalue)


def test_the_smallest_exact_p_is_reached_and_named() -> None:
    result = stats.paired([1.0, 2.0, 1.5, 3.0, 2.2])
    assert result.p_exact == result.p_exact_min == 0.0625
    assert (result.wins, result.ties) == (5, 0)


def test_sampled_sign_flips_agree_with_student() -> None:
    deltas = np.random.default_rng(3).normal(0.3, 1, size=24)
    assert stats.sign_flip(deltas) == pytest.approx(stats.paired(deltas).p, abs=0.01)


@pytest.mark.parametrize(("k", "n"), [(0, 5), (3, 5), (5, 5), (0, 0), (17, 40)])
def test_clopper_pearson_is_scipys(k: int, n: int) -> None:
    if n == 0:
        assert stats.clopper_pearson(k, n) == (0.0, 1.0)
        return
    expected = scipy_stats.binomtest(k, n).proportion_ci(0.95, "exact")
    assert stats.clopper_pearson(k, n) == pytest.approx((expected.low, expected.high))


def test_welch_is_scipys() -> None:
    rng = np.random.default_rng(4)
    a, b = rng.normal(size=7), rng.normal(1, 3, size=5)
    expected: Any = scipy_stats.ttest_ind(a, b, equal_var=False)
    interval = expected.confidence_interval(0.95)
    found = stats.unpaired([a], [b])
    assert found.delta == pytest.approx(a.mean() - b.mean())
    ends = found.interval()
    assert (*ends, found.p) == pytest.approx((interval.low, interval.high, expected.pvalue))
    twice = stats.unpaired([a, a], [b, b])
    assert twice.delta == pytest.approx(found.delta) and twice.se < found.se


def test_crossed_follows_its_definition() -> None:
    difference = np.random.default_rng(5).normal(0.2, 1, size=(4, 30))
    n, N = difference.shape
    grand = difference.mean()
    seeds, examples = difference.mean(1), difference.mean(0)
    ms_s = N * ((seeds - grand) ** 2).sum() / (n - 1)
    ms_e = n * ((examples - grand) ** 2).sum() / (N - 1)
    rest = difference - seeds[:, None] - examples[None] + grand
    ms_r = (rest**2).sum() / ((n - 1) * (N - 1))
    variance = max(ms_s + ms_e - ms_r, ms_s, ms_e) / (n * N)
    result = stats.crossed(difference)
    assert float(result.delta) == pytest.approx(grand)
    assert float(result.se) == pytest.approx(math.sqrt(variance))


def test_crossed_takes_batches() -> None:
    batch = np.random.default_rng(6).normal(size=(3, 5, 20))
    together = stats.crossed(batch)
    for index in range(3):
        alone = stats.crossed(batch[index])
        assert together.p[index] == pytest.approx(float(alone.p))
        assert together.interval()[0][index] == pytest.approx(float(alone.interval()[0]))


def test_holm_by_hand() -> None:
    adjusted = multiple.holm([0.01, math.nan, 0.04, 0.03, 0.2])
    assert math.isnan(adjusted[1])
    assert [adjusted[i] for i in (0, 2, 3, 4)] == pytest.approx([0.04, 0.09, 0.09, 0.2])
    assert multiple.holm([]) == []


def test_terms_average_to_the_metrics() -> None:
    rng = np.random.default_rng(8)
    logits, labels = rng.normal(size=(6, 50)), rng.integers(0, 2, 50)
    said = logits > 0
    hits = (said & (labels == 1)).sum(1)
    f1 = 2 * hits / (said.sum(1) + labels.sum())
    np.testing.assert_allclose(terms.f1_terms(logits, labels).mean(1), f1)
    np.testing.assert_allclose(terms.correctness(logits, labels).mean(1), (said == labels).mean(1))
    p = 1 / (1 + np.exp(-logits))
    loss = -(labels * np.log(p) + (1 - labels) * np.log(1 - p))
    np.testing.assert_allclose(terms.cross_entropy(logits, labels), loss)


def test_extreme_logits_have_finite_losses() -> None:
    losses = terms.cross_entropy(np.array([1e4, -1e4, 0.0]), np.array([1, 1, 0]))
    np.testing.assert_allclose(losses, [0.0, 1e4, math.log(2)])


def test_f1_of_nothing_positive_is_zero() -> None:
    assert terms.f1_terms(np.full((1, 4), -1.0), np.zeros(4)).tolist() == [[0.0] * 4]


def test_interaction_against_an_analysis_of_variance() -> None:
    rng = np.random.default_rng(9)
    effect = rng.normal(size=(40, 3))
    f, df1, df2, p = stats.sphericity_test(effect)
    assert 0 < p < 1 and df1 <= 2 and df2 <= 78
    _, _, _, shifted = stats.sphericity_test(effect + np.array([0.0, 0.0, 2.0]))
    assert shifted < 1e-6
    assert f >= 0


@given(samples, numbers)
@settings(max_examples=60, deadline=None)
def test_shift_moves_the_interval_and_nothing_else(values: list[float], shift: float) -> None:
    before, after = stats.mean_interval(values), stats.mean_interval([v + shift for v in values])
    assert after.mean == pytest.approx(before.mean + shift, abs=1e-6)
    assert after.high - after.low == pytest.approx(before.high - before.low, abs=1e-6)


@given(samples, st.floats(0.01, 100))
@settings(max_examples=60, deadline=None)
def test_scale_scales_the_interval_and_keeps_p(values: list[float], scale: float) -> None:
    before, after = stats.paired(values), stats.paired([v * scale for v in values])
    assert after.delta == pytest.approx(before.delta * scale, rel=1e-6, abs=1e-9)
    if before.sd > 1e-3:
        assert after.p == pytest.approx(before.p, rel=1e-6)
        assert after.p_exact == pytest.approx(before.p_exact)


@given(samples)
@settings(max_examples=60, deadline=None)
def test_swapping_a_and_b_turns_everything_around(values: list[float]) -> None:
    forth, back = stats.paired(values), stats.paired([-v for v in values])
    assert back.delta == pytest.approx(-forth.delta)
    assert (back.low, back.high) == pytest.approx((-forth.high, -forth.low))
    assert back.wins == forth.n - forth.wins - forth.ties
    assert back.p_exact == pytest.approx(forth.p_exact)


@given(samples, st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_the_order_of_seeds_does_not_matter(values: list[float], random) -> None:
    shuffled = list(values)
    random.shuffle(shuffled)
    first, second = stats.paired(values), stats.paired(shuffled)
    assert second.p_exact == pytest.approx(first.p_exact)
    assert (second.low, second.high) == pytest.approx((first.low, first.high), abs=1e-6)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
@settings(max_examples=60, deadline=None)
def test_holm_never_lowers_p_and_keeps_the_order(p: list[float]) -> None:
    adjusted = multiple.holm(p)
    assert all(a >= raw for a, raw in zip(adjusted, p, strict=True))
    order = np.argsort(p, kind="stable")
    assert np.all(np.diff(np.array(adjusted)[order]) >= 0)


@pytest.mark.parametrize("values", [[], [1.0], [2.0, 2.0, 2.0]])
def test_degenerate_input_gives_no_interval_or_none_of_width(values: list[float]) -> None:
    interval, result = stats.mean_interval(values), stats.paired(values)
    assert interval.n == len(values)
    if len(values) < 2:
        assert math.isnan(interval.low) and math.isnan(result.p)
    else:
        assert interval.low == interval.high == 2.0 and interval.sd == 0
        assert math.isnan(result.p)


def test_the_bootstrap_waits_for_twenty_values() -> None:
    values = np.random.default_rng(10).normal(size=20)
    assert stats.bca(values[:19]) is None
    found = stats.bca(values)
    assert found is not None and found[0] < values.mean() < found[1]
    assert stats.bca(values) == found
