"""Pictures with many small panels: learning curves, and the grid of cells and seeds."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from analysis.grid.cells import Cell, Grid
from analysis.grid.plan import last_word
from analysis.judge import stats
from analysis.read.snapshot import Run
from analysis.schema.report import Report
from analysis.show.pictures.axes import set_scale, wide_range
from analysis.show.pictures.results import (
    COLOURS,
    GREY,
    LINE,
    MAX_ROWS,
    caption,
    figure,
    legend,
    room_for,
    shorten,
    styled,
)

MAX_PANELS = 12
MAX_SEEDS = 40
MARKS = {"failed": "×", "running": "…", "missing": "", "diverged": "∞"}
STEPS = ("epoch", "_step")


@styled
def curves(report: Report, grid: Grid) -> Figure | None:
    """Per cell: a thin line per seed, the mean where all runs have a value, its 95 % t-band."""
    name = curve_metric(report, grid)
    if not name:
        return None
    cells = [cell for cell in grid.cells if any(name in r.history for r in cell.runs.values())]
    shown = cells[:MAX_PANELS]
    columns = min(4, len(shown))
    rows = math.ceil(len(shown) / columns)
    made = figure(2.7 * columns + 0.4, 2.1 * rows + 0.6)
    panels = made.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    x_name = _steps(shown)
    everything = [v for c in shown for r in c.runs.values() for v in _curve(r, x_name, name)[1]]
    for panel, cell in zip(panels.flat, shown, strict=False):
        _curve_panel(panel, cell, x_name, name)
        set_scale(panel, everything, "y")
        _limit(panel, everything)
        panel.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    for panel in list(panels.flat)[len(shown) :]:
        panel.set_visible(False)
    made.supylabel(report.metric(name).axis_title, fontsize=10)
    made.supxlabel("epoch" if x_name == "epoch" else "step", fontsize=10)
    handles = [
        Line2D([], [], color=COLOURS[0], lw=0.8, alpha=0.6, label="a seed"),
        Line2D([], [], color=COLOURS[1], lw=2, label="mean over seeds"),
        Line2D([], [], color=COLOURS[1], lw=7, alpha=0.18, label="95 % interval of the mean"),
    ]
    legend(made, handles, caption(len(shown), len(cells), "cells").removeprefix("; "))
    return made


def _limit(panel: Axes, values: list[float]) -> None:
    """Room for the curves; a band of two runs, thirteen standard errors wide, may be cut off."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    if panel.get_yscale() == "log":
        panel.set_ylim(low / 1.2, high * 1.2)
    else:
        margin = 0.08 * (high - low) or 0.05 * abs(high) or 0.05
        panel.set_ylim(low - margin, high + margin)


def curve_metric(report: Report, grid: Grid) -> str:
    """What is drawn per epoch: the validation twin of the primary metric, else the first logged."""
    logged: dict[str, None] = {}
    for cell in grid.cells:
        for run in cell.runs.values():
            logged |= dict.fromkeys(run.history)
    if not report.primary:
        return ""
    wanted = [f"val/{last_word(report.primary)}", report.primary]
    wanted += [name for name in logged if last_word(name) == last_word(report.primary)]
    return next((name for name in wanted if name in logged), "")


def _steps(cells: list[Cell]) -> str:
    runs = [run for cell in cells for run in cell.runs.values()]
    return next((s for s in STEPS if any(s in run.history for run in runs)), "")


def _curve(run: Run, x_name: str, name: str) -> tuple[np.ndarray, np.ndarray]:
    y = run.history.get(name, np.array([]))
    x = run.history.get(x_name, np.arange(1.0, y.size + 1))
    keep = np.isfinite(y) & np.isfinite(x) if x.size == y.size else np.zeros(y.size, bool)
    return x[keep], y[keep]


def _curve_panel(panel: Axes, cell: Cell, x_name: str, name: str) -> None:
    lines = [_curve(run, x_name, name) for run in cell.runs.values()]
    lines = [(x, y) for x, y in lines if x.size]
    for x, y in lines:
        panel.plot(x, y, "-", lw=0.8, color=COLOURS[0], alpha=0.45, marker=_dot(x), ms=2)
    mean = mean_curve(lines)
    if mean is not None:
        x, y, low, high = mean
        panel.fill_between(x, low, high, color=COLOURS[1], alpha=0.18, lw=0)
        panel.plot(x, y, "-", lw=2, color=COLOURS[1], marker=_dot(x), ms=4)
    panel.set_title(f"{shorten(cell.label, 30)}  (n = {len(lines)})", fontsize=9)


def _dot(x: np.ndarray) -> str:
    return "o" if x.size == 1 else ""


def mean_curve(
    lines: list[tuple[np.ndarray, np.ndarray]],
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray] | None:
    """(x, mean, low, high) at the x that every run has; None for fewer than two runs.

    Runs that stopped early would otherwise move the mean by leaving it.
    """
    if len(lines) < 2:
        return None
    tables = [dict(zip(x.tolist(), y.tolist(), strict=True)) for x, y in lines]
    common = sorted(set(tables[0]).intersection(*tables[1:]))
    if not common:
        return None
    y_SX = np.array([[table[x] for x in common] for table in tables])
    mean = y_SX.mean(0)
    half = stats.quantile(len(lines) - 1) * y_SX.std(0, ddof=1) / math.sqrt(len(lines))
    return np.array(common), mean, mean - half, mean + half


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
        bar.set_label(report.metric(report.primary).axis_title)
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
                    fontsize=7,
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
        if any(isinstance(c.config.get(axis), int | float) for c in cells)
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
    panels[0].set_ylabel(report.metric(report.primary).axis_title)
    return made
