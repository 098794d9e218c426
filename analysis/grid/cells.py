"""Runs against the grid: which (cell, seed) is done, running, failed, missing, repeated."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from analysis import metrics
from analysis.grid.configs import NO_SEED, display, lookup, seed_label
from analysis.grid.copies import copies
from analysis.grid.layout import Layout, layout
from analysis.read.snapshot import Run, Snapshot, number
from contract.plan import Plan
from contract.sweepfile.points import SEED
from contract.values import canonical, key

LIVE = ("running", "pending")
INTERRUPTED = "interrupted"


@dataclass
class Slot:
    """One (cell, seed) of the grid and every run that was made for it, oldest first."""

    seed: str
    runs: list[Run] = field(default_factory=list)
    expected: bool = True

    @property
    def finished(self) -> list[Run]:
        return [run for run in self.runs if run.finished]

    @property
    def run(self) -> Run | None:
        """The run that counts: the earliest finished one."""
        return self.finished[0] if self.finished else None

    @property
    def state(self) -> str:
        """done | running | failed | missing."""
        if self.finished:
            return "done"
        if any(run.state in LIVE for run in self.runs):
            return "running"
        return "failed" if self.runs else "missing"


@dataclass
class Cell:
    """A grid point without the seed. slots: seed -> Slot, in the order of the seeds.

    seeded: False where no seed is known: its runs are replicates, numbered from 1, and those of two
    cells are not matched. declared: how many (cell, seed) were asked for.
    """

    config: dict[str, Any]
    label: str
    slots: dict[str, Slot] = field(default_factory=dict)
    seeded: bool = True
    declared: int = 0
    _values: dict[str, dict[str, float]] = field(default_factory=dict, repr=False)

    @cached_property
    def finished(self) -> dict[str, Run]:
        """seed -> its earliest finished run; to be read once the grid is arranged."""
        return {seed: slot.run for seed, slot in self.slots.items() if slot.run is not None}

    @cached_property
    def copies(self) -> dict[str, str]:
        """seed -> the earlier seed whose run it is a copy of."""
        return copies(self.finished)

    @cached_property
    def runs(self) -> dict[str, Run]:
        """seed -> the finished run that counts: copies of another count once."""
        return {seed: run for seed, run in self.finished.items() if seed not in self.copies}

    def values(self, metric: str) -> dict[str, float]:
        """seed -> value of the metric in the runs that count; NaN where the run diverged."""
        if metric not in self._values:
            found = {seed: value(run, metric) for seed, run in self.runs.items()}
            self._values[metric] = {seed: v for seed, v in found.items() if v is not None}
        return self._values[metric]

    def finite(self, metric: str) -> dict[str, float]:
        """As values(), without the runs that diverged."""
        return {seed: v for seed, v in self.values(metric).items() if math.isfinite(v)}

    @cached_property
    def diverged(self) -> list[str]:
        """Seeds whose finished run says that it diverged, or has a loss that is not finite."""
        return [seed for seed, run in self.runs.items() if diverged(run)]


@dataclass
class Grid:
    """axes: axis -> its values; unexpected: runs that are no point of the grid.

    seed_key: config key of the seed, "" for none. tied: config key -> the axis it changes with.
    """

    axes: dict[str, list[Any]]
    cells: list[Cell]
    unexpected: list[Run]
    search: bool  # random or bayes: points were drawn, not listed
    run_cap: int = 0
    seed_key: str = SEED
    tied: dict[str, str] = field(default_factory=dict)

    @property
    def slots(self) -> list[Slot]:
        return [slot for cell in self.cells for slot in cell.slots.values() if slot.expected]

    def counts(self) -> dict[str, int]:
        """Counts of cells × seeds, and of the runs beside them."""
        states = Counter(slot.state for slot in self.slots)
        repeated = sum(max(len(s.finished) - 1, 0) for c in self.cells for s in c.slots.values())
        undrawn = max(self.run_cap - len(self.slots) - repeated, 0) if self.search else 0
        return {
            "expected": len(self.slots) + undrawn,
            **{state: states[state] for state in ("done", "failed", "running")},
            "missing": states["missing"] + undrawn,
            "duplicates": repeated,
            "unexpected": len(self.unexpected),
        }


def value(run: Run, metric: str) -> float | None:
    """A run's summary value; None where it has none; NaN where a quality of a diverged run."""
    found = number(run.summary.get(metric))
    if found is None and diverged(run) and metric.split("/")[0] in metrics.PARTS:
        return math.nan
    return found


