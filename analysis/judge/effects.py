"""Effects of one axis over the levels of the others, and whether they are the same in each."""

from __future__ import annotations

from typing import Any

import numpy as np

from analysis.grid.cells import Cell, cell_label
from analysis.judge import stats
from analysis.judge.compare import Data
from analysis.judge.draft import Draft, Pair, draft
from analysis.judge.family import Judged, Member, member, ruling
from analysis.metrics import Metric
from analysis.schema import report as schema
from contract.values import key

MAX_LEVELS = 12
Pooled = tuple[str, Any, Any]  # axis, value of A, value of B


def declared(data: Data) -> list[Pooled]:
    """Each level of the plan's axis (of every axis where none is declared) against its baseline."""
    axes, plan = data.grid.axes, data.plan
    if plan.kind != "ablation":
        return []
    result = []
    for axis in [axis for axis in dict.fromkeys([plan.axis, *plan.pooled]) if axis in axes]:
        baseline = plan.baseline if axis == plan.axis else axes[axis][0]
        levels = [level for level in axes[axis][:MAX_LEVELS] if key(level) != key(baseline)]
        found = [(axis, level, baseline) for level in levels]
        result += [pooled for pooled in found if len(strata(data, pooled)) > 1]
    return result


def members(data: Data, effects: list[Pooled], metric: Metric) -> list[Member]:
    """Every pooled effect as a member of the metric's family.

    Every level of the other axes belongs to it: where one lacks a cell, there is nothing to say,
    so that losing a cell that disagrees makes no effect clearer.
    """
    result = []
    for pooled in effects:
        axis, a, b = pooled
        pairs = strata(data, pooled)
        of_a, of_b = (cell_label({axis: end}, {}) for end in (a, b))
        item = draft(data, pairs, metric, len(pairs))
        result.append(member(data, of_a, of_b, item, not data.plan.main))
    return result


def strata(data: Data, pooled: Pooled) -> list[Pair]:
    """(A, B) for every level of the other axes that declares both cells."""
    axis, a, b = pooled
    rows: dict[str, dict[str, Cell]] = {}
    for cell in data.grid.cells:
        rest = {name: item for name, item in cell.config.items() if name != axis}
        rows.setdefault(key(rest), {})[key(cell.config[axis])] = cell
    return [(row[key(a)], row[key(b)]) for row in rows.values() if key(a) in row and key(b) in row]


def effect(data: Data, pooled: Pooled, found: Judged) -> schema.Effect:
    """A pooled effect in the report's format: strata count alike and are fixed."""
    axis, a, b = pooled
    item, axes = found.item, data.grid.axes
    low, high = item.over_seeds.interval()
    rows = {}
    for first, second in item.pairs:
        rest = {name: value for name, value in first.config.items() if name != axis}
        of_a, of_b = (cell.finite(item.metric.name) for cell in (first, second))
        if of_a and of_b:
            both = [s for s in of_a if s in of_b] if item.matched else []
            means = [np.mean([v[s] for s in both or v]) for v in (of_a, of_b)]
            rows[cell_label(rest, axes)] = float(means[0] - means[1])
    f, df1, df2, p = stats.sphericity_test(_by_seed(item))
    ends = sorted(rows.items(), key=lambda row: row[1]) or [("", float("nan"))]
    return schema.Effect(
        **dict(ruling(data, found)),
        axis=axis, a=a, b=b, metric=item.metric.name, strata=len(item.pairs), n=item.n,
        delta=item.over_seeds.delta, low=low, high=high, p=item.over_seeds.p,
        interaction_f=f, interaction_df1=df1, interaction_df2=df2, interaction_p=p,
        smallest=ends[0][1], largest=ends[-1][1], smallest_in=ends[0][0], largest_in=ends[-1][0],
    )  # fmt: skip


def _by_seed(item: Draft) -> np.ndarray:
    """The effect per seed and stratum, shape (S, R); empty where arms are not matched."""
    values = [(a.finite(item.metric.name), b.finite(item.metric.name)) for a, b in item.pairs]
    rows = [[of_a[seed] - of_b[seed] for of_a, of_b in values] for seed in item.deltas]
    return np.array(rows).reshape(len(item.deltas), len(item.pairs))


def effect_label(effect: schema.Effect) -> str:
    """The two levels: text values as they are, others as `axis=value`."""
    return " − ".join(cell_label({effect.axis: end}, {}) for end in (effect.a, effect.b))
