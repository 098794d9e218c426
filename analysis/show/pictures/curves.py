"""Learning curves: a panel per cell, laid out as the sweep is, arms side by side."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from analysis.grid.cells import Cell, Grid, cell_label
from analysis.grid.plan import last_word
from analysis.judge import stats
from analysis.read.snapshot import Run
from analysis.schema.report import Report
from analysis.show.pictures.axes import Window, is_log, named, set_scale
from analysis.show.pictures.results import COLOURS, caption, figure, legend, shorten, styled
from contract.values import key

MAX_ARMS, MAX_ROWS, WRAPPED = 6, 8, 4
BAND_RUNS = 3  # a band of two runs is thirteen standard errors wide
ARROWS = 12  # along the edge of a panel
STEPS = ("epoch", "_step")


@styled
def curves(report: Report, grid: Grid) -> Figure | None:
    """Per cell: a thin line per seed, the mean where all runs have a value, its 95 % t-band."""
    name = curve_metric(report, grid)
    if not name:
        return None
    arms, rows, left_out = layout(report, grid, name)
    across = len(rows[0][1])
    made = figure(0.6 + max(2.3, 9.2 / across) * across, 1.0 + 1.75 * len(rows))
    panels = made.subplots(len(rows), across, sharex=True, sharey=True, squeeze=False)
    cells = [cell for _, row in rows for cell in row if cell is not None]
    x_name = _steps(cells)
    lines = {id(cell): _lines(cell, x_name, name) for cell in cells}
    everything = [v for found in lines.values() for _, y in found for v in y]
    set_scale(panels[0, 0], everything, "y")
    metric = report.metric(name)
    window = Window.of(metric, everything, [], log=is_log(panels[0, 0], "y"))
    window.apply(panels[0, 0], "y")
    cut = False
    for line, (label, row) in zip(panels, rows, strict=True):
        for panel, cell in zip(line, row, strict=True):
            panel.xaxis.set_major_locator(MaxNLocator(6, integer=True))
            found = lines.get(id(cell), [])
            cut |= _curve_panel(panel, found, window)
            arm = "" if cell is None else arms.get(id(cell), cell.label)
            panel.set_title(shorten(f"{arm}  (n = {len(found)})", 36), fontsize=10)
            panel.set_visible(cell is not None)
        line[0].set_ylabel(shorten(label, 24))
    made.supylabel(named(metric), fontsize=10)
    made.supxlabel("epoch" if x_name == "epoch" else "step", fontsize=10)
    note = "arrows: the interval goes on beyond the axis" if cut else ""
    _legend(made, lines, note + left_out)
    return made


def _legend(made: Figure, lines: dict[int, list], note: str) -> None:
    """Only what the picture really shows."""
    handles = [Line2D([], [], color=COLOURS[0], lw=0.8, alpha=0.6, label="a seed")]
    most = max(map(len, lines.values()), default=0)
    if most > 1:
        handles.append(Line2D([], [], color=COLOURS[1], lw=2, label="mean over seeds"))
    if most >= BAND_RUNS:
        band = f"95 % interval of the mean, from {BAND_RUNS} runs on"
        handles.append(Line2D([], [], color=COLOURS[1], lw=7, alpha=0.18, label=band))
    legend(made, handles, note.removeprefix("; "))


def layout(
    report: Report, grid: Grid, name: str
) -> tuple[dict[int, str], list[tuple[str, list[Cell | None]]], str]:
    """(cell -> title, rows of panels with their labels, what is left out).

    Arms of the question are columns and the levels of the other axes rows; where there is one row
    of many arms it is wrapped. None: nothing to draw at that place.
    """
    drawn = [cell for cell in grid.cells if any(name in r.history for r in cell.runs.values())]
    axis = next(iter(report.baseline), "")
    values = grid.axes.get(axis, [])
    table: dict[str, tuple[str, dict[str, Cell]]] = {}
    for cell in drawn if values else []:
        rest = {other: item for other, item in cell.config.items() if other != axis}
        label = cell_label(rest, grid.axes) if rest else ""
        table.setdefault(key(rest), (label, {}))[1][key(cell.config[axis])] = cell
    if len(table) > 1 and len(values) <= MAX_ARMS:
        shown = list(table.values())[:MAX_ROWS]
        titles = {
            id(row[key(value)]): cell_label({axis: value}, {})
            for _, row in shown for value in values if key(value) in row
        }  # fmt: skip
        rows = [(label, [row.get(key(value)) for value in values]) for label, row in shown]
        return titles, rows, caption(len(shown), len(table), "rows")
    shown_cells: list[Cell | None] = [*drawn[: WRAPPED * MAX_ROWS]]
    across = min(WRAPPED, len(shown_cells))
    filled = shown_cells + [None] * (-len(shown_cells) % across)
    rows = [("", filled[i : i + across]) for i in range(0, len(filled), across)]
    return {}, rows, caption(len(shown_cells), len(drawn), "cells")


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


def _lines(cell: Cell, x_name: str, name: str) -> list[tuple[np.ndarray, np.ndarray]]:
    found = [_curve(run, x_name, name) for run in cell.runs.values()]
    return [(x, y) for x, y in found if x.size]


def _curve_panel(panel: Axes, lines: list[tuple[np.ndarray, np.ndarray]], window: Window) -> bool:
    """Draw a cell; True where its band goes on beyond the axis, which arrows mark."""
    for x, y in lines:
        panel.plot(x, y, "-", lw=0.8, color=COLOURS[0], alpha=0.45, marker=_dot(x), ms=2)
    mean = mean_curve(lines)
    if mean is None:
        return False
    x, y, low, high = mean
    panel.plot(x, y, "-", lw=2, color=COLOURS[1], marker=_dot(x), ms=4)
    if len(lines) < BAND_RUNS:
        return False
    inside = np.clip(low, window.low, window.high), np.clip(high, window.low, window.high)
    panel.fill_between(x, *inside, color=COLOURS[1], alpha=0.18, lw=0)
    beyond = ((low < window.low, window.low, "v"), (high > window.high, window.high, "^"))
    for outside, edge, mark in beyond:
        places = x[outside][:: max(1, math.ceil(outside.sum() / ARROWS))]
        if places.size:
            options = {"ms": 5, "mew": 0, "color": COLOURS[1], "clip_on": False}
            panel.plot(places, np.full(places.size, edge), mark, **options)
    return any(outside.any() for outside, _, _ in beyond)


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
