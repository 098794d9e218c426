"""Families of comparisons: what is corrected together, and the verdict of every member.

Each metric has a family of its own: all contrasts and pooled effects that its grid declares. That
of the primary metric confirms; those of the other metrics are secondary, and say so. (One family
over three metrics and twelve pairs left the default comparison with none of 12 differences resolved
on its primary metric.) Those that answer the question (pooled effects, or what the plan calls main)
have most of the level, and hand it on once they are resolved. Members that are missing or have no p
count as not rejected.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from analysis.judge import compare, multiple, planning, sequential, stats, verdict
from analysis.judge.compare import Data
from analysis.judge.draft import Draft
from analysis.judge.verdict import Facts, Verdict
from analysis.metrics import Metric, last_word
from analysis.schema.results import CrossedInterval, Ruling, Statement

MANY = f"more than {planning.MOST_SEEDS} seeds"


@dataclass(frozen=True)
class Judged:
    """A draft with its place in its family."""

    item: Draft
    facts: Facts
    verdict: Verdict
    p_equal: float
    main: bool
    decides: tuple[float, float]


@dataclass(frozen=True)
class Member:
    """A comparison and the names of its sides, before its family is known. main: it answers the
    question."""

    a: str
    b: str
    item: Draft
    saturated: bool = False
    main: bool = False


def judge(data: Data, members: list[Member], metric: Metric, alpha: float) -> list[Judged]:
    """Verdicts of the family of a metric, with what the plan declares of it."""
    noise = compare.noise_floor(data, metric.name)
    margins = data.plan.margins
    margin = margins.get(metric.name, margins.get(last_word(metric.name)))
    return corrected(members, alpha, margin, noise[0] if noise else None)


def corrected(
    members: list[Member],
    alpha: float = stats.ALPHA,
    margin: float | None = None,
    noise: float | None = None,
) -> list[Judged]:
    """Verdicts of members that are corrected together, by Holm in the number that was declared."""
    family, items = len(members), [member.item for member in members]
    p_equal = [item.p_equal(margin) for item in items]
    shares = multiple.shares([member.main for member in members])
    columns = [
        multiple.holm(p, shares=shares)
        for p in ([item.p for item in items], [item.p_here for item in items], p_equal)
    ]
    levels = [multiple.tested_at(column, shares, alpha) for column in columns]
    result = []
    for i, (member, equal) in enumerate(zip(members, p_equal, strict=True)):
        item, (p, here, equally) = member.item, (column[i] for column in columns)
        facts = replace(
            _facts(member),
            family=family, share=shares[i], alpha=alpha, margin=margin, noise=noise,
            p_holm=p, p_here_holm=here, p_equal_holm=equally,
            outside=outside(item, shares[i]), equivalence=item.estimate.interval(1 - 2 * alpha),
        )  # fmt: skip
        said = verdict.judge(facts)
        interval = decides(item, said.name, *(level[i] for level in levels))
        result.append(Judged(item, facts, said, equal, member.main, interval))
    return result


def decides(
    item: Draft, said: str, level: float, level_here: float, level_equal: float
) -> tuple[float, float]:
    """The interval at the level at which the family decided: without 0 where the verdict is
    DIFFERENT (or DIFFERENT_HERE), inside the margin where it is EQUIVALENT; NaN without inference.
    """
    if said in (verdict.NOT_COMPARABLE, verdict.INSUFFICIENT):
        return math.nan, math.nan
    if said == verdict.EQUIVALENT:
        return item.interval(1 - 2 * level_equal)
    if said == verdict.DIFFERENT_HERE or not math.isfinite(item.p):
        return item.over_seeds.interval(1 - level_here)
    return item.interval(1 - level)


def _facts(member: Member) -> Facts:
    """What a comparison says by itself, before its family does."""
    item = member.item
    cells = [cell for pair in item.pairs for cell in pair]
    return Facts(
        a=member.a, b=member.b, metric=item.metric.name, n=item.n, delta=item.estimate.delta,
        interval=item.estimate.interval(), seeds=item.over_seeds.interval(),
        examples=item.examples, here=item.asks_for_examples, matched=item.matched,
        runs=sum(len(cell.finished) for cell in cells),
        copies=sum(len(cell.copies) for cell in cells),
        lacking=item.lacking, levels=len(item.pairs), p=item.p, p_here=item.p_here,
        reference=reference(item), differing=item.differing, saturated=member.saturated,
    )  # fmt: skip


def member(data: Data, a: str, b: str, item: Draft, main: bool) -> Member:
    """A member; saturated where both sides are in every stratum."""
    cells = [cell for pair in item.pairs for cell in pair]
    saturated = all(compare.saturated(data, cell, item.metric) for cell in cells)
    return Member(a, b, item, saturated, main)


def outside(item: Draft, share: float) -> tuple[float, float]:
    """What is excluded, together with the rest of the family: for new examples where possible."""
    level = multiple.simultaneous(share)
    low, high = item.interval(level)
    return (low, high) if math.isfinite(low) else item.over_seeds.interval(level)


def reference(item: Draft) -> float:
    """Mean of B, over strata alike; NaN where one has no value."""
    means = []
    for _, b in item.pairs:
        values = b.finite(item.metric.name)
        of_b = [values[seed] for seed in item.deltas] if item.matched else list(values.values())
        means.append(float(np.mean(of_b)) if of_b else math.nan)
    return float(np.mean(means)) if means else math.nan


def ruling(data: Data, found: Judged) -> Ruling:
    """The verdict in the report's format, with what would change it."""
    item, facts, said = found.item, found.facts, found.verdict
    undecided = said.name in verdict.UNDECIDED
    alone, corrected = needed(item, facts) if undecided else (None, None)
    low, high = needed_range(item, facts) if undecided else (None, None)
    ends = [
        [s for a_b in item.pairs for s in data.collapsed(a_b[side], item.metric)] for side in (0, 1)
    ]
    return Ruling(
        crossed=crossed_interval(item),
        p_family=item.p, p_holm=facts.p_holm, family=facts.family, main=found.main,
        share=facts.share, decides_low=found.decides[0], decides_high=found.decides[1],
        p_here=item.p_here, p_here_holm=facts.p_here_holm,
        margin=facts.margin, p_equal=found.p_equal, p_equal_holm=facts.p_equal_holm,
        equivalence_low=facts.equivalence[0], equivalence_high=facts.equivalence[1],
        verdict=said.name, sentence=said.sentence,
        statement=Statement(
            higher=said.higher, lower=said.lower, by=said.by, low=said.low, high=said.high,
            excluded=said.excluded, excluded_percent=said.excluded_percent,
        ),
        differing=item.differing, matched=item.matched,
        collapsed_a=len(ends[0]), collapsed_b=len(ends[1]),
        detectable=planning.detectable(item.n) * spread(item),
        detectable_family=detectable(item, facts),
        seeds_needed=alone, seeds_needed_family=corrected,
        seeds_needed_low=low, seeds_needed_high=high,
        seeds_needed_looks=needed_by_looks(item, facts) if undecided else None,
        needs=needs(item, alone, corrected, (low, high)) if undecided else "",
    )  # fmt: skip


