"""Numbers and names as text: the only place where either is formatted."""

from __future__ import annotations

import math
import re
from typing import Any

from analysis.metrics import FP32_RESOLUTION

NONE = "–"
MARKDOWN = re.compile(r"([\\`*_{}\[\]<>#|~$])")


def fmt(value: float | None) -> str:
    """Four significant digits; whole numbers in full; a dash for what is undefined."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return NONE
    if isinstance(value, int) or (value == int(value) and abs(value) < 1e15):
        return str(int(value))
    return f"{value:.0f}" if abs(value) >= 1e4 else f"{value:.4g}"


def fmt_metric(metric: str, value: float | None) -> str:
    """As fmt(), with losses that fp32 cannot tell from zero named as such."""
    if value is not None and metric.split("/")[-1] == "loss" and abs(value) < FP32_RESOLUTION:
        return "below fp32 resolution"
    return fmt(value)


def fmt_p(value: float | None) -> str:
    """A p-value to two significant digits."""
    if value is None or not math.isfinite(value):
        return NONE
    return f"{value:.2g}"


def span(low: float | None, high: float | None) -> str:
    """An interval in brackets; a dash where it is undefined."""
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return NONE
    return f"[{fmt(low)}, {fmt(high)}]"


def escape(text: Any) -> str:
    """Text from outside as literal Markdown: on one line, no markup, no table cell broken."""
    line = " ".join(str(text).split())
    return MARKDOWN.sub(r"\\\1", line)


def listing(items: list[str], most: int = 12) -> str:
    """Items with commas, the rest of a long list as a count."""
    shown = ", ".join(items[:most])
    return shown if len(items) <= most else f"{shown} and {len(items) - most} more"
