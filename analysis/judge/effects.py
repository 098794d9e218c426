"""Effects of one axis over the levels of the others, and whether they are the same in each."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from analysis.grid.cells import Cell, cell_label
from analysis.judge import compare, contrasts, stats
from analysis.judge.compare import Data
from analysis.metrics import Metric
from analysis.schema import report as schema
from contract.values import key

MAX_LEVELS = 12
Stratum = tuple[str, Cell, Cell]


def effects(data: Data, metrics: list[Metric]) -> list[schema.Effect]:
    """Stratified effect of each level of the plan's axis (of every axis where none is declared)."""
    axes, plan = data.grid.axes, data.plan
    if plan.kind != "ablation":
        return []
    result = []
    for axis in [plan.axis] if plan.name else list(axes):
        baseline = plan.baseline if axis == plan.axis else axes[axis][0]
        for level in axes[axis][:MAX_LEVELS]:
            if key(level) != key(baseline):
                found = strata(data, axis, level, baseline)
                result += [
                    effect
                    for metric in metrics
                    if (effect := _effect(data, axis, level, baseline, metric, found))
                ]
    return result


def strata(data: Data, axis: str, a: Any, b: Any) -> list[Stratum]:
    """(label, A, B) for every level of the other axes that has both cells."""
    rows: dict[str, dict[str, Cell]] = {}
    for cell in data.grid.cells:
        rest = {name: item for name, item in cell.config.items() if name != axis}
        rows.setdefault(key(rest), {})[key(cell.config[axis])] = cell
    result = []
    for row in rows.values():
        if key(a) in row and key(b) in row:
            cell = row[key(a)]
            rest = {name: item for name, item in cell.config.items() if name != axis}
            result.append((cell_label(rest, data.grid.axes), cell, row[key(b)]))
    return result


def _effect(
    data: Data, axis: str, a: Any, b: Any, metric: Metric, found: list[Stratum]
) -> schema.Effect | None:
    """Mean over strata within each seed, then over seeds; strata count alike and are fixed."""
    usable = [
        s
        for s in found
        if not compare.differing(data, s[1], s[2], metric)
        and not (compare.saturated(s[1], metric) and compare.saturated(s[2], metric))
    ]
    matched = [_deltas(first, second, metric) for _, first, second in usable]
    kept = [(s, m) for s, m in zip(usable, matched, strict=True) if m]
    if len(kept) < 2:
        return None
    seeds = [s for s in kept[0][1] if all(s in deltas for _, deltas in kept)]
    effect_SR = np.array([[deltas[seed] for _, deltas in kept] for seed in seeds])
    effect_SR = effect_SR.reshape(len(seeds), len(kept))
    interval = stats.mean_interval(effect_SR.mean(1))
    f, df1, df2, p = stats.sphericity_test(effect_SR)
    per_row = [float(np.mean(list(deltas.values()))) for _, deltas in kept]
    low, high = int(np.argmin(per_row)), int(np.argmax(per_row))
    crossed, examples = _crossed(data, metric, [s for s, _ in kept], seeds)
    return schema.Effect(
        axis=axis, a=a, b=b, metric=metric.name, strata=len(kept), n=interval.n,
        delta=interval.mean, low=interval.low, high=interval.high,
        crossed=contrasts.crossed_interval(crossed, len(seeds), examples),
        interaction_f=f, interaction_df1=df1, interaction_df2=df2, interaction_p=p,
        smallest=per_row[low], largest=per_row[high],
        smallest_in=kept[low][0][0], largest_in=kept[high][0][0],
    )  # fmt: skip


def effect_label(effect: schema.Effect) -> str:
    """The two levels: text values as they are, others as `axis=value`."""
    return " − ".join(cell_label({effect.axis: end}, {}) for end in (effect.a, effect.b))


def _deltas(a: Cell, b: Cell, metric: Metric) -> dict[str, float]:
    of_a, of_b = a.finite(metric.name), b.finite(metric.name)
    deltas = {seed: of_a[seed] - of_b[seed] for seed in of_a if seed in of_b}
    return {seed: delta for seed, delta in deltas.items() if math.isfinite(delta)}


def _crossed(
    data: Data, metric: Metric, rows: list[Stratum], seeds: list[str]
) -> tuple[stats.Crossed | None, int]:
    stacks = [contrasts.difference(data, a, b, metric, seeds) for _, a, b in rows]
    usable = [stack for stack in stacks if stack is not None]
    if len(usable) < len(stacks) or len({stack.shape for stack in usable}) != 1:
        return None, 0
    return stats.crossed(np.mean(usable, axis=0)), usable[0].shape[1]
