"""The report's pictures. Deterministic bytes: no time stamps, no random jitter, Agg only.

Colours are Okabe and Ito's, told apart with any colour vision; the heat map uses cividis. Pictures
are bounded: of a sweep with more cells than fit, the first ones in the order of the grid are shown
and the caption says so.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import (
    EngFormatter,
    FuncFormatter,
    LogLocator,
    MaxNLocator,
    NullFormatter,
)

from analysis.cells import cell_label, display
from analysis.metrics import describe
from analysis.schema import CellReport, MetricStats, Report

COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999"]
GREY, LINE, DPI = "#666666", "#cccccc", 110
MAX_ROWS, MAX_LABELS = 48, 30
STEPS = [1, 2, 2.5, 5, 10]
MARKERS = "os^DvPX*"
STYLE = {
    "font.family": "DejaVu Sans", "font.size": 10, "axes.spines.top": False,
    "axes.spines.right": False, "axes.edgecolor": GREY, "axes.titlesize": 11,
    "axes.titlelocation": "left", "axes.grid": True, "grid.color": "#ececec",
    "axes.axisbelow": True, "legend.frameon": False, "figure.facecolor": "white",
    "axes.formatter.useoffset": False,
}  # fmt: skip


def figure(width: float, height: float) -> Figure:
    """An empty figure in inches that knows how to render itself without a display."""
    made = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    FigureCanvasAgg(made)
    return made


def save(made: Figure, path: Path) -> None:
    """Write a PNG whose bytes depend on the picture alone."""
    made.savefig(path, format="png", metadata={"Software": None})


def styled(draw: Callable[..., Figure | None]) -> Callable[..., Figure | None]:
    """Draw with this module's style whatever the user's matplotlibrc says."""

    def wrapped(*args: Any, **kwargs: Any) -> Figure | None:
        with mpl.rc_context():
            mpl.rcdefaults()
            mpl.rcParams.update(STYLE)  # type: ignore[arg-type]
            return draw(*args, **kwargs)

    wrapped.__doc__ = draw.__doc__
    return wrapped


def shorten(label: str, most: int = 34) -> str:
    """A label that fits beside an axis; dollar signs would start mathematics."""
    text = label if len(label) <= most else label[: most - 1] + "…"
    return text.replace("$", r"\$")


def caption(shown: int, total: int, what: str) -> str:
    """Says what a bounded picture leaves out; empty where it shows everything."""
    return (
        "" if shown == total else f"; the first {shown} of {total} {what} in the order of the grid"
    )


def colours(report: Report) -> dict[str, str]:
    """Cell label -> colour: in an ablation by the value on its axis, else all alike."""
    palette = _palette(report)
    if not palette:
        return {cell.label: COLOURS[0] for cell in report.cells}
    axis = next(iter(report.baseline))
    return {cell.label: palette[display(cell.config[axis])] for cell in report.cells}


def _palette(report: Report) -> dict[str, str]:
    if report.kind != "ablation" or not report.baseline:
        return {}
    axis = next(iter(report.baseline))
    values = list(dict.fromkeys(display(cell.config[axis]) for cell in report.cells))
    return {value: COLOURS[i % len(COLOURS)] for i, value in enumerate(values)}


def row_label(report: Report, cell: CellReport) -> str:
    """The cell's values on the axes beside the one of the question."""
    rest = {axis: item for axis, item in cell.config.items() if axis not in report.baseline}
    return cell_label(rest, report.axes)


def shapes(report: Report) -> dict[str, str]:
    """Row of an ablation -> marker; empty where there are more rows than markers."""
    rows = list(dict.fromkeys(row_label(report, cell) for cell in report.cells))
    if report.kind != "ablation" or len(rows) > len(MARKERS):
        return {}
    return dict(zip(rows, MARKERS, strict=False))


