"""Planning: what n seeds can show, how many would be needed, and how sure that number is."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from scipy import integrate, optimize, special, stats

from analysis.judge.stats import ALPHA, LEVEL, quantile

POWER = 0.80
MOST_SEEDS = 1000
FARTHEST = 6.0  # normal quantile beyond which lies 1e-9


def power(effect: float, n: int, alpha: float = ALPHA) -> float:
    """Chance that a two-sided paired t-test of n ≥ 2 seeds finds a Δ of `effect` sd of Δ_s."""
    bound, shift = float(quantile(n - 1, 1 - alpha)), effect * math.sqrt(n)
    return _beyond(bound, n - 1, shift) + _beyond(bound, n - 1, -shift)


def _beyond(bound: float, df: int, shift: float) -> float:
    """P(T > bound) of Student's t with a noncentrality `shift`, to six digits.

    T = (z + shift)/√(V/df) with z normal and V of chi-square: over all z, the chance that V is so
    small that z passes. scipy's noncentral t (nct, nctdtr) gives NaN within the range of a report.
    """
    low = max(-shift, -FARTHEST)
    if low >= FARTHEST:
        return 0.0
    z = np.linspace(low, FARTHEST, 601)
    passing = special.chdtr(df, df * ((z + shift) / bound) ** 2)
    return float(integrate.simpson(passing * np.exp(-(z**2) / 2), x=z) / math.sqrt(2 * math.pi))


@lru_cache(maxsize=4096)
def detectable(n: int, alpha: float = ALPHA, chance: float = POWER) -> float:
    """Smallest |Δ|, in units of the sd of Δ_s, that a paired t-test of n seeds finds so often.

    3.26, 1.68, 1.16, 1.00 and 0.66 at n = 3, 5, 8, 10 and 20; infinite below two seeds.
    """
    if n < 2:
        return math.inf
    most = 1.0
    while power(most, n, alpha) < chance:
        most *= 2
    return float(optimize.brentq(lambda k: power(k, n, alpha) - chance, 0.0, most))  # type: ignore[arg-type]


def seeds_needed(
    delta: float,
    sd: float,
    *,
    var_examples: float = 0.0,
    alpha: float = ALPHA,
    limit: int = MOST_SEEDS,
) -> int | None:
    """Seeds at which an effect of size |delta| is found with 80 % power; None above `limit`.

    var_examples is the part of the variance of Δ that comes from the examples and stays.
    """
    if not (sd > 0 and abs(delta) > 0):
        return None

    def found(n: int) -> bool:
        return power(abs(delta) / math.sqrt(sd**2 + n * var_examples), n, alpha) >= POWER

    if not found(limit):
        return None
    low, high = 2, limit
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if found(middle) else (middle + 1, high)
    return low


def sd_interval(sd: float, n: int, level: float = LEVEL) -> tuple[float, float]:
    """Interval of the standard deviation behind `sd`, observed on n normal values."""
    tail = (1 - level) / 2
    low, high = (float(stats.chi2.ppf(q, n - 1)) for q in (1 - tail, tail))
    return sd * math.sqrt((n - 1) / low), sd * math.sqrt((n - 1) / high)


def seeds_range(
    delta: float,
    sd: float,
    n: int,
    *,
    var_examples: float = 0.0,
    alpha: float = ALPHA,
) -> tuple[int | None, int | None]:
    """seeds_needed() at both ends of the 95 % interval of the spread that n seeds showed.

    Five seeds know their spread to a factor of 0.6 to 2.9, so the seeds needed to one of 0.4 to 8.
    """
    if n < 2:
        return None, None
    low, high = (
        seeds_needed(delta, end, var_examples=var_examples, alpha=alpha)
        for end in sd_interval(sd, n)
    )
    return low, high
