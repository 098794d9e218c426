"""Statistics of a report: pure functions of arrays, nothing else.

Legend of the suffixes: S seeds, N examples; `...` are leading batch axes, so that a simulation of a
thousand trials is one call. Differences are always A − B. Definitions and the simulations behind
them: Bouthillier et al. 2021, Owen & Eckles 2012 (crossed), Satterthwaite 1946, Holm 1979,
Clopper & Pearson 1934, Schuirmann 1987 (two one-sided tests).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy import integrate, optimize, special, stats

LEVEL = 0.95
ALPHA = 0.05
POWER = 0.80
EXACT_SEEDS = 16  # 2^16 sign flips; beyond that they are sampled
FLIPS = 100_000
FARTHEST = 6.0  # normal quantile beyond which lies 1e-9
BCA_SEEDS = 20  # below, the bootstrap's intervals are too narrow


class Interval(NamedTuple):
    """A mean over n values with its t-interval; low and high are NaN below two values."""

    n: int
    mean: float
    low: float
    high: float
    sd: float


def quantile(df: np.ndarray | float, level: float = LEVEL) -> np.ndarray:
    """Two-sided Student quantile: half-width in standard errors at `level`."""
    return np.asarray(stats.t.ppf(0.5 + level / 2, df))


def mean_interval(values: np.ndarray | list[float], level: float = LEVEL) -> Interval:
    """Mean ± t(n−1)·s/√n of finite values, s with n − 1 in the denominator."""
    values_S = np.asarray(values, dtype=float)
    n = values_S.size
    if n == 0:
        return Interval(0, math.nan, math.nan, math.nan, math.nan)
    mean = float(values_S.mean())
    if n == 1:
        return Interval(1, mean, math.nan, math.nan, math.nan)
    sd = 0.0 if np.ptp(values_S) == 0 else float(values_S.std(ddof=1))
    half = float(quantile(n - 1, level)) * sd / math.sqrt(n)
    return Interval(n, mean, mean - half, mean + half, sd)


class Paired(NamedTuple):
    """A contrast over matched seeds. wins: seeds with Δ > 0; ties: seeds with Δ = 0."""

    n: int
    delta: float
    sd: float
    low: float
    high: float
    p: float
    p_exact: float
    p_exact_min: float
    wins: int
    ties: int
    wins_low: float
    wins_high: float


def paired(delta_S: np.ndarray | list[float], level: float = LEVEL) -> Paired:
    """Student's paired test of Δ_s, the exact sign-flip test, and the share of seeds with Δ > 0."""
    delta_S = np.asarray(delta_S, dtype=float)
    n, delta, low, high, sd = mean_interval(delta_S, level)
    wins, ties = int((delta_S > 0).sum()), int((delta_S == 0).sum())
    share_low, share_high = clopper_pearson(wins, n - ties, level)
    return Paired(
        n=n,
        delta=delta,
        sd=sd,
        low=low,
        high=high,
        p=t_test(delta, sd / math.sqrt(n), n - 1) if n > 1 else math.nan,
        p_exact=sign_flip(delta_S),
        p_exact_min=2.0 ** (1 - n) if n else math.nan,
        wins=wins,
        ties=ties,
        wins_low=share_low,
        wins_high=share_high,
    )


def t_test(delta: float, se: float, df: float) -> float:
    """Two-sided p of Student's t; NaN where the standard error is 0 (no spread, no test)."""
    return float(2 * stats.t.sf(abs(delta) / se, df)) if se > 0 else math.nan


def sign_flip(delta_S: np.ndarray) -> float:
    """Two-sided sign-flip p of the mean: all 2^n flips up to n = 16, then 100,000 sampled ones."""
    n = delta_S.size
    if n == 0:
        return math.nan
    observed = abs(delta_S.sum()) * (1 - 1e-12)
    if n <= EXACT_SEEDS:
        bits_FS = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
        return float((np.abs((1 - 2 * bits_FS) @ delta_S) >= observed).mean())
    flips_FS = np.random.default_rng(0).integers(0, 2, (FLIPS, n), dtype=np.int8) * 2 - 1
    return float(((np.abs(flips_FS @ delta_S) >= observed).sum() + 1) / (FLIPS + 1))