def colour_legend(
    made: Figure, report: Report, note: str = "", shapes: dict[str, str] | None = None
) -> None:
    """Above the panels: what colours and shapes mean, and what a bounded picture leaves out."""
    first = [
        Line2D([], [], color=colour, marker="o", ls="", label=shorten(value))
        for value, colour in list(_palette(report).items())[: len(COLOURS)]
    ]
    second = [
        Line2D([], [], color=GREY, marker=marker, mfc="white", ls="", label=shorten(row))
        for row, marker in (shapes or {}).items()
    ]
    if first and second:  # one row each: a legend is filled column by column
        blank = Line2D([], [], ls="", label=" ")
        pairs = zip_longest(first, second, fillvalue=blank)
        legend(
            made, [handle for pair in pairs for handle in pair], note, max(len(first), len(second))
        )
    elif first or second or note:
        legend(made, first or second, note)


def legend(made: Figure, handles: list[Line2D], note: str, columns: int = 5) -> None:
    """Above the panels, at the left."""
    made.legend(
        handles=handles, loc="outside upper left", ncols=columns, fontsize=9, title=note or None,
        alignment="left", title_fontsize=9,
    )  # fmt: skip


@dataclass(frozen=True)
class Window:
    """What an axis shows. Intervals of few seeds can be wider than all values together, and reach
    beyond what is possible; they are cut off where they would press the values together."""

    low: float
    high: float

    @classmethod
    def around(
        cls, metric: str, stats: list[MetricStats], difference: bool = False, room: float = 1.2
    ) -> Window:
        """Room for all values, and for intervals up to `room` times the range of the values."""
        values = [v for s in stats for v in (*s.values.values(), s.mean) if v is not None]
        ends = [v for s in stats for v in (s.low, s.high) if v is not None]
        return cls.of(metric, values, ends, difference, room)

    @classmethod
    def of(
        cls,
        metric: str,
        values: list[float],
        ends: list[float],
        difference: bool = False,
        room: float = 1.2,
    ) -> Window:
        """As around(), of plain numbers: `values` are always inside, `ends` where there is room."""
        low, high = min(values, default=0.0), max(values, default=1.0)
        spread = (high - low) or 0.05 * abs(high) or 0.05
        low_end = max(min([low, *ends]), low - room * spread)
        high_end = min(max([high, *ends]), high + room * spread)
        margin = 0.05 * (high_end - low_end or spread)
        low_end, high_end = low_end - margin, high_end + margin
        found = describe(metric)
        if not difference and min(values, default=-1.0) >= 0 and found.role in ("quality", "cost"):
            floor = 0.0 if found.bound is None else -0.02
            low_end = max(low_end, floor)
        if found.bound is not None:
            high_end = min(high_end, found.bound + 0.02)
            low_end = max(low_end, -found.bound - 0.02)
        return cls(low_end, high_end)

    def apply(self, panel: Axes, axis: str) -> None:
        """Set the limits; on a logarithmic axis the lower one is positive."""
        limits = panel.set_xlim if axis == "x" else panel.set_ylim
        scale = panel.get_xscale() if axis == "x" else panel.get_yscale()
        if scale == "linear":
            limits(self.low, self.high)


def whisker(
    panel: Axes,
    axis: str,
    at: float,
    low: float | None,
    high: float | None,
    window: Window,
    colour: str,
    width: float,
    **options: Any,
) -> bool:
    """An interval along `axis`; an arrow where it goes on beyond the window. True where it does."""
    if low is None or high is None:
        return False
    scale = panel.get_xscale() if axis == "x" else panel.get_yscale()
    if scale != "linear":
        window = Window(1e-300, math.inf)
        low = max(low, 1e-300)
    inside = [max(low, window.low), min(high, window.high)]
    options = {"color": colour, "zorder": 3, **options}
    line = (inside, [at] * 2) if axis == "x" else ([at] * 2, inside)
    panel.plot(*line, "-", lw=width, **options)
    marks = "<>" if axis == "x" else "v^"
    for end, shown, mark in zip((low, high), inside, marks, strict=True):
        if end != shown:
            place = ([shown], [at]) if axis == "x" else ([at], [shown])
            panel.plot(*place, mark, ms=5, mew=0, clip_on=False, **options)
    return [low, high] != inside


