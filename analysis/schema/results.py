"""The part of report.json that holds comparisons: contrasts, effects, costs, claims."""

from __future__ import annotations

from typing import Any

from analysis.schema.base import Config, Model, Number


class CrossedInterval(Model):
    """Seeds and examples both taken as samples (two-way random effects)."""

    seeds: int
    """Matched seeds with predictions on both sides."""
    examples: int
    """Examples of the test (or validation) set."""
    delta: Number
    """Mean difference of the per-example terms."""
    low: Number
    """Lower end, 95 %."""
    high: Number
    """Upper end, 95 %."""
    df: Number
    """Satterthwaite degrees of freedom."""
    p: Number
    """Two-sided p."""
    floor: Number
    """Half-width that remains with unlimited seeds: what this many examples cannot resolve."""


class Statement(Model):
    """The numbers of the sentence, so that each stands here in the form it is read."""

    higher: str
    """Label of the cell with the higher mean, where the sentence names one."""
    lower: str
    """Label of the other cell."""
    by: Number
    """Absolute difference."""
    low: Number
    """Interval that the sentence quotes, lower end, in the sentence's direction."""
    high: Number
    """Upper end."""
    excluded: Number
    """Differences beyond this are excluded: the margin, or the larger end of an interval that holds
    together with those of the whole family (95 %)."""
    excluded_percent: Number
    """The same in percent of the mean of B; null where that is 0."""


class Ruling(Model):
    """What the rules say of one comparison, a contrast or a pooled effect."""

    crossed: CrossedInterval | None
    """Interval that also holds for new examples; null where predictions are missing."""
    p_family: Number
    """p that enters the family: the larger of p and the crossed p; of seeds alone where the metric
    is no mean over a test set. Null: nothing to test, which counts as not rejected."""
    p_holm: Number
    """Holm-adjusted p over the family: all contrasts and pooled effects on this metric. Of those
    not yet rejected, in the order of p / share, the sum of the shares times p / share."""
    family: int
    """Members of the family that the grid declares, those without a p too."""
    main: bool
    """Whether it answers the question: the plan's main comparisons, else the pooled effects."""
    share: Number
    """Share of the family's level that it may spend at first; all of them sum to 1."""
    decides_low: Number
    """Lower end of the interval that decides, at the level at which Holm's procedure ended for it:
    without 0 where the verdict is DIFFERENT. Null without inference."""
    decides_high: Number
    """Upper end."""
    p_here: Number
    """p over seeds alone, where examples are the question: what holds for this very test set."""
    p_here_holm: Number
    """Holm-adjusted in a family of its own."""
    margin: Number
    """Declared margin of equivalence."""
    p_equal: Number
    """p of two one-sided tests against the margin; null without one."""
    p_equal_holm: Number
    """Holm-adjusted in a family of its own."""
    equivalence_low: Number
    """Lower end of the 90 % interval that the margin is held against."""
    equivalence_high: Number
    """Upper end."""
    verdict: str
    """NOT_COMPARABLE, SATURATED, INSUFFICIENT, BELOW_NOISE_FLOOR, EQUIVALENT, DIFFERENT,
    DIFFERENT_HERE or INCONCLUSIVE: the first whose rule holds."""
    sentence: str
    """The only sentence that the verdict allows."""
    statement: Statement
    """The numbers of the sentence."""
    differing: list[str]
    """Keys in which the runs differ, so that no comparison is made."""
    matched: bool
    """Whether replicates are paired by seed; else Welch's interval is used."""
    collapsed_a: int
    """Runs of A that lie far from their cell: there no test of means on few values holds."""
    collapsed_b: int
    """Runs of B that do."""
    detectable: Number
    """Minimum |Δ| that n seeds find with 80 % power, tested alone and for these examples."""
    detectable_family: Number
    """Minimum |Δ| for which the verdict is DIFFERENT with 80 % power at these n seeds: at the level
    alpha · share, counting the variance that these examples leave."""
    seeds_needed: int | None
    """Where undecided: seeds at which a difference as large as the observed one is found with 80 %
    power, counting the variance that these examples leave; null above 1000."""
    seeds_needed_family: int | None
    """The same at the level alpha · share that the correction asks for at worst."""
    seeds_needed_low: int | None
    """seeds_needed_family at the lower end of the 95 % interval of the spread."""
    seeds_needed_high: int | None
    """At the upper end; null above 1000."""
    seeds_needed_looks: int | None
    """seeds_needed_family at the level of one of four looks, as `--until-decided` has it."""
    needs: str
    """Where undecided: what would be needed (seeds, or examples), in words."""


