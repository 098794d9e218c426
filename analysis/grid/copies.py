"""Runs that are copies of one another: a replicate must have replicated.

Five copies of each cell made 16 of 16 contrasts differ (p 1e-94). Whether two runs are the same run
is told from real numbers only: at accuracy 0.93 on 100 examples, 72 % of cells of five seeds hold
two equal accuracies by chance.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction

import numpy as np

from analysis.read.snapshot import Run

DISTINCT = 8  # values that coincide by chance in no two runs, if each has a dozen possible ones
REAL = 2  # values with all digits of a float: one may be that of a model that learned nothing
PARTS = 1000  # a share of up to so many examples is no real number
# words of names of columns that may differ between copies, or agree between others
GIVEN = {"second", "seconds", "time", "runtime", "timestamp", "memory", "lr", "learning", "system"}


def copies(runs: Mapping[str, Run]) -> dict[str, str]:
    """seed -> the earlier seed of the same cell whose run it is a copy of.

    Copies have equal logits or other terms for every example, or equal histories (times and memory
    excluded).
    """
    first: dict[tuple[str, object], str] = {}
    found = {}
    for seed, run in runs.items():
        marks = [mark for mark in (_logits(run), *_terms(run), _history(run)) if mark is not None]
        original = next((first[mark] for mark in marks if mark in first), None)
        for mark in marks:
            first.setdefault(mark, original or seed)
        if original is not None:
            found[seed] = original
    return found


def _logits(run: Run) -> tuple[str, object] | None:
    """What tells a run's predictions from any other's; None where they are too coarse to."""
    if run.predictions is None or len(np.unique(run.predictions.logits)) < DISTINCT:
        return None
    return "logits", (run.predictions.part, run.predictions.logits.tobytes())


def _terms(run: Run) -> list[tuple[str, object]]:
    """The same for other terms per example, of each metric that has real ones."""
    columns = run.terms.columns.items() if run.terms is not None else ()
    return [
        (f"terms of {name}", column.tobytes())
        for name, column in columns
        if len(np.unique(column)) >= DISTINCT
    ]


def _history(run: Run) -> tuple[str, object] | None:
    """The same for its history: enough distinct numbers, or two that are no shares of a set."""
    columns = {name: v for name, v in sorted(run.history.items()) if _measured(name, v)}
    finite = [column[np.isfinite(column)] for column in columns.values()]
    values = np.unique(np.concatenate(finite)) if finite else np.empty(0)
    if len(values) < DISTINCT and sum(_real(value) for value in values) < REAL:
        return None
    return "history", tuple((name, column.tobytes()) for name, column in columns.items())


def _measured(name: str, column: np.ndarray) -> bool:
    """Whether a column says how training went: no time, no schedule, no counter."""
    if name.startswith("_") or GIVEN & set(re.split(r"[^a-z0-9]+", name.lower())):
        return False
    found = column[np.isfinite(column)]
    counter = found.size > 1 and (np.diff(found) > 0).all() and (found == np.round(found)).all()
    return found.size > 0 and not counter


def _real(value: float) -> bool:
    """Whether a number is no share k/N of up to 1,000 examples, as a fraction or in percent."""
    return all(
        abs(float(Fraction(item).limit_denominator(PARTS)) - item) > 2e-7 * abs(item)
        for item in (float(value), float(value) / 100)
    )
