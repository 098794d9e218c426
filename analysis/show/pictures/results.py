"""The report's pictures. Deterministic bytes: no time stamps, no random jitter, Agg only.

Colours are Okabe and Ito's, told apart with any colour vision; the heat map uses cividis. Pictures
are bounded: of a sweep with more cells than fit, the first ones in the order of the grid are shown
and the caption says so.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from itertools import zip_longest
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.grid.cells import cell_label
from analysis.schema.report import CellReport, MetricStats, Report
from analysis.show.pictures.axes import Window, is_log, named, set_scale, stats_of, whisker

COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999"]
GREY, LINE, DPI = "#666666", "#cccccc", 150  # letters of 10 pixels at half size
MAX_ROWS, MAX_LABELS = 48, 30
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


def png(made: Figure) -> bytes:
    """A PNG whose bytes depend on the picture alone."""
    buffer = io.BytesIO()
    made.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def styled(draw: Callable[..., Figure | None]) -> Callable[..., Figure | None]:
    """Draw with this module's style whatever the user's matplotlibrc says."""

    def wrapped(*args: Any, **kwargs: Any) -> Figure | None:
        with mpl.rc_context():
            mpl.rcdefaults()
            mpl.rcParams.update(STYLE)  # type: ignore[arg-type]
            return draw(*args, **kwargs)

    wrapped.__doc__ = draw.__doc__
    return wrapped


def shorten(label: str, most: int = 50) -> str:
    """A label that fits beside an axis, cut in the middle, where levels differ least; dollar signs
    would start mathematics."""
    tail = most // 2
    text = label if len(label) <= most else f"{label[: most - tail - 1]}…{label[-tail:]}"
    return text.replace("$", r"\$")


def room_for(labels: list[str]) -> float:
    """Inches that the longest label takes beside an axis."""
    return 0.5 + 0.078 * max(map(len, labels), default=0)


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
    return {cell.label: palette[cell_label({axis: cell.config[axis]}, {})] for cell in report.cells}


def _palette(report: Report) -> dict[str, str]:
    if report.kind != "ablation" or not report.baseline:
        return {}
    axis = next(iter(report.baseline))
    values = list(dict.fromkeys(cell_label({axis: c.config[axis]}, {}) for c in report.cells))
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


def real(value: float | None) -> float:
    """The number to draw; NaN, which draws nothing, where it is undefined."""
    return math.nan if value is None else value


@styled
def results(report: Report) -> Figure | None:
    """Every seed as a faint point, mean and 95 % t-interval per cell; one panel per metric."""
    names = list(dict.fromkeys(c.metric for c in report.contrasts)) or [report.primary]
    names = [name for name in names if name][:3]
    cells = [c for c in report.cells if any(name in c.metrics for name in names)]
    if not names or not cells:
        return None
    shown = cells[:MAX_ROWS]
    labels = [shorten(cell.label) for cell in shown]
    made = figure(room_for(labels) + 3.1 * len(names), 1.1 + 0.3 * len(shown))
    panels = made.subplots(1, len(names), sharey=True, squeeze=False)[0]
    tint = colours(report)
    cut = False
    for panel, name in zip(panels, names, strict=True):
        metric = report.metric(name)
        found = [s for c in shown if (s := stats_of(c, name))]
        values = [v for c in shown for v in _values(c, name)]
        set_scale(panel, values, "x")
        values += [s.mean for s in found if s.mean is not None]
        ends = [end for s in found for end in (s.low, s.high) if end is not None]
        window = Window.of(metric, values, ends, log=is_log(panel, "x"))
        window.apply(panel, "x")
        for row, cell in enumerate(shown):
            if name in cell.metrics:
                cut |= _dots(panel, row, cell.metrics[name], tint[cell.label], window)
        panel.set_xlabel(named(metric))
    panels[0].set_yticks(range(len(shown)), labels)
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
