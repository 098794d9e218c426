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
from analysis.grid.copies import copies
from analysis.read.snapshot import Run, Snapshot, number
from contract.sweepfile.points import SEED, GridError, axis_values, expand
from contract.values import canonical, key

LIVE = ("running", "pending")
INTERRUPTED = "interrupted"
NO_SEED = "-"


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

    seeded: False where the sweep lists no seed: its runs are replicates, numbered from 1, and those
    of two cells are not matched.
    """

    config: dict[str, Any]
    label: str
    slots: dict[str, Slot] = field(default_factory=dict)
    seeded: bool = True
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
    """axes: axis -> its values; unexpected: runs that are no point of the grid."""

    axes: dict[str, list[Any]]
    cells: list[Cell]
    unexpected: list[Run]
    search: bool  # random or bayes: points were drawn, not listed
    run_cap: int = 0

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
    losses = (number(v) for k, v in run.summary.items() if k.split("/")[-1] == "loss")
    return any(loss is not None and not math.isfinite(loss) for loss in losses)


def arrange(snapshot: Snapshot, last: str = "") -> Grid:
    """Sort the snapshot's runs into the cells of its sweep.

    `last` names the axis that varies fastest, so that the cells that are compared stand together.
    Here values become canonical: those of the sweep, and the configs of the runs that a grid holds.
    """
    config = canonical(snapshot.sweep.get("config") or {})
    runs = [replace(run, config=canonical(run.config)) for run in snapshot.runs]
    points = None
    if config.get("method", "grid") == "grid":
        try:
            points = expand(config)
        except GridError:
            points = None
    axes = _axes(config, points)
    if last in axes:
        axes = {name: values for name, values in axes.items() if name != last} | {last: axes[last]}
    cells: dict[str, Cell] = {}
    for point in points or []:
        cell = _cell(cells, {axis: point[axis] for axis in axes}, axes)
        seed = seed_label(point.get(SEED, NO_SEED))
        cell.slots[seed] = Slot(seed)
    unexpected = []
    for run in sorted(without_interrupted(runs), key=lambda r: (r.created_at, r.id)):
        found = run_point(run, list(axes))
        place = key(found) if found is not None else ""
        if found is None or (points is not None and place not in cells):
            unexpected.append(run)
            continue
        listed = points is not None and snapshot.looks is None  # looks add seeds beyond the grid
        _place(_cell(cells, found, axes), run, listed, unexpected)
    if points is not None:
        rank = {axis: {key(v): i for i, v in enumerate(axes[axis])} for axis in axes}
        places = sorted(cells.values(), key=lambda c: [rank[a][key(c.config[a])] for a in axes])
        cells = {key(cell.config): cell for cell in places}
    for cell in cells.values():
        _number(cell)
    cap = config.get("run_cap")
    return Grid(
        axes,
        list(cells.values()),
        unexpected,
        search=points is None,
        run_cap=cap if isinstance(cap, int) and not isinstance(cap, bool) else 0,
    )


def without_interrupted(runs: list[Run]) -> list[Run]:
    """The runs, with the state `interrupted` where one is finished on the server but not in truth.

    When a training process is killed, the wandb client's service can outlive it and report a clean
    end (exit code 0). Such a run has logged fewer epochs than its config asks for, and its summary
    lacks what is written at the end. Known only for sweeps that log `epoch`, from 0 or 1.
    """
    logged = {run.id: last_epoch(run) for run in runs}
    firsts = [float(np.nanmin(run.history["epoch"])) for run in runs if logged[run.id] is not None]
    if not firsts:
        return runs
    missing = 1 if min(firsts) == 0 else 0  # epochs counted from 0 end one lower
    return [
        replace(run, state=INTERRUPTED)
        if run.finished
        and run.summary.get("diverged") is not True
        and "best_epoch" not in run.summary
        and isinstance(epochs := run.config.get("epochs"), int)
        and (logged[run.id] or 0) < epochs - missing
        else run
        for run in runs
    ]


def last_epoch(run: Run) -> float | None:
    """The highest epoch that the run logged; None where it logged none."""
    column = run.history.get("epoch")
    if column is None or not np.isfinite(column).any():
        return None
    return float(np.nanmax(column))


def _place(cell: Cell, run: Run, listed: bool, unexpected: list[Run]) -> None:
    seed = seed_label(lookup(run.config, SEED, NO_SEED if cell.slots else run.id))
    if seed not in cell.slots and set(cell.slots) == {NO_SEED}:
        seed = NO_SEED  # the sweep does not vary the seed: whatever the run chose is its one seed
    if seed not in cell.slots:
        if listed:
            unexpected.append(run)
            return
        cell.slots[seed] = Slot(seed)
    cell.slots[seed].runs.append(run)


def _number(cell: Cell) -> None:
    """Repeats of a cell without a seed are its replicates: a slot for each finished run."""
    if set(cell.slots) != {NO_SEED}:
        return
    cell.seeded = False
    slot = cell.slots[NO_SEED]
    if len(slot.finished) > 1:
        ends = [i for i, run in enumerate(slot.runs) if run.finished]
        starts = [0, *(end + 1 for end in ends[:-1])]
        groups = [slot.runs[start : end + 1] for start, end in zip(starts, ends, strict=True)]
        groups[-1] += slot.runs[ends[-1] + 1 :]
        cell.slots = {
            str(i): Slot(str(i), runs, expected=slot.expected and i == 1)
            for i, runs in enumerate(groups, 1)
        }


def _axes(config: Mapping[str, Any], points: list[dict[str, Any]] | None) -> dict[str, list[Any]]:
    parameters = config.get("parameters") or {}
    if points is None:
        fixed = {name for name, spec in parameters.items() if set(spec or {}) == {"value"}}
        return {name: [] for name in parameters if name not in fixed and name != SEED}
    listed = {n: v for n, v in axis_values(parameters) if n != SEED}
    swept = {name: values for name, values in listed.items() if len(values) > 1}
    if not swept:  # a sweep narrowed to one cell keeps the axes that it lists
        swept = {n: v for n, v in listed.items() if "values" in (parameters.get(n) or {})}
    return {name: list(values) for name, values in swept.items()}


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


def display(item: Any) -> str:
    """A config value as text, numbers short, lists as JSON."""
    if isinstance(item, float):
        return f"{item:.6g}"
    return item if isinstance(item, str) else key(item)


def seed_label(seed: Any) -> str:
    """A seed as the key of a JSON object: 0, 0.0 and "0" are one seed."""
    return display(canonical(seed))


def run_point(run: Run, axes: list[str]) -> dict[str, Any] | None:
    """The run's values on the axes; None where its config lacks one (it never started)."""
    found = {axis: lookup(run.config, axis, NO_SEED) for axis in axes}
    if any(item is NO_SEED for item in found.values()):
        return None
    return found


def lookup(config: Mapping[str, Any], name: str, default: Any) -> Any:
    """config[name], also where the run wrote hyphens as underscores or nested the name."""
    for spelling in (name, name.replace("-", "_")):
        if spelling in config:
            return config[spelling]
    head, _, rest = name.partition(".")
    inner = config.get(head)
    return lookup(inner, rest, default) if rest and isinstance(inner, Mapping) else default


def flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested dicts as dotted names."""
    flat: dict[str, Any] = {}
    for name, item in config.items():
        if isinstance(item, Mapping):
            flat |= flatten(item, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = item
    return flat
