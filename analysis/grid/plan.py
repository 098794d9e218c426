"""What a report compares: declared in claims.yaml for known sweeps, derived for others."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

from analysis.grid.cells import Cell, Grid
from analysis.read.snapshot import Snapshot
from contract.values import key

CLAIMS = Path(__file__).with_name("claims.yaml")
QUALITY = ["loss", "f1", "accuracy"]
MAX_METRICS = 8


class Model(BaseModel):
    """Strict: an unknown or misspelt key of claims.yaml is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Pair(Model):
    """Two values of the axis to contrast, beyond the baseline."""

    a: Any
    b: Any


class CellPair(Model):
    """Two cells to contrast across the levels of the other axes."""

    a: dict[str, Any]
    b: dict[str, Any]


class SweepPlan(Model):
    """One entry of `sweeps:`. noise_floor names two cells that are the same model (A/A)."""

    kind: Literal["architecture", "ablation", "search"]
    question: str = ""
    axis: str = ""
    baseline: Any = None
    contrasts: list[Pair] = []
    across: list[CellPair] = []
    metrics: list[str] = QUALITY
    margins: dict[str, float] = {}
    noise_floor: tuple[dict[str, Any], dict[str, Any]] | None = None
    declared: bool = True


class Comparability(Model):
    """Keys whose difference forbids (error) or qualifies (warning) a comparison."""

    error: list[str]
    warning: list[str]
    explained_by: dict[str, list[str]]


class Expectation(Model):
    """A contrast of cells with the direction that a claim says."""

    a: dict[str, Any]
    b: dict[str, Any]
    expect: Literal["lower", "higher", "equal"]


class Ratios(Model):
    """A claim about cost ratios a/b on an axis, in every level of the other axes."""

    axis: str
    a: Any
    b: Any
    metrics: list[str]
    claimed: float
    tolerance: float


class Claim(Model):
    """One claim of the study. reading: how it is made testable; needs: what would test it."""

    id: int
    text: str
    reading: str = ""
    sweep: str = ""
    metric: str = ""
    contrasts: list[Expectation] = []
    ratios: Ratios | None = None
    needs: str = ""
    published: dict[str, float] = {}


class Claims(Model):
    """The whole of claims.yaml."""

    version: int = Field(alias="schema")
    sweeps: dict[str, SweepPlan]
    comparability: Comparability
    claims: list[Claim]


@cache
def claims() -> Claims:
    """claims.yaml, checked."""
    return Claims.model_validate(yaml.safe_load(CLAIMS.read_text(encoding="utf-8")))


def known_as(snapshot: Snapshot) -> str:
    """The key in claims.yaml that the sweep's name or project answers to; "" where none does."""
    name, project = snapshot.sweep.get("name") or "", snapshot.sweep.get("project") or ""
    for known in claims().sweeps:
        if name == known or name.startswith(f"{known}-"):
            return known
    return project if project in claims().sweeps else ""


def plan(snapshot: Snapshot, grid: Grid) -> SweepPlan:
    """The declared plan of the sweep where its axis is swept, else one derived from its axes.

    Derived: the first axis of text values (else the first axis) is the question, its first listed
    value the baseline; more than one axis makes it an ablation.
    """
    declared = claims().sweeps.get(known_as(snapshot))
    if declared is not None and not grid.search and declared.axis in grid.axes:
        values = grid.axes[declared.axis]
        if any(key(value) == key(declared.baseline) for value in values):
            return declared
        return declared.model_copy(update={"baseline": values[0], "declared": False})
    if grid.search or not grid.axes:
        return SweepPlan(kind="search" if grid.search else "architecture", declared=False)
    swept = [axis for axis, values in grid.axes.items() if len(values) > 1] or list(grid.axes)
    axis = next((a for a in swept if isinstance(grid.axes[a][0], str)), swept[0])
    return SweepPlan(
        kind="ablation" if len(swept) > 1 else "architecture",
        axis=axis,
        baseline=grid.axes[axis][0],
        declared=False,
    )


def cell_pairs(plan: SweepPlan, grid: Grid) -> list[tuple[Cell, Cell]]:
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


def metric_names(plan: SweepPlan, snapshot: Snapshot, grid: Grid) -> list[str]:
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


def last_word(name: str) -> str:
    """The last part of a metric's name: "loss" of "val/loss", "val_loss" and "val.loss"."""
    return name.replace("_", "/").replace(".", "/").split("/")[-1].lower()
