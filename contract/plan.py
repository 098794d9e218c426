"""The plan of a comparison: what a sweep is compared for, declared in a file beside it.

`NAME.plan.yaml` beside `NAME.yaml`. Strict: an unknown or misspelt key is an error that names file
and line. What several plans share stands once, in the file that they name as their `base`.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from contract import places
from contract.sweepfile import read
from contract.sweepfile.file import lines, repeated
from contract.sweepfile.read import SweepConfigError
from contract.words import nearest, suggest

PROGRAM = "${program}"
LONGEST = 200  # characters of a name that is looked for as a file


class PlanError(Exception):
    """A plan that cannot be used as it is written."""

    exit_code = 2


class Model(BaseModel):
    """Strict and frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Pair(Model):
    """Two values of the axis to contrast, beyond the baseline."""

    a: Any
    b: Any


class CellPair(Model):
    """Two cells to contrast across the levels of the other axes."""

    a: dict[str, Any]
    b: dict[str, Any]


class Expectation(Model):
    """A contrast of cells with the direction that a claim says."""

    a: dict[str, Any]
    b: dict[str, Any]
    expect: Literal["lower", "higher", "equal"]


class Level(Model):
    """A claim that the mean of a cell reaches a value, but for a tolerance."""

    cell: dict[str, Any]
    reaches: float
    tolerance: float


class Ratios(Model):
    """A claim about cost ratios a/b on an axis, in every level of the other axes."""

    axis: str
    a: Any
    b: Any
    metrics: list[str]
    claimed: float
    tolerance: float


class Claim(Model):
    """A published claim. reading: how it is made testable; untested: what of it no comparison
    tests; published: figures, one seed each.

    sweep: which sweep answers it; "" is the plan's own.
    """

    id: int
    text: str
    sweep: str = ""
    reading: str = ""
    untested: str = ""
    metric: str = ""
    contrasts: list[Expectation] = []
    levels: list[Level] = []
    ratios: Ratios | None = None
    published: dict[str, float] = {}


class Comparability(Model):
    """Config keys and provenance whose difference makes two cells incomparable (error) or needs a
    note (warning). explained_by: axis -> keys whose difference it explains where it is swept."""

    error: list[str] = []
    warning: list[str] = []
    explained_by: dict[str, list[str]] = {}


class Fact(Model):
    """What is known of a metric. unit "" = a plain number; bound: what cannot be passed in the
    direction that is better; chance: what a model that learned nothing would reach."""

    title: str = ""
    unit: str = ""
    better: Literal["lower", "higher", ""] = ""
    bound: float | None = None
    chance: float | None = None
    population: Literal["examples", "seeds", ""] = ""


class Plan(Model):
    """What a sweep is compared for. name: the sweep's, from the file's; "" where none was declared.

    axis: what the question is about; every value of it is contrasted with `baseline`, within every
    level of the other axes. main: the contrasts that answer the question, of two values or of two
    cells; they have most of the family's level. Without any, pooled effects do. pooled: further
    axes whose pooled effects belong to the family. by: the other axes, where not all that vary.
    seed_key: the config key that matches replicates ("none": they are not matched; "": found).
    noise_floor: two cells that are the same model (A/A). margins: metric -> differences smaller
    than this are of no interest, declared before looking. `metrics`: names as runs log them, or
    what stands below test/ (where there is none, val/); none: the sweep's own. better: the
    direction of those whose facts say none. at: last, best, min, max or an epoch; "": what the
    summary says. Facts are found by a metric's name or by its last part; population holds for those
    whose facts say nothing. published: figures that the guest's sections compare with, by its own
    names. beside: sweeps whose claims are listed here too, as theirs to answer. budgets: the folder
    of its budgets; None: it has none. study: the guest (contract/study.py).
    """

    name: str = ""
    kind: Literal["architecture", "ablation", "search"] = "ablation"
    question: str = ""
    axis: str = ""
    baseline: Any = None
    pooled: list[str] = []
    by: list[str] = []
    seed_key: str = ""
    contrasts: list[Pair] = []
    across: list[CellPair] = []
    main: list[Pair] = []
    metrics: list[str] = []
    better: Literal["lower", "higher", ""] = ""
    at: str = Field(default="", pattern=r"^(last|best|min|max|\d+)?$", coerce_numbers_to_str=True)
    population: Literal["examples", "seeds", ""] = ""
    margins: dict[str, float] = {}
    noise_floor: tuple[dict[str, Any], dict[str, Any]] | None = None
    claims: list[Claim] = []
    published: dict[str, float] = {}
    beside: list[str] = []
    comparability: Comparability = Comparability()
    facts: dict[str, Fact] = {}
    budgets: Path | None = None
    study: str = Field(default="", pattern=r"^([\w.]+:\w+)?$")


def plan_of(sweep: Mapping[str, Any], beside: Path | None = None) -> Plan | None:
    """Return the plan of a sweep's config by its name, its project, or what it runs; or None.

    A budget's suffix may follow the name (`NAME-smoke`). `train.plan.yaml` is for every sweep of
    train.py, `train-fit.plan.yaml` for those whose command goes on with `fit`. Looked for in the
    folder `beside` (that of the sweep's file), in the current folder and its `sweeps`, and among
    those that are shipped. Raises PlanError where the file that is found is no plan.
    """
    file = file_of(sweep, beside)
    return load(file) if file else None


def file_of(sweep: Mapping[str, Any], beside: Path | None = None) -> Path | None:
    """Return the file of a sweep's plan, as `plan_of` looks for it; None where there is none."""
    here = Path.cwd()
    folders = [*([beside] if beside else []), here, here / "sweeps", places.SWEEPS]
    names = [str(sweep.get(key) or "") for key in ("name", "project")]
    for word in [*_stems(names[0]), names[1], *_stems(_runs(sweep))]:
        if word and Path(word).name == word and len(word) <= LONGEST:
            for folder in folders:
                if (file := folder / f"{word}{places.PLAN}").is_file():
                    return file
    return None