def diverged(run: Run) -> bool:
    """Whether the run says so, or any of its summary losses is NaN or infinite."""
    if run.summary.get("diverged") is True:
        return True
    losses = (number(v) for k, v in run.summary.items() if metrics.last_word(k) == "loss")
    return any(loss is not None and not math.isfinite(loss) for loss in losses)


def arrange(snapshot: Snapshot, last: str = "", known: Plan | None = None) -> Grid:
    """Sort the snapshot's runs into the cells of its sweep.

    `last` names the axis that varies fastest, so that the cells that are compared stand together.
    known: what a plan says of seed and axes. Here values become canonical: those of the sweep, and
    the configs of the runs that a grid holds. Raises LayoutError where a plan's words do not fit.
    """
    runs = [replace(run, config=canonical(run.config)) for run in snapshot.runs]
    runs = sorted(without_interrupted(runs), key=lambda r: (r.created_at, r.id))
    plan = layout(snapshot, runs, known)
    axes = plan.axes
    if last in axes:
        axes = {name: values for name, values in axes.items() if name != last} | {last: axes[last]}
    cells: dict[str, Cell] = {}
    for config, seed in plan.points or []:
        cell = _cell(cells, {axis: config[axis] for axis in axes}, axes)
        cell.declared += 1
        cell.slots.setdefault(seed, Slot(seed))
    unexpected = []
    for run in runs:
        found = run_point(run, list(axes), plan.whole or plan.search)
        place = key(found) if found is not None else ""
        if found is None or (plan.whole and place not in cells):
            unexpected.append(run)
            continue
        listed = plan.whole and snapshot.looks is None  # looks add seeds beyond the grid
        _place(_cell(cells, found, axes), run, plan, listed, unexpected)
    if not plan.search:
        rank = {axis: {key(v): i for i, v in enumerate(axes[axis])} for axis in axes}
        places = sorted(
            cells.values(), key=lambda c: [rank[a].get(key(c.config[a]), -1) for a in axes]
        )
        cells = {key(cell.config): cell for cell in places}
    _number(list(cells.values()), plan)
    return Grid(
        axes, list(cells.values()), unexpected, search=plan.search, run_cap=plan.run_cap,
        seed_key=plan.seed_key, tied=plan.tied,
    )  # fmt: skip


def without_interrupted(runs: list[Run]) -> list[Run]:
    """The runs, with the state `interrupted` where one is finished on the server but not in truth.

    When a training process is killed, the wandb client's service can outlive it and report a clean
    end (exit code 0). Such a run has logged fewer epochs than its config asks for, and its summary
    lacks what the program writes at its end: what no history holds and every run has that logged
    all its epochs. Where there is no such thing, a run that ended by itself is done: it may have
    stopped early. Known only for sweeps that log `epoch`, from 0 or 1.
    """
    logged = {run.id: last_epoch(run) for run in runs}
    firsts = [float(np.nanmin(run.history["epoch"])) for run in runs if logged[run.id] is not None]
    if not firsts:
        return runs
    missing = 1 if min(firsts) == 0 else 0  # epochs counted from 0 end one lower

    def short(run: Run) -> bool:
        epochs = run.config.get("epochs")
        return isinstance(epochs, int) and (logged[run.id] or 0) < epochs - missing

    ends = [set(run.summary) for run in runs if run.finished and not short(run)]
    last = set.intersection(*ends) - {n for run in runs for n in run.history} if ends else set()
    return [
        replace(run, state=INTERRUPTED)
        if run.finished and short(run) and not diverged(run) and not last <= run.summary.keys()
        else run
        for run in runs
    ]


def last_epoch(run: Run) -> float | None:
    """The highest epoch that the run logged; None where it logged none."""
    column = run.history.get("epoch")
    if column is None or not np.isfinite(column).any():
        return None
    return float(np.nanmax(column))


def _place(cell: Cell, run: Run, plan: Layout, listed: bool, unexpected: list[Run]) -> None:
    """Put a run into its slot. Where the seed is none of the sweep's, all are in one, for now."""
    seed = NO_SEED
    if plan.seed_key and plan.sure:
        seed = seed_label(lookup(run.config, plan.seed_key, NO_SEED))
    if seed not in cell.slots and set(cell.slots) == {NO_SEED} and plan.whole:
        seed = NO_SEED  # the sweep does not vary the seed: whatever the run chose is its one seed
    if seed not in cell.slots:
        if listed:
            unexpected.append(run)
            return
        cell.slots[seed] = Slot(seed)
    cell.slots[seed].runs.append(run)