def clopper_pearson(k: int, n: int, level: float = LEVEL) -> tuple[float, float]:
    """Exact interval of a share k/n; (0, 1) where n = 0."""
    tail = (1 - level) / 2
    low = float(stats.beta.ppf(tail, k, n - k + 1)) if k else 0.0
    high = float(stats.beta.ppf(1 - tail, k + 1, n - k)) if k < n else 1.0
    return low, high


def welch(a: np.ndarray, b: np.ndarray, level: float = LEVEL) -> tuple[float, float, float, float]:
    """(Δ, low, high, p) of two unmatched groups with unequal variances; NaN below two values."""
    delta = float(np.mean(a) - np.mean(b)) if a.size and b.size else math.nan
    if min(a.size, b.size) < 2:
        return delta, math.nan, math.nan, math.nan
    parts = [0.0 if np.ptp(group) == 0 else group.var(ddof=1) / group.size for group in (a, b)]
    variance = float(sum(parts))
    if variance == 0:
        return delta, math.nan, math.nan, math.nan
    df = variance**2 / (parts[0] ** 2 / (a.size - 1) + parts[1] ** 2 / (b.size - 1))
    half = float(quantile(df, level)) * math.sqrt(variance)
    return delta, delta - half, delta + half, t_test(delta, math.sqrt(variance), df)


@dataclass(frozen=True)
class Crossed:
    """A difference when both seeds and examples are samples. var_examples: their share of var,
    which more seeds do not reduce. All fields have the batch shape of the input."""

    delta: np.ndarray
    se: np.ndarray
    df: np.ndarray
    var_examples: np.ndarray

    def interval(self, level: float = LEVEL) -> tuple[np.ndarray, np.ndarray]:
        half = quantile(self.df, level) * self.se
        return self.delta - half, self.delta + half

    @property
    def p(self) -> np.ndarray:
        with np.errstate(divide="ignore", invalid="ignore"):
            t = np.where(self.se > 0, np.abs(self.delta) / self.se, np.nan)
        return 2 * stats.t.sf(t, self.df)


def crossed(difference_SN: np.ndarray) -> Crossed:
    """Two-way random-effects interval of D_si = A − B on seed s and example i, shape (..., S, N).

    Var = (MS_S + MS_E − MS_R)/(nN), never below max(MS_S, MS_E)/(nN); Satterthwaite's df. Needs at
    least 2 seeds and 2 examples. A seeds-only test takes the test set for the population: it called
    20, 39 and 59 % of equal pairs different at 3, 5 and 10 seeds.
    """
    n, N = difference_SN.shape[-2:]
    seed_S, example_N = difference_SN.mean(-1), difference_SN.mean(-2)
    grand = seed_S.mean(-1)
    squares_S = ((seed_S - grand[..., None]) ** 2).sum(-1)
    squares_N = ((example_N - grand[..., None]) ** 2).sum(-1)
    total = (difference_SN**2).sum((-1, -2)) - n * N * grand**2
    rest = np.maximum(total - N * squares_S - n * squares_N, 0)
    ms_s, ms_e = N * squares_S / (n - 1), n * squares_N / (N - 1)
    ms_r = rest / ((n - 1) * (N - 1))
    combined, floor = ms_s + ms_e - ms_r, np.maximum(ms_s, ms_e)
    with np.errstate(divide="ignore", invalid="ignore"):
        df = combined**2 / (ms_s**2 / (n - 1) + ms_e**2 / (N - 1) + ms_r**2 / ((n - 1) * (N - 1)))
    df = np.where(combined >= floor, df, np.where(ms_s >= ms_e, n - 1, N - 1))
    variance = np.maximum(combined, floor) / (n * N)
    return Crossed(
        delta=grand,
        se=np.sqrt(variance),
        df=np.where(np.isfinite(df) & (df > 0), df, n - 1),
        var_examples=np.maximum(ms_e - ms_r, 0) / (n * N),
    )


