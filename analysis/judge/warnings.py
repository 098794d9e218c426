"""Warnings: what a reader must know before the results."""

from __future__ import annotations

import math

import numpy as np

from analysis.grid.cells import INTERRUPTED
from analysis.judge import compare, terms, verdict
from analysis.judge.compare import Data
from analysis.judge.readings import curves, folds, tied, without_terms
from analysis.metrics import Metric
from analysis.schema import report as schema
from analysis.show.text import fmt, listing

CAPACITY = 1.1
NAMED = 8


def warnings(report: schema.Report, data: Data, judged: list[Metric]) -> list[str]:
    """Completeness first, then what threatens a comparison, then what qualifies it."""
    return [
        *completeness(report),
        *interrupted(report),
        *diverged(report),
        *copied(report),
        *collapsed(data, judged),
        *incomparable(report),
        *leaks(report),
        *lacking(data, judged),
        *definitions(data, judged),
        *tied(data),
        *folds(data),
        *curves(data, judged),
        *without_terms(data, judged),
        *environment(report, data),
        *saturation(report),
        *chance(data, judged),
        *few_seeds(report),
        *capacities(report),
    ]


def completeness(report: schema.Report) -> list[str]:
    """Points that are not done, runs that do not count."""
    counts, lines = report.grid, []
    if counts.duplicates:
        lines.append(
            f"{counts.duplicates} finished runs repeat a (cell, seed); the earliest counts. "
            "Repeats of a seed are not replicates."
        )
    if counts.unexpected:
        lines.append(f"{counts.unexpected} runs are no point of the grid and are left out.")
    return lines


def diverged(report: schema.Report) -> list[str]:
    """Cells with runs that diverged."""
    cells = [f"{c.label} ({len(c.diverged)})" for c in report.cells if c.diverged]
    if not cells:
        return []
    return [
        f"Diverged runs are not in the means: {listing(cells)}. Under Sensitivity stands Δ "
        "with them put at chance."
    ]


def copied(report: schema.Report) -> list[str]:
    """Runs that are copies of another run of their cell."""
    cells = [f"{cell.label} {', '.join(cell.copies)}" for cell in report.cells if cell.copies]
    if not cells:
        return []
    count = sum(len(cell.copies) for cell in report.cells)
    return [
        f"{count} runs are copies of another run of their cell and do not count, whatever their "
        f"seeds say: {'; '.join(cells[:NAMED])}{'; …' if len(cells) > NAMED else ''}."
    ]


def collapsed(data: Data, judged: list[Metric]) -> list[str]:
    """Runs far from the others of their cell, on the primary metric."""
    cells = [
        (cell.label, found)
        for metric in judged[:1]
        for cell in data.grid.cells
        if (found := data.collapsed(cell, metric))
    ]
    if not cells:
        return []
    named = listing([f"{label} (seed {', '.join(seeds)})" for label, seeds in cells])
    return [
        f"{sum(len(seeds) for _, seeds in cells)} runs collapsed, far from their cell: {named}. "
        "There, no test of means on so few values holds its level."
    ]


def incomparable(report: schema.Report) -> list[str]:
    """Keys that make contrasts impossible."""
    failed = [c for c in report.contrasts if c.verdict == verdict.NOT_COMPARABLE]
    if not failed:
        return []
    keys = sorted({name for contrast in failed for name in contrast.differing})
    return [
        f"{len(failed)} of {len(report.contrasts)} contrasts are not made, because the runs "
        f"differ in {listing(keys)}."
    ]


def leaks(report: schema.Report) -> list[str]:
    """Config keys that the sweep does not vary but that differ."""
    leaked = report.constants.leaked
    if not leaked:
        return []
    what = "Not varied by the sweep" if report.sweep.method else "No axis"
    return [f"{what}, but different between runs: {listing(list(leaked))}."]


def lacking(data: Data, judged: list[Metric]) -> list[str]:
    """Finished runs without a number for a metric that is compared."""
    lines = []
    for metric in judged:
        runs = [
            run.id
            for cell in data.grid.cells
            for seed, run in cell.runs.items()
            if seed not in cell.values(metric.name)
        ]
        if runs:
            lines.append(
                f"{len(runs)} finished runs have no number for {metric.name} ({listing(runs, 3)})."
            )
    return lines


