"""Where in a run a metric is read: its summary, or its exact history where that has it not."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from analysis.metrics import last_word
from analysis.read.snapshot import Run, Snapshot, number

EXTREMES = {"min": np.min, "max": np.max}
HIGHEST = {"min": "lowest", "max": "highest"}


class AtError(Exception):
    """A place in a run that cannot be read."""

    exit_code = 2


def resolved(
    snapshot: Snapshot, names: Sequence[str], at: str | int, better: Callable[[str], str]
) -> Snapshot:
    """The snapshot with the value of each named metric `at` that place in the runs' summaries.

    at: "" and "last" (the summary's, else the last of the history), "best" (by `better`), "min",
    "max", or an epoch (a step, where a run logs no epoch). A run without that value has none.
    """
    kinds = {name: kind(name, at, better(name)) for name in names}
    runs = []
    for run in snapshot.runs:
        found = {name: value(run, name, where) for name, where in kinds.items()}
        kept = {name: item for name, item in run.summary.items() if name not in found}
        known = {name: item for name, item in found.items() if item is not None}
        runs.append(replace(run, summary={**kept, **known}))
    return replace(snapshot, runs=runs)


def kind(name: str, at: str | int, better: str) -> str | int:
    """`at` with "best" resolved into min or max."""
    if at != "best":
        return at
    if not better:
        raise AtError(f"--at best: which values of {name} are better? --better lower or higher")
    return "min" if better == "lower" else "max"


def value(run: Run, name: str, at: str | int) -> float | str | None:
    """The metric's value at that place; what is not finite in the summary stays so."""
    said = run.summary.get(name)
    last = number(said)
    if last is not None and not math.isfinite(last):
        return said
    curve = finite(run, name)
    if at in ("", "last"):
        return said if last is not None else float(curve[-1]) if curve.size else None
    if isinstance(at, int):
        return at_epoch(run, name, at)
    if (kept := number(run.summary.get(f"{name}.{at}"))) is not None:
        return kept
    return float(EXTREMES[at](curve)) if curve.size else said


def finite(run: Run, name: str) -> np.ndarray:
    """The metric's logged values, in order."""
    column = run.history.get(name, np.empty(0))
    return column[np.isfinite(column)]


def at_epoch(run: Run, name: str, epoch: int) -> float | None:
    """The last value that the run logged in that epoch; at that step, where it logs no epoch."""
    if name not in run.history:
        return None
    counter = next((n for n in run.history if last_word(n) == "epoch"), "_step")
    if counter not in run.history:
        return None
    counts, values = run.history[counter], run.history[name]
    if counter != "_step":  # rows between two that name their epoch belong to the first
        known = np.where(np.isfinite(counts), np.arange(counts.size), -1)
        place = np.maximum.accumulate(known)
        counts = np.where(place >= 0, counts[np.maximum(place, 0)], math.nan)
    found = values[(counts == epoch) & np.isfinite(values)]
    return float(found[-1]) if found.size else None


def extreme_of(runs: Sequence[Run], name: str) -> tuple[str, str, int] | None:
    """("highest" or "lowest", column, evaluations) where every run's value is that of a curve.

    Of a column of the history with several values, and not its last in every run; None where the
    values are no such thing. evaluations: the most of a run.
    """
    columns = dict.fromkeys(column for run in runs for column in run.history)
    wanted = [n for n in columns if n == name or last_word(n) == last_word(name)]
    for column in [*wanted, *(n for n in columns if n not in wanted and not n.startswith("_"))]:
        for word in EXTREMES:
            rows = [(number(run.summary.get(name)), finite(run, column)) for run in runs]
            rows = [(v, c) for v, c in rows if v is not None and c.size > 1]
            hits = [_same(v, float(EXTREMES[word](c))) for v, c in rows]
            if hits and all(hits) and any(not _same(v, float(c[-1])) for v, c in rows):
                return HIGHEST[word], column, max(c.size for _, c in rows)
    return None


def _same(a: float, b: float) -> bool:
    return math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-12)
