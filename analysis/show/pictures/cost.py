"""Quality against cost: a point per cell with its intervals on both axes."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.schema.report import CellReport, MetricInfo, MetricStats, Report
from analysis.show.pictures.axes import Window, set_scale, stats_of, whisker
from analysis.show.pictures.results import (
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
    """Quality against time per epoch and against parameters, intervals on both axes."""
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
    up = _window(report.metric(quality), cells)
    set_scale(panels[0], [c.metrics[quality].mean or 0 for c in cells], "y")
    cut, faint = False, 0.3 if len(cells) > MAX_LABELS else 0.7
    for panel, name in zip(panels, names, strict=True):
        points = [c for c in cells if stats_of(c, name)]
        across = _window(report.metric(name), points)
        set_scale(panel, [c.metrics[name].mean or 0 for c in points], "x", 8)
        across.apply(panel, "x")
        up.apply(panel, "y")
        for cell in points:
            mark = marks.get(row_label(report, cell), "o")
            pair = (cell.metrics[name], cell.metrics[quality])
            cut |= _cross(panel, *pair, tint[cell.label], mark, across, up, faint)
        panel.set_xlabel(report.metric(name).axis_title)
    panels[0].set_ylabel(report.metric(quality).axis_title)
    about = "lines: 95 % intervals over seeds" + ("; arrows: beyond the axis" if cut else "")
    colour_legend(made, report, about, marks)
    made.draw_without_rendering()  # labels need the final places
    for panel, name in zip(panels, names, strict=True):
        points = [c for c in cells if stats_of(c, name)]
        if len(points) <= MAX_LABELS and not marks:
            _name_points(panel, points, name, quality)
    return made


def _window(metric: MetricInfo, cells: list[CellReport]) -> Window:
    found = [s for c in cells if (s := stats_of(c, metric.name))]
    ends = [end for s in found for end in (s.low, s.high) if end is not None]
    return Window.of(metric, [s.mean for s in found if s.mean is not None], ends)


def _cross(
    panel: Axes,
    x: MetricStats,
    y: MetricStats,
    colour: str,
    marker: str,
    across: Window,
    up: Window,
    faint: float,
) -> bool:
    cut = False
    if x.sd:
        cut |= whisker(panel, "x", real(y.mean), x.low, x.high, across, colour, 1.2, alpha=faint)
    if y.sd:
        cut |= whisker(panel, "y", real(x.mean), y.low, y.high, up, colour, 1.2, alpha=faint)
    panel.plot(
        [real(x.mean)], [real(y.mean)], marker, ms=7, color=colour, mec="white", mew=0.8, zorder=5
    )
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
