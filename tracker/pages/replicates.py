"""What replicates say together."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from functools import lru_cache

from tracker.documents import Object


def interval(values: Sequence[float]) -> Object:
    """Mean of replicates and half the width of its 95 % interval (Student's t); None below two."""
    n = len(values)
    if not n:
        return {"n": 0, "mean": None, "half": None}
    mean = math.fsum(values) / n
    half = quantile(n - 1) * statistics.stdev(values) / math.sqrt(n) if n > 1 else None
    return {"n": n, "mean": mean, "half": half}


@lru_cache(maxsize=1024)
def quantile(freedom: int) -> float:
    """0.975 quantile of Student's t."""
    from scipy.special import stdtrit  # takes longer to import than the rest of the pages

    return float(stdtrit(freedom, 0.975))
