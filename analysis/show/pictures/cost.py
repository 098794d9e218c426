"""Quality against cost: a point per cell with its intervals on both axes."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.schema.report import CellReport, MetricInfo, MetricStats, Report
from analysis.show.pictures.axes import Window, is_log, named, set_scale, stats_of, whisker
from analysis.show.pictures.results import (
    DPI,
    GREY,
    MAX_LABELS,
    colour_legend,
    colours,
    figure,
    real,
    row_label,
    shapes,
    shorten,
    styled,
)


@styled
def cost(report: Report) -> Figure | None:
    """Quality against time per epoch and against parameters, intervals on both axes, with the front
    of the means; hollow are cells that are resolved to be dominated."""
    names = ["epoch_seconds", "parameters"]
    quality = report.primary
    cells = [c for c in report.cells if stats_of(c, quality)]
    names = [n for n in names if any(stats_of(c, n) for c in cells)]
    varied = [n for n in names if len({s.mean for c in cells if (s := stats_of(c, n))}) > 1]
    names = varied or names  # a cost that is the same for all cells shows nothing
    if not names or not cells:
        return None
    made = figure(max(7.0, 5.2 * len(names)), 4.6)
    panels = made.subplots(1, len(names), sharey=True, squeeze=False)[0]
    tint, marks = colours(report), shapes(report)
    set_scale(panels[0], [c.metrics[quality].mean or 0 for c in cells], "y")
    up = _window(report.metric(quality), cells, is_log(panels[0], "y"))
    cut, faint = False, 0.3 if len(cells) > MAX_LABELS else 0.7
    for panel, name in zip(panels, names, strict=True):
        points = [c for c in cells if stats_of(c, name)]
        set_scale(panel, [c.metrics[name].mean or 0 for c in points], "x", 8)
        across = _window(report.metric(name), points, is_log(panel, "x"))
        across.apply(panel, "x")
        up.apply(panel, "y")
        for cell in points:
            mark = marks.get(row_label(report, cell), "o")
            pair = (cell.metrics[name], cell.metrics[quality])
            hollow = any(d.b_label == cell.label and d.cost == name for d in report.pareto)
            cut |= _cross(panel, *pair, tint[cell.label], mark, across, up, faint, hollow)
        best = front(report.metric(name), report.metric(quality), points)
        panel.plot(*zip(*best, strict=True), "--", lw=1, color=GREY, zorder=1) if best else None
        panel.set_xlabel(named(report.metric(name)))
    panels[0].set_ylabel(named(report.metric(quality)))
    about = "lines: 95 % intervals over seeds" + ("; arrows: beyond the axis" if cut else "")
    if report.metric(quality).better:
        about += "\ndashed: front of the means"
    if any(d.cost in names for d in report.pareto):
        about += "; hollow: resolved to be dominated by another"
    colour_legend(made, report, about, marks)
    made.draw_without_rendering()  # labels need the final places
    for panel, name in zip(panels, names, strict=True):
        points = [c for c in cells if stats_of(c, name)]
        if len(points) <= MAX_LABELS and not marks:
            _name_points(panel, points, name, quality)
    return made


def front(cost: MetricInfo, quality: MetricInfo, cells: list[CellReport]) -> list[tuple]:
    """(cost, quality) of the cells' means that no other mean passes in both, cheapest first."""
    if not quality.better:
        return []
    signs = [1 if metric.better == "lower" else -1 for metric in (cost, quality)]
    points = sorted(
        tuple(
            sign * real(cell.metrics[metric.name].mean)
            for sign, metric in zip(signs, (cost, quality), strict=True)
        )
        for cell in cells
        if cell.metrics[cost.name].mean is not None and cell.metrics[quality.name].mean is not None
    )
    kept: list[tuple] = []
    for point in points:
        if not kept or point[1] < kept[-1][1]:
            kept.append(point)
    return [tuple(sign * end for sign, end in zip(signs, point, strict=True)) for point in kept]


def _window(metric: MetricInfo, cells: list[CellReport], log: bool) -> Window:
    found = [s for c in cells if (s := stats_of(c, metric.name))]
    ends = [end for s in found for end in (s.low, s.high) if end is not None]
    return Window.of(metric, [s.mean for s in found if s.mean is not None], ends, log=log)


def _cross(
    panel: Axes,
    x: MetricStats,
    y: MetricStats,
    colour: str,
    marker: str,
    across: Window,
    up: Window,
    faint: float,
    hollow: bool,
) -> bool:
    cut = False
    if x.sd:
        cut |= whisker(panel, "x", real(y.mean), x.low, x.high, across, colour, 1.2, alpha=faint)
    if y.sd:
        cut |= whisker(panel, "y", real(x.mean), y.low, y.high, up, colour, 1.2, alpha=faint)
    face, edge = ("white", colour) if hollow else (colour, "white")
    at = [real(x.mean)], [real(y.mean)]
    panel.plot(*at, marker, ms=7, color=colour, zorder=5, mfc=face, mec=edge)
    return cut


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
        start, width = across, 0.065 * DPI * len(label)
        if left:
            start -= width

        def free(height: float, start: float = start, width: float = width) -> bool:
            rows = [(a, b) for a, b, other in taken if abs(height - other) < DPI / 9]
            return not any(start < b and a < start + width for a, b in rows)

        offset = next(o for o in range(5, 2000, DPI // 9) if free(up + o))
        taken.append((start, start + width, up + offset))
        panel.annotate(
            label, (px, py), xytext=(-6 if left else 6, offset), textcoords="offset pixels",
            ha="right" if left else "left", fontsize=9, color="#333333",
        )  # fmt: skip
