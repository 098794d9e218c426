"""The samples behind a contrast of a report: per sample, how much of the difference is its own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis import metrics
from analysis.grid.cells import pair_label
from explore.errors import ExploreError
from explore.predictions import Arm, Predictions, match

METRICS = ("accuracy", "f1", "loss")


@dataclass(frozen=True)
class Contrast:
    """A − B on every example, averaged over matched runs; the mean is the report's Δ.

    `label` is its row in reports. `runs`: pairs of runs with the same seed (and the same values on
    all other axes).
    """

    a: str
    b: str
    label: str
    metric: str  # as reports name it: "test/accuracy"
    delta_N: np.ndarray
    runs: int

    @property
    def delta(self) -> float:
        """The difference of the two means, as the report states it."""
        return float(self.delta_N.mean())

    @property
    def behind_N(self) -> np.ndarray:
        """Which examples have a part in the difference."""
        return np.abs(self.delta_N) > 1e-12

    @property
    def sentence(self) -> str:
        """What the samples shown are, in one line."""
        up, down = int((self.delta_N > 1e-12).sum()), int((self.delta_N < -1e-12).sum())
        return (
            f"{self.label}: Δ {self.metric} = {self.delta:+.6g} over {self.runs} matched runs; "
            f"{up + down} of {self.delta_N.size} samples are behind it "
            f"({up} raise it, {down} lower it)"
        )


def contrast(predictions: Predictions, a: str, b: str, metric: str = "accuracy") -> Contrast:
    """A − B of the cells named `a` and `b`, or of all cells that have these values on one axis.

    metric: one of METRICS, taken on the part that was predicted. Raises ExploreError where a name
    fits no cell, or no run of A has a partner with its seed in B.
    """
    known = metrics.describe(f"{predictions.part}/{metric}")
    if known.per_example is None:
        raise ExploreError(f"--metric {metric!r} is not one of {', '.join(METRICS)}")
    of_a, of_b = match(a, predictions), match(b, predictions)
    if of_a == of_b:
        raise ExploreError(f"--contrast {a},{b}: both name the same cell")
    deltas = [
        row
        for place in of_a
        if place in of_b
        for row in _matched(known.per_example, of_a[place], of_b[place])
    ]
    if not deltas:
        raise ExploreError(
            f"--contrast {a},{b}: no run of one has a partner with the same seed in the other"
        )
    delta_N = np.mean(deltas, axis=0)
    if "" in of_a:
        arm_a, arm_b = of_a[""], of_b[""]
        a, b = arm_a.label, arm_b.label
        label = _row(arm_a, arm_b, predictions)
    else:
        label = f"{a} − {b}"
    return Contrast(a, b, label, known.name, delta_N, len(deltas))


def _row(a: Arm, b: Arm, predictions: Predictions) -> str:
    """The contrast as reports name it."""
    if a.classifier != b.classifier:
        return " − ".join(f"{arm.classifier} accuracy of {arm.cell.label}" for arm in (a, b))
    row = pair_label(a.cell.config, b.cell.config, predictions.grid.axes)
    return f"{row} ({a.classifier})" if a.classifier else row


def parse(text: str) -> tuple[str, str]:
    """The names A and B in "A,B", or in a report's "level: A − B", where both have that level.

    Raises ExploreError where the text is neither.
    """
    separator = " − " if " − " in text else ","
    names = [name.replace(" accuracy of ", " · ").strip() for name in text.split(separator)]
    if len(names) != 2 or not all(names):
        raise ExploreError(
            f"--contrast {text!r}: name two cells, A,B (concat,late), or copy a row of a report "
            "('late: strided_append − maxpool')"
        )
    level, _, a = names[0].rpartition(": ")
    return (f"{level} · {a}", f"{level} · {names[1]}") if level else (a, names[1])


def _matched(terms: metrics.PerExample, a: Arm, b: Arm) -> list[np.ndarray]:
    """One row per seed that both arms have."""
    of_a, of_b = terms(a.logits_RN, a.labels_N), terms(b.logits_RN, b.labels_N)
    return [of_a[n] - of_b[b.seeds.index(s)] for n, s in enumerate(a.seeds) if s in b.seeds]
