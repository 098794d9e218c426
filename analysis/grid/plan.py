"""What a report compares: declared in a plan beside the sweep, or derived from its axes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from analysis.grid.cells import Cell, Grid
from analysis.grid.configs import display, seedlike
from analysis.metrics import last_word
from analysis.read.snapshot import Snapshot, number
from contract.plan import CellPair, Plan, plan_of
from contract.values import key
from contract.words import suggest

MAX_METRICS = 8
WORDS = (
    *("loss", "accuracy", "acc", "f1", "error", "score", "auc", "mse", "rmse", "mae", "r2"),
    *("perplexity", "ppl", "nll", "bleu", "rouge", "wer", "map", "miou", "iou", "return", "reward"),
)


class ChoiceError(Exception):
    """A choice that does not fit the runs at hand."""

    exit_code = 2


def declared_for(snapshot: Snapshot) -> Plan | None:
    """The plan that is declared for a snapshot's sweep; None where there is none."""
    if snapshot.plan:
        return Plan.model_validate(snapshot.plan)
    sweep = snapshot.sweep
    config = sweep.get("config") or {}
    names = {"name": sweep.get("name"), "project": sweep.get("project")}
    return plan_of({**config, **names}) if config else None


def known_for(snapshot: Snapshot) -> Plan | None:
    """What was declared for a snapshot's sweep, and over it what was said of this report alone.

    None where there is neither.
    """
    said, declared = snapshot.choices, declared_for(snapshot)
    if not said:
        return declared
    base = declared.model_dump() if declared else {}
    merged = {
        name: {**base.get(name, {}), **item} if isinstance(item, Mapping) else item
        for name, item in said.items()
    }
    if "axis" in said and said["axis"] != base.get("axis"):  # another question than the plan's
        other = {"contrasts": [], "across": [], "main": [], "claims": [], "pooled": []}
        merged = {**other, "baseline": None, **merged}
    return Plan.model_validate({**base, **merged})


def plan(known: Plan | None, grid: Grid, said: Mapping[str, Any]) -> Plan:
    """The known plan of the sweep where its axis is swept, else one derived from its axes.

    Derived (its name is ""): the first axis of text values (else the first axis) is the question,
    its first listed value the baseline; more than one axis makes it an ablation. What a known plan
    knows of metrics, and who its guest is, holds for a derived one, too. Raises ChoiceError where
    what was `said` of axis and baseline does not fit the grid.
    """
    for flag in ("axis", "baseline"):
        if flag in said and grid.search:
            raise ChoiceError(f"--{flag}: points of this sweep were drawn; there are no arms")
    if "axis" in said and said["axis"] not in grid.axes:
        axis = said["axis"]
        raise ChoiceError(f"--axis {axis!r} is no axis of these runs{suggest(axis, grid.axes)}")
    if known is None or grid.search or not (known.across or known.axis in grid.axes):
        return _based(derived(grid, known), grid, said)
    return _based(known, grid, said)


def _based(design: Plan, grid: Grid, said: Mapping[str, Any]) -> Plan:
    """The plan with a baseline that is a value of its axis."""
    if not design.axis:
        return design
    values = grid.axes[design.axis]
    wanted = said.get("baseline", design.baseline)
    found = next((value for value in values if key(value) == key(wanted)), None)
    if found is not None or (wanted is None and None in values and "baseline" in said):
        return design.model_copy(update={"baseline": found})
    if "baseline" in said:
        levels = ", ".join(map(display, values))
        raise ChoiceError(f"--baseline {display(wanted)}: {design.axis} is one of {levels}")
    return design.model_copy(update={"baseline": values[0], "name": "", "claims": []})


