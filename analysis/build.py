"""From a snapshot to the report's numbers: a pure function, no file and no server."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from analysis import metrics
from analysis.grid import cells, plan
from analysis.grid.cells import Cell, Grid
from analysis.judge import (
    answer,
    checklist,
    claims,
    collapse,
    compare,
    contrasts,
    cost,
    effects,
    family,
    more,
    planning,
    sequential,
    stats,
    verdict,
)
from analysis.judge.compare import Data
from analysis.judge.draft import Pair
from analysis.judge.warnings import warnings
from analysis.metrics import Metric
from analysis.read import snapshot as snapshots
from analysis.read.snapshot import Run, Snapshot
from analysis.schema import report as schema
from contract.names import PROVENANCE
from contract.plan import Plan
from contract.study import Answer, Section, StudyError, load
from contract.values import number

TABLE_METRICS = ["val/loss", "test/f1", "test/accuracy", "val/f1", "val/accuracy"]
MAX_OTHER = 12


def build(
    snapshot: Snapshot,
    grid: Grid | None = None,
    design: Plan | None = None,
    sections: list[Section] | None = None,
    *,
    file: str = "snapshot.json.gz",
    sha256: str = "",
) -> schema.Report:
    """All numbers of the report of `snapshot`, whose file has that name and content hash."""
    if grid is None or design is None:
        grid, design = arrange(snapshot)
    if sections is None:
        sections = of_guest(design, grid)
    data = Data(snapshot, grid, design)
    judged, costs_known, others = report_metrics(snapshot, grid, design)
    pairs = plan.cell_pairs(design, grid)
    looks = sequential.looks(snapshot.looks)
    alpha = looks.alpha if looks is not None and looks.alpha is not None else stats.ALPHA
    compared, pooled = judge(data, pairs, judged, alpha)
    costs = cost.ratios(pairs, costs_known)
    found = compare.constants(grid)
    report = schema.Report(
        schema=schema.SCHEMA,
        kind=design.kind,
        question=design.question,
        answer=answer.answer(pooled, compared, grid.axes, judged[0]) if judged else [],
        goal=str(((snapshot.sweep.get("config") or {}).get("metric") or {}).get("name") or ""),
        checklist=None,
        file=sweep_file(snapshot, design),
        open_percent=100 * collapse.open_rate(max((len(c.runs) for c in grid.cells), default=0)),
        sweep=sweep_info(snapshot),
        grid=schema.GridCounts(**grid.counts()),
        axes=grid.axes,
        baseline={design.axis: design.baseline} if design.axis else {},
        declared=bool(design.name),
        metrics=[info(metric) for metric in [*judged, *costs_known, *others]],
        primary=judged[0].name if judged else "",
        cells=[cell_report(data, cell, [*judged, *costs_known, *others]) for cell in grid.cells],
        contrasts=compared,
        verdicts=count_verdicts(compared),
        effects=pooled,
        costs=costs,
        pareto=cost.pareto(compared, costs, judged[0] if judged else None),
        noise=noise(data, judged),
        claims=claims.answer_all(design, grid, compared, costs),
        sections={section.name: section.values for section in sections if section.name},
        constants=schema.Constants(held=found.held, varied=found.varied, leaked=found.leaked),
        unexpected=[run_ref(run, False) for run in grid.unexpected],
        warnings=[],
        more=None,
        looks=looks,
        rules=rules(),
        provenance=provenance(snapshot, grid, file, sha256),
    )
    answers, explained = asked_guest(design, grid), compare.comparability(design).explained_by
    later = {"more": more.more(report, grid)}
    later["checklist"] = checklist.checklist(report, answers, explained)
    report = report.model_copy(update=later)
    lines = warnings(report, data, judged)
    lines += [line for section in sections for line in section.warnings]
    return report.model_copy(update={"warnings": lines})


def of_guest(design: Plan, grid: Grid) -> list[Section]:
    """What the plan's study makes of the runs; a warning in its place where it cannot be had."""
    try:
        return load(design.study).sections(grid, design)
    except (StudyError, ImportError) as error:
        return [Section("", warnings=(f"What the study itself says is missing: {error}.",))]


