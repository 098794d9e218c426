"""JSON from outside, which a client may have made to cost far more memory than it is long, or more
nesting than what reads it later can follow: Python, and SQLite, which gives up a whole query.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Any

from contract.values import number
from contract.values import whole as whole_text
from tracker.errors import RequestError

Object = dict[str, Any]  # a JSON object: of GraphQL, what comes in or goes out

MISSING = object()  # where null is a value
MAX_VALUES = 1_000_000  # about 100 MB in memory; a body's lines and files are far fewer
MAX_NESTING = 200  # levels
ESCAPED_HALF = re.compile(r"\\u[dD][89a-fA-F]")  # or one of a pair
LARGEST = 2**62  # SQLite's integers hold it, and one more
STRING = re.compile(r'"(?>[^"\\]+|\\.)*+(?:"|\\?\Z)', re.DOTALL)  # or the rest, where it has no end


def read(text: str | bytes | bytearray, what: str, most: int = MAX_VALUES) -> Any:
    """The value of a JSON document; RequestError, which calls it `what`, where it is none."""
    try:
        if not isinstance(text, str):
            text = text.decode(json.detect_encoding(text), "surrogatepass")
        if values(text) > most and values(STRING.sub("", text)) > most:
            raise RequestError(f"{what} has more than {most} values", status=413)
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RequestError(f"{what} is not JSON: {error}") from None
    if text.count("[") + text.count("{") > MAX_NESTING and is_deep(value):
        raise RequestError(f"{what} is nested deeper than {MAX_NESTING} levels")
    return value


def cleaned(text: str) -> str:
    """A JSON document with U+FFFD in the place of every half of a character (a lone surrogate),
    which SQLite fails on in the middle of a filter, and a page when it is sent. What is no JSON
    stays as it is.
    """
    if not ESCAPED_HALF.search(text):
        return text
    try:
        return json.dumps(whole_text(json.loads(text)))
    except (ValueError, RecursionError):
        return text


def looked_up(text: str, keys: str) -> Any:
    """As SQLite's json_extract, for keys that it misses: it compares them as they are written, with
    their escapes. `keys`: a JSON list.
    """
    found = at(text, keys)
    if isinstance(found, (list, dict)):
        return json.dumps(found, separators=(",", ":"), ensure_ascii=False)
    return number(found) if isinstance(found, int) and abs(found) > LARGEST else found


def kind_of(text: str, keys: str) -> str | None:
    """NULL where there is nothing in such a place, as json_type has it."""
    found = at(text, keys, MISSING)
    return None if found is MISSING else type(found).__name__


def at(text: str, keys: str, absent: Any = None) -> Any:
    found = parsed(text)
    for key in json.loads(keys):
        if not isinstance(found, dict) or key not in found:
            return absent
        found = found[key]
    return found


@lru_cache(maxsize=4)
def parsed(text: str) -> Any:
    """Of a row's document, in which a filter may look for many keys."""
    return json.loads(text)


def values(text: str) -> int:
    """How many values a document has, at least; what stands in strings is counted, too."""
    return text.count(",") + text.count("[") + text.count("{")


def is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(MAX_NESTING + 1):
        inner = []
        for item in level:
            if isinstance(item, dict):
                inner += item.values()
            elif isinstance(item, list):
                inner += item
        level = inner
    return bool(level)


def read_object(text: str, what: str) -> dict[str, Any]:
    """As `read`, of an object."""
    value = read(text, what)
    if not isinstance(value, dict):
        raise RequestError(f"{what} is not a JSON object: {text:.80}")
    return value


def whole(value: Any, what: str) -> int:
    """A whole number, also one that is written as a text; RequestError where it is none."""
    try:
        found = int(value)
    except (TypeError, ValueError, OverflowError):
        found = None
    if found is None or abs(found) > LARGEST:
        raise RequestError(f"{what}: {value!r:.80} is no whole number that is served")
    return found
