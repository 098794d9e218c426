"""The pictures of the grid: its cells and seeds, and the points that a search drew."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.schema.report import Report
from analysis.show.pictures.axes import named, set_scale, wide_range
from analysis.show.pictures.results import (
    COLOURS,
    GREY,
    LINE,
    MAX_ROWS,
    caption,
    figure,
    room_for,
    shorten,
    styled,
)

MAX_SEEDS = 40
MARKS = {"failed": "×", "running": "…", "missing": "", "diverged": "∞"}


@styled
def grid_map(report: Report) -> Figure | None:
    """Cells × seeds: colour is the primary metric, marks are failed, running and diverged."""
    seeds = list(dict.fromkeys(seed for cell in report.cells for seed in cell.states))
    if not report.cells or not seeds or report.kind == "search":
        return None
    cells, columns = report.cells[:MAX_ROWS], seeds[:MAX_SEEDS]
    values = np.full((len(cells), len(columns)), np.nan)
    for row, cell in enumerate(cells):
        found = cell.metrics[report.primary].values if report.primary in cell.metrics else {}
        for column, seed in enumerate(columns):
            item = found.get(seed)
            values[row, column] = math.nan if item is None else item
    labels = [shorten(cell.label) for cell in cells]
    made = figure(1.2 + room_for(labels) + 0.55 * len(columns), 1.2 + 0.3 * len(cells))
    panel: Any = made.subplots()
    panel.grid(False)
    numbers = len(columns) <= 12 and len(cells) <= 32
    image = _heat(panel, values, numbers)
    for row, cell in enumerate(cells):
        for column, seed in enumerate(columns):
            _mark(panel, row, column, _state(cell, seed))
    panel.set_xticks(range(len(columns)), columns)
    panel.set_yticks(range(len(cells)), labels)
    panel.set_xlabel("seed")
    if image is not None:
        bar = made.colorbar(image, ax=panel, fraction=0.05, pad=0.02, aspect=30)
        bar.set_label(named(report.metric(report.primary)))
        bar.outline.set_visible(False)
        if wide_range(values[np.isfinite(values)].tolist()):
            set_scale(bar.ax, values[np.isfinite(values)].tolist(), "y")
    shown = {_state(cell, seed) for cell in cells for seed in columns} & set(MARKS)
    words = [f"{MARKS[s]} {s}" if MARKS[s] else f"empty: {s}" for s in sorted(shown)]
    note = caption(len(cells), len(report.cells), "cells").removeprefix("; ")
    seen = caption(len(columns), len(seeds), "seeds").removeprefix("; ")
    lines = [line for line in ("   ".join(words), note, seen) if line]
    if lines:
        made.suptitle("\n".join(lines), fontsize=9, color=GREY, x=0.02, ha="left")
    return made


def _state(cell: Any, seed: str) -> str:
    return "diverged" if seed in cell.diverged else cell.states.get(seed, "missing")


def _heat(panel: Axes, values: np.ndarray, numbers: bool) -> Any:
    from matplotlib.colors import LogNorm, Normalize

    finite = values[np.isfinite(values)]
    panel.set_xlim(-0.5, values.shape[1] - 0.5)
    panel.set_ylim(values.shape[0] - 0.5, -0.5)
    if not finite.size:
        return None
    log = wide_range(finite.tolist())
    low, high = float(finite.min()), float(finite.max())
    norm = LogNorm(low, high) if log else Normalize(low, high if high > low else low + 1e-9)
    image = panel.imshow(values, cmap="cividis", norm=norm, aspect="auto")
    if numbers:
        digits = 3 if log or high == low else max(0, 1 - math.floor(math.log10(high - low)))
        form = f"{{:.{digits}f}}" if not log and digits <= 5 and high > low else "{:.3g}"
        for (row, column), item in np.ndenumerate(values):
            if math.isfinite(item):
                colour = "black" if float(norm(item)) > 0.55 else "white"
                panel.text(
                    column,
                    row,
                    form.format(item),
                    ha="center",
                    va="center",
                    fontsize=8,
                    color=colour,
                )
    return image


def _mark(panel: Axes, row: int, column: int, state: str) -> None:
    if state == "done":
        return
    from matplotlib.patches import Rectangle

    panel.add_patch(
        Rectangle((column - 0.5, row - 0.5), 1, 1, fc="#f4f4f4", ec=LINE, lw=0.6, zorder=3)
    )
    panel.text(column, row, MARKS[state], ha="center", va="center", color="#B00000", zorder=4)


@styled
def search(report: Report) -> Figure | None:
    """For random and bayes sweeps: the primary metric over each numeric axis."""
    if report.kind != "search" or not report.primary:
        return None
    cells = [c for c in report.cells if report.primary in c.metrics]
    axes = [
        axis for axis in report.axes
        if all(isinstance(c.config.get(axis), int | float) for c in cells)
    ][:4]  # fmt: skip
    if not axes or not cells:
        return None
    made = figure(3.2 * len(axes) + 0.4, 3.2)
    panels = made.subplots(1, len(axes), sharey=True, squeeze=False)[0]
    for panel, axis in zip(panels, axes, strict=True):
        x = [float(c.config[axis]) for c in cells]
        y = [c.metrics[report.primary].mean for c in cells]
        panel.plot(x, [math.nan if v is None else v for v in y], "o", ms=4, color=COLOURS[0],
                   alpha=0.6, mew=0)  # fmt: skip
        set_scale(panel, x, "x")
        panel.set_xlabel(shorten(axis))
    panels[0].set_ylabel(named(report.metric(report.primary)))
    return made