def _number(cells: list[Cell], plan: Layout) -> None:
    """Tell the replicates of cells apart that are all in one slot.

    By the seeds that their program chose, where most of those stand in other cells, too; else each
    finished run is a replicate of its own, and those of two cells are not matched.
    """
    loose = [cell for cell in cells if set(cell.slots) == {NO_SEED}]
    seeds = [
        {seed_label(lookup(run.config, plan.seed_key, NO_SEED)) for run in cell.slots[NO_SEED].runs}
        for cell in (loose if plan.seed_key else [])
    ]
    drawn = Counter(seed for found in seeds for seed in found)
    shared = [seed for seed, count in drawn.items() if count > 1]
    matched = (len(drawn) > 1 and 2 * len(shared) >= len(drawn)) or len(seeds) == 1
    for cell in loose:
        runs = cell.slots[NO_SEED].runs
        if matched:
            names = [seed_label(lookup(run.config, plan.seed_key, NO_SEED)) for run in runs]
            slots = {name: Slot(name) for name in sorted(dict.fromkeys(names), key=_natural)}
            for name, run in zip(names, runs, strict=True):
                slots[name].runs.append(run)
            cell.slots = slots or cell.slots
        else:
            cell.seeded = False
            _replicates(cell)


def _natural(label: str) -> tuple[bool, float, str]:
    found = canonical(label)
    is_number = isinstance(found, int | float)
    return not is_number, float(found) if is_number else 0.0, label


def _replicates(cell: Cell) -> None:
    """A slot for each finished run, with the runs that failed before it; more where more were
    declared."""
    runs = cell.slots[NO_SEED].runs
    if len(cell.slots[NO_SEED].finished) < 2 and cell.declared < 2:
        return
    groups = [[run] for run in runs]
    if len(runs) > cell.declared:
        ends = [i for i, run in enumerate(runs) if run.finished] or [len(runs) - 1]
        starts = [0, *(end + 1 for end in ends[:-1])]
        groups = [runs[start : end + 1] for start, end in zip(starts, ends, strict=True)]
        groups[-1] += runs[ends[-1] + 1 :]
    groups += [[] for _ in range(cell.declared - len(groups))]
    cell.slots = {str(i): Slot(str(i), group) for i, group in enumerate(groups, 1)}


def _cell(cells: dict[str, Cell], config: dict[str, Any], axes: dict[str, list[Any]]) -> Cell:
    place = key(config)
    if place not in cells:
        cells[place] = Cell(config, cell_label(config, axes))
    return cells[place]


def cell_label(config: Mapping[str, Any], axes: Mapping[str, list[Any]]) -> str:
    """A short name: text values as they are, others as `axis=value`; axes of one value left out."""
    shown = [axis for axis in config if len(axes.get(axis, ())) != 1] or list(config)
    parts = []
    for axis in shown:
        item = config[axis]
        text = item if isinstance(item, str) else f"{axis}={display(item)}"
        parts.append(text)
    return " · ".join(parts) if parts else "all runs"


def pair_label(a: Mapping[str, Any], b: Mapping[str, Any], axes: Mapping[str, list[Any]]) -> str:
    """`level: A − B` for two cells: what they share once, then the values that differ."""
    shared = {name: item for name, item in a.items() if key(b.get(name)) == key(item)}
    ends = [
        cell_label({k: v for k, v in side.items() if k not in shared} or side, axes)
        for side in (a, b)
    ]
    shown = [name for name in shared if len(axes.get(name, ())) != 1]
    level = cell_label({name: shared[name] for name in shown}, axes) if shown else ""
    return (f"{level}: " if level else "") + " − ".join(ends)


def run_point(run: Run, axes: list[str], whole: bool = True) -> dict[str, Any] | None:
    """The run's values on the axes; None where it never started: its config is empty, or where it
    should be `whole`, lacks one."""
    found = {axis: lookup(run.config, axis, NO_SEED) for axis in axes}
    lacking = [axis for axis, item in found.items() if item is NO_SEED]
    if (lacking and whole) or not run.config:
        return None
    return found | dict.fromkeys(lacking)
