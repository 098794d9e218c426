"""What an axis of a picture shows: its scale, its limits, and intervals that go beyond them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import (
    EngFormatter,
    FuncFormatter,
    LogLocator,
    MaxNLocator,
    NullFormatter,
)

from analysis.schema.report import CellReport, MetricInfo, MetricStats

STEPS = [1, 2, 2.5, 5, 10]
BETTER = {"lower": "← lower is better", "higher": "higher is better →"}


def named(metric: MetricInfo, before: str = "") -> str:
    """Title with unit, below it which way is better: up an axis the arrow turns with the text."""
    return "\n".join(filter(None, (before + metric.axis_title, BETTER.get(metric.better))))


def stats_of(cell: CellReport, name: str) -> MetricStats | None:
    """Statistics of that metric where the cell has a value."""
    found = cell.metrics.get(name)
    return found if found is not None and found.n else None


def wide_range(values: list[float], factor: float = 30) -> bool:
    """Whether positive values span so much that a logarithmic axis is needed."""
    positive = [v for v in values if v > 0 and math.isfinite(v)]
    return len(positive) == len(values) > 0 and max(positive) > factor * min(positive)


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


@dataclass(frozen=True)
class Window:
    """What an axis shows. Intervals of few seeds can be wider than all values together, and reach
    beyond what is possible; they are cut off where they would press the values together."""

    low: float
    high: float

    @classmethod
    def of(
        cls,
        metric: MetricInfo,
        values: list[float],
        ends: list[float],
        difference: bool = False,
        room: float = 1.2,
        log: bool = False,
    ) -> Window:
        """Room for all values, and for `ends` up to `room` times the range of the values.

        log: all of it on a logarithmic axis, which has no room for an end of 0 or below.
        """
        if log:
            shown = _limits(
                [math.log10(v) for v in values],
                [math.log10(end) if end > 0 else -math.inf for end in ends],
                room,
            )
            low, high = (10**end for end in shown)
        else:
            low, high = _limits(values, ends, room)
        ceiling = None if metric.better == "lower" else metric.bound
        if not difference and min(values, default=-1.0) >= 0 and metric.role in ("quality", "cost"):
            low = max(low, 0.0 if ceiling is None else -0.02)
        if ceiling is not None:
            high = min(high, ceiling + 0.02)
            low = max(low, -ceiling - 0.02)
        return cls(low, high)

    def apply(self, panel: Axes, axis: str) -> None:
        """Set the limits."""
        (panel.set_xlim if axis == "x" else panel.set_ylim)(self.low, self.high)


def _limits(values: list[float], ends: list[float], room: float) -> tuple[float, float]:
    low, high = min(values, default=0.0), max(values, default=1.0)
    spread = (high - low) or 0.05 * abs(high) or 0.05
    low_end = max(min([low, *ends]), low - room * spread)
    high_end = min(max([high, *ends]), high + room * spread)
    margin = 0.05 * (high_end - low_end or spread)
    return low_end - margin, high_end + margin


def is_log(panel: Axes, axis: str) -> bool:
    """Whether that axis is logarithmic."""
    return (panel.get_xscale() if axis == "x" else panel.get_yscale()) == "log"


def whisker(
    panel: Axes,
    axis: str,
    at: float,
    low: float | None,
    high: float | None,
    window: Window,
    colour: str,
    width: float,
    marks: bool = True,
    **options: Any,
) -> bool:
    """An interval along `axis`; an arrow where it goes on beyond the window. True where it does."""
    if low is None or high is None:
        return False
    inside = [max(low, window.low), min(high, window.high)]
    options = {"color": colour, "zorder": 3, **options}
    line = (inside, [at] * 2) if axis == "x" else ([at] * 2, inside)
    panel.plot(*line, "-", lw=width, **options)
    arrows = "<>" if axis == "x" else "v^"
    for end, shown, mark in zip((low, high), inside, arrows, strict=True):
        if marks and end != shown:
            place = ([shown], [at]) if axis == "x" else ([at], [shown])
            panel.plot(*place, mark, ms=5, mew=0, clip_on=False, **options)
    return [low, high] != inside
