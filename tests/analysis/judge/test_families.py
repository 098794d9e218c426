"""Holm over what was declared, equivalence, simultaneous intervals, collapse: by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.judge import collapse, multiple, stats

FAMILY = 8


def test_members_without_a_p_count_as_not_rejected() -> None:
    assert multiple.holm([0.01, math.nan, 0.02], 3) == pytest.approx(
        [0.03, math.nan, 0.04], nan_ok=True
    )
    assert multiple.holm([0.01], 5) == pytest.approx([0.05])
    assert multiple.holm([math.nan], 5)[0] != multiple.holm([math.nan], 5)[0]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.data())
@settings(max_examples=80, deadline=None)
def test_losing_a_member_never_helps_the_others(p: list[float], data) -> None:
    lost = data.draw(st.integers(0, len(p) - 1))
    fewer = [math.nan if i == lost else value for i, value in enumerate(p)]
    before, after = multiple.holm(p, len(p)), multiple.holm(fewer, len(p))
    assert all(after[i] >= before[i] for i in range(len(p)) if i != lost)


def nulls(n: int, trials: int = 1000, shift: float = 0.0) -> np.ndarray:
    """Differences of 8 contrasts with one baseline, shape (trials, 8, n): none differs but by
    `shift` standard deviations of a run."""
    draws = np.random.default_rng(n).normal(size=(trials, FAMILY + 1, n))
    return draws[:, 1:] - draws[:, :1] + shift


@pytest.mark.parametrize("n", [3, 5, 10])
def test_excluded_differences_are_excluded_together(n: int) -> None:
    deltas = nulls(n)
    mean, se = deltas.mean(-1), deltas.std(-1, ddof=1) / math.sqrt(n)
    alone, together = (
        np.abs(mean) > stats.quantile(n - 1, level) * se
        for level in (stats.LEVEL, multiple.simultaneous(1 / FAMILY))
    )
    assert alone.any(-1).mean() > 0.15
    assert together.any(-1).mean() <= 0.055


@pytest.mark.parametrize("n", [3, 5, 8])
def test_equivalence_keeps_its_level_in_the_family_and_not_without(n: int) -> None:
    """True differences exactly at the margin, 2 standard deviations of a run."""
    deltas = nulls(n, shift=2.0)
    naive = corrected = 0
    for sweep in deltas:
        p = [stats.tost(row.mean(), row.std(ddof=1) / math.sqrt(n), n - 1, 2.0) for row in sweep]
        naive += min(p) < 0.05
        corrected += min(multiple.holm(p, FAMILY)) < 0.05
    assert naive / len(deltas) > 0.15
    assert corrected / len(deltas) <= 0.055


def test_tost_is_the_ninety_percent_interval_inside_the_margin() -> None:
    rng = np.random.default_rng(3)
    for row in rng.normal(0.1, 0.5, size=(200, 6)):
        inner = stats.mean_interval(row, 0.90)
        inside = inner.low > -0.4 and inner.high < 0.4
        assert (stats.tost(inner.mean, inner.sd / math.sqrt(6), 5, 0.4) < 0.05) == inside
    assert math.isnan(stats.tost(0.0, 0.0, 4, 0.1))


@pytest.mark.parametrize(("n", "rate"), [(5, 0.451), (10, 0.259), (1, 0.95), (0, 1.0)])
def test_no_failure_leaves_a_rate_open(n: int, rate: float) -> None:
    assert collapse.open_rate(n) == pytest.approx(rate, abs=5e-4)
    if n:
        assert stats.clopper_pearson(0, n, 0.90)[1] == pytest.approx(collapse.open_rate(n))


def test_a_run_that_collapsed_is_far_and_chance_is_not() -> None:
    rng = np.random.default_rng(4)
    collapsed = called = 0
    for cells in rng.normal(size=(400, 12, 5)):
        spread = float(np.median([collapse.robust_sd(cell) for cell in cells]))
        called += any(collapse.far(cell, spread).any() for cell in cells)
        cells[3, 2] -= 40
        collapsed += collapse.far(cells[3], spread).tolist() == [False, False, True, False, False]
    assert called / 400 <= 0.01 and collapsed / 400 >= 0.95
    assert not collapse.far(np.array([0.0, 0.0, 9.0]), 0.1).any()
    assert not collapse.far(np.zeros(5), 0.0).any()


def arms(n_a: int, n_b: int, seed_sd: float, own: float, noise: float = 0.4) -> tuple:
    """Correctness of two arms of equal accuracy on the same 200 examples, 800 trials."""
    rng = np.random.default_rng(n_a)
    shared = rng.normal(size=(800, 1, 200))

    def arm(n: int) -> np.ndarray:
        level = 1.0 + seed_sd * rng.normal(size=(800, n, 1)) + shared
        level = level + own * rng.normal(size=(800, 1, 200))
        return (level + noise * rng.normal(size=(800, n, 200)) > 0).astype(float)

    return arm(n_a), arm(n_b)


@pytest.mark.parametrize("n", [3, 5, 10])
@pytest.mark.parametrize(("seed_sd", "own"), [(0.02, 0.8), (0.3, 0.1), (0.1, 0.4)])
def test_unpaired_replicates_on_one_test_set(n: int, seed_sd: float, own: float) -> None:
    a, b = arms(n, n, seed_sd, own)
    found = stats.crossed_unpaired([a], [b])
    assert float((found.p < 0.05).mean()) <= 0.065
    if own == 0.8:
        p = [stats.unpaired([x], [y]).p for x, y in zip(a.mean(-1), b.mean(-1), strict=True)]
        assert np.mean(np.array(p) < 0.05) > 0.15
    turned = stats.crossed_unpaired([b], [a])
    np.testing.assert_allclose(turned.delta, -found.delta, atol=1e-12)
    np.testing.assert_allclose(turned.se, found.se)
