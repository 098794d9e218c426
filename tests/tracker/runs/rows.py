"""Reading history, for the tests of runs."""

from __future__ import annotations

import json
from typing import Any

from tests.tracker.worlds import Site

HISTORY = "wandb-history.jsonl"


def rows(site: Site, name: str = "r1") -> list[dict[str, Any]]:
    run = site.run("history(minStep: 0, maxStep: 1000000)", name)
    assert run
    return [json.loads(text) for text in run["history"]]


def numbered(start: int, stop: int, **extra: Any) -> list[dict[str, Any]]:
    return [{"_step": i, "x": i * 10, **extra} for i in range(start, stop)]
