"""What was held, varied and leaked; and whether two cells may be compared at all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis import metrics
from analysis.grid.cells import Cell, Grid
from analysis.grid.configs import flatten, seedlike
from analysis.judge import collapse, stats, terms
from analysis.metrics import Metric
from analysis.read.snapshot import Examples, Run, Snapshot
from contract.plan import Comparability, Plan
from contract.sweepfile.points import SEED
from contract.values import key

DEFINITION = "metric definition"
EXAMPLES = "test_hash"
SATURATED_SHARE = 0.8
SATURATED_RUNS = 3
NOISE_SEEDS = 3
# What any comparison asks for, beside what its plan does
COMPARABILITY = Comparability(
    error=[
        *("data_hash", "split_hash", "test_hash", "curation_hash", "selection", "data", "split"),
        *("epochs", "batch_size", "learning_rate", "schedule"),
    ],
    warning=[
        *("commit", "dirty", "python", "torch", "wandb", "numpy", "platform", "cpu", "gpu"),
        *("threads", "precision"),
    ],
    # a swept axis explains these; nothing explains another test set
    explained_by={"data": ["data_hash", "split_hash"], "split": ["split_hash"]},
)


@dataclass(frozen=True)
class Constants:
    """held: key -> value; varied: axis -> values; leaked: key -> differing values."""

    held: dict[str, Any]
    varied: dict[str, list[Any]]
    leaked: dict[str, list[Any]]


def comparability(plan: Plan) -> Comparability:
    """What must be equal, and what should be, in a comparison by this plan."""
    ours, added = COMPARABILITY, plan.comparability
    return Comparability(
        error=[*ours.error, *added.error],
        warning=[*ours.warning, *added.warning],
        explained_by=ours.explained_by | added.explained_by,
    )


def counted(grid: Grid) -> list[Run]:
    """The runs that count, in the order of cells and seeds."""
    return [run for cell in grid.cells for run in cell.runs.values()]


def constants(grid: Grid) -> Constants:
    """Sort the config keys of the runs that count into held, varied (by the sweep) and leaked."""
    seen: dict[str, dict[str, Any]] = {}
    runs = counted(grid)
    for run in runs:
        for name, item in flatten(run.config).items():
            seen.setdefault(name, {})[key(item)] = item
    swept = _swept(grid) | ({*seedlike(seen)} if not grid.seed_key else set())
    varied = {name: list(values) for name, values in grid.axes.items()}
    varied |= {name: list(seen.get(name, {}).values()) for name in grid.tied}
    seeds = dict.fromkeys(seed for cell in grid.cells for seed in cell.slots)
    varied[grid.seed_key or SEED] = list(seeds)
    if grid.search:
        varied |= {axis: list(seen.get(axis, {}).values()) for axis in grid.axes}
    held, leaked = {}, {}
    for name, values in sorted(seen.items()):
        if name.replace("-", "_") in swept:
            continue
        (held if len(values) == 1 else leaked)[name] = (
            next(iter(values.values())) if len(values) == 1 else list(values.values())
        )
    return Constants(held, varied, leaked)


def _swept(grid: Grid) -> set[str]:
    """Config keys that may differ: axes, what goes with them, and the seed."""
    names = {name.replace("-", "_") for name in (*grid.axes, *grid.tied)}
    return names | {SEED, grid.seed_key.replace("-", "_")}


class Data:
    """Per-example terms of the cells of one snapshot, computed once per (cell, metric)."""

    def __init__(self, snapshot: Snapshot, grid: Grid, plan: Plan) -> None:
        self.snapshot, self.grid, self.plan = snapshot, grid, plan
        self._terms: dict[tuple[int, str], dict[str, np.ndarray]] = {}
        self._faithful: dict[tuple[int, str], dict[str, bool]] = {}
        self._examples: dict[str, int] = {}
        self._spread: dict[str, float] = {}

    def examples(self, metric: Metric) -> int:
        """Examples of the smallest set that a run has terms of; 1,000 where none is known."""
        if metric.name not in self._examples:
            found = [examples_of(run, metric) for run in self.snapshot.runs]
            sizes = [len(examples.pairs) for examples in found if examples]
            self._examples[metric.name] = min(sizes, default=1000)
        return self._examples[metric.name]

    def spread(self, metric: Metric) -> float:
        """Median over the cells of their robust standard deviation, for what is far from a cell."""
        if metric.name not in self._spread:
            cells = [np.array(list(c.finite(metric.name).values())) for c in self.grid.cells]
            sds = [collapse.robust_sd(values) for values in cells if values.size > 2]
            self._spread[metric.name] = float(np.median(sds)) if sds else 0.0
        return self._spread[metric.name]

    def collapsed(self, cell: Cell, metric: Metric) -> list[str]:
        """Seeds whose run lies far from the others of its cell."""
        values = cell.finite(metric.name)
        far = collapse.far(np.array(list(values.values())), self.spread(metric))
        return [seed for seed, is_far in zip(values, far, strict=True) if is_far]

    def terms(self, cell: Cell, metric: Metric) -> dict[str, np.ndarray]:
        """seed -> per-example terms (N,) whose mean is the metric; only runs that have them."""
        place = (id(cell), metric.name)
        if place not in self._terms:
            self._terms[place] = dict(self._compute(cell, metric))
        return self._terms[place]

    def _compute(self, cell: Cell, metric: Metric) -> Iterable[tuple[str, np.ndarray]]:
        for seed, run in cell.runs.items():
            predictions = run.predictions
            if run.terms is not None and metric.name in run.terms.columns:
                if np.isfinite(run.terms.columns[metric.name]).all():
                    yield seed, run.terms.columns[metric.name]
                continue
            if metric.per_example is None:
                continue
            if predictions is None or predictions.part != metric.part:
                continue
            if not np.isfinite(predictions.logits).all():
                continue
            labels = predictions.examples.labels
            yield seed, metric.per_example(predictions.logits[None], labels)[0]

    def faithful(self, cell: Cell, metric: Metric) -> dict[str, bool]:
        """seed -> whether the summary's value is the one that the predictions give."""
        place = (id(cell), metric.name)
        if place not in self._faithful:
            said = cell.finite(metric.name)
            self._faithful[place] = {
                seed: _same(said[seed], float(terms.mean()), metric, cell.runs[seed])
                for seed, terms in self.terms(cell, metric).items()
                if seed in said
            }
        return self._faithful[place]


