"""What separates each set-up of a contrastive sweep from the study's: which change did it."""

from __future__ import annotations

from typing import Any

from analysis.cells import Cell, Grid
from analysis.grid import key
from analysis.schema_contrastive import Setup

FINETUNE, PROJECTOR = "finetune", "projector"
# The form that the study trained; of every other axis its value is listed first
LOGITS, STUDY = "logits", "study"


def setups(grid: Grid, groups: dict[str, list[Cell]]) -> list[Setup]:
    """Every group of cells, by the number of its changes; none where the study's form is absent."""
    if STUDY not in grid.axes.get(LOGITS, ()):
        return []
    usual = {axis: values[0] for axis, values in grid.axes.items() if axis != FINETUNE}
    usual[LOGITS] = STUDY
    made = [
        Setup(
            label=label,
            frozen_label=next((cell.label for cell in cells if frozen(cell)), ""),
            changes=changes(cells[0].config, usual),
        )
        for label, cells in groups.items()
    ]
    return sorted(made, key=lambda setup: len(setup.changes))


def changes(config: dict[str, Any], usual: dict[str, Any]) -> dict[str, Any]:
    """Axis -> value where a cell differs from the usual one."""
    return {axis: config[axis] for axis, value in usual.items() if key(config[axis]) != key(value)}


def frozen(cell: Cell) -> bool:
    """Whether its runs fine-tune the projector alone."""
    modes = [cell.config.get(FINETUNE), *(run.config.get(FINETUNE) for run in cell.runs.values())]
    return PROJECTOR in modes
