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
    def around(
        cls,
        metric: MetricInfo,
        stats: list[MetricStats],
        difference: bool = False,
        room: float = 1.2,
    ) -> Window:
        """Room for all values, and for intervals up to `room` times the range of the values."""
        values = [v for s in stats for v in (*s.values.values(), s.mean) if v is not None]
        ends = [v for s in stats for v in (s.low, s.high) if v is not None]
        return cls.of(metric, values, ends, difference, room)

    @classmethod
    def of(
        cls,
        metric: MetricInfo,
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
        ceiling = None if metric.better == "lower" else metric.bound
        if not difference and min(values, default=-1.0) >= 0 and metric.role in ("quality", "cost"):
            floor = 0.0 if ceiling is None else -0.02
            low_end = max(low_end, floor)
        if ceiling is not None:
            high_end = min(high_end, ceiling + 0.02)
            low_end = max(low_end, -ceiling - 0.02)
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