def asked_guest(design: Plan, grid: Grid) -> Mapping[str, Answer]:
    """What the plan's study answers of the checklist; nothing where it cannot be had."""
    try:
        return load(design.study).checklist(grid, design)
    except (StudyError, ImportError):
        return {}


def arrange(snapshot: Snapshot) -> tuple[Grid, Plan]:
    """Cells and plan; the axis of the question varies fastest."""
    design = plan.plan(snapshot, cells.arrange(snapshot))
    return cells.arrange(snapshot, last=design.axis), design


def judge(
    data: Data, pairs: list[Pair], judged: list[Metric], alpha: float
) -> tuple[list[schema.Contrast], list[schema.Effect]]:
    """Every contrast and pooled effect of the plan, on each metric in a family of its own."""
    wanted = effects.declared(data)
    compared, pooled = [], []
    for metric in judged:
        members = effects.members(data, wanted, metric) + contrasts.members(data, pairs, metric)
        found = family.judge(data, members, metric, alpha)
        pooled += [effects.effect(data, *item) for item in zip(wanted, found, strict=False)]
        compared += [contrasts.contrast(data, item) for item in found[len(wanted) :]]
    return compared, pooled


def count_verdicts(compared: list[schema.Contrast]) -> dict[str, dict[str, int]]:
    """Metric -> verdict -> count, in the order of the ladder."""
    table: dict[str, dict[str, int]] = {}
    for name in verdict.LADDER:
        for contrast in compared:
            if contrast.verdict == name:
                row = table.setdefault(contrast.metric, {})
                row[name] = row.get(name, 0) + 1
    return table


def report_metrics(
    snapshot: Snapshot, grid: Grid, design: Plan
) -> tuple[list[Metric], list[Metric], list[Metric]]:
    """(judged qualities, costs, others shown only) that the runs which count really hold."""
    goal = (snapshot.sweep.get("config") or {}).get("metric") or {}
    goals = {str(goal.get("name")): str(goal.get("goal", "minimize"))} if goal else {}
    describe = partial(metrics.describe, facts=design.facts, goals=goals)
    found: Counter[str] = Counter()
    for run in compare.counted(grid):
        found.update(n for n, v in run.summary.items() if number(v) is not None)
    judged = [describe(n) for n in plan.metric_names(design, snapshot, grid)]
    known = [metric for metric in metrics.COSTS if found[metric.name]]
    judged = [population(snapshot, design, metric) for metric in judged]
    taken = {metric.name for metric in [*judged, *known]}
    shown = [n for n in TABLE_METRICS if n in found and n not in taken]
    if not any(metric.per_example or metric.role == "cost" for metric in [*judged, *known]):
        shown += [n for n, _ in found.most_common(MAX_OTHER) if n not in taken and n not in shown]
    return judged, known, [describe(name) for name in shown]


def population(snapshot: Snapshot, design: Plan, metric: Metric) -> Metric:
    """The metric with what it is about: what was said of the report, else of it in the plan."""
    fact = design.facts.get(metric.name, design.facts.get(metrics.last_word(metric.name)))
    declared = fact.population if fact is not None else metric.population
    return replace(metric, population=snapshot.population or declared)


def info(metric: Metric) -> schema.MetricInfo:
    """The metric in the report's format."""
    return schema.MetricInfo(
        name=metric.name, title=metric.title, unit=metric.unit, better=metric.better,
        role=metric.role, bound=metric.bound,
    )  # fmt: skip


def sweep_info(snapshot: Snapshot) -> schema.SweepInfo:
    """The sweep in the report's format."""
    sweep = snapshot.sweep
    return schema.SweepInfo(
        id=str(sweep.get("id", "")),
        name=str(sweep.get("name") or sweep.get("id", "")),
        project=str(sweep.get("project", "")),
        entity=str(sweep.get("entity", "")),
        url=str(sweep.get("url", "")),
        method=str((sweep.get("config") or {}).get("method", "grid")),
        state=str(sweep.get("state", "")),
    )


