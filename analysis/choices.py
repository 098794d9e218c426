"""What was said of one report alone, as fields of a plan; and a plan of what a report found."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import yaml
from pydantic import ValidationError

from analysis.grid.cells import Grid
from analysis.grid.configs import NONE, display
from analysis.grid.plan import ChoiceError, declared_for, goal
from analysis.metrics import Metric
from analysis.read.snapshot import Snapshot
from analysis.schema.report import Choice
from contract.plan import Plan
from contract.values import canonical

BETTER = ("lower", "higher")
TIED = ("axis", "baseline")  # of a plan that does not fit, these do not count
PLAIN = ("seed_key", "axis", "at", "population")


def said(flags: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of a plan, of what flags say: name of a flag (with underscores) -> what it was given.

    `better` and `margin` are words, or NAME=word for one metric. Raises ChoiceError.
    """
    made: dict[str, Any] = {name: flags[name] for name in PLAIN if flags.get(name)}
    if flags.get("metric"):
        made["metrics"] = list(flags["metric"])
    if flags.get("by"):
        made["by"] = list(flags["by"])
    if flags.get("baseline") is not None:
        made["baseline"] = _level(flags["baseline"])
    facts: dict[str, Any] = {}
    for text in flags.get("better", ()):
        name, _, word = text.rpartition("=")
        if word not in BETTER:
            raise ChoiceError(f"--better {text!r}: allowed are lower, higher and METRIC=lower")
        if name:
            facts[name] = {"better": word}
        else:
            made["better"] = word
    if facts:
        made["facts"] = facts
    margins = {}
    for text in flags.get("margin", ()):
        name, _, size = text.rpartition("=")
        number = canonical(size)
        if isinstance(number, bool) or not isinstance(number, int | float) or number <= 0:
            raise ChoiceError(f"--margin {text!r}: a size above 0, as 0.01 or METRIC=0.01")
        margins[name] = float(number)
    if margins:
        made["margins"] = margins
    try:
        Plan.model_validate(made)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        flag = str(fault["loc"][0]).replace("_", "-")
        allowed = "last, best, min, max or an epoch" if flag == "at" else fault["msg"]
        raise ChoiceError(f"--{flag} {fault['input']!r}: allowed is {allowed}") from None
    return made


def _level(text: str) -> Any:
    return None if text == "null" else text


def words(choices: Mapping[str, Any]) -> str:
    """The flags that say these choices, with a space before them; "" where nothing was said."""
    found = [[f"--{name.replace('_', '-')}", display(choices[name])] for name in PLAIN
             if name in choices]  # fmt: skip
    found += [["--metric", name] for name in choices.get("metrics", [])]
    found += [["--by", name] for name in choices.get("by", [])]
    if "baseline" in choices:
        found.append(["--baseline", display(choices["baseline"])])
    if "better" in choices:
        found.append(["--better", choices["better"]])
    found += [["--better", f"{n}={f['better']}"] for n, f in choices.get("facts", {}).items()]
    for name, size in choices.get("margins", {}).items():
        found.append(["--margin", f"{name}={size:g}" if name else f"{size:g}"])
    return "".join(f" {shlex.join(pair)}" for pair in found)


def made(snapshot: Snapshot, grid: Grid, design: Plan, judged: Sequence[Metric]) -> list[Choice]:
    """Every choice that the report rests on, and who made it."""
    choices, own, declared = snapshot.choices, goal(snapshot), declared_for(snapshot)
    planned = declared.model_fields_set if declared else set()
    names = [metric.name for metric in judged]

    def who(name: str, otherwise: str) -> str:
        if name in choices:
            return "said"
        return "plan" if name in planned and (design.name or name not in TIED) else otherwise

    rows = [("seed-key", grid.seed_key or NONE, who("seed_key", _seed_found(grid)))]
    if names:
        found = "the sweep's own" if own[0] == names[0] else "found by its name"
        rows.append(("metric", ", ".join(names), who("metrics", found)))
        ways = {metric.better or "unknown" for metric in judged}
        better = ", ".join(ways) if len(ways) == 1 else ", ".join(
            f"{metric.name} {metric.better or 'unknown'}" for metric in judged
        )  # fmt: skip
        found = "the sweep's goal" if own[0] and "unknown" not in ways else "nobody said"
        stated = "facts" if "facts" in choices else "better"
        found = "plan" if design.facts and "unknown" not in ways else found
        rows.append(("better", better, "said" if stated in choices else found))
        read = design.at or "last"
        rows.append(("at", read, who("at", "the summary, else the last of the history")))
        rows.append(("population", judged[0].population, who("population", _about(grid))))
    if design.axis:
        rows.append(("axis", design.axis, who("axis", "found")))
        if len(grid.axes) > 1:
            others = ", ".join(axis for axis in grid.axes if axis != design.axis)
            rows.append(("by", others, who("by", "all else that varies")))
        rows.append(("baseline", display(design.baseline), who("baseline", "its first level")))
    rows += [
        ("margin", f"{name}={size:g}", who("margins", "plan"))
        for name, size in design.margins.items()
    ]
    return [Choice(flag=f"--{flag}", value=value, how=how) for flag, value, how in rows]


def _seed_found(grid: Grid) -> str:
    if not grid.seed_key:
        return "none was found; repeats of a cell are unpaired replicates"
    if all(cell.seeded for cell in grid.cells):
        return "found"
    return "found, and no seed stands in two cells: replicates are unpaired"


def _about(grid: Grid) -> str:
    folds = grid.seed_key.lower().endswith("fold")
    return "each fold has a test set of its own" if folds else "means over a test set"


def as_plan(grid: Grid, design: Plan, judged: Sequence[Metric]) -> str:
    """The YAML of a plan that says what was found: laid beside the sweep, it gives its report."""
    content = design.model_dump(mode="json", exclude_defaults=True, exclude={"name", "budgets"})
    content.pop("beside", None)  # their claims are among these
    facts = {name: dict(fact) for name, fact in content.pop("facts", {}).items()}
    for metric in judged:
        if metric.better:
            facts[metric.name] = {**facts.get(metric.name, {}), "better": metric.better}
    content |= {
        "kind": design.kind,
        "seed_key": grid.seed_key or NONE,
        "metrics": [metric.name for metric in judged],
        "at": design.at or "last",
    }
    if design.axis:
        content["baseline"] = design.baseline
    content.pop("better", None)
    if facts:
        content["facts"] = facts
    if judged and judged[0].population != "examples":
        content["population"] = judged[0].population
    order = [name for name in Plan.model_fields if name in content]
    text = yaml.safe_dump({n: content[n] for n in order}, sort_keys=False, allow_unicode=True)
    return f"# Found in the runs of a sweep: edit what is to be otherwise.\n{text}"
