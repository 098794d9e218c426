"""Contrasts of the plan: matched seeds, intervals, family-wise correction, verdicts."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from analysis.grid.cells import Cell
from analysis.judge import compare, planning, stats, verdict
from analysis.judge.compare import Data
from analysis.metrics import Metric, last_word
from analysis.schema import report as schema

FAMILY_SEEDS = 3
MANY = "more than 1000 seeds"


@dataclass
class Draft:
    """A contrast before the family is known."""

    a: Cell
    b: Cell
    metric: Metric
    deltas: dict[str, float]
    paired: stats.Paired
    crossed: stats.Crossed | None
    crossed_seeds: int
    examples: int
    differing: list[str]

    @property
    def p(self) -> float:
        """p that enters the family; NaN keeps it out (nothing to test).

        The larger of the paired and the crossed one. Alone, the paired p takes the test set for the
        population. Alone, the crossed p is right at 0.05 but too small far out in the tail, where
        Holm looks: with its degrees of freedom estimated from 3 seeds, 12 equal contrasts in which
        seeds vary most gave a false DIFFERENT in 24 % of simulated sweeps; the larger p in 4 %.
        """
        if self.differing or self.paired.n < FAMILY_SEEDS:
            return math.nan
        if self.crossed is None:
            return self.paired.p
        return float(np.fmax(self.paired.p, self.crossed.p))


def contrasts(
    data: Data,
    pairs: list[tuple[Cell, Cell]],
    metrics: list[Metric],
    alpha: float = stats.ALPHA,
) -> list[schema.Contrast]:
    """Every pair on every metric, corrected by Holm over all of them as one family.

    One family, because a reader reads the whole report: with a family per metric, 7 % of simulated
    sweeps of equal cells had a false DIFFERENT somewhere. All its members count alike, so that
    anybody can recompute p_holm from the p_family of report.json. What plans declare is
    therefore kept short: every further metric costs the others power.
    """
    drafts = [draft(data, a, b, metric) for metric in metrics for a, b in pairs]
    family = sum(math.isfinite(item.p) for item in drafts)
    adjusted = stats.holm([item.p for item in drafts])
    floors = {m.name: compare.noise_floor(data, m.name) for m in metrics}
    result: list[schema.Contrast] = []
    for item, p_holm in zip(drafts, adjusted, strict=True):
        noise = floors[item.metric.name]
        ruling, facts = rule(data, item, p_holm, alpha, noise[0] if noise else None)
        result.append(_contrast(item, ruling, facts, p_holm, family))
    return result


def draft(data: Data, a: Cell, b: Cell, metric: Metric) -> Draft:
    """Matched differences of A and B and their intervals, before any verdict."""
    of_a, of_b = a.finite(metric.name), b.finite(metric.name)
    seeds = [seed for seed in of_a if seed in of_b]
    deltas = {seed: of_a[seed] - of_b[seed] for seed in seeds}
    differing = compare.differing(data, a, b, metric)
    stack_SN = difference(data, a, b, metric, seeds) if not differing else None
    return Draft(
        a=a,
        b=b,
        metric=metric,
        deltas=deltas,
        paired=stats.paired(list(deltas.values())),
        crossed=stats.crossed(stack_SN) if stack_SN is not None else None,
        crossed_seeds=stack_SN.shape[0] if stack_SN is not None else 0,
        examples=stack_SN.shape[1] if stack_SN is not None else 0,
        differing=differing,
    )


def difference(data: Data, a: Cell, b: Cell, metric: Metric, seeds: list[str]) -> np.ndarray | None:
    """D_si = A − B per seed and example, shape (S, N).

    None where fewer than two seeds have predictions on both sides, the example sets differ, or a
    summary's value is not the mean of its per-example terms.
    """
    terms_a, terms_b = data.terms(a, metric), data.terms(b, metric)
    both = [seed for seed in seeds if seed in terms_a and seed in terms_b]
    if len(both) < 2 or len(both) < len(seeds):
        return None
    flags_a, flags_b = data.faithful(a, metric), data.faithful(b, metric)
    if not all(flags_a.get(seed, False) and flags_b.get(seed, False) for seed in both):
        return None
    sizes = {terms[seed].size for terms in (terms_a, terms_b) for seed in both}
    if len(sizes) != 1 or sizes.pop() < 2:
        return None
    return np.stack([terms_a[seed] - terms_b[seed] for seed in both])


def rule(
    data: Data,
    item: Draft,
    p_holm: float,
    alpha: float,
    noise: float | None,
) -> tuple[verdict.Verdict, verdict.Facts]:
    """The verdict of a draft, and the facts it was based on."""
    paired, metric = item.paired, item.metric
    level = 1 - 2 * alpha
    if item.crossed is not None:
        equivalence = _floats(item.crossed.interval(level))
    else:
        inner = stats.mean_interval(list(item.deltas.values()), level)
        equivalence = (inner.low, inner.high)
    facts = verdict.Facts(
        a=item.a.label,
        b=item.b.label,
        metric=metric.name,
        n=paired.n,
        delta=paired.delta,
        seeds=(paired.low, paired.high),
        crossed=_floats(item.crossed.interval()) if item.crossed is not None else None,
        examples=item.examples,
        p_holm=p_holm,
        alpha=alpha,
        differing=item.differing,
        saturated=compare.saturated(item.a, metric) and compare.saturated(item.b, metric),
        noise=noise,
        margin=data.plan.margins.get(last_word(metric.name)),
        equivalence=equivalence,
    )
    return verdict.judge(facts), facts


def _floats(pair: tuple[np.ndarray, np.ndarray]) -> tuple[float, float]:
    return float(pair[0]), float(pair[1])


def _contrast(
    item: Draft,
    ruling: verdict.Verdict,
    facts: verdict.Facts,
    p_holm: float,
    family: int,
) -> schema.Contrast:
    paired = item.paired
    values_a, values_b = item.a.finite(item.metric.name), item.b.finite(item.metric.name)
    welch = stats.welch(np.array(list(values_a.values())), np.array(list(values_b.values())))
    bca = stats.bca(np.array(list(item.deltas.values()))) or (math.nan, math.nan)
    undecided = ruling.name in verdict.UNDECIDED
    needed, corrected = seeds_needed(item, family, facts.alpha) if undecided else (None, None)
    equivalence = facts.equivalence or (math.nan, math.nan)
    return schema.Contrast(
        a=item.a.config,
        b=item.b.config,
        a_label=item.a.label,
        b_label=item.b.label,
        metric=item.metric.name,
        deltas={seed: delta for seed, delta in item.deltas.items()},
        crossed=crossed_interval(item.crossed, item.crossed_seeds, item.examples),
        p_family=item.p,
        p_holm=p_holm,
        family=family,
        verdict=ruling.name,
        sentence=ruling.sentence,
        statement=schema.Statement(
            higher=ruling.higher, lower=ruling.lower, by=ruling.by,
            low=ruling.low, high=ruling.high, excluded=ruling.excluded,
        ),
        differing=item.differing,
        margin=facts.margin,
        equivalence_low=equivalence[0],
        equivalence_high=equivalence[1],
        detectable=planning.detectable(paired.n) * paired.sd,
        detectable_family=detectable(item, family, facts.alpha),
        seeds_needed=needed,
        seeds_needed_family=corrected,
        needs=needs(item, needed, corrected) if undecided else "",
        unmatched_a=[seed for seed in values_a if seed not in values_b],
        unmatched_b=[seed for seed in values_b if seed not in values_a],
        welch_delta=welch[0],
        welch_low=welch[1],
        welch_high=welch[2],
        bca_low=bca[0],
        bca_high=bca[1],
        failed_at_chance=at_chance(item),
        capacity_ratio=capacity(item.a, item.b),
        **paired._asdict(),
    )  # fmt: skip


def crossed_interval(
    crossed: stats.Crossed | None, seeds: int, examples: int
) -> schema.CrossedInterval | None:
    """The crossed interval in the report's format."""
    if crossed is None:
        return None
    low, high = _floats(crossed.interval())
    floor = float(stats.quantile(np.inf)) * math.sqrt(float(crossed.var_examples))
    return schema.CrossedInterval(
        seeds=seeds, examples=examples, delta=float(crossed.delta), low=low, high=high,
        df=float(crossed.df), p=float(crossed.p), floor=floor,
    )  # fmt: skip