def cell_report(data: Data, cell: Cell, shown: list[Metric]) -> schema.CellReport:
    """One cell in the report's format; metrics without any value are left out."""
    table = {}
    for metric in shown:
        values = cell.values(metric.name)
        if values:
            interval = stats.mean_interval([v for v in values.values() if math.isfinite(v)])
            table[metric.name] = schema.MetricStats(
                n=interval.n,
                mean=interval.mean,
                low=interval.low,
                high=interval.high,
                half=(interval.high - interval.low) / 2,
                sd=interval.sd,
                values={seed: v for seed, v in values.items()},
            )
    refs = []
    for seed, slot in cell.slots.items():
        refs += [run_ref(run, run is cell.runs.get(seed), seed) for run in slot.runs]
    return schema.CellReport(
        config=cell.config,
        label=cell.label,
        states={seed: slot.state for seed, slot in cell.slots.items()},
        metrics=table,
        diverged=cell.diverged,
        copies=cell.copies,
        saturated=[
            m.name for m in shown if m.role == "quality" and compare.saturated(data, cell, m)
        ],
        runs=refs,
    )


def run_ref(run: Run, counted: bool, seed: str = "") -> schema.RunRef:
    """A run in the report's format."""
    return schema.RunRef(
        id=run.id,
        seed=seed or cells.seed_label(cells.lookup(run.config, "seed", "")),
        state=run.state,
        url=run.url,
        counted=counted,
    )


def noise(data: Data, judged: list[Metric]) -> list[schema.NoiseFloor]:
    """The noise floor of each judged metric that has one."""
    result = []
    for metric in judged:
        found = compare.noise_floor(data, metric.name)
        if found is not None:
            size, n, source = found
            result.append(schema.NoiseFloor(metric=metric.name, source=source, n=n, range=size))
    return result


def provenance(snapshot: Snapshot, grid: Grid, file: str, sha256: str) -> schema.Provenance:
    """Hashes, versions and hardware over the runs that count."""
    runs = compare.counted(grid)
    environment: dict[str, list[str]] = {}
    missing: dict[str, int] = {}
    for name in PROVENANCE:
        values = [compare.attribute(run, name) for run in runs]
        distinct = dict.fromkeys(cells.display(v) for v in values if v is not None)
        absent = sum(value is None for value in values)
        if distinct:
            environment[name] = [*distinct, *["none"] * bool(absent)]
        if absent and distinct:
            missing[name] = absent
    return schema.Provenance(
        snapshot=sha256,
        snapshot_file=file,
        snapshot_schema=snapshots.SCHEMA,
        as_of=max((run.heartbeat_at or run.created_at for run in snapshot.runs), default=""),
        runs=len(snapshot.runs),
        source_command=f"python runner.py report {sweep_path(snapshot)}",
        command=f"python runner.py report --offline {file}",
        environment=environment,
        missing=missing,
    )


def sweep_file(snapshot: Snapshot, design: Plan) -> str:
    """ "sweeps/NAME.yaml", with the budget that the sweep's name tells of; "" without a plan."""
    name = str(snapshot.sweep.get("name") or "")
    if not design.name or not (name == design.name or name.startswith(f"{design.name}-")):
        return ""
    budget = name.removeprefix(design.name).removeprefix("-")
    return f"sweeps/{design.name}.yaml" + (f" --budget {budget}" if budget else "")


def sweep_path(snapshot: Snapshot) -> str:
    """entity/project/id."""
    return "/".join(str(snapshot.sweep.get(name, "")) for name in ("entity", "project", "id"))


def rules() -> dict[str, Any]:
    """The constants that the text quotes."""
    return {
        "interval_percent": 100 * stats.LEVEL,
        "equivalence_percent": 90,
        "alpha": stats.ALPHA,
        "power_percent": 100 * planning.POWER,
        "bootstrap_seeds": stats.BCA_SEEDS,
        "minimum_seeds": verdict.MIN_SEEDS,
        "advised_seeds": 8,
        "saturated_percent": 100 * compare.SATURATED_SHARE,
        "capacity_ratio": 1.1,
        "error_percent": 100 * stats.ALPHA,
    }
