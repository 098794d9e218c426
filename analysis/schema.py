"""report.json: the public format, version 1.

Every number that a report shows stands here. Numbers keep ten significant digits, so that the last
bits in which processors differ do not show; what is undefined (an interval of one value) is null.
A new field raises the minor version, a changed or removed one the major version of `schema`.
The field descriptions below are the documentation: docs/report-format.md is made from them.
"""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

SCHEMA = "fusion-runner/report/1.0"
DIGITS = 10


def clean(value: Any) -> Any:
    """Ten significant digits; NaN and infinities become null."""
    if isinstance(value, int) or value is None:
        return value
    value = float(value)
    if not math.isfinite(value):
        return None
    return float(f"{value:.{DIGITS}g}")


Number = Annotated[float | None, BeforeValidator(clean)]
Config = dict[str, Any]


class Model(BaseModel):
    """Strict, and documented by the string below each field."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class SweepInfo(Model):
    """The sweep."""

    id: str
    """Id on the server."""
    name: str
    """Name given in the sweep file."""
    project: str
    """W&B project."""
    entity: str
    """W&B entity."""
    url: str
    """Page of the sweep."""
    method: str
    """grid, random or bayes."""
    state: str
    """State on the server when the runs were read."""


class GridCounts(Model):
    """Counts of cells × seeds: expected = done + failed + running + missing."""

    expected: int
    """Points of the grid, seeds included; without a grid, the points drawn or the run cap."""
    done: int
    """Points with a finished run."""
    failed: int
    """Points whose runs all failed, crashed or were killed."""
    running: int
    """Points with a live run and no finished one."""
    missing: int
    """Points without any run."""
    duplicates: int
    """Finished runs beyond the first of their point; they are listed, not analysed."""
    unexpected: int
    """Runs that are no point of the grid."""


class MetricInfo(Model):
    """A metric that the report uses."""

    name: str
    """Key in the run's summary."""
    title: str
    """Name in words."""
    unit: str
    """Unit; empty for a fraction."""
    better: str
    """lower, higher, or empty where unknown."""
    role: str
    """quality (contrasts are judged), cost (ratios are given) or other."""


class MetricStats(Model):
    """A metric over the seeds of one cell, runs that count and did not diverge."""

    n: int
    """Seeds with a finite value."""
    mean: Number
    """Arithmetic mean; null where n = 0."""
    low: Number
    """Lower end of the 95 % t-interval; null where n < 2."""
    high: Number
    """Upper end of the 95 % t-interval; null where n < 2."""
    half: Number
    """Half-width of the interval."""
    sd: Number
    """Standard deviation over seeds, n − 1 in the denominator; 0 = no spread observed."""
    values: dict[str, Number]
    """Seed -> value; null where that run diverged."""


class RunRef(Model):
    """A run and its place."""

    id: str
    """Run id."""
    seed: str
    """Seed."""
    state: str
    """State on the server."""
    url: str
    """Page of the run."""
    counted: bool
    """Whether it is the run that counts for its (cell, seed)."""


class CellReport(Model):
    """A point of the grid without the seed."""

    config: Config
    """Axis -> value."""
    label: str
    """Short name used in tables and pictures."""
    states: dict[str, str]
    """Seed -> done, failed, running or missing."""
    metrics: dict[str, MetricStats]
    """Metric -> statistics over seeds."""
    diverged: list[str]
    """Seeds whose run finished without finite losses; not in the means."""
    saturated: list[str]
    """Metrics that at least 80 % of the finished runs have within 1/N of the bound."""
    runs: list[RunRef]
    """Every run of the cell."""


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
    """Largest absolute end of the interval: larger differences are excluded."""


