"""Looking repeatedly: which contrasts are undecided, and at what level each look may decide.

Correction: alpha spending by the union bound. Look k of K may reject at alpha/K, so the chance of
any false rejection over all looks is at most alpha, whatever the dependence between looks and
whatever the test; no normal approximation, which fails at five seeds. It costs power compared with
Pocock's constant (0.0125 against 0.0182 a look at K = 4) and is valid for t-tests of few seeds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from analysis import schema, stats
from analysis.verdict import UNDECIDED


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


def undecided(
    report: Mapping[str, Any], look: int, looks_max: int, *, metric: str | None = None
) -> list[dict[str, Any]]:
    """Configs of the cells that need more seeds, from the contents of a report.json.

    These are the cells of every contrast on the primary metric (or on `metric`) that is
    INCONCLUSIVE or INSUFFICIENT, or that the report calls DIFFERENT although its p is above what
    this look may spend. Other verdicts do not change with more seeds. Nothing after the last look.
    """
    alpha = alpha_of_look(look, looks_max)
    if look == looks_max:
        return []
    wanted = metric or report.get("primary", "")
    cells: dict[str, dict[str, Any]] = {}
    for contrast in report.get("contrasts", []):
        if contrast["metric"] == wanted and _open(contrast, alpha):
            cells.setdefault(contrast["a_label"], contrast["a"])
            cells.setdefault(contrast["b_label"], contrast["b"])
    return list(cells.values())


def _open(contrast: Mapping[str, Any], alpha: float) -> bool:
    if contrast["verdict"] in UNDECIDED:
        return True
    p = contrast.get("p_holm")
    return contrast["verdict"] == "DIFFERENT" and p is not None and p >= alpha
