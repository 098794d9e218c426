"""Costs as paired ratios within one kind of hardware, and which cells dominate others."""

from __future__ import annotations

import math

import numpy as np

from analysis import metrics
from analysis.grid.cells import Cell
from analysis.judge import stats
from analysis.judge.compare import attribute
from analysis.judge.verdict import DIFFERENT, EQUIVALENT
from analysis.metrics import Metric
from analysis.read.snapshot import Run
from analysis.schema import report as schema

HARDWARE = ("cpu", "gpu", "threads", "precision")


def ratios(pairs: list[tuple[Cell, Cell]], known: list[Metric]) -> list[schema.CostRatio]:
    """A / B of each cost metric for each pair of cells."""
    return [ratio(a, b, metric) for a, b in pairs for metric in known]


def ratio(a: Cell, b: Cell, metric: Metric) -> schema.CostRatio:
    """Geometric mean of the ratios of matched seeds, with the t-interval of the logarithm.

    Only seeds whose two runs used the same hardware are paired.
    """
    of_a, of_b = a.finite(metric.name), b.finite(metric.name)
    both = [s for s in of_a if s in of_b and of_a[s] > 0 and of_b[s] > 0]
    alike = [s for s in both if hardware(a.runs[s]) == hardware(b.runs[s])]
    exact = metric.name in metrics.EXACT
    seeds = both if exact else alike
    note = "" if seeds else ("different hardware" if both else "not measured")
    logs = stats.mean_interval([math.log(of_a[s] / of_b[s]) for s in seeds])
    low, high = (math.nan, math.nan) if exact else (np.exp(logs.low), np.exp(logs.high))
    return schema.CostRatio(
        a=a.config, b=b.config, a_label=a.label, b_label=b.label, metric=metric.name,
        n=logs.n, ratio=float(np.exp(logs.mean)), low=float(low), high=float(high),
        exact=exact, note=note,
    )  # fmt: skip


def hardware(run: Run) -> tuple[str, ...]:
    """What must be equal for costs to be compared."""
    return tuple(str(attribute(run, name)) for name in HARDWARE)


def pareto(
    contrasts: list[schema.Contrast], costs: list[schema.CostRatio], primary: Metric | None
) -> list[schema.Dominance]:
    """Pairs in which one cell is resolved to be on the wanted side of both quality and cost."""
    if primary is None or not primary.better:
        return []
    result = []
    for contrast in contrasts:
        if contrast.metric != primary.name or contrast.verdict not in (DIFFERENT, EQUIVALENT):
            continue
        for cost in costs:
            if cost.a == contrast.a and cost.b == contrast.b:
                result += _dominance(contrast, cost, primary)
    return result


def _dominance(
    contrast: schema.Contrast, cost: schema.CostRatio, primary: Metric
) -> list[schema.Dominance]:
    below = _resolved_below(cost)
    if below is None or cost.ratio is None:
        return []
    cheaper_a = below == (metrics.COST[cost.metric].better == "lower")
    if contrast.verdict == DIFFERENT:
        wanted_a = ((contrast.delta or 0) > 0) == (primary.better == "higher")
        if wanted_a != cheaper_a:
            return []
    first, second = contrast.a_label, contrast.b_label
    return [
        schema.Dominance(
            a_label=first if cheaper_a else second,
            b_label=second if cheaper_a else first,
            quality=primary.name,
            verdict=contrast.verdict,
            cost=cost.metric,
            ratio=cost.ratio if cheaper_a else 1 / cost.ratio,
        )
    ]


def _resolved_below(cost: schema.CostRatio) -> bool | None:
    """True: A / B is below 1; False: above; None: not resolved."""
    if cost.ratio is None:
        return None
    if cost.exact:
        return None if cost.ratio == 1 else cost.ratio < 1
    if cost.low is None or cost.high is None or cost.low <= 1 <= cost.high:
        return None
    return cost.high < 1
