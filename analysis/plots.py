"""The report's pictures. Deterministic bytes: no time stamps, no random jitter, Agg only.

Colours are Okabe and Ito's, told apart with any colour vision; the heat map uses cividis. Pictures
are bounded: of a sweep with more cells than fit, the first ones in the order of the grid are shown
and the caption says so.
"""

from __future__ import annotations

import math
from collections.abc import Callable
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

from analysis.cells import cell_label, display, pair_label
from analysis.metrics import describe
from analysis.schema import CellReport, Contrast, Effect, MetricStats, Report

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


def _shapes(report: Report) -> dict[str, str]:
    """Row of an ablation -> marker; empty where there are more rows than markers."""
    rows = list(dict.fromkeys(row_label(report, cell) for cell in report.cells))
    if report.kind != "ablation" or len(rows) > len(MARKERS):
        return {}
    return dict(zip(rows, MARKERS, strict=False))


def colour_legend(
    made: Figure, report: Report, note: str = "", shapes: dict[str, str] | None = None
) -> None:
    """Above the panels: what colours and shapes mean, and what a bounded picture leaves out."""
    handles = [
        Line2D([], [], color=colour, marker="o", ls="", label=shorten(value))
        for value, colour in list(_palette(report).items())[: len(COLOURS)]
    ]
    handles += [
        Line2D([], [], color=GREY, marker=marker, mfc="white", ls="", label=shorten(row))
        for row, marker in (shapes or {}).items()
    ]
    if handles or note:
        made.legend(
            handles=handles, loc="outside upper left", ncols=5, fontsize=9, title=note or None,
            alignment="left", title_fontsize=9,
        )  # fmt: skip


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
    for panel, name in zip(panels, names, strict=True):
        metric = describe(name)
        for row, cell in enumerate(shown):
            if name in cell.metrics:
                _dots(panel, row, cell.metrics[name], tint[cell.label])
        set_scale(panel, [v for c in shown for v in _values(c, name)], "x")
        panel.set_xlabel(metric.axis_title)
    panels[0].set_yticks(range(len(shown)), [shorten(c.label) for c in shown])
    panels[0].set_ylim(len(shown) - 0.5, -0.5)
    note = caption(len(shown), len(cells), "cells")
    about = "small: seeds; large: mean and 95 % interval"
    colour_legend(made, report, f"{about}; {note}" if note else about)
    return made


def _values(cell: CellReport, name: str) -> list[float]:
    stats = cell.metrics.get(name)
    return [v for v in stats.values.values() if v is not None] if stats else []


def _dots(panel: Axes, row: int, stats: MetricStats, colour: str) -> None:
    values = [v for v in stats.values.values() if v is not None]
    spread = np.linspace(-0.16, 0.16, len(values)) if len(values) > 1 else [0.0]
    panel.plot(
        values, row + np.asarray(spread), "o", ms=3.2, color=colour, alpha=0.4, mew=0, zorder=2
    )
    if stats.mean is None:
        return
    if stats.low is not None and stats.high is not None:
        panel.plot([stats.low, stats.high], [row, row], "-", lw=2, color=colour, zorder=3)
    panel.plot([stats.mean], [row], "o", ms=6, color=colour, mec="white", mew=0.8, zorder=4)


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