def derived(grid: Grid, known: Plan | None) -> Plan:
    """A plan from the axes of a grid; of a plan for other axes, what does not depend on them."""
    fields = {
        *("comparability", "facts", "published", "study", "metrics", "better", "at"),
        *("population", "margins", "seed_key", "by", "question"),
    }
    kept = known.model_dump(include=fields) if known else {}
    if grid.search or not grid.axes:
        return Plan(kind="search" if grid.search else "architecture", **kept)
    swept = [axis for axis, values in grid.axes.items() if len(values) > 1] or list(grid.axes)
    asked = [axis for axis in swept if not seedlike([axis])] or swept
    axis = next((a for a in asked if any(isinstance(v, str) for v in grid.axes[a])), asked[0])
    kind = "ablation" if len(swept) > 1 else "architecture"
    pooled = [name for name in asked if name != axis]
    made = Plan(kind=kind, axis=axis, baseline=grid.axes[axis][0], pooled=pooled, **kept)
    if cell_pairs(made, grid) or len(grid.cells) < 2:
        return made
    # no two cells differ in one axis alone: each is an arm of its own
    first, *others = (cell.config for cell in grid.cells)
    return Plan(across=[CellPair(a=other, b=first) for other in others], **kept)


def cell_pairs(plan: Plan, grid: Grid) -> list[tuple[Cell, Cell]]:
    """The (A, B) cells to contrast: within every level of the other axes, and named pairs."""
    if plan.kind == "search":
        return []
    cells = {key(cell.config): cell for cell in grid.cells}
    across = [(cells.get(key(pair.a)), cells.get(key(pair.b))) for pair in plan.across]
    return _within(plan, grid) + [(a, b) for a, b in across if a is not None and b is not None]


def _within(plan: Plan, grid: Grid) -> list[tuple[Cell, Cell]]:
    if not plan.axis:
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
    return [
        (stratum[a], stratum[b])
        for stratum in strata.values()
        for a, b in seen
        if a in stratum and b in stratum
    ]


def goal(snapshot: Snapshot) -> tuple[str, str]:
    """(name, direction) of the sweep's own metric; ("", "") where it names none."""
    parts = snapshot.sweep.get("parts") or [snapshot.sweep]
    own = [(part.get("config") or {}).get("metric") or {} for part in parts]
    if not own or any(key(metric) != key(own[0]) for metric in own) or "name" not in own[0]:
        return "", ""
    lower = str(own[0].get("goal") or "minimize") == "minimize"
    return str(own[0]["name"]), "lower" if lower else "higher"


def wanted_names(known: Plan | None, snapshot: Snapshot) -> list[str]:
    """Names of metrics that were asked for as runs log them, else the sweep's own."""
    asked = known.metrics if known else []
    own, _ = goal(snapshot)
    logged = {n for run in snapshot.runs for n in (*run.summary, *run.history)}
    exact = [name for name in asked if name in logged]
    return exact if asked else [own] * bool(own)


def metric_names(plan: Plan, snapshot: Snapshot, grid: Grid) -> list[str]:
    """Quality metrics to judge: those that were asked for, by name or in test/, else in val/.

    A sweep for which none were is judged on its own `metric` and what else its summaries hold under
    a name that says quality: of tests first, of training only where there is no other (at most 8).
    """
    found: dict[str, None] = {}
    for cell in grid.cells:
        for run in cell.runs.values():
            found |= dict.fromkeys(n for n, v in run.summary.items() if number(v) is not None)
    exact = [name for name in plan.metrics if name in found]
    for part in ("test", "val"):
        asked = [f"{part}/{name}" for name in plan.metrics if name not in exact]
        names = [name for name in asked if name in found]
        if names or len(exact) == len(plan.metrics) > 0:
            return exact + names
    if exact:
        return exact
    own, _ = goal(snapshot)
    names = [own] if own in found else []
    others = [n for n in sorted(found) if n not in names and last_word(n) in WORDS]
    held_out = [n for n in others if "train" not in n.lower()]
    others = held_out or ([] if names else others)
    names += sorted(others, key=lambda n: ("test" not in n.lower(), "val" not in n.lower()))
    return names[:MAX_METRICS]


def require_metrics(snapshot: Snapshot, grid: Grid) -> None:
    """Raise ChoiceError where no finished run has a metric that was said."""
    runs = [run for cell in grid.cells for run in cell.finished.values()]
    known = dict.fromkeys(n for r in runs for n, v in r.summary.items() if number(v) is not None)
    for name in snapshot.choices.get("metrics", []) if runs else []:
        if not {name, f"test/{name}", f"val/{name}"} & known.keys():
            where = f" at {at}" if (at := snapshot.choices.get("at")) else ""
            raise ChoiceError(
                f"--metric {name!r}: no finished run has it{where}{suggest(name, known)}"
            )