def holm(p: list[float]) -> list[float]:
    """Holm's step-down adjusted p-values, in the order given; NaN stays NaN and does not count."""
    values = np.asarray(p, dtype=float)
    tested = np.flatnonzero(np.isfinite(values))
    order = tested[np.argsort(values[tested], kind="stable")]
    adjusted = np.full(values.shape, np.nan)
    if order.size:
        scaled = values[order] * np.arange(order.size, 0, -1)
        adjusted[order] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    return adjusted.tolist()


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
    limit: int = 1000,
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


def bca(values_S: np.ndarray, level: float = LEVEL) -> tuple[float, float] | None:
    """BCa bootstrap interval of the mean, a cross-check from 20 values on; None where undefined."""
    if values_S.size < BCA_SEEDS or np.ptp(values_S) == 0:
        return None
    result = stats.bootstrap(
        (values_S,), np.mean, confidence_level=level, method="BCa", n_resamples=4000,
        rng=np.random.default_rng(0),
    )  # fmt: skip
    interval = result.confidence_interval
    return float(interval.low), float(interval.high)


def sphericity_test(effect_SR: np.ndarray) -> tuple[float, float, float, float]:
    """(F, df1, df2, p) that R repeated effects per seed are equal (no interaction).

    Within-seed analysis of variance with the Greenhouse–Geisser correction; NaN where undefined.
    """
    n, rows = effect_SR.shape
    if n < 3 or rows < 2:
        return math.nan, math.nan, math.nan, math.nan
    centred = effect_SR - effect_SR.mean(1, keepdims=True)
    means_R = centred.mean(0)
    residual = centred - means_R
    ms_rows = n * (means_R**2).sum() / (rows - 1)
    ms_rest = (residual**2).sum() / ((n - 1) * (rows - 1))
    if ms_rest <= 0:
        return math.nan, math.nan, math.nan, math.nan
    cov = np.atleast_2d(np.cov(centred, rowvar=False))
    epsilon = float(np.trace(cov) ** 2 / ((rows - 1) * (cov**2).sum()))
    df1, df2 = epsilon * (rows - 1), epsilon * (rows - 1) * (n - 1)
    f = float(ms_rows / ms_rest)
    return f, df1, df2, float(stats.f.sf(f, df1, df2))


def correctness(logits_SN: np.ndarray, labels_N: np.ndarray) -> np.ndarray:
    """1.0 where the prediction (logit > 0) equals the label, else 0.0."""
    return ((logits_SN > 0) == (labels_N > 0)).astype(float)


def cross_entropy(logits_SN: np.ndarray, labels_N: np.ndarray) -> np.ndarray:
    """Binary cross-entropy per example in nats, computed in float64 without overflow."""
    logits_SN = np.asarray(logits_SN, dtype=float)
    return np.logaddexp(0.0, logits_SN) - logits_SN * labels_N


def f1_terms(logits_SN: np.ndarray, labels_N: np.ndarray) -> np.ndarray:
    """Per-example terms whose mean over N is a run's F1 of label 1.

    F1 is a ratio, not a mean: the term of an example is F1 plus its influence, the first-order
    change of F1 with that example's weight. F1 is 0 where nothing is positive.
    """
    said, true = logits_SN > 0, labels_N > 0
    twice_hit = 2.0 * (said & true)
    counted = said.astype(float) + true
    mean_counted = counted.mean(-1, keepdims=True)
    safe = np.where(mean_counted > 0, mean_counted, 1.0)
    f1 = twice_hit.mean(-1, keepdims=True) / safe
    return f1 + (twice_hit - f1 * counted) / safe
