"""The set-ups of a contrastive sweep, and what separates each from the study's own.

A *group* is the cells of one set-up, which share all stages before fine-tuning: they differ in
`finetune` alone.
"""

from __future__ import annotations

import math
from typing import Any

from analysis.grid.cells import Cell, Grid, cell_label
from analysis.read.snapshot import number
from contract.values import key
from fusion.report.schema import Setup

FINETUNE, PROJECTOR, LABELS = "finetune", "projector", "labels"
# What the study trained; of every other axis its value is listed first
LOGITS = "logits"
STUDY = {
    LOGITS: "study",
    "embedding": "normalised",
    "target": "plain",
    "batch_size": 32,
    "shift": 0,
}


def setups(grid: Grid, groups: dict[str, list[Cell]]) -> list[Setup]:
    """Every group of cells, by the number of its changes; none where the study's form is absent."""
    if STUDY[LOGITS] not in grid.axes.get(LOGITS, ()):
        return []
    usual = {axis: values[0] for axis, values in grid.axes.items() if axis != FINETUNE} | STUDY
    made = [
        Setup(
            label=label,
            frozen_label=next((cell.label for cell in cells if frozen(cell)), ""),
            changes=changes(cells, usual),
        )
        for label, cells in groups.items()
    ]
    return sorted(made, key=lambda setup: len(setup.changes))


def changes(cells: list[Cell], usual: dict[str, Any]) -> dict[str, Any]:
    """Name -> value where a group differs from the usual, in what is held constant too."""
    config = next((run.config for cell in cells for run in cell.runs.values()), {})
    config = {**config, **cells[0].config}
    return {
        name: config[name]
        for name, value in usual.items()
        if name in config and key(config[name]) != key(value)
    }


def frozen(cell: Cell) -> bool:
    """Whether its runs fine-tune the projector alone."""
    modes = [cell.config.get(FINETUNE), *(run.config.get(FINETUNE) for run in cell.runs.values())]
    return PROJECTOR in modes


def groups(grid: Grid) -> dict[str, list[Cell]]:
    """Label -> cells that differ in `finetune` alone."""
    axes = {name: values for name, values in grid.axes.items() if name != FINETUNE}
    found: dict[str, list[Cell]] = {}
    for cell in grid.cells:
        rest = {name: value for name, value in cell.config.items() if name != FINETUNE}
        found.setdefault(cell_label(rest, axes), []).append(cell)
    return found


def shared_label(configs: list[dict[str, Any]], axes: dict[str, list[Any]]) -> dict[str, Any]:
    """Label and config of what cells have in common that share one and the same stage."""
    first = configs[0]
    config = {
        axis: value
        for axis, value in first.items()
        if axis != FINETUNE and all(key(other.get(axis)) == key(value) for other in configs)
    }
    return {"label": cell_label(config, axes), "config": config}


def values(cell: Cell, name: str) -> dict[str, float]:
    """Seed -> finite value of a summary key."""
    found = {seed: number(run.summary.get(name)) for seed, run in cell.runs.items()}
    return {seed: v for seed, v in found.items() if v is not None and math.isfinite(v)}
