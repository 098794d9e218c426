"""Small line charts as SVG coordinates, pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT, MARGIN = 300.0, 110.0, 4.0

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Chart:
    """`lines` are `points` attributes of polylines; the bounds are those of the data."""

    axis: str
    lines: list[str]
    low: float
    high: float
    first: float
    last: float
    dots: list[tuple[float, float]]  # of series with one point, which no line would show


def chart(series: Sequence[Points], axis: str) -> Chart | None:
    """None where there is nothing finite to draw."""
    kept = [
        [(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y)] for points in series
    ]
    kept = [points for points in kept if points]
    if not kept:
        return None
    xs = [x for points in kept for x, _ in points]
    ys = [y for points in kept for _, y in points]
    first, last, low, high = min(xs), max(xs), min(ys), max(ys)

    def place(x: float, y: float) -> tuple[float, float]:
        across = (x - first) / (last - first) if last > first else 0.5
        up = (y - low) / (high - low) if high > low else 0.5
        return (
            round(MARGIN + across * (WIDTH - 2 * MARGIN), 1),
            round(HEIGHT - MARGIN - up * (HEIGHT - 2 * MARGIN), 1),
        )

    return Chart(
        axis=axis,
        lines=[
            " ".join(f"{a},{b}" for a, b in (place(*point) for point in points))
            for points in kept
            if len(points) > 1
        ],
        low=low,
        high=high,
        first=first,
        last=last,
        dots=[place(*points[0]) for points in kept if len(points) == 1],
    )
