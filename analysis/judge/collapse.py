"""Runs that collapsed: far from the others of their cell, where no test on five values holds.

With equal means and unequal shapes (one kind of arm lognormal, or collapsing in 20 % of its runs) a
difference was called in 26 to 89 % of simulated sweeps: a verdict is about means, and says so.
"""

from __future__ import annotations

import numpy as np

from analysis.judge.stats import LEVEL

FAR = 8.0
MIN_SEEDS = 4


def robust_sd(values: np.ndarray) -> float:
    """Standard deviation from the median of absolute deviations: one far value leaves it alone."""
    return 1.4826 * float(np.median(np.abs(values - np.median(values)))) if values.size else 0.0


def far(values: np.ndarray, spread: float) -> np.ndarray:
    """Which of a cell's values lie far from the others: runs that collapsed; none below 4 values.

    Far: 8 robust standard deviations from the median, of this cell or of `spread` (the median over
    all cells), whichever is more. Of sweeps with 12 cells of normal values, 0.2 % have one at 5
    seeds.
    """
    if values.size < MIN_SEEDS:
        return np.zeros(values.shape, bool)
    limit = FAR * max(robust_sd(values), spread)
    return np.abs(values - np.median(values)) > max(limit, 1e-12)


def open_rate(n: int, level: float = LEVEL) -> float:
    """The largest rate of failure that n runs without one leave open: 45 % at n = 5."""
    return 1 - (1 - level) ** (1 / n) if n else 1.0
