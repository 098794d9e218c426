"""Contrasts of the plan in the report's format."""

from __future__ import annotations

import math

import numpy as np

from analysis.grid.cells import Cell
from analysis.judge import stats
from analysis.judge.compare import Data
from analysis.judge.draft import Pair, draft
from analysis.judge.family import Judged, Member, member, ruling
from analysis.metrics import Metric
from analysis.schema import report as schema
from contract.plan import Plan
from contract.values import key


def members(data: Data, pairs: list[Pair], metric: Metric) -> list[Member]:
    """Every pair as a member of the metric's family."""
    return [
        member(data, a.label, b.label, draft(data, [(a, b)], metric), is_main(data.plan, a, b))
        for a, b in pairs
    ]


def is_main(plan: Plan, a: Cell, b: Cell) -> bool:
    """Whether the plan names the contrast, of two cells or of two values, as its question's."""
    ends = {key(a.config), key(b.config)}
    values = {key(a.config.get(plan.axis)), key(b.config.get(plan.axis))}
    return any({key(pair.a), key(pair.b)} in (ends, values) for pair in plan.main)


def contrast(data: Data, found: Judged) -> schema.Contrast:
    """A contrast in the report's format."""
    item = found.item
    ((a, b),) = item.pairs
    values_a, values_b = a.finite(item.metric.name), b.finite(item.metric.name)
    all_seeds = stats.unpaired([np.array([*values_a.values()])], [np.array([*values_b.values()])])
    bca = stats.bca(np.array(list(item.deltas.values()))) or (math.nan, math.nan)
    numbers = stats.paired(list(item.deltas.values()))._asdict()
    if not item.matched:
        low, high = item.over_seeds.interval()
        numbers |= {"n": item.n, "delta": item.over_seeds.delta, "low": low, "high": high}
        numbers |= {"p": item.over_seeds.p}
    return schema.Contrast(
        **dict(ruling(data, found)),
        **numbers,
        a=a.config,
        b=b.config,
        a_label=a.label,
        b_label=b.label,
        metric=item.metric.name,
        deltas=dict(item.deltas),
        unmatched_a=[s for s in values_a if s not in values_b] if item.matched else [],
        unmatched_b=[s for s in values_b if s not in values_a] if item.matched else [],
        welch_delta=all_seeds.delta,
        welch_low=all_seeds.interval()[0],
        welch_high=all_seeds.interval()[1],
        bca_low=bca[0],
        bca_high=bca[1],
        failed_at_chance=at_chance(a, b, item.metric),
        capacity_ratio=capacity(a, b),
    )


def at_chance(a: Cell, b: Cell, metric: Metric) -> float:
    """Δ with failed and diverged runs of either cell put at chance; NaN where there are none."""
    if metric.chance is None:
        return math.nan
    filled = [_filled(cell, metric) for cell in (a, b)]
    if not any(cell_failed for _, cell_failed in filled):
        return math.nan
    (of_a, _), (of_b, _) = filled
    seeds = [seed for seed in of_a if seed in of_b]
    return float(np.mean([of_a[s] - of_b[s] for s in seeds])) if seeds else math.nan


def _filled(cell: Cell, metric: Metric) -> tuple[dict[str, float], bool]:
    values = cell.finite(metric.name)
    lost = [s for s, slot in cell.slots.items() if slot.state == "failed"] + cell.diverged
    assert metric.chance is not None
    return values | {seed: metric.chance for seed in lost if seed not in values}, bool(lost)


def capacity(a: Cell, b: Cell) -> float:
    """Parameters of A / parameters of B; NaN where unknown."""
    of_a, of_b = a.finite("parameters").values(), b.finite("parameters").values()
    if not of_a or not of_b or not sum(of_b):
        return math.nan
    return float(np.mean(list(of_a)) / np.mean(list(of_b)))
