"""Many comparisons at once: Holm's procedure, with shares of the level, and what it leaves."""

from __future__ import annotations

import numpy as np

from analysis.judge.stats import LEVEL

MAIN = 0.5


def shares(main: list[bool]) -> list[float]:
    """What each member of a family may spend of its level at first; all of them sum to 1.

    The comparisons that answer the question share half of it, or their number of the family where
    that is more, and those beside them the rest. What a resolved comparison had goes to the others.
    """
    family, first = len(main), sum(main)
    if first in (0, family):
        return [1 / max(family, 1)] * family
    of_main = max(MAIN, first / family)
    return [of_main / first if item else (1 - of_main) / (family - first) for item in main]


def holm(p: list[float], family: int = 0, shares: list[float] | None = None) -> list[float]:
    """Holm's step-down adjusted p-values, in the order given; NaN stays NaN.

    family: hypotheses that were declared. Those that have no p (a cell is missing, nothing varied)
    count as not rejected, so that losing one never helps the others. 0: those that have a p.
    shares: of the level at first, of all that were declared (Holm 1979, the weighted procedure: at
    any shares and whatever depends on what, the chance of a false rejection is at most the level).
    """
    values = np.asarray(p, dtype=float)
    tested = np.flatnonzero(np.isfinite(values))
    equal = 1 / max(family, tested.size, 1)
    share = np.full(values.shape, equal) if shares is None else np.asarray(shares, dtype=float)
    order = tested[np.argsort(values[tested] / share[tested], kind="stable")]
    adjusted = np.full(values.shape, np.nan)
    if order.size:
        left = 1 - np.concatenate([[0.0], np.cumsum(share[order])[:-1]])
        scaled = values[order] * np.maximum(left / share[order], 1)
        adjusted[order] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    return adjusted.tolist()


def tested_at(adjusted: list[float], shares: list[float], alpha: float) -> list[float]:
    """The level at which Holm's procedure has decided about each member when it stops.

    p is below it exactly where the adjusted p is below alpha: those that are left share the level,
    of which the last one that was rejected had a part as well.
    """
    rejected = [p < alpha for p in adjusted]
    left = sum(share for share, out in zip(shares, rejected, strict=True) if not out)
    last = min((share for share, out in zip(shares, rejected, strict=True) if out), default=0.0)
    return [
        min(alpha, alpha * share / (left + last if out else left))
        for share, out in zip(shares, rejected, strict=True)
    ]


def simultaneous(share: float, level: float = LEVEL) -> float:
    """The level of an interval with that share, at which all of a family cover together."""
    return 1 - (1 - level) * share