def _runs(sweep: Mapping[str, Any]) -> str:
    """The program without its ending, and what of its command is neither a flag nor a macro."""
    program = sweep.get("program")
    plain = [word for word in words_of(sweep) if not word.startswith(("-", "$"))]
    return "-".join([Path(program).stem, *plain]) if isinstance(program, str) else ""


def words_of(sweep: Mapping[str, Any]) -> list[str]:
    """Return the words of a sweep's command that its program gets."""
    words = [str(word) for word in sweep.get("command") or []]
    return words[words.index(PROGRAM) + 1 :] if PROGRAM in words else words


def _stems(name: str) -> Iterator[str]:
    while name:
        yield name
        name = name.rpartition("-")[0]


def load(file: Path) -> Plan:
    """Read a plan, with the claims of those beside it in the order of their ids.

    Raises PlanError, with the line of what is wrong.
    """
    plan, where = _plan(file)
    claims = list(plan.claims)
    for i, name in enumerate(plan.beside):
        other = file.with_name(f"{name}{places.PLAN}")
        if not other.is_file():
            raise _error(f"{other} does not exist", f"beside[{i}]", where)
        claims += _plan(other)[0].claims
    return plan.model_copy(update={"claims": sorted(claims, key=lambda claim: claim.id)})


def _plan(file: Path) -> tuple[Plan, dict[str, str]]:
    raw, where = _read(file)
    if "base" in raw:
        name = raw.pop("base")
        if not isinstance(name, str) or not (file.parent / name).is_file():
            raise _error(f"{name!r} is no file beside this one", "base", where)
        shared, where_shared = _read(file.parent / name)
        if "base" in shared:
            raise _error("a base has no base of its own", "base", where_shared)
        raw, where = {**shared, **raw}, {**where_shared, **where}
    if "name" in raw:
        raise _error("is that of the file; leave it out", "name", where)
    name = file.name.removesuffix(places.PLAN)
    try:
        plan = Plan.model_validate({**raw, "name": name})
    except ValidationError as error:
        faults = [_fault(item, where) for item in error.errors(include_url=False)]
        raise PlanError("\n".join(dict.fromkeys(faults))) from None
    for metric in plan.margins:
        if plan.metrics and metric not in plan.metrics:
            text = f"not among the metrics{suggest(metric, plan.metrics)}"
            raise _error(text, f"margins.{metric}", where)
    for i, claim in enumerate(plan.claims):
        if any(e.expect == "equal" for e in claim.contrasts) and claim.metric not in plan.margins:
            text = f"expects equal and can never be met without margins.{claim.metric}"
            raise _error(text, f"claims[{i}]", where)
    own = [claim.model_copy(update={"sweep": claim.sweep or name}) for claim in plan.claims]
    return plan.model_copy(update={"claims": own}), where


def _read(file: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """Return what a file says, and dotted key -> "file:line"; "" -> the file."""
    try:
        text = file.read_text(encoding="utf-8")
        raw, node = read.load(text, aliases=True), yaml.compose(text, Loader=yaml.SafeLoader)
        numbers, twice = dict(lines(node)), repeated(node)
    except SweepConfigError as error:
        raise PlanError(f"{file}: {error.message}") from None
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise PlanError(f"{file}: not a readable YAML file: {error}") from None
    if twice:
        raise PlanError(f"{file}:{twice[1]}: key {twice[0]!r} stands here a second time")
    where = {"": str(file)} | {key: f"{file}:{line}" for key, line in numbers.items()}
    if "budgets" in raw:
        raw["budgets"] = folder = file.parent / str(raw["budgets"])
        if not folder.is_dir():
            raise _error(f"{folder} is no folder", "budgets", where)
    return raw, where


def _error(message: str, key: str, where: dict[str, str]) -> PlanError:
    """Return an error with the place of a dotted key, or of the nearest thing that holds it."""
    holder = key
    while holder not in where:
        holder = holder[: max(holder.rfind("."), holder.rfind("["), 0)]
    return PlanError(f"{where[holder]}: {key}: {message}")


def _fault(error: Mapping[str, Any], where: dict[str, str]) -> str:
    """Return one error of pydantic's as a line of ours."""
    loc, given = error["loc"], error["input"]
    key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc).lstrip(".")
    if error["type"] == "extra_forbidden":
        known = [*_typed(loc[:-1]).model_fields, "base"]
        message = f"unknown key{suggest(loc[-1], known)}"
    elif error["type"] == "missing":
        message = "is missing"
    elif error["type"] == "literal_error":
        allowed = [word for word in typing.get_args(_typed(loc)) if word]
        close = nearest(given, allowed)
        message = f"{given!r} is not one of {', '.join(allowed)}"
        message += f"; did you mean {close!r}?" if close else ""
    elif loc == ("at",):
        message = f"{given!r} is not one of last, best, min, max or a number, of an epoch"
    elif loc == ("study",):
        message = f"{given!r} is no package.module:attribute"
    else:
        message = f"{given!r}: {error['msg'].replace('Input should', 'it should')}"
    return str(_error(message, key, where))


def _typed(loc: tuple[Any, ...]) -> Any:
    """Return the type that stands at a place in a plan."""
    found: Any = Plan
    for part in loc:
        if isinstance(found, type) and issubclass(found, BaseModel):
            found = found.model_fields[part].annotation
        else:
            found = typing.get_args(found)[-1 if typing.get_origin(found) is dict else 0]
        if isinstance(found, types.UnionType):
            found = next(kind for kind in typing.get_args(found) if kind is not type(None))
    return found
