"""Values as they travel: what JSON lacks, and when two are the same.

W&B writes the numbers that JSON lacks as words. A value that went through YAML, a command line and
JSON comes back in another spelling, so values are compared in one canonical form.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

WORDS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def word(value: float) -> str:
    """Return W&B's word for a number that JSON lacks."""
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def number(value: Any) -> float | None:
    """Return a value as a float, W&B's words included; None where it is no number."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        return float(value)
    return WORDS.get(value) if isinstance(value, str) else None


def finite(value: Any) -> Any:
    """Return a JSON value with words in place of the numbers that JSON lacks."""
    if isinstance(value, float) and not math.isfinite(value):
        return word(value)
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [finite(item) for item in value]
    return value


def plain(value: Any) -> Any:
    """Return any value as strict JSON: as `finite`, with tuples as lists and the rest as text."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if value is None or isinstance(value, str | int | float):
        return finite(value)
    return str(value)


def canonical(value: Any) -> Any:
    """Return the value as it compares: numbers in strings become numbers, integral floats integers,
    and floats keep 12 digits (1/6 written out differs from 1/6 computed in the last ones).

    Lists and dicts are canonicalised inside; booleans, None and other strings stay, except that
    the words `true` and `false`, which a command line carries as text, become booleans.
    """
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, str):
        text = value.strip()
        if text.lower() in ("true", "false"):
            return text.lower() == "true"
        return canonical(float(text)) if NUMBER.fullmatch(text) else value
    if isinstance(value, int | float):
        if math.isfinite(value) and value == int(value) and abs(value) < 2**53:
            return int(value)
        return float(f"{value:.12g}") if math.isfinite(value) else value
    if isinstance(value, Mapping):
        return {str(key): canonical(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [canonical(item) for item in value]
    return str(value)


def key(value: Any) -> str:
    """Return a hashable text that is equal for equal values, whatever their type."""
    return json.dumps(canonical(value), sort_keys=True, ensure_ascii=False)