def _same(said: float, given: float, metric: Metric, run: Run) -> bool:
    """Equal up to float32: fractions of predictions by less than any one example, the rest, which
    may be percentages or means over batches, by a thousandth."""
    logged = run.terms is not None and metric.name in run.terms.columns
    counted = not logged and metric.per_example in (terms.correctness, terms.f1_terms)
    slack = 1e-5 if counted else 1e-3 * abs(given) + 1e-6
    return abs(said - given) <= slack


def differing(data: Data, a: Cell, b: Cell, metric: Metric) -> list[str]:
    """Keys that must be equal and are not, over the runs of both cells that hold the metric.

    Values that a swept axis explains are allowed to differ; unknown values are not counted here
    (they are a warning).
    """
    rules = comparability(data.plan)
    swept = _swept(data.grid)
    allowed = swept | {k for axis in swept for k in rules.explained_by.get(axis, [])}
    runs = [r for c in (a, b) for s, r in c.runs.items() if s in c.finite(metric.name)]
    found = [k for k in rules.error if k not in allowed and len(_known(runs, k)) > 1]
    if EXAMPLES not in found and not _same_examples(a, b, metric):
        found.append(EXAMPLES)
    agreed = {**_tagged(data.faithful(a, metric), "a"), **_tagged(data.faithful(b, metric), "b")}
    if len(set(agreed.values())) > 1:
        found.append(DEFINITION)
    return found


def _same_examples(a: Cell, b: Cell, metric: Metric) -> bool:
    """Whether both are tested on the same examples: seed by seed, where those are matched, since
    folds have each their own."""
    sets: dict[str, set[str]] = {}
    for cell in (a, b):
        for seed in cell.finite(metric.name):
            if examples := examples_of(cell.runs[seed], metric):
                place = seed if a.seeded and b.seeded else ""
                sets.setdefault(place, set()).add(examples.digest)
    return all(len(found) == 1 for found in sets.values())


def examples_of(run: Run, metric: Metric) -> Examples | None:
    """The examples that the run's terms of a metric are about; None where it logged none."""
    if run.terms is not None and metric.name in run.terms.columns:
        return run.terms.examples
    if run.predictions is not None and run.predictions.part == metric.part:
        return run.predictions.examples
    return None


def _tagged(flags: dict[str, bool], tag: str) -> dict[str, bool]:
    return {f"{tag}{seed}": flag for seed, flag in flags.items()}


def attribute(run: Run, name: str) -> Any:
    """A run's config value or, failing that, its provenance; None where unknown."""
    found = run.config.get(name, run.provenance.get(name))
    return None if found == "" else found


def _known(runs: list[Run], name: str) -> set[str]:
    return {key(v) for run in runs if (v := attribute(run, name)) is not None}


def saturated(data: Data, cell: Cell, metric: Metric) -> bool:
    """Whether at least 80 % of the cell's runs, of 3 or more, have reached the metric's bound.

    A ceiling is reached within 1/N, N the examples of the smallest set that any run of the sweep
    was tested on (a run without predictions is held to what the others are), 1,000 where none is
    known; a floor where fp32 cannot tell it from the value. Without a bound nothing saturates.
    """
    values = np.array(list(cell.values(metric.name).values()))
    if values.size < SATURATED_RUNS or metric.bound is None:
        return False
    if metric.better == "lower":
        near = np.abs(values - metric.bound) < metrics.FP32_RESOLUTION
    else:
        slack = 1 / data.examples(metric)
        near = values >= metric.bound - slack * (1 + 1e-9)
    return bool(near.sum() >= SATURATED_SHARE * len(cell.runs) - 1e-9)


def noise_floor(data: Data, metric: str) -> tuple[float, int, str] | None:
    """(range, n, source) of A/A differences; None where none were declared and run.

    Two cells that are declared to be the same model, without a seed in common: the same seed twice
    gives the same bits. The range is the larger end of Welch's 95 % interval of the difference.
    """
    wanted = [key(config) for config in data.plan.noise_floor or ()]
    found = {key(cell.config): cell for cell in data.grid.cells}
    if not wanted or any(place not in found for place in wanted):
        return None
    a, b = (found[place].finite(metric) for place in wanted)
    both = [seed for seed in a if seed in b]
    first, second = both[::2], both[1::2]
    of_a = [v for seed, v in a.items() if seed not in second]
    of_b = [v for seed, v in b.items() if seed not in first]
    if min(len(of_a), len(of_b)) < NOISE_SEEDS:
        return None
    low, high = stats.unpaired([np.array(of_a)], [np.array(of_b)]).interval()
    labels = " and ".join(found[place].label for place in wanted)
    return max(abs(low), abs(high)), len(of_a) + len(of_b), labels
