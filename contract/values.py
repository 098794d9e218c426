"""Values as they travel: what JSON lacks, and when two are the same.

W&B writes the numbers that JSON lacks as words. Two values can be the same in two ways. `key` is
for values that went through YAML, a command line and JSON, and come back in another spelling: "0.1"
is 0.1. `exact` is for values that one file lists beside each other: there "1" and 1 are two, since
a program that is called as a function tells them apart.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

WORDS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
LARGEST = 2**1023  # integers below are floats, too
NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")


HALF = re.compile("[\ud800-\udfff]")


def word(value: float) -> str:
    """Return W&B's word for a number that JSON lacks."""
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def number(value: Any) -> float | None:
    """Return a value as a float, W&B's words included; None where it is no number.

    An integer that no float holds is infinite.
    """
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int) and abs(value) >= LARGEST:
        return math.inf if value > 0 else -math.inf
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


def whole(value: Any) -> Any:
    """Return a JSON value with U+FFFD in the place of every half of a character (a lone surrogate),
    which JSON and YAML can name and no encoding can write.
    """
    if isinstance(value, str):
        return HALF.sub("\ufffd", value)
    if isinstance(value, dict):
        return {whole(key): whole(item) for key, item in value.items()}
    return [whole(item) for item in value] if isinstance(value, list) else value


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


def exact(value: Any) -> str:
    """Return a text that is the same for equal values: 0.0 and 0 are equal, "1" and 1 are not.

    Raises ValueError for what has no place in a config: NaN, infinity, dates, keys that are no
    text. Kept data folders hold hashes of this text, so its form stays.
    """
    return json.dumps(_exact(value), sort_keys=True, separators=(",", ":"), allow_nan=False)


def _exact(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list | tuple):
        return [_exact(item) for item in value]
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise ValueError(f"keys of {value!r} must be text")
        return {key: _exact(item) for key, item in value.items()}
    if value is not None and not isinstance(value, bool | int | float | str):
        raise ValueError(f"{value!r} is no number, text, list or mapping")
    return value
