"""From a snapshot to the report's numbers: a pure function, no file and no server."""

from __future__ import annotations

import math
import shlex
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from analysis import choices, confirm, metrics
from analysis.grid import at, cells, plan
from analysis.grid.cells import Cell, Grid
from analysis.grid.configs import display, lookup, seed_label
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
    importance,
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
from contract import places
from contract.names import PROVENANCE
from contract.plan import Plan
from contract.study import Answer, Section, StudyError, load
from contract.sweepfile.points import SEED
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
    judged, costs_known, others = report_metrics(snapshot, grid, design)
    design = margin_of_primary(design, judged)
    data = Data(snapshot, grid, design)
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
        search=importance.search(grid, judged[0] if judged else None, is_bayes(snapshot)),
        sections={section.name: section.values for section in sections if section.name},
        choices=choices.made(snapshot, grid, design, judged),
        constants=schema.Constants(held=found.held, varied=found.varied, leaked=found.leaked),
        unexpected=[run_ref(run, False, seed_key=grid.seed_key) for run in grid.unexpected],
        warnings=[],
        more=None,
        looks=looks,
        rules=rules(),
        provenance=provenance(snapshot, grid, file, sha256),
    )
    answers, explained = asked_guest(design, grid), compare.comparability(design).explained_by
    report = report.model_copy(
        update={
            "more": more.more(report, grid),
            "checklist": checklist.checklist(report, answers, explained),
        }
    )
    lines = [*confirm.said(snapshot, grid), *warnings(report, data, judged)]
    lines += [line for section in sections for line in section.warnings]
    return report.model_copy(update={"warnings": lines})


def is_bayes(snapshot: Snapshot) -> bool:
    """Whether earlier runs chose the points."""
    return (snapshot.sweep.get("config") or {}).get("method") == "bayes"


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
    """Cells and plan; the axis of the question varies fastest.

    The runs of the grid hold their metrics as they are to be read. Raises LayoutError, ChoiceError
    or AtError (exit code 2) where what was said of the report does not fit its runs.
    """
    known = plan.known_for(snapshot)
    asked = partial(description, snapshot, known or Plan())
    names = plan.wanted_names(known, snapshot)
    read = at.resolved(snapshot, names, known.at if known else "", lambda n: asked(n).better)
    grid = cells.arrange(read, known=known)
    design = plan.plan(known, grid, snapshot.choices)
    grid = cells.arrange(read, last=design.axis, known=known)
    plan.require_metrics(snapshot, grid)
    return grid, design


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
    describe = partial(description, snapshot, design)
    found: Counter[str] = Counter()
    for run in compare.counted(grid):
        found.update(n for n, v in run.summary.items() if number(v) is not None)
    names = plan.metric_names(design, snapshot, grid)
    judged = [replace(describe(name), role="quality") for name in names]
    if grid.seed_key.lower().endswith("fold") and "population" not in snapshot.choices:
        judged = [replace(metric, population="seeds") for metric in judged]
    known = [metric for metric in metrics.COSTS if found[metric.name] and metric.name not in names]
    taken = {metric.name for metric in [*judged, *known]}
    shown = [n for n in TABLE_METRICS if n in found and n not in taken]
    if not any(metric.per_example or metric.role == "cost" for metric in [*judged, *known]):
        shown += [n for n, _ in found.most_common(MAX_OTHER) if n not in taken and n not in shown]
    return judged, known, [describe(name) for name in shown]


def margin_of_primary(design: Plan, judged: list[Metric]) -> Plan:
    """The plan with a margin that names no metric as that of the primary one."""
    margins = {name or judged[0].name: size for name, size in design.margins.items() if judged}
    return design.model_copy(update={"margins": margins})


def description(snapshot: Snapshot, design: Plan, name: str) -> Metric:
    """What is known of a metric: what was said of this report, else in the plan, else the sweep's
    goal; its population is that of examples where nobody says so, and never of folds."""
    said = snapshot.choices
    own, direction = plan.goal(snapshot)
    metric = metrics.describe(name, design.facts, {own: direction} if own else {})
    fact = design.facts.get(name, design.facts.get(metrics.last_word(name)))
    better = metric.better or design.better
    if "better" in said and name not in said.get("facts", {}):
        better = said["better"]
    about = said.get("population") or (fact.population if fact else "") or design.population
    return replace(metric, better=better, population=about or metric.population)


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
        method=str(sweep["config"].get("method", "grid")) if sweep.get("config") else "",
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


def run_ref(run: Run, counted: bool, seed: str = "", seed_key: str = SEED) -> schema.RunRef:
    """A run in the report's format."""
    return schema.RunRef(
        id=run.id,
        seed=seed or seed_label(lookup(run.config, seed_key, "")),
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
        distinct = dict.fromkeys(display(v) for v in values if v is not None)
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
        source_command=f"python runner.py report {what(snapshot)}",
        command=f"python runner.py report --offline {file}",
        environment=environment,
        missing=missing,
    )


def sweep_file(snapshot: Snapshot, design: Plan) -> str:
    """ "sweeps/NAME.yaml", with the budget that the sweep's name tells of; "" without a plan."""
    name = str(snapshot.sweep.get("name") or "")
    if not design.name or not (name == design.name or name.startswith(f"{design.name}-")):
        return ""
    if not (places.SWEEPS / f"{design.name}.yaml").is_file():
        return f"{design.name}.yaml"
    budget = name.removeprefix(design.name).removeprefix("-")
    return f"sweeps/{design.name}.yaml" + (f" --budget {budget}" if budget else "")


def what(snapshot: Snapshot) -> str:
    """What a command takes to read these runs, with what was said of the report."""
    sweep = snapshot.sweep
    path = "/".join(str(sweep.get(name, "")) for name in ("entity", "project", "id"))
    return shlex.join(sweep.get("what") or [path]) + choices.words(snapshot.choices)


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