def detectable(item: Draft, family: int, alpha: float) -> float:
    """The smallest |Δ| for which this report says DIFFERENT in 80 % of cases; NaN without spread.

    That takes the level of Holm's first step, and the variance over new seeds and new examples.
    """
    n, sd = item.paired.n, item.paired.sd
    if not math.isfinite(sd):
        return math.nan
    spread = math.sqrt(sd**2 + n * _fixed(item))
    return planning.detectable(n, alpha / max(family, 1)) * spread


def seeds_needed(item: Draft, family: int, alpha: float) -> tuple[int | None, int | None]:
    """Seeds for the observed Δ: for this contrast alone, and at the level of Holm's first step."""
    paired = item.paired
    alone, corrected = (
        planning.seeds_needed(paired.delta, paired.sd, var_examples=_fixed(item), alpha=level)
        for level in (alpha, alpha / max(family, 1))
    )
    return alone, corrected


def _fixed(item: Draft) -> float:
    """The part of the variance of Δ that comes from the examples, whatever the number of seeds."""
    return float(item.crossed.var_examples) if item.crossed is not None else 0.0


def needs(item: Draft, alone: int | None, corrected: int | None) -> str:
    """What would resolve a difference as large as the observed one, in words."""
    paired = item.paired
    if paired.n < verdict.MIN_SEEDS:
        return f"at least {verdict.MIN_SEEDS} seeds of both cells"
    if not paired.sd > 0:
        return "nothing that more seeds could show: Δ is the same in every one"
    if alone is None:
        here = planning.seeds_needed(paired.delta, paired.sd) if item.crossed is not None else None
        if here is None:
            return MANY
        return f"more examples than {item.examples}; {here} seeds would do for this test set alone"
    if corrected is None:
        return f"{alone} seeds alone, {MANY} in the family"
    return f"{alone} seeds alone, {corrected} in the family"


def at_chance(item: Draft) -> float:
    """Δ with failed and diverged runs of either cell put at chance; NaN where there are none."""
    if item.metric.chance is None:
        return math.nan
    filled = [_filled(cell, item.metric) for cell in (item.a, item.b)]
    if not any(cell_failed for _, cell_failed in filled):
        return math.nan
    (a, _), (b, _) = filled
    seeds = [seed for seed in a if seed in b]
    return float(np.mean([a[s] - b[s] for s in seeds])) if seeds else math.nan


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
