"""What a report compares: declared in a plan beside the sweep, or derived from its axes."""

from __future__ import annotations

from analysis.grid.cells import Cell, Grid
from analysis.metrics import last_word
from analysis.read.snapshot import Snapshot
from contract.plan import Plan, plan_of
from contract.values import key

MAX_METRICS = 8


def declared_for(snapshot: Snapshot) -> Plan | None:
    """The plan that is declared for a snapshot's sweep; None where there is none."""
    sweep = snapshot.sweep
    config = sweep.get("config") or {}
    return plan_of({**config, "name": sweep.get("name"), "project": sweep.get("project")})


def plan(snapshot: Snapshot, grid: Grid) -> Plan:
    """The declared plan of the sweep where its axis is swept, else one derived from its axes.

    Derived (its name is ""): the first axis of text values (else the first axis) is the question,
    its first listed value the baseline; more than one axis makes it an ablation. What a declared
    plan knows of metrics, and who its guest is, holds for a derived one, too.
    """
    declared = declared_for(snapshot)
    if declared is not None and not grid.search and declared.axis in grid.axes:
        values = grid.axes[declared.axis]
        if any(key(value) == key(declared.baseline) for value in values):
            return declared
        return declared.model_copy(update={"name": "", "baseline": values[0], "claims": []})
    return derived(grid, declared)


def derived(grid: Grid, known: Plan | None) -> Plan:
    """A plan from the axes of a grid; of a plan for other axes, what does not depend on them."""
    kept = (
        known.model_dump(include={"comparability", "facts", "published", "study"}) if known else {}
    )
    if grid.search or not grid.axes:
        return Plan(kind="search" if grid.search else "architecture", **kept)
    swept = [axis for axis, values in grid.axes.items() if len(values) > 1] or list(grid.axes)
    axis = next((a for a in swept if isinstance(grid.axes[a][0], str)), swept[0])
    kind = "ablation" if len(swept) > 1 else "architecture"
    return Plan(kind=kind, axis=axis, baseline=grid.axes[axis][0], **kept)


def cell_pairs(plan: Plan, grid: Grid) -> list[tuple[Cell, Cell]]:
    """The (A, B) cells to contrast: within every level of the other axes, and named pairs."""
    if plan.kind == "search" or not plan.axis:
        return []
    strata: dict[str, dict[str, Cell]] = {}
    for cell in grid.cells:
        rest = {axis: value for axis, value in cell.config.items() if axis != plan.axis}
        strata.setdefault(key(rest), {})[key(cell.config[plan.axis])] = cell
    wanted = [(v, plan.baseline) for v in grid.axes[plan.axis] if key(v) != key(plan.baseline)]
    wanted += [(pair.a, pair.b) for pair in plan.contrasts]
    seen: dict[tuple[str, str], None] = {}
    for a, b in wanted:
        if (key(b), key(a)) not in seen:
            seen.setdefault((key(a), key(b)))
    within = [
        (stratum[a], stratum[b])
        for stratum in strata.values()
        for a, b in seen
        if a in stratum and b in stratum
    ]
    cells = {key(cell.config): cell for cell in grid.cells}
    across = [(cells.get(key(pair.a)), cells.get(key(pair.b))) for pair in plan.across]
    return within + [(a, b) for a, b in across if a is not None and b is not None]


def metric_names(plan: Plan, snapshot: Snapshot, grid: Grid) -> list[str]:
    """Quality metrics to judge: the plan's in test/ where runs have them, else in val/.

    A sweep without any of those is judged on its own `metric` and what else its summaries hold
    under a name with the same last part (at most 8).
    """
    found: dict[str, None] = {}
    for cell in grid.cells:
        for run in cell.runs.values():
            found |= dict.fromkeys(run.summary)
    for part in ("test", "val"):
        names = [f"{part}/{name}" for name in plan.metrics if f"{part}/{name}" in found]
        if names:
            return names
    own = (snapshot.sweep.get("config") or {}).get("metric") or {}
    names = [own["name"]] if own.get("name") in found else []
    words = ("loss", "accuracy", "acc", "f1", "error", "score", "auc", "mse", "rmse", "mae", "r2")
    names += [n for n in sorted(found) if n not in names and last_word(n) in words]
    return names[:MAX_METRICS]
