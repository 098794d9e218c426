"""The part of report.json that a search adds."""

from __future__ import annotations

from analysis.schema.base import Config, Model, Number


class TopRun(Model):
    """A run of a search."""

    id: str
    """Run id."""
    url: str
    """Page of the run."""
    seed: str
    """Seed."""
    config: Config
    """Parameter -> value."""
    value: Number
    """The metric."""


class Importance(Model):
    """The share of a parameter in the variance of the metric's ranks that the others leave."""

    parameter: str
    """Parameter."""
    share: Number
    """Estimate; null where there is none."""
    low: Number
    """Lower end of its 95 % interval, alone; 0: no effect is not excluded."""
    high: Number
    """Upper end."""
    p: Number
    """p of no effect."""
    p_holm: Number
    """The same, corrected over the parameters."""
    note: str
    """Why there is no estimate."""


class Search(Model):
    """What a random or bayes search found, of the points that were searched."""

    metric: str
    """Metric."""
    bayes: bool
    """Whether earlier runs decided which points were searched."""
    runs: int
    """Finished runs with a value."""
    refused: str
    """Why no importance is given; empty where it is."""
    importance: list[Importance]
    """Parameters, largest share first."""
    top: list[TopRun]
    """Runs in order, at most 10; empty where no direction is known."""
