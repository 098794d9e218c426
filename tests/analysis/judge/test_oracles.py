"""The numbers of a report against scipy and statsmodels, on the arrays of one synthetic sweep."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as formula
from scipy import stats as scipy_stats
from statsmodels.stats import anova, multitest, proportion, weightstats
from statsmodels.stats.power import TTestPower

from analysis.judge import multiple, planning, stats


def shared_arrays(seeds: int = 5, examples: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Correctness (S, N) of two arms on the same examples."""
    rng = np.random.default_rng(42)
    own = 0.8 * rng.normal(size=(2, 1, examples)) + 0.3 * rng.normal(size=(2, seeds, 1))
    noise = 0.4 * rng.normal(size=(2, seeds, examples))
    right = (
        rng.normal(size=examples) + own + noise + np.array([0.9, 0.5])[:, None, None] > 0
    ).astype(float)
    return right[0], right[1]


def two_way(table_SN: np.ndarray) -> tuple[float, float, float]:
    """Mean squares (seeds, examples, rest) by statsmodels' analysis of variance."""
    seed, example = np.indices(table_SN.shape).reshape(2, -1)
    frame = pd.DataFrame({"d": table_SN.ravel(), "seed": seed, "example": example})
    table: Any = anova.anova_lm(formula.ols("d ~ C(seed) + C(example)", frame).fit())
    return tuple(table["sum_sq"] / table["df"])  # type: ignore[return-value]


def test_the_paired_numbers() -> None:
    a_SN, b_SN = shared_arrays()
    a, b = a_SN.mean(1), b_SN.mean(1)
    found, expected = stats.paired(a - b), scipy_stats.ttest_rel(a, b)
    interval = expected.confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert found.p == pytest.approx(expected.pvalue)
    described = weightstats.DescrStatsW(a - b)
    assert (found.low, found.high) == pytest.approx(described.tconfint_mean())
    for margin in (0.05, 0.2, 0.4):
        p, _, _ = weightstats.ttost_paired(a, b, -margin, margin)
        se = found.sd / math.sqrt(found.n)
        assert stats.tost(found.delta, se, found.n - 1, margin) == pytest.approx(p)


def test_the_unpaired_numbers() -> None:
    a_SN, b_SN = shared_arrays()
    a, b = a_SN.mean(1), b_SN.mean(1)[:4]
    compared = weightstats.CompareMeans.from_data(a, b)
    found = stats.unpaired([a], [b])
    assert found.delta == pytest.approx(a.mean() - b.mean())
    assert found.interval() == pytest.approx(compared.tconfint_diff(usevar="unequal"))
    assert found.p == pytest.approx(compared.ttest_ind(usevar="unequal")[1])


def test_the_numbers_over_seeds_and_examples() -> None:
    a_SN, b_SN = shared_arrays()
    difference = a_SN - b_SN
    n, N = difference.shape
    seeds, examples, rest = two_way(difference)
    found = stats.crossed(difference)
    variance = seeds + examples - rest
    assert variance > max(seeds, examples)
    df = variance**2 / (seeds**2 / (n - 1) + examples**2 / (N - 1) + rest**2 / ((n - 1) * (N - 1)))
    assert float(found.se) == pytest.approx(math.sqrt(variance / (n * N)))
    assert float(found.df) == pytest.approx(df)
    assert float(found.var_examples) == pytest.approx((examples - rest) / (n * N))


def test_the_unpaired_numbers_over_seeds_and_examples() -> None:
    a_SN, b_SN = shared_arrays()
    a_SN = a_SN[:4]
    (seeds_a, _, rest_a), (seeds_b, _, rest_b) = two_way(a_SN), two_way(b_SN)
    N = a_SN.shape[1]
    examples = np.var(a_SN.mean(0) - b_SN.mean(0), ddof=1) / N
    of_seeds = seeds_a / (4 * N) + seeds_b / (5 * N)
    variance = of_seeds + examples - rest_a / (4 * N) - rest_b / (5 * N)
    found = stats.crossed_unpaired([a_SN], [b_SN])
    assert float(found.se) ** 2 == pytest.approx(max(variance, of_seeds, examples))


def test_the_correction() -> None:
    p = np.random.default_rng(1).uniform(size=30) ** 3
    corrected: Any = multitest.multipletests(p, method="holm")[1]
    np.testing.assert_allclose(multiple.holm(p.tolist()), corrected)
    padded: Any = multitest.multipletests([*p, 1.0, 1.0], method="holm")[1]
    np.testing.assert_allclose(multiple.holm(p.tolist(), 32), padded[:30])


def test_power_where_statsmodels_can() -> None:
    power = TTestPower()
    pairs = [(n, effect) for n in (3, 5, 8, 20) for effect in (0.2, 0.5, 1.0, 1.5, 2.0)]
    expected = np.array([power.power(effect, n, 0.05) for n, effect in pairs])
    known = np.isfinite(expected)  # its noncentral t is scipy's, which gives NaN far out
    found = np.array([planning.power(effect, n) for n, effect in pairs])
    assert known.sum() >= 12
    np.testing.assert_allclose(found[known], expected[known], atol=1e-5)


def test_shares() -> None:
    for k, n in ((0, 5), (3, 5), (17, 40)):
        expected = proportion.proportion_confint(k, n, method="beta")
        low, high = stats.clopper_pearson(k, n)
        assert (low, high) == pytest.approx((expected[0], expected[1]))
