"""Warnings about what a number is: a maximum of a curve, a fold, one example's term or none."""

from __future__ import annotations

import math

from analysis.grid.at import extreme_of
from analysis.judge import compare
from analysis.judge.compare import Data
from analysis.metrics import Metric
from analysis.show.text import listing


def tied(data: Data) -> list[str]:
    """Config keys that always change with an axis."""
    groups: dict[str, list[str]] = {}
    for name, axis in data.grid.tied.items():
        groups.setdefault(axis, []).append(name)
    return [
        f"What {axis} is decides {listing(names)}: a difference cannot be put down to one of them."
        for axis, names in groups.items()
    ]


def folds(data: Data) -> list[str]:
    """Replicates that are tested each on examples of its own."""
    key = data.grid.seed_key
    if key.lower().endswith("fold"):
        return [
            f"Replicates are folds ({key}), each with a test set of its own: they are paired by "
            "fold, and intervals are over folds, whose training sets overlap."
        ]
    sets: dict[str, set[str]] = {}
    for cell in data.grid.cells:
        for seed, run in cell.runs.items():
            if run.terms is not None and cell.seeded:
                sets.setdefault(run.terms.examples.digest, set()).add(seed)
    if len(sets) < 2 or any(len(seeds) > 1 for seeds in sets.values()):
        return []
    return [
        "Every seed has a test set of its own. Where those were drawn anew from the same data, "
        "they overlap, and intervals over seeds are too narrow (Nadeau and Bengio 2003)."
    ]


def curves(data: Data, judged: list[Metric]) -> list[str]:
    """Metrics whose values are the highest or lowest of an evaluated curve."""
    lines = []
    runs = compare.counted(data.grid)
    for metric in judged:
        having = [run for run in runs if metric.name in run.summary]
        found = extreme_of(having, metric.name)
        if found is None:
            continue
        word, column, evaluations = found
        what = "its own curve" if column == metric.name else column
        lines.append(
            f"{metric.name} is the {word} of up to {evaluations} evaluations of {what} in each "
            "run: an extreme that is chosen on the numbers that are reported inflates them, the "
            "more so the more evaluations there are. --at last reads the end."
        )
    return lines


def without_terms(data: Data, judged: list[Metric]) -> list[str]:
    """Metrics taken for means over a test set whose terms no run, or not every run, has logged."""
    asked = [m for m in judged if m.population == "examples" and not data.grid.search]
    lacking, having = {}, {}
    for metric in asked:
        runs = [
            (run.id, seed in data.terms(cell, metric))
            for cell in data.grid.cells
            for seed, run in cell.runs.items()
            if math.isfinite(cell.values(metric.name).get(seed, math.nan))
        ]
        lacking[metric.name] = [name for name, known in runs if not known]
        having[metric.name] = any(known for _, known in runs)
    none = [name for name, ids in lacking.items() if ids and not having[name]]
    lines = [
        f"{len(ids)} finished runs have no terms per example of {name} ({listing(ids, 3)}); their "
        "contrasts take the test set as given."
        for name, ids in lacking.items()
        if ids and having[name]
    ]
    if none:
        lines.append(
            f"No per-example terms are known for {listing(none)}: nothing is said of new examples. "
            "Log a table examples.csv (example, the metric's name, one row an example) as an "
            "artifact of type examples, or as a file of the run: docs/report-format.md has the "
            "lines. Where it is no mean over a test set (a return, a loss of a stream), "
            "--population seeds says so."
        )
    return lines
