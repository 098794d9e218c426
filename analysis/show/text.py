"""Numbers and names as text: the only place where either is formatted."""

from __future__ import annotations

import math
import re
from typing import Any

from analysis.metrics import FP32_RESOLUTION

NONE = "–"
TINY = 1e-3  # values below are written with an exponent
MOST_DECIMALS = 6  # what float32 tells apart
MARKUP = re.compile(r"([\\`*<>|~$]|(?<!\w)_|_(?!\w)|(?<=\])[(:\[])")


def known(value: float | None) -> bool:
    """Whether there is a number to show."""
    return value is not None and math.isfinite(value)


def fmt(value: float | None, digits: int = 4) -> str:
    """`digits` significant digits, trailing zeros too; whole numbers in full; a dash for none."""
    if value is None or not math.isfinite(value):
        return NONE
    if isinstance(value, int) or (value == int(value) and abs(value) < 1e15):
        return str(int(value))
    if abs(value) >= 10**digits:
        return f"{value:.0f}"
    return f"{value:#.{digits}g}".rstrip(".").replace(".e", "e")


def declared(value: float | None) -> str:
    """A number that somebody wrote down, as it was written."""
    return NONE if value is None else f"{value:.10g}"


def share(percent: float) -> str:
    """A percentage to two digits: 0.41, 4.1, 41, 412."""
    return f"{percent:.0f}" if percent >= 9.95 else f"{percent:#.2g}".rstrip(".")


def aligned(values: list[float], width: float, digits: int, bounds: int = 0) -> list[str]:
    """Values to the decimal place at which `width` has `digits` significant digits.

    The last `bounds` of them are ends of an interval: one that this would round to 0 keeps a digit
    of its own, so that its sign survives.
    """
    if not width > 0 or max(map(abs, values)) < TINY:
        return [fmt(value, 3) for value in values]
    decimals = min(max(0, digits - 1 - math.floor(math.log10(width))), MOST_DECIMALS)
    first = len(values) - bounds
    return [_aligned(value, decimals, i >= first) for i, value in enumerate(values)]


def _aligned(value: float, decimals: int, bound: bool) -> str:
    if value == 0 or round(value, decimals) != 0:
        return f"{value:.{decimals}f}"
    if not bound:
        return f"{0:.{decimals}f}"
    own = -math.floor(math.log10(abs(value)))
    return f"{value:.{own}f}" if own <= MOST_DECIMALS else f"{value:.1g}"


def fmt_metric(metric: str, value: float | None) -> str:
    """As fmt(), with losses that fp32 cannot tell from zero named as such."""
    return _unresolved(metric, value) or fmt(value)


def _unresolved(metric: str, value: float | None) -> str:
    if value is None or metric.split("/")[-1] != "loss" or abs(value) >= FP32_RESOLUTION:
        return ""
    return "below fp32 resolution"


def plus_minus(metric: str, mean: float | None, half: float | None) -> str:
    """mean ± half, the half-width with two digits; the mean alone where there is no spread."""
    if mean is None or half is None or not half > 0 or _unresolved(metric, mean):
        return fmt_metric(metric, mean)
    return " ± ".join(aligned([mean, half], half, 2))


def span(low: float | None, high: float | None) -> str:
    """An interval in brackets; a dash where it is undefined."""
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return NONE
    return f"[{', '.join(aligned([low, high], high - low, 3, bounds=2))}]"


def with_span(value: float | None, low: float | None, high: float | None) -> str:
    """A value and its interval to the same decimal place; the value alone without one."""
    if value is None or low is None or high is None:
        return fmt(value)
    if not all(map(math.isfinite, (value, low, high))) or not high > low:
        return fmt(value)
    first, *ends = aligned([value, low, high], high - low, 3, bounds=2)
    return f"{first} [{', '.join(ends)}]"


def fmt_p(value: float | None) -> str:
    """A p-value to two significant digits, trailing zeros too."""
    if value is None or not math.isfinite(value):
        return NONE
    return "1" if value >= 0.995 else f"{value:#.2g}"


def escape(text: Any) -> str:
    """Text from outside as literal Markdown: on one line, no markup, no link, no broken table."""
    return MARKUP.sub(r"\\\1", " ".join(str(text).split()))


def listing(items: list[str], most: int = 12) -> str:
    """Items with commas, the rest of a long list as a count."""
    shown = ", ".join(items[:most])
    return shown if len(items) <= most else f"{shown} and {len(items) - most} more"
