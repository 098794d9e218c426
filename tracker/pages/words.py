"""The box above a table of runs: words like `lr>0.01 state=finished val/loss<0.3 baseline`, or a
filter document as `wandb.Api().runs(filters=…)` takes it, which words are turned into.
"""

from __future__ import annotations

import json
import re
from collections.abc import Container
from typing import Any

from tracker.errors import RequestError

MOST_CHARS = 2_000
OPERATORS = {
    "=": None,
    "==": None,
    "!=": "$ne",
    "<": "$lt",
    "<=": "$lte",
    ">": "$gt",
    ">=": "$gte",
    "~": "$regex",
    ":": "$contains",
}
QUOTED = r'"(?:[^"\\]|\\.)*"'
TERM = re.compile(
    rf'\s*(?:({QUOTED}|[^\s<>=!~:"]+)\s*(<=|>=|!=|==|[<>=~:])\s*({QUOTED}|[^\s"]+)'
    rf'|({QUOTED}|[^\s"]+))'
)
ATTRIBUTES = (
    "state", "sweep", "name", "display_name", "group", "job_type", "tags", "host", "notes",
    "commit", "created_at", "updated_at", "heartbeat_at", "duration", "user",
)  # fmt: skip


def document(text: str, results: Container[str]) -> str | None:
    """The filter document (JSON) that the words of a box stand for; None where there are none.

    A bare key is an attribute of runs, a result (`results` has those that runs have), or else a
    value of the config. RequestError says which word is not understood.
    """
    text = text.strip()
    if not text:
        return None
    if len(text) > MOST_CHARS:
        raise RequestError(f"the filter is longer than {MOST_CHARS} characters")
    if text.startswith("{"):
        return text
    ways: list[list[dict[str, Any]]] = [[]]
    place = 0
    while place < len(text):
        found = TERM.match(text, place)
        if found is None:
            raise RequestError(f"not understood: {text[place:].strip()[:40]!r} (a quote is open)")
        place = found.end()
        key, operator, value, word = found.groups()
        if word is None:
            ways[-1].append(condition(unquoted(key), operator, value, results))
        elif word.lower() == "or":
            ways.append([])
        elif word.lower() != "and":
            ways[-1].append(anywhere(unquoted(word)))
    if not all(ways):
        raise RequestError("not understood: something must stand on both sides of `or`")
    return json.dumps({"$or": [{"$and": way} for way in ways]})


def condition(key: str, operator: str, value: str, results: Container[str]) -> dict[str, Any]:
    name = key_of(key, results)
    if operator in ("~", ":"):
        return {name: {OPERATORS[operator]: unquoted(value)}}
    read = value_of(value)
    word = OPERATORS[operator]
    return {name: read if word is None else {word: read}}


def key_of(key: str, results: Container[str]) -> str:
    """A key as filters and orders have it: `lr` -> `config.lr`."""
    head = key.partition(".")[0].lower()
    if key.lower() in ATTRIBUTES or head in ("config", "summary", "summary_metrics"):
        return key
    return f"summary.{key}" if key in results else f"config.{key}"


def anywhere(word: str) -> dict[str, Any]:
    """A word that names nothing: in what people call the run, its id or its tags."""
    return {"$or": [{"display_name": {"$contains": word}}, {"name": {"$contains": word}},
                    {"tags": word}]}  # fmt: skip


def value_of(text: str) -> Any:
    if text.startswith('"'):
        return unquoted(text)
    if text in ("true", "false", "null"):
        return json.loads(text)
    try:
        return int(text) if re.fullmatch(r"[+-]?\d{1,18}", text) else float(text)
    except ValueError:
        return text


def unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1]) if text.startswith('"') else text