@styled
def forest(report: Report) -> Figure | None:
    """Differences A − B: crossed interval thick, seeds-only interval thin, verdict beside it."""
    names = list(dict.fromkeys(c.metric for c in report.contrasts))[:3]
    rows = {n: [c for c in report.contrasts if c.metric == n and c.n > 0] for n in names}
    names = [name for name in names if rows[name]]
    if not names:
        return None
    total = max(len(rows[name]) for name in names)
    labels = [pair_label(c.a, c.b, report.axes) for c in rows[names[0]][:MAX_ROWS]]
    overall = list(dict.fromkeys(_effect_label(e) for e in report.effects))
    labels += overall[: MAX_ROWS // 4]
    made = figure(3.0 + 3.2 * len(names), 1.3 + 0.3 * len(labels))
    panels = made.subplots(1, len(names), sharey=True, squeeze=False)[0]
    for panel, name in zip(panels, names, strict=True):
        panel.axvline(0, color=GREY, lw=1, zorder=1)
        for row, label in enumerate(labels):
            for contrast in rows[name]:
                if pair_label(contrast.a, contrast.b, report.axes) == label:
                    _difference(panel, row, contrast, contrast.verdict == "DIFFERENT")
            for effect in report.effects:
                if effect.metric == name and _effect_label(effect) == label:
                    _difference(panel, row, effect, False, "D")
        metric = describe(name)
        panel.xaxis.set_major_locator(MaxNLocator(5, steps=STEPS))
        panel.set_xlabel(f"Δ {metric.axis_title}")
    panels[0].set_yticks(range(len(labels)), [shorten(label, 52) for label in labels])
    panels[0].set_ylim(len(labels) - 0.5, -0.5)
    _forest_legend(made, bool(overall), caption(min(total, MAX_ROWS), total, "contrasts"))
    return made


def _effect_label(effect: Effect) -> str:
    return f"all levels: {display(effect.a)} − {display(effect.b)}"


def _difference(
    panel: Axes, row: int, contrast: Contrast | Effect, resolved: bool, marker: str = "o"
) -> None:
    colour = COLOURS[0] if resolved else GREY
    if contrast.low is not None and contrast.high is not None:
        panel.plot([contrast.low, contrast.high], [row] * 2, "-", lw=1, color=colour, zorder=2)
        for end in (contrast.low, contrast.high):
            panel.plot([end], [row], "|", ms=6, color=colour, zorder=2)
    crossed = contrast.crossed
    if crossed is not None and crossed.low is not None and crossed.high is not None:
        panel.plot(
            [crossed.low, crossed.high], [row] * 2, "-", lw=4.5, color=colour, alpha=0.35,
            solid_capstyle="butt", zorder=1,
        )  # fmt: skip
    face = colour if resolved else "white"
    panel.plot(
        [real(contrast.delta)], [row], marker, ms=6, color=colour, mfc=face, mew=1.4, zorder=3
    )


def _forest_legend(made: Figure, overall: bool, note: str) -> None:
    handles = [
        Line2D([], [], color=COLOURS[0], marker="o", ls="", label="DIFFERENT"),
        Line2D([], [], color=GREY, marker="o", mfc="white", ls="", label="any other verdict"),
        Line2D([], [], color=GREY, lw=4.5, alpha=0.35, label="95 %, seeds × examples"),
        Line2D([], [], color=GREY, lw=1, marker="|", label="95 %, seeds only"),
    ]
    if overall:
        diamond = Line2D([], [], color=GREY, marker="D", mfc="white", ls="", label="mean effect")
        handles.insert(2, diamond)
    made.legend(
        handles=handles, loc="outside upper left", ncols=5, fontsize=9, title=note or None,
        alignment="left", title_fontsize=9,
    )  # fmt: skip


@styled
def cost(report: Report) -> Figure | None:
    """Quality against time per epoch and against parameters, intervals on both axes."""
    names = ["epoch_seconds", "parameters"]
    quality = report.primary
    cells = [c for c in report.cells if quality in c.metrics and c.metrics[quality].n]
    names = [n for n in names if any(n in c.metrics for c in cells)]
    if not names or not cells:
        return None
    made = figure(5.2 * len(names), 4.2)
    panels = made.subplots(1, len(names), sharey=True, squeeze=False)[0]
    tint = colours(report)
    shapes = _shapes(report)
    set_scale(panels[0], [c.metrics[quality].mean or 0 for c in cells], "y")
    for panel, name in zip(panels, names, strict=True):
        points = [c for c in cells if name in c.metrics and c.metrics[name].n]
        for cell in points:
            marker = shapes.get(row_label(report, cell), "o")
            _cross(panel, cell.metrics[name], cell.metrics[quality], tint[cell.label], marker)
        set_scale(panel, [c.metrics[name].mean or 0 for c in points], "x", 8)
        panel.margins(0.12)
        panel.set_xlabel(describe(name).axis_title)
    panels[0].set_ylabel(describe(quality).axis_title)
    colour_legend(made, report, shapes=shapes)
    made.draw_without_rendering()  # labels need the final places
    for panel, name in zip(panels, names, strict=True):
        points = [c for c in cells if name in c.metrics and c.metrics[name].n]
        if len(points) <= MAX_LABELS and not shapes:
            _name_points(panel, points, name, quality)
    return made


def _cross(panel: Axes, x: MetricStats, y: MetricStats, colour: str, marker: str) -> None:
    if x.low is not None and x.high is not None and x.sd:
        panel.plot([x.low, x.high], [real(y.mean)] * 2, "-", lw=1.3, color=colour, alpha=0.7)
    if y.low is not None and y.high is not None:
        panel.plot([real(x.mean)] * 2, [y.low, y.high], "-", lw=1.3, color=colour, alpha=0.7)
    panel.plot([real(x.mean)], [real(y.mean)], marker, ms=7, color=colour, mec="white", mew=0.8)


def _name_points(panel: Axes, cells: list[CellReport], x: str, y: str) -> None:
    """Labels beside the points, in the right half to their left; moved up where two collide."""
    taken: list[tuple[float, float, float]] = []
    points = [
        (real(cell.metrics[y].mean), real(cell.metrics[x].mean), shorten(cell.label, 28))
        for cell in cells
    ]
    for py, px, label in sorted(points):
        across, up = panel.transData.transform((px, py))
        left = panel.transAxes.inverted().transform((across, up))[0] > 0.6
        start, width = across, 6.5 * len(label)
        if left:
            start -= width

        def free(height: float, start: float = start, width: float = width) -> bool:
            rows = [(a, b) for a, b, other in taken if abs(height - other) < 12]
            return not any(start < b and a < start + width for a, b in rows)

        offset = next(o for o in range(5, 2000, 12) if free(up + o))
        taken.append((start, start + width, up + offset))
        panel.annotate(
            label, (px, py), xytext=(-6 if left else 6, offset), textcoords="offset pixels",
            ha="right" if left else "left", fontsize=8, color="#333333",
        )  # fmt: skip