class Contrast(Ruling):
    """A − B on one metric, over the seeds that both cells have (matched by value)."""

    a: Config
    """Config of A, as in `cells`."""
    b: Config
    """Config of B."""
    a_label: str
    """Label of A."""
    b_label: str
    """Label of B."""
    metric: str
    """Metric."""
    n: int
    """Matched seeds with finite values; where not matched, replicates of the smaller cell."""
    delta: Number
    """Mean over seeds of A − B."""
    low: Number
    """Lower end of the 95 % t-interval over seeds: holds on this very test set."""
    high: Number
    """Upper end of the 95 % t-interval over seeds."""
    sd: Number
    """Standard deviation of the differences; null where not matched."""
    deltas: dict[str, Number]
    """Seed -> difference."""
    p: Number
    """Two-sided p of the paired (else Welch's) t-test over seeds."""
    p_exact: Number
    """Two-sided exact sign-flip p; it decides nothing."""
    p_exact_min: Number
    """Smallest sign-flip p that n seeds can reach."""
    wins: int
    """Seeds with A higher than B."""
    ties: int
    """Seeds with A equal to B."""
    wins_low: Number
    """Clopper–Pearson interval of the share wins / (n − ties), lower end."""
    wins_high: Number
    """Upper end."""
    unmatched_a: list[str]
    """Seeds that only A has."""
    unmatched_b: list[str]
    """Seeds that only B has."""
    welch_delta: Number
    """Sensitivity: difference of the means over all seeds, matched or not."""
    welch_low: Number
    """Lower end of Welch's 95 % interval."""
    welch_high: Number
    """Upper end."""
    bca_low: Number
    """Cross-check from 20 seeds on: BCa bootstrap interval, lower end."""
    bca_high: Number
    """Upper end."""
    failed_at_chance: Number
    """Sensitivity: Δ with every failed or diverged run put at chance."""
    capacity_ratio: Number
    """Parameters of A / parameters of B; above 1.1 or below 1/1.1 capacity differs."""


class Effect(Ruling):
    """The effect of one axis, averaged over the levels of the other axes (stratified): a member of
    its metric's family. Where a level lacks a cell, there is no verdict."""

    axis: str
    """Axis."""
    a: Any
    """Value of A."""
    b: Any
    """Value of B."""
    metric: str
    """Metric."""
    strata: int
    """Levels of the other axes that the mean runs over."""
    n: int
    """Seeds that every stratum has for A and B."""
    delta: Number
    """Mean over strata and seeds of A − B."""
    low: Number
    """Lower end of the 95 % t-interval over seeds."""
    high: Number
    """Upper end."""
    p: Number
    """Two-sided p of the t-test over seeds."""
    interaction_f: Number
    """F of "the effect is the same in every stratum" (Greenhouse–Geisser)."""
    interaction_df1: Number
    """Numerator degrees of freedom."""
    interaction_df2: Number
    """Denominator degrees of freedom."""
    interaction_p: Number
    """p of that F."""
    smallest: Number
    """Smallest effect of a stratum."""
    largest: Number
    """Largest effect of a stratum."""
    smallest_in: str
    """Stratum of the smallest effect."""
    largest_in: str
    """Stratum of the largest effect."""


class CostRatio(Model):
    """A cost of A relative to B, paired by seed, within one kind of hardware."""

    a: Config
    """Config of A."""
    b: Config
    """Config of B."""
    a_label: str
    """Label of A."""
    b_label: str
    """Label of B."""
    metric: str
    """Cost metric."""
    n: int
    """Matched seeds on the same hardware."""
    ratio: Number
    """Geometric mean over seeds of A / B."""
    low: Number
    """Lower end of the 95 % t-interval of the log ratio; null for counted costs and n < 2."""
    high: Number
    """Upper end."""
    exact: bool
    """Counted (parameters, FLOPs), not measured."""
    note: str
    """Why there is no ratio, where there is none."""


class Dominance(Model):
    """A is on the wanted side in quality (or equivalent) and in cost, both resolved."""

    a_label: str
    """The cell that dominates."""
    b_label: str
    """The cell that is dominated."""
    quality: str
    """Quality metric."""
    verdict: str
    """Its verdict: DIFFERENT or EQUIVALENT."""
    cost: str
    """Cost metric."""
    ratio: Number
    """Cost of A / cost of B."""


class ClaimPart(Model):
    """One comparison of a claim."""

    text: str
    """What is compared."""
    expect: str
    """Direction or value that the claim says."""
    verdict: str
    """Verdict of the contrast, or of the ratio: within, outside, unresolved."""
    observed: Number
    """Observed difference or ratio."""
    low: Number
    """Lower end of its 95 % interval."""
    high: Number
    """Upper end."""
    answer: str
    """agrees, contradicts or open."""


class ClaimAnswer(Model):
    """A published claim and what these runs say to it."""

    id: int
    """Number of the claim."""
    text: str
    """The claim."""
    reading: str
    """How it is made testable."""
    answer: str
    """supported, contradicted, mixed, not resolved, or needs another sweep."""
    kinds: dict[str, str]
    """Quantity -> the answer of its comparisons alone, where a claim is about several."""
    untested: str
    """The part of the claim that no comparison tests; empty where every part is tested."""
    needs: str
    """The sweep that would be needed."""
    parts: list[ClaimPart]
    """Its comparisons."""
    metric: str
    """Metric of `ours`, where they are means of cells."""
    published: dict[str, Number]
    """Published figures."""
    ours: dict[str, Number]
    """Our means beside them."""


class NoiseFloor(Model):
    """One cell run twice (A/A): the range within which differences mean nothing."""

    metric: str
    """Metric."""
    source: str
    """The cells or repeated runs it comes from."""
    n: int
    """Matched seeds."""
    range: Number
    """Differences up to this size are below the floor."""
