"""Statistics of a report: pure functions of arrays, nothing else.

Legend of the suffixes: S seeds, N examples; `...` are leading batch axes, so that a simulation of a
thousand trials is one call. Differences are always A − B. Definitions and the simulations behind
them: Bouthillier et al. 2021, Owen & Eckles 2012 (crossed), Satterthwaite 1946, Holm 1979,
Clopper & Pearson 1934, Schuirmann 1987 (two one-sided tests).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import stats

LEVEL = 0.95
ALPHA = 0.05
EXACT_SEEDS = 16  # 2^16 sign flips; beyond that they are sampled
FLIPS = 100_000
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


class Estimate(NamedTuple):
    """A difference with its standard error and degrees of freedom; se 0 = nothing varied."""

    delta: float
    se: float
    df: float

    def interval(self, level: float = LEVEL) -> tuple[float, float]:
        """t-interval; NaN where there is no standard error, of no width where it is 0."""
        half = float(quantile(self.df, level)) * self.se if self.se else self.se
        return self.delta - half, self.delta + half

    @property
    def p(self) -> float:
        return t_test(self.delta, self.se, self.df)

    def tost(self, margin: float) -> float:
        return tost(self.delta, self.se, self.df, margin)


UNKNOWN = Estimate(math.nan, math.nan, math.nan)


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


def paired_estimate(delta_S: np.ndarray | list[float]) -> Estimate:
    """Mean of matched differences; no standard error below two."""
    n, mean, _, _, sd = mean_interval(delta_S)
    return Estimate(mean, sd / math.sqrt(n), n - 1) if n else UNKNOWN


def unpaired(a: list[np.ndarray], b: list[np.ndarray]) -> Estimate:
    """Mean over strata of A's mean − B's mean, of replicates that are not matched (Welch).

    a, b: the values of each stratum; of one stratum this is Welch's test. NaN where any group is
    empty, no standard error where any has one value.
    """
    if not a or not all(group.size for group in (*a, *b)):
        return UNKNOWN
    delta = sum(float(x.mean() - y.mean()) for x, y in zip(a, b, strict=True)) / len(a)
    if min(group.size for group in (*a, *b)) < 2:
        return Estimate(delta, math.nan, math.nan)
    groups = [*a, *b]
    parts = [0.0 if np.ptp(g) == 0 else float(g.var(ddof=1)) / g.size for g in groups]
    total = sum(parts)
    if total == 0:
        return Estimate(delta, 0.0, math.nan)
    df = total**2 / sum(v**2 / (g.size - 1) for v, g in zip(parts, groups, strict=True))
    return Estimate(delta, math.sqrt(total) / len(a), df)


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
    def one(self) -> Estimate:
        """As an estimate, where the batch has no axes."""
        return Estimate(float(self.delta), float(self.se), float(self.df))

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


def crossed_unpaired(a: list[np.ndarray], b: list[np.ndarray]) -> Crossed:
    """As crossed(), for replicates of A and B that share the examples and no seeds.

    a, b: terms of shape (..., S, N) of each stratum; the difference is the mean over strata.
    Var = s²_A/n_A + s²_B/n_B + s²_D/N less the residual, which stands in both, never below its
    larger part; s² of run means, D of the difference of example means. At 3 to 10 replicates it
    called 3 to 5 % of equal pairs different, where Welch's test called 20 to 58 %.
    """
    arms, strata = [*a, *b], len(a)
    found = [_parts(arm, strata) for arm in arms]
    N = arms[0].shape[-1]
    n = [arm.shape[-2] for arm in arms]
    signs = [1] * strata + [-1] * strata
    difference_N = sum(s * mean for s, (_, _, mean) in zip(signs, found, strict=True)) / strata
    examples = np.asarray(difference_N).var(-1, ddof=1) / N
    of_seeds, rest = sum(part[0] for part in found), sum(part[1] for part in found)
    combined, floor = of_seeds + examples - rest, np.maximum(of_seeds, examples)
    by_seeds = sum(part[0] ** 2 / (k - 1) for part, k in zip(found, n, strict=True))
    by_rest = sum(part[1] ** 2 / ((k - 1) * (N - 1)) for part, k in zip(found, n, strict=True))
    with np.errstate(divide="ignore", invalid="ignore"):
        df = combined**2 / (by_seeds + examples**2 / (N - 1) + by_rest)
        at_floor = np.where(of_seeds >= examples, of_seeds**2 / by_seeds, N - 1)
    df = np.where(combined >= floor, df, at_floor)
    return Crossed(
        delta=np.asarray(difference_N).mean(-1),
        se=np.sqrt(np.maximum(combined, floor)),
        df=np.where(np.isfinite(df) & (df > 0), df, min(n) - 1),
        var_examples=np.maximum(examples - rest, 0),
    )


def _parts(right_SN: np.ndarray, strata: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(variance of the mean over strata from runs, from what is left, mean of each example)."""
    n, N = right_SN.shape[-2:]
    seed_S, example_N = right_SN.mean(-1), right_SN.mean(-2)
    residual = right_SN - seed_S[..., None] - example_N[..., None, :]
    residual = residual + seed_S.mean(-1)[..., None, None]
    ms_rest = (residual**2).sum((-1, -2)) / ((n - 1) * (N - 1))
    return seed_S.var(-1, ddof=1) / n / strata**2, ms_rest / (n * N) / strata**2, example_N


def tost(delta: float, se: float, df: float, margin: float) -> float:
    """p of two one-sided tests that |Δ| < margin (Schuirmann); NaN without a standard error.

    Below alpha exactly where the (1 − 2·alpha) interval lies inside ±margin.
    """
    return float(stats.t.sf((margin - abs(delta)) / se, df)) if se > 0 else math.nan


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
