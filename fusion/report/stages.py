"""What the stages before fine-tuning reached, each number with its chance and its bound."""

from __future__ import annotations

import re

import numpy as np

from analysis.grid.cells import Cell, Grid
from analysis.judge import stats
from fusion.report.schema import StageValue
from fusion.report.setups import groups, shared_label, values

STAGES = ("contrastive/", "projector/")
SHOWN = (
    "loss", "study_loss", "mrr", "alignment", "uniformity", "mse", "cosine", "scale",
    "explained_variance",
)  # fmt: skip
RECALL = re.compile(r".*/recall@(\d+)_of_(\d+|all)$")


def stage_values(grid: Grid) -> list[StageValue]:
    """Losses, retrieval, projector. Set-ups with one and the same stage stand once, together.

    It is the same where all its numbers are equal in every seed.
    """
    result = []
    cells = [found[0] for found in groups(grid).values()]
    for stage in STAGES:
        shared: dict[str, list[Cell]] = {}
        for cell in cells:
            numbers = {name: values(cell, name) for name in names(cell, stage)}
            if numbers:
                shared.setdefault(repr(numbers), []).append(cell)
        for same in shared.values():
            label = shared_label([cell.config for cell in same], grid.axes)["label"]
            result += [stage_value(same[0], name, label) for name in names(same[0], stage)]
    return result


def names(cell: Cell, stage: str) -> list[str]:
    """The numbers of a stage that are shown, as far as a cell has them."""
    found = {name for run in cell.runs.values() for name in run.summary if name.startswith(stage)}
    shown = [n for n in sorted(found) if n.split("/")[-1] in SHOWN or RECALL.match(n)]
    return [name for name in shown if values(cell, name)]


def stage_value(cell: Cell, name: str, label: str) -> StageValue:
    """One number of a stage, over the seeds of a cell."""
    found = values(cell, name)
    interval = stats.mean_interval(list(found.values()))
    chance, bound = lines(cell, name)
    return StageValue(
        label=label,
        name=name,
        n=interval.n,
        mean=interval.mean,
        low=interval.low,
        high=interval.high,
        chance=chance,
        bound=bound,
        values=dict(found),
    )


def lines(cell: Cell, name: str) -> tuple[float | None, float | None]:
    """(chance, bound) of a stage's number, means over seeds; None where it has no such line."""

    def mean(key: str) -> float | None:
        found = values(cell, key)
        return float(np.mean(list(found.values()))) if found else None

    head, _, last = name.rpartition("/")
    if last in ("loss", "study_loss"):
        prefix = f"{head}/{last.removesuffix('loss')}"
        return mean(f"{prefix}chance"), mean(f"{prefix}floor")
    if last == "mse":
        return mean(f"{head}/mse_of_mean"), 0.0
    if last == "explained_variance":
        return 0.0, 1.0
    if last == "mrr":
        return mean("contrastive/mrr_chance"), 1.0
    recall = RECALL.match(name)
    if recall is None:
        return None, None
    size = mean("contrastive/candidates") if recall[2] == "all" else float(recall[2])
    return (float(recall[1]) / size if size else None), 1.0