def crossed_interval(item: Draft) -> CrossedInterval | None:
    """The crossed interval in the report's format."""
    if item.crossed is None:
        return None
    one = item.crossed.one
    low, high = one.interval()
    floor = float(stats.quantile(np.inf)) * math.sqrt(float(item.crossed.var_examples))
    return CrossedInterval(
        seeds=item.crossed_seeds, examples=item.examples, delta=one.delta, low=low, high=high,
        df=one.df, p=one.p, floor=floor,
    )  # fmt: skip


def spread(item: Draft) -> float:
    """Standard deviation of the differences of one seed, or what stands for it where unpaired."""
    return item.over_seeds.se * math.sqrt(item.n) if item.n > 1 else math.nan


def fixed(item: Draft) -> float:
    """The part of the variance of Δ that comes from the examples, whatever the number of seeds."""
    counts = item.crossed is not None and item.asks_for_examples
    return float(item.crossed.var_examples) if item.crossed is not None and counts else 0.0


def detectable(item: Draft, facts: Facts) -> float:
    """The smallest |Δ| for which this report says DIFFERENT in 80 % of cases; NaN without spread.

    That takes the level of Holm's first step, and the variance over new seeds and new examples.
    """
    sd = spread(item)
    if not math.isfinite(sd):
        return math.nan
    level = facts.alpha * facts.share
    return planning.detectable(item.n, level) * math.sqrt(sd**2 + item.n * fixed(item))


def needed(item: Draft, facts: Facts) -> tuple[int | None, int | None]:
    """Seeds for the observed Δ: for this contrast alone, and at the level of Holm's first step."""
    delta, sd = item.over_seeds.delta, spread(item)
    alone, corrected = (
        planning.seeds_needed(delta, sd, var_examples=fixed(item), alpha=level)
        for level in (facts.alpha, facts.alpha * facts.share)
    )
    return alone, corrected


def needed_by_looks(item: Draft, facts: Facts) -> int | None:
    """Seeds for the observed Δ where seeds are added in looks, each at its part of the level."""
    alpha = min(facts.alpha, sequential.alpha_of_look(1, sequential.MOST_LOOKS))
    return planning.seeds_needed(
        item.over_seeds.delta, spread(item), var_examples=fixed(item), alpha=alpha * facts.share
    )


def needed_range(item: Draft, facts: Facts) -> tuple[int | None, int | None]:
    """Seeds in the family at both ends of the 95 % interval of the spread that was observed."""
    return planning.seeds_range(
        item.over_seeds.delta, spread(item), item.n,
        var_examples=fixed(item), alpha=facts.alpha * facts.share,
    )  # fmt: skip


def needs(
    item: Draft,
    alone: int | None,
    corrected: int | None,
    ends: tuple[int | None, int | None],
) -> str:
    """What would resolve a difference as large as the observed one, in words."""
    if item.lacking:
        return "the cells that are missing"
    if item.n < verdict.MIN_SEEDS:
        return f"at least {verdict.MIN_SEEDS} seeds of both cells"
    sd = spread(item)
    if not sd > 0:
        return "nothing that more seeds could show: Δ is the same in every one"
    if alone is None:
        here = planning.seeds_needed(item.over_seeds.delta, sd) if fixed(item) else None
        if here is None:
            return MANY
        return f"more examples than {item.examples}; {here} seeds would do for this test set alone"
    if corrected is None:
        return f"{alone} seeds alone, {MANY} in the family"
    low, high = ends
    known = f"{low} to {high}" if high is not None else f"{low} or more"
    return f"{corrected} seeds ({known}, as sure as the spread is); {alone} alone"
