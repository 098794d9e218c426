"""The answer in two sentences, assembled from verdicts: pooled effects, then contrasts."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.grid.cells import cell_label, pair_label
from analysis.judge.verdict import (
    DIFFERENT,
    DIFFERENT_HERE,
    EQUIVALENT,
    INCONCLUSIVE,
    INSUFFICIENT,
    SATURATED,
)
from analysis.metrics import Metric
from analysis.schema import report as schema
from analysis.show.text import declared, fmt, listing, with_span
from contract.words import counted

NAMED = 4  # of a kind, in a sentence
OPEN = {
    INCONCLUSIVE: "not resolved",
    INSUFFICIENT: "without inference",
    SATURATED: "at the ceiling",
}


def answer(
    effects: list[schema.Effect],
    contrasts: list[schema.Contrast],
    axes: dict[str, list],
    metric: Metric,
) -> list[str]:
    """One sentence of the pooled effects, one of the contrasts, on the primary metric."""
    better = f" ({metric.better} is better)" if metric.better else ""
    named = f"{metric.title}{better}"
    pooled = [e for e in effects if e.metric == metric.name]
    rows = [c for c in contrasts if c.metric == metric.name]
    lines = []
    if pooled:
        about = [
            (("", cell_label({e.axis: e.a}, {}), cell_label({e.axis: e.b}, {})), e) for e in pooled
        ]
        swept = {e.axis for e in pooled}
        others = [a for a in axes if len(axes[a]) > 1 and (a not in swept or len(swept) > 1)]
        lines.append(f"Averaged over {listing(others)}, on {named}: {_said(about)}.")
    if rows:
        about = [(_pair(c, axes), c) for c in rows]
        if pooled:
            head = f"Level by level, of {counted(len(rows), 'contrast')}"
        else:
            head = f"Of {counted(len(rows), 'contrast')} on {named}"
        lines.append(f"{head}: {_said(about)}.")
    return lines


def _pair(contrast: schema.Contrast, axes: dict[str, list]) -> tuple[str, str, str]:
    """(level, A, B) of a contrast, as its label says them."""
    label = pair_label(contrast.a, contrast.b, axes)
    a, _, b = label.rpartition(" − ")
    level, _, a = a.rpartition(": ")
    return level, a, b


def _said(about: Sequence[tuple[tuple[str, str, str], schema.Contrast | schema.Effect]]) -> str:
    """What was found, and how many comparisons are open for which reason."""
    parts = []
    for kind, where in ((DIFFERENT, ""), (DIFFERENT_HERE, " on this test set")):
        found = [_different(names, item) for names, item in about if item.verdict == kind]
        if found:
            parts.append(listing(found, NAMED) + where)
    equal = [_name(n) for n, item in about if item.verdict == EQUIVALENT]
    if equal:
        margin = next(item.margin for _, item in about if item.verdict == EQUIVALENT)
        parts.append(f"within ±{declared(margin)} of each other: {listing(equal, NAMED)}")
    kinds = dict.fromkeys(i.verdict for _, i in about)
    for kind in kinds:
        if kind in (DIFFERENT, DIFFERENT_HERE, EQUIVALENT):
            continue
        left = [_open(names, item) for names, item in about if item.verdict == kind]
        word = OPEN.get(kind, kind.lower().replace("_", " "))
        parts.append(f"{word}: {'; '.join(left)}" if len(left) < NAMED else f"{len(left)} {word}")
    return "; ".join(parts)


def _name(names: tuple[str, str, str]) -> str:
    level, a, b = names
    return f"{a} and {b}" + (f" in {level}" if level else "")


def _open(names: tuple[str, str, str], item: schema.Contrast | schema.Effect) -> str:
    level, a, b = names
    interval = item.crossed or item
    if level or item.verdict == INSUFFICIENT:
        return f"{a} − {b}" + (f" in {level}" if level else "")
    excluded = item.statement.excluded
    bound = f", beyond ±{fmt(excluded, 2)} excluded" if excluded is not None else ""
    return f"{a} − {b} = {with_span(item.delta, interval.low, interval.high)}{bound}"


def _different(names: tuple[str, str, str], item: schema.Contrast | schema.Effect) -> str:
    """A against B, whichever is higher."""
    level, a, b = names
    said = item.statement
    word = "higher" if (item.delta or 0) > 0 else "lower"
    where = f"in {level}, " if level else ""
    return f"{where}{a} is {word} than {b} by {with_span(said.by, said.low, said.high)}"
