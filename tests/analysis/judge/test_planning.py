"""What n seeds can show, and how many would be needed: reference values and another method."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import integrate, special
from scipy import stats as scipy_stats

from analysis.judge import planning, stats


def test_detectable_differences_of_the_reference() -> None:
    found = [round(planning.detectable(n), 2) for n in (3, 5, 8, 10, 20)]
    assert found == [3.26, 1.68, 1.16, 1.00, 0.66]
    assert planning.detectable(1) == math.inf


@pytest.mark.parametrize(
    ("n", "alpha", "sds"),
    [(3, 0.05 / 16, 13.10), (2, 0.05, 11.55), (5, 0.05 / 190, 6.69), (5, 0.05 / 16, 3.56)],
)
def test_detectable_differences_at_the_level_of_a_family(n: int, alpha: float, sds: float) -> None:
    assert round(planning.detectable(n, alpha), 2) == sds


def test_seeds_for_a_difference_of_five_standard_deviations_among_sixteen() -> None:
    assert planning.seeds_needed(5.0, 1.0, alpha=0.05 / 16) == 5


def test_power_is_the_normal_one_averaged_over_the_spread_that_chance_gives() -> None:
    """Against an integral over the quantiles of chi-square, by another method."""
    for n in (2, 3, 5, 20, 200, 1000):
        for alpha in (0.05, 0.05 / 16, 0.05 / 190):
            for chance in (0.1, 0.5, 0.8, 0.99):
                shift = planning.detectable(n, alpha, chance) * math.sqrt(n)
                bound = scipy_stats.t.ppf(1 - alpha / 2, n - 1)

                def found(share: float, n=n, shift=shift, bound=bound) -> float:
                    spread = bound * math.sqrt(scipy_stats.chi2.ppf(share, n - 1) / (n - 1))
                    return special.ndtr(shift - spread) + special.ndtr(-shift - spread)

                expected, _ = integrate.quad(found, 0, 1, limit=200)
                assert expected == pytest.approx(chance, abs=1e-4), (n, alpha)


def test_power_without_an_effect_is_the_level_and_grows_with_the_effect() -> None:
    for n in (2, 3, 16, 1000):
        for alpha in (0.05, 1e-4):
            assert planning.power(0.0, n, alpha) == pytest.approx(alpha, rel=1e-4)
            powers = [planning.power(effect, n, alpha) for effect in np.geomspace(1e-3, 1e6, 200)]
            assert np.isfinite(powers).all() and min(powers) > 0 and max(powers) <= 1 + 1e-6
            assert (np.diff(powers) > -1e-6).all() and powers[-1] == pytest.approx(1)


def test_seeds_needed_is_where_the_difference_becomes_detectable() -> None:
    needed = planning.seeds_needed(0.5, 1.0)
    assert needed is not None
    assert planning.detectable(needed) <= 0.5 < planning.detectable(needed - 1)
    assert planning.seeds_needed(1e-6, 1.0) is None
    assert planning.seeds_needed(0.0, 1.0) is None
    harder = planning.seeds_needed(0.5, 1.0, var_examples=0.01)
    assert harder is not None and harder > needed
    assert planning.seeds_needed(0.5, 1.0, var_examples=0.1) is None


def test_planned_seeds_have_the_promised_power() -> None:
    needed = planning.seeds_needed(0.8, 1.0)
    assert needed is not None
    draws = np.random.default_rng(7).normal(0.8, 1.0, size=(4000, needed))
    t = draws.mean(1) / (draws.std(1, ddof=1) / math.sqrt(needed))
    power = (np.abs(t) > stats.quantile(needed - 1)).mean()
    assert 0.78 <= power <= 0.86


def test_the_interval_of_a_spread_covers_it() -> None:
    rng = np.random.default_rng(11)
    ends = [planning.sd_interval(float(row.std(ddof=1)), 5) for row in rng.normal(size=(4000, 5))]
    assert 0.94 <= np.mean([low <= 1 <= high for low, high in ends]) <= 0.96
    low, high = planning.sd_interval(1.0, 5)
    assert (round(low, 2), round(high, 2)) == (0.60, 2.87)


def test_the_seeds_that_are_needed_are_known_no_better_than_the_spread() -> None:
    rng = np.random.default_rng(12)
    right = planning.seeds_needed(0.7, 1.0)
    assert right is not None
    held = 0
    for row in rng.normal(size=(150, 5)):
        low, high = planning.seeds_range(0.7, float(row.std(ddof=1)), 5)
        assert low is not None
        held += low <= right and (high is None or right <= high)
    assert held / 150 >= 0.92
    assert planning.seeds_range(0.7, 1.0, 1) == (None, None)


def test_the_power_that_a_family_leaves_is_the_one_that_was_simulated() -> None:
    """One true effect of 1, 2 and 3 s.d. among 8 contrasts: the first step of Holm alone."""
    for n, powers in {5: (0.08, 0.44, 0.80), 8: (0.25, 0.93, 1.0), 10: (0.42, 0.98, 1.0)}.items():
        for effect, expected in zip((1, 2, 3), powers, strict=True):
            assert planning.power(effect, n, 0.05 / 8) == pytest.approx(expected, abs=0.025)
