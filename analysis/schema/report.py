"""report.json: the public format, version 2.

Every number that a report shows stands here. Numbers keep ten significant digits, so that the last
bits in which processors differ do not show; what is undefined (an interval of one value) is null.
A new field raises the minor version, a changed or removed one the major version of `schema`.
The field descriptions are the documentation: docs/report-format.md is made from them.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from analysis.schema.base import Config, Model, Number
from analysis.schema.results import (
    ClaimAnswer,
    ClaimPart,
    Contrast,
    CostRatio,
    CrossedInterval,
    Dominance,
    Effect,
    NoiseFloor,
    Statement,
)
from analysis.schema.search import Search

__all__ = [
    "ClaimAnswer",
    "ClaimPart",
    "Contrast",
    "CostRatio",
    "CrossedInterval",
    "Dominance",
    "Effect",
    "NoiseFloor",
    "Report",
    "Statement",
]

SCHEMA = "fusion-runner/report/2.1"


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
    """grid, random or bayes; empty for several sweeps and for runs that somebody chose."""
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
    bound: float | None = Field(default=None, exclude=True)
    """Not in the file: what cannot be passed, for the pictures."""

    @property
    def axis_title(self) -> str:
        """Title with its unit, as an axis of a picture shows it."""
        return f"{self.title} [{self.unit}]" if self.unit else self.title


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
    """State on the server; `interrupted` = finished there, but stopped before its last epoch."""
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
    copies: dict[str, str]
    """Seed -> the earlier seed whose run it is a copy of: it is not counted."""
    saturated: list[str]
    """Metrics that at least 80 % of the finished runs have within 1/N of the bound."""
    runs: list[RunRef]
    """Every run of the cell."""


class Constants(Model):
    """What was held, varied and leaked over the runs that count."""

    held: Config
    """Config key -> its one value."""
    varied: dict[str, list[Any]]
    """Axis (and seed) -> values."""
    leaked: dict[str, list[Any]]
    """Config keys that differ between runs although the sweep does not vary them."""


class Choice(Model):
    """A choice that the report rests on."""

    flag: str
    """The flag of `report` that makes it."""
    value: str
    """What was chosen."""
    how: str
    """By whom: said (with the flag), plan, or how it was found."""


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
    source_command: str
    """The command that reads the sweep from its server and writes this report."""
    command: str
    """The command that renders this report from the snapshot."""
    environment: dict[str, list[str]]
    """Commit, versions, hardware and data hashes -> distinct values over the runs that count."""
    missing: dict[str, int]
    """Runs that count and say nothing about that key."""


class CheckItem(Model):
    """One thing that the field asks of such a study."""

    item: str
    """What is asked."""
    met: bool | None
    """Whether these runs meet it; null where it cannot be told from them."""
    evidence: str
    """Why."""


class Checklist(Model):
    """What the field asks of a study of fusion, as these runs meet it."""

    source: str
    """Where the items come from."""
    items: list[CheckItem]
    """All of them, always."""


class More(Model):
    """What it takes to resolve what is open on the primary metric."""

    question: bool
    """Whether it answers the question that is open; else only something beside it."""
    comparisons: int
    """Comparisons that are open."""
    seeds: int
    """Seeds a cell: of the question, what the one that needs most of those with a forecast needs;
    beside it, what the one that needs fewest does."""
    without: int
    """Open comparisons for which no number of seeds up to 1000 is forecast, at these examples."""
    runs: int
    """Runs that this adds, of the cells that open comparisons are about."""
    minutes: Number
    """What those runs would take one agent, as long as a run of their cell took here; null where
    the source does not say when runs ended."""


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
    answer: list[str]
    """What the verdicts on the primary metric say: pooled effects, then contrasts."""
    goal: str
    """The sweep's own metric, which a search or early stopping chooses by; empty without one."""
    checklist: Checklist | None
    """What the field asks of a study of fusion, as these runs meet it."""
    file: str
    """The sweep's file and budget, as a command takes them; empty where no plan names them."""
    open_percent: Number
    """Rate of collapsing runs that stays open where no run of a cell collapsed, in percent."""
    sweep: SweepInfo
    """The sweep."""
    grid: GridCounts
    """Completeness."""
    axes: dict[str, list[Any]]
    """Axis -> values."""
    baseline: Config
    """Axis and value that others are contrasted with."""
    declared: bool
    """Whether axis and baseline are declared in a plan; else they are derived."""
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
    sections: dict[str, Any]
    """Not a key of its own: here stand the parts that the sweep's own study makes, by their names,
    in the study's form; null where it has nothing to say."""
    constants: Constants
    """Held, varied, leaked."""
    choices: list[Choice]
    """Seed, metric, direction, axis and what else was chosen, said or found."""
    unexpected: list[RunRef]
    """Runs that are no point of the grid."""
    warnings: list[str]
    """What a reader must know before the results."""
    more: More | None
    """What resolves what is open; null where nothing is, or no number of seeds is forecast."""
    looks: Looks | None
    """Present where seeds were added until decided."""
    search: Search | None
    """Present for random and bayes searches."""
    rules: dict[str, Number]
    """The constants of the method that the text quotes."""
    provenance: Provenance
    """Where the numbers come from."""

    def metric(self, name: str) -> MetricInfo:
        """What is known of a metric; of one that the report does not use, its name."""
        unknown = MetricInfo(name=name, title=name, unit="", better="", role="other")
        return next((metric for metric in self.metrics if metric.name == name), unknown)
