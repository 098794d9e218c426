"""What the analysis knows about metrics: units, direction, bounds, chance, per-example terms.

Names are those that training logs (`contract/names.py`). An unknown metric of somebody else's sweep
is analysed without a direction or a bound.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from analysis.judge import terms
from contract.names import COST_METRICS
from contract.plan import Fact

PerExample = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Metric:
    """unit "" = a plain fraction. better: "lower", "higher" or "" (no direction).

    bound: what cannot be passed in that direction; chance: what a model that learned nothing would
    reach.
    """

    name: str
    title: str
    unit: str = ""
    better: str = ""
    role: str = "other"  # quality | cost | other
    bound: float | None = None
    chance: float | None = None
    per_example: PerExample | None = None
    population: str = "examples"  # a mean over a test set | "seeds": no set of examples is sampled

    @property
    def part(self) -> str:
        """ "test", "val", "train" or "" for metrics of the run as a whole."""
        head = self.name.split("/")[0]
        return head if head in PARTS else ""


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
COST = {metric.name: metric for metric in COSTS}
PARTS = {"test": "test", "val": "validation", "train": "training"}
# Last part of a metric's name -> its terms, from the logits and labels of predictions
TERMS: dict[str, PerExample] = {
    "loss": terms.cross_entropy, "f1": terms.f1_terms, "accuracy": terms.correctness,
}  # fmt: skip
EXACT = ("parameters", "flops_per_sample")  # counted, not measured
FP32_RESOLUTION = 1e-6


def describe(
    name: str, facts: Mapping[str, Fact] | None = None, goals: Mapping[str, str] | None = None
) -> Metric:
    """The metric of that name: facts by its name or by its last part, as is the sweep's goal.

    goals: name of a metric -> lower or higher.
    """
    if name in COST:
        return COST[name]
    facts, last = facts or {}, last_word(name)
    fact = facts.get(name, facts.get(last))
    part, _, rest = name.partition("/")
    of_example = TERMS.get(rest) if part in PARTS else None
    goal = {**{last_word(n): g for n, g in (goals or {}).items()}, **(goals or {})}
    better = goal.get(name, goal.get(last, ""))
    role = "quality" if fact or better or of_example else "other"
    if fact is None:
        return Metric(name, name, better=better, role=role, per_example=of_example)
    title = fact.title or name
    return Metric(
        name,
        f"{PARTS[part]} {title}" if fact.title and part in PARTS else title,
        fact.unit,
        fact.better or better,
        role,
        fact.bound,
        fact.chance,
        of_example,
    )


def last_word(name: str) -> str:
    """The last part of a metric's name: "loss" of "val/loss", "val_loss" and "val.loss"."""
    return name.replace("_", "/").replace(".", "/").split("/")[-1].lower()