def stats_of(cell: CellReport, name: str) -> MetricStats | None:
    """Statistics of that metric where the cell has a value."""
    found = cell.metrics.get(name)
    return found if found is not None and found.n else None


def real(value: float | None) -> float:
    """The number to draw; NaN, which draws nothing, where it is undefined."""
    return math.nan if value is None else value


def wide_range(values: list[float], factor: float = 30) -> bool:
    """Whether positive values span so much that a logarithmic axis is needed."""
    positive = [v for v in values if v > 0 and math.isfinite(v)]
    return len(positive) == len(values) > 0 and max(positive) > factor * min(positive)


@styled
def results(report: Report) -> Figure | None:
    """Every seed as a faint point, mean and 95 % t-interval per cell; one panel per metric."""
    names = list(dict.fromkeys(c.metric for c in report.contrasts)) or [report.primary]
    names = [name for name in names if name][:3]
    cells = [c for c in report.cells if any(name in c.metrics for name in names)]
    if not names or not cells:
        return None
    shown = cells[:MAX_ROWS]
    made = figure(1.8 + 3.1 * len(names), 1.1 + 0.3 * len(shown))
    panels = made.subplots(1, len(names), sharey=True, squeeze=False)[0]
    tint = colours(report)
    cut = False
    for panel, name in zip(panels, names, strict=True):
        metric = describe(name)
        window = Window.around(name, [s for c in shown if (s := stats_of(c, name))])
        set_scale(panel, [v for c in shown for v in _values(c, name)], "x")
        window.apply(panel, "x")
        for row, cell in enumerate(shown):
            if name in cell.metrics:
                cut |= _dots(panel, row, cell.metrics[name], tint[cell.label], window)
        panel.set_xlabel(metric.axis_title)
    panels[0].set_yticks(range(len(shown)), [shorten(c.label) for c in shown])
    panels[0].set_ylim(len(shown) - 0.5, -0.5)
    note = caption(len(shown), len(cells), "cells")
    about = "small: seeds; large: mean and 95 % interval"
    about += "; arrows: the interval goes on beyond the axis" if cut else ""
    colour_legend(made, report, about + note)
    return made


def _values(cell: CellReport, name: str) -> list[float]:
    stats = cell.metrics.get(name)
    return [v for v in stats.values.values() if v is not None] if stats else []


def _dots(panel: Axes, row: int, stats: MetricStats, colour: str, window: Window) -> bool:
    values = [v for v in stats.values.values() if v is not None]
    spread = np.linspace(-0.16, 0.16, len(values)) if len(values) > 1 else [0.0]
    panel.plot(
        values, row + np.asarray(spread), "o", ms=3.2, color=colour, alpha=0.4, mew=0, zorder=2
    )
    if stats.mean is None:
        return False
    cut = whisker(panel, "x", row, stats.low, stats.high, window, colour, 2)
    panel.plot([stats.mean], [row], "o", ms=6, color=colour, mec="white", mew=0.8, zorder=4)
    return cut


def set_scale(panel: Axes, values: list[float], axis: str, factor: float = 30) -> None:
    """A logarithmic axis for a wide range, else few round ticks; numbers never as powers of ten."""
    chosen = panel.xaxis if axis == "x" else panel.yaxis
    if not wide_range(values, factor):
        chosen.set_major_locator(MaxNLocator(5, steps=STEPS))
        if max(map(abs, values), default=0) >= 1e4:
            chosen.set_major_formatter(EngFormatter(sep=""))
        return
    (panel.set_xscale if axis == "x" else panel.set_yscale)("log")
    decades = math.log10(max(values) / min(values))
    chosen.set_major_locator(LogLocator(subs=(1, 2, 5) if decades < 2.5 else (1,), numticks=8))
    chosen.set_minor_formatter(NullFormatter())
    large = max(values) >= 1e4
    chosen.set_major_formatter(EngFormatter(sep="") if large else FuncFormatter(_plain))


def _plain(value: float, _: int) -> str:
    return f"{value:g}"
