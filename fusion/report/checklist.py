"""What of the field's checklist only the study can answer about its runs."""

from __future__ import annotations

from typing import Any

from analysis.grid.cells import Grid
from contract.study import HELD_OUT, MISSING, UNIMODAL, Answer

ALONE = ("rgb", "lidar")  # values of `fusion` that see one modality
FUSION = "fusion"


def checklist(grid: Grid) -> dict[str, Answer]:
    """The answers for the runs that count; none without any."""
    runs = [run for cell in grid.cells for run in cell.runs.values()]
    if not runs:
        return {}
    summaries = [run.summary for run in runs]
    borrowed = any("zero_shot/test/accuracy" in summary for summary in summaries)
    return {
        UNIMODAL: _unimodal(grid, summaries),
        HELD_OUT: _held_out(summaries),
        MISSING: Answer(True, "the borrowed classifier is tested on RGB alone")
        if borrowed
        else Answer(False, "no run is tested with a modality taken away"),
    }


def _unimodal(grid: Grid, summaries: list[dict[str, Any]]) -> Answer:
    arms = {str(cell.config.get(FUSION)) for cell in grid.cells if cell.runs}
    found = [arm for arm in ALONE if arm in arms]
    if len(found) == len(ALONE):
        return Answer(True, "rgb alone and lidar alone are arms")
    if all("scratch/test/accuracy" in s and "lidar/test/accuracy" in s for s in summaries):
        return Answer(True, "every run has classifiers of RGB alone and of LiDAR alone")
    lacking = " or ".join(arm for arm in ALONE if arm not in found)
    return Answer(False, f"no arm sees {lacking} alone; fusion_architecture_comparison has them")


def _held_out(summaries: list[dict[str, Any]]) -> Answer:
    if all("best_epoch" in summary and "val/loss" in summary for summary in summaries):
        return Answer(True, "the epoch is that of the lowest validation loss; the test comes after")
    return Answer(None, "runs do not say by which part their epoch was chosen")