def definitions(data: Data, judged: list[Metric]) -> list[str]:
    """Runs whose summary is not what their own predictions give."""
    lines = []
    for metric in judged:
        wrong = [
            cell.runs[seed].id
            for cell in data.grid.cells
            for seed, same in data.faithful(cell, metric).items()
            if not same
        ]
        if wrong:
            lines.append(
                f"{metric.name} of {len(wrong)} runs is not what their predictions give "
                f"({listing(wrong, 3)})."
            )
    return lines


def environment(report: schema.Report, data: Data) -> list[str]:
    """Commit, versions, hardware: should be equal; hashes: should be known."""
    known, rules = report.provenance.environment, compare.comparability(data.plan)
    mixed = [name for name in rules.warning if len(known.get(name, [])) > 1]
    lines = [f"Runs differ in {listing(mixed)}."] if mixed else []
    if known.get("dirty") and "true" in known["dirty"]:
        lines.append("Some runs were made from a checkout with uncommitted changes.")
    for curation in known.get("curation_hash", []):
        lines.append(f"Pairs were left out or moved by hand (curation {curation[:16]}).")
    hashes = [name for name in ("data_hash", "split_hash", "test_hash") if name in known]
    unknown = [n for n in hashes if report.provenance.missing.get(n)]
    if unknown:
        lines.append(f"Some runs do not say their {listing(unknown)}; equality is not verified.")
    tested = any(metric.name.startswith("test/") for metric in report.metrics)
    if report.primary.startswith("val/") and not tested:
        lines.append(
            "There is no test split: qualities are those of the validation part, on which the "
            "epoch was also chosen."
        )
    return lines


def saturation(report: schema.Report) -> list[str]:
    """Metrics on which two cells or more reach the ceiling."""
    lines = []
    for metric in report.metrics:
        full = [cell.label for cell in report.cells if metric.name in cell.saturated]
        if len(full) > 1:
            lines.append(
                f"{len(full)} of {len(report.cells)} cells reach the ceiling of {metric.name}; "
                "nothing is ranked among them."
            )
    return lines


def chance(data: Data, judged: list[Metric]) -> list[str]:
    """Cells whose every run answers as if it had learned nothing."""
    lines = []
    for metric in judged:
        if metric.chance is None or metric.per_example is not terms.correctness:
            continue
        level = metric.chance
        lost = [c.label for c in data.grid.cells if _at_chance(data.terms(c, metric), level)]
        if lost:
            lines.append(
                f"{len(lost)} of {len(data.grid.cells)} cells are not above chance on "
                f"{metric.name} in any run: {listing(lost, 6)}."
            )
    return lines


def _at_chance(runs: dict[str, np.ndarray], chance: float) -> bool:
    """Whether no run is above chance by two standard errors of its test set."""
    slack = 2 * math.sqrt(chance * (1 - chance))
    return bool(runs) and all(t.mean() <= chance + slack / math.sqrt(t.size) for t in runs.values())


def few_seeds(report: schema.Report) -> list[str]:
    """Exploratory below eight seeds."""
    counts = [contrast.n for contrast in report.contrasts]
    if not counts or max(counts) >= int(report.rules["advised_seeds"] or 0):
        return []
    matched = all(contrast.matched for contrast in report.contrasts)
    kind = "matched seeds" if matched else "replicates of the smaller arm"
    return [
        f"Exploratory: at most {max(counts)} {kind}. "
        f"{fmt(report.rules['advised_seeds'])} or more resolve something."
    ]


def capacities(report: schema.Report) -> list[str]:
    """Contrasted cells whose parameters differ by more than a tenth."""
    seen: dict[str, float] = {}
    for contrast in report.contrasts:
        ratio = contrast.capacity_ratio
        if ratio is not None and max(ratio, 1 / ratio) > CAPACITY:
            seen.setdefault(f"{contrast.a_label} / {contrast.b_label}", ratio)
    if not seen:
        return []
    pairs = [f"{name} {fmt(ratio)}" for name, ratio in seen.items()]
    return [f"Capacity differs (ratio of parameters): {listing(pairs, 8)}."]


def interrupted(report: schema.Report) -> list[str]:
    """Runs that the server calls finished although they stopped before their last epoch."""
    cut = [run.id for cell in report.cells for run in cell.runs if run.state == INTERRUPTED]
    if not cut:
        return []
    return [
        f"{len(cut)} runs are finished on the server but stopped before their last epoch "
        f"({listing(cut, 3)}); they count as failed."
    ]
