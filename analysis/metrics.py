"""What the analysis knows about metrics: units, direction, bounds, chance, per-example terms.

Names are those that training logs (`contract/names.py`). An unknown metric of somebody else's sweep
is analysed without a direction or a bound.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from analysis.judge import stats
from contract.names import COST_METRICS

PerExample = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Metric:
    """unit "" = a plain fraction. better: "lower", "higher" or "" (no direction).

    bound: the ceiling that saturates; chance: what a model that learned nothing would reach.
    """

    name: str
    title: str
    unit: str = ""
    better: str = ""
    role: str = "other"  # quality | cost | other
    bound: float | None = None
    chance: float | None = None
    per_example: PerExample | None = None

    @property
    def part(self) -> str:
        """ "test", "val", "train" or "" for metrics of the run as a whole."""
        head = self.name.split("/")[0]
        return head if head in ("test", "val", "train") else ""

    @property
    def axis_title(self) -> str:
        """Title with its unit, as an axis of a picture shows it."""
        return f"{self.title} [{self.unit}]" if self.unit else self.title


def _quality(part: str) -> list[Metric]:
    word = {"test": "test", "val": "validation", "train": "training"}[part]
    return [
        Metric(f"{part}/loss", f"{word} loss", "nats", "lower", "quality",
               chance=math.log(2), per_example=stats.cross_entropy),
        Metric(f"{part}/f1", f"{word} F1", "", "higher", "quality",
               bound=1.0, chance=0.5, per_example=stats.f1_terms),
        Metric(f"{part}/accuracy", f"{word} accuracy", "", "higher", "quality",
               bound=1.0, chance=0.5, per_example=stats.correctness),
    ]  # fmt: skip


COSTS = [
    Metric(name, title, unit, better, "cost")
    for name, (title, unit, better) in zip(
        COST_METRICS,
        (
            ("parameters", "", "lower"),
            ("FLOPs per sample", "", "lower"),
            ("time per epoch", "s", "lower"),
            ("throughput", "samples/s", "higher"),
            ("peak memory", "MiB", "lower"),
        ),
        strict=True,
    )
]
KNOWN = {
    metric.name: metric
    for metric in [*_quality("test"), *_quality("val"), *_quality("train"), *COSTS]
} | {"best_epoch": Metric("best_epoch", "selected epoch", "epoch")}
EXACT = ("parameters", "flops_per_sample")  # counted, not measured
FP32_RESOLUTION = 1e-6


def describe(name: str, goals: dict[str, str] | None = None) -> Metric:
    """The metric of that name; for an unknown one, direction from the sweep's own goal."""
    if name in KNOWN:
        return KNOWN[name]
    goal = (goals or {}).get(name, "")
    better = {"minimize": "lower", "maximize": "higher"}.get(goal, "")
    return Metric(name, name, better=better, role="quality" if better else "other")