class Contrast(Model):
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
    """Matched seeds with finite values."""
    delta: Number
    """Mean over seeds of A − B."""
    low: Number
    """Lower end of the 95 % paired t-interval over seeds: holds on this very test set."""
    high: Number
    """Upper end of the 95 % paired t-interval over seeds."""
    sd: Number
    """Standard deviation of the differences."""
    deltas: dict[str, Number]
    """Seed -> difference."""
    p: Number
    """Two-sided p of the paired t-test over seeds."""
    p_exact: Number
    """Two-sided exact sign-flip p."""
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
    crossed: CrossedInterval | None
    """Interval that also holds for new examples; null where predictions are missing."""
    p_family: Number
    """p that enters the family: crossed where there is one, else p."""
    p_holm: Number
    """Holm-adjusted p over the family, all contrasts of this metric."""
    family: int
    """Contrasts in the family."""
    verdict: str
    """NOT_COMPARABLE, INSUFFICIENT, SATURATED, BELOW_NOISE_FLOOR, EQUIVALENT, DIFFERENT,
    DIFFERENT_HERE or INCONCLUSIVE: the first whose rule holds."""
    sentence: str
    """The only sentence that the verdict allows."""
    statement: Statement
    """The numbers of the sentence."""
    differing: list[str]
    """Keys in which the runs differ, so that no comparison is made."""
    margin: Number
    """Declared margin of equivalence."""
    equivalence_low: Number
    """Lower end of the 90 % interval that the margin is held against."""
    equivalence_high: Number
    """Upper end."""
    detectable: Number
    """Minimum |Δ| that n seeds find with 80 % power."""
    seeds_needed: int | None
    """Where undecided: seeds at which a difference as large as the observed one is found with 80 %
    power, counting the variance that these examples leave; null above 1000."""
    seeds_needed_family: int | None
    """The same at the level alpha / family that the correction asks for at worst."""
    needs: str
    """Where undecided: what would be needed (seeds, or examples), in words."""
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
    """Sensitivity: Δ with every failed, missing or diverged run put at chance."""
    capacity_ratio: Number
    """Parameters of A / parameters of B; above 1.1 or below 1/1.1 capacity differs."""


class Effect(Model):
    """The effect of one axis, averaged over the levels of the other axes (stratified)."""

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
    crossed: CrossedInterval | None
    """The same with examples as samples too."""
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
    needs: str
    """The sweep that would be needed."""
    parts: list[ClaimPart]
    """Its comparisons."""
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


class Constants(Model):
    """What was held, varied and leaked over the runs that count."""

    held: Config
    """Config key -> its one value."""
    varied: dict[str, list[Any]]
    """Axis (and seed) -> values."""
    leaked: dict[str, list[Any]]
    """Config keys that differ between runs although the sweep does not vary them."""


class Provenance(Model):
    """Where the numbers come from."""

    snapshot: str
    """sha256 of the snapshot's content."""
    snapshot_file: str
    """The snapshot beside the report; it renders the same report without a server."""
    snapshot_schema: str
    """Version of the snapshot's format."""
    as_of: str
    """Last sign of life of any run when the snapshot was taken."""
    runs: int
    """Runs in the snapshot."""
    command: str
    """The command that renders this report from the snapshot."""
    environment: dict[str, list[str]]
    """Commit, versions, hardware and data hashes -> distinct values over the runs that count."""
    missing: dict[str, int]
    """Runs that count and say nothing about that key."""


class Looks(Model):
    """Sequential looks: alpha is what this look may spend."""

    look: int
    """Number of this look."""
    looks_max: int
    """Looks planned."""
    alpha: Number
    """Level of this look; the levels of all looks add up to 0.05."""


class Report(Model):
    """The whole file."""

    format: str = Field(alias="schema")
    """Name and version of this format."""
    kind: str
    """architecture, ablation or search."""
    question: str
    """Question that the sweep asks; empty where none is declared."""
    sweep: SweepInfo
    """The sweep."""
    grid: GridCounts
    """Completeness."""
    axes: dict[str, list[Any]]
    """Axis -> values."""
    baseline: Config
    """Axis and value that others are contrasted with."""
    declared: bool
    """Whether axis and baseline are declared in claims.yaml; else they are derived."""
    metrics: list[MetricInfo]
    """Metrics used."""
    primary: str
    """The metric that pictures and the first table show."""
    cells: list[CellReport]
    """Cells in the order of the grid."""
    contrasts: list[Contrast]
    """Pairwise contrasts."""
    verdicts: dict[str, dict[str, int]]
    """Metric -> verdict -> contrasts that have it."""
    effects: list[Effect]
    """Stratified effects, for sweeps of two axes or more."""
    costs: list[CostRatio]
    """Cost ratios."""
    pareto: list[Dominance]
    """Cells that dominate others."""
    noise: list[NoiseFloor]
    """Noise floors."""
    claims: list[ClaimAnswer]
    """The study's claims, where the sweep is the study's."""
    constants: Constants
    """Held, varied, leaked."""
    unexpected: list[RunRef]
    """Runs that are no point of the grid."""
    warnings: list[str]
    """What a reader must know before the results."""
    looks: Looks | None
    """Present where seeds were added until decided."""
    rules: dict[str, Number]
    """The constants of the method that the text quotes."""
    provenance: Provenance
    """Where the numbers come from."""
