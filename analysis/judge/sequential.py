"""Looking repeatedly: which contrasts are undecided, and at what level each look may decide.

Correction: Bonferroni over the looks. Look k of K may reject at alpha/K, so the chance of any false
rejection over all looks is at most alpha, whatever the dependence between looks and whatever the
test; no normal approximation, which fails at five seeds. It costs power compared with Pocock's
constant (0.0125 against 0.0182 a look at K = 4) and is valid for t-tests of few seeds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from analysis.judge import stats
from analysis.judge.verdict import UNDECIDED
from analysis.schema import report as schema
from contract.values import key

MOST_LOOKS = 4  # the level of every look is alpha / looks, so few keep some power
# How a sweep's description tells of its looks, so that every report of it knows.
LOOK = re.compile(r"look (\d+) of (\d+)$")


class LookError(Exception):
    """Looks that make no sense."""

    exit_code = 2


def alpha_of_look(look: int, looks_max: int, alpha: float = stats.ALPHA) -> float:
    """The level of look 1 … looks_max; the levels of all looks add up to `alpha`."""
    if not 1 <= look <= looks_max:
        raise LookError(f"look {look} of {looks_max}: looks run from 1 to {looks_max}")
    return alpha / looks_max


def looks(pair: tuple[int, int] | None) -> schema.Looks | None:
    """(look, looks_max) in the report's format."""
    if pair is None:
        return None
    look, looks_max = pair
    return schema.Looks(look=look, looks_max=looks_max, alpha=alpha_of_look(look, looks_max))


def looks_in(description: str | None) -> tuple[int, int] | None:
    """(look, looks_max) of a sweep's description that ends in "look 2 of 4"; else None."""
    found = LOOK.search(description or "")
    if found is None or not 1 <= int(found[1]) <= int(found[2]):
        return None
    return int(found[1]), int(found[2])


def undecided(report: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Pooled effects and contrasts on the primary metric that more seeds could decide, of a
    report.json.

    The report of a look judges at the level of that look; verdicts other than INCONCLUSIVE and
    INSUFFICIENT do not call for seeds.
    """
    return [
        item
        for item in [*report.get("effects", []), *report.get("contrasts", [])]
        if item["metric"] == report.get("primary") and item["verdict"] in UNDECIDED
    ]


def cells_of(report: Mapping[str, Any], open_: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The configs of the cells behind these contrasts and effects, each once, as the grid has
    them."""
    contrasts = [item for item in open_ if "axis" not in item]
    wanted = {key(item[end]) for item in contrasts for end in "ab"}
    levels = {(item["axis"], key(item[end])) for item in open_ if "axis" in item for end in "ab"}
    return [
        cell["config"]
        for cell in report["cells"]
        if key(cell["config"]) in wanted
        or any((axis, key(value)) in levels for axis, value in cell["config"].items())
    ]
