"""What makes a cell: the axes of the runs at hand, the points that were declared, and the seed.

One grid lists its points. Several sweeps, or runs that somebody chose in a project, list none:
there every config key that varies is an axis, one that an arm lacks is null, and null is a level.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from analysis.grid.configs import NO_SEED, NONE, by_key, flatten, lookup, seed_label, seedlike
from analysis.read.snapshot import Run, Snapshot
from contract.plan import Plan
from contract.sweepfile.points import SEED, GridError, axis_values, expand
from contract.values import canonical, key
from contract.words import suggest

SEARCH_RUNS = 8  # chosen runs that all differ in numbers are points of a search from here on
Point = tuple[dict[str, Any], str]  # (axis -> value, seed label)


class LayoutError(Exception):
    """Runs that cannot be laid out as asked for."""

    exit_code = 2


@dataclass(frozen=True)
class Layout:
    """axes: axis -> its values. points: (cell, seed) that were declared, None where none were.

    seed_key: config key whose value matches replicates, "" for none; sure: the sweep lists it, so
    that equal values are the same seed. whole: the points are all that there should be. search:
    points were drawn, not listed. tied: key -> the axis that it always changes with.
    """

    axes: dict[str, list[Any]]
    points: list[Point] | None = None
    seed_key: str = SEED
    sure: bool = True
    whole: bool = False
    search: bool = False
    run_cap: int = 0
    tied: dict[str, str] = field(default_factory=dict)


def layout(snapshot: Snapshot, runs: list[Run], known: Plan | None) -> Layout:
    """The layout of a snapshot's runs (configs canonical) by what a plan says of seed and axes."""
    wanted = known or Plan()
    config = canonical(snapshot.sweep.get("config") or {})
    if parts := snapshot.sweep.get("parts"):
        configs = {str(p.get("id")): canonical(p.get("config") or {}) for p in parts}
        return _chosen(runs, wanted, configs)
    if not config.get("parameters"):
        return _chosen(runs, wanted, {})
    cap = config.get("run_cap")
    cap = cap if isinstance(cap, int) and not isinstance(cap, bool) else 0
    points = _listed(config, len(runs))
    swept = _swept(config, points)
    seed, sure = _seed_of(swept, config, runs, wanted.seed_key)
    axes = {n: v for n, v in swept.items() if n != seed and not (_unmatched(wanted) and _is(n))}
    if wanted.by:
        named = [*wanted.by, *([wanted.axis] if wanted.axis else [])]
        _known(named, axes, "--by")
        left = [n for n in axes if n not in named and len(axes[n]) > 1]
        if left:
            raise LayoutError(f"--by: the sweep also varies {', '.join(left)}; name it as well")
        axes = {name: values for name, values in axes.items() if name in named}
    rows = None
    if points is not None:
        label = NO_SEED if not (seed and sure) else ""
        rows = [
            ({a: p[a] for a in axes}, label or seed_label(p.get(seed, NO_SEED))) for p in points
        ]
    search = points is None
    return Layout(axes, rows, seed, sure, whole=not search, search=search, run_cap=cap)


def _unmatched(wanted: Plan) -> bool:
    return wanted.seed_key == NONE


def _is(name: str) -> bool:
    return bool(seedlike([name]))


def _known(names: Iterable[str], axes: Mapping[str, Any], flag: str) -> None:
    for name in names:
        if name not in axes:
            raise LayoutError(f"{flag} {name!r} is no axis of these runs{suggest(name, axes)}")


def _listed(config: Mapping[str, Any], runs: int) -> list[dict[str, Any]] | None:
    """The points of a grid, and of a random search that can only repeat a few; else None."""
    method = config.get("method", "grid")
    if method not in ("grid", "random"):
        return None
    try:
        points = expand(config)
    except GridError:
        return None
    cells = {key({n: v for n, v in p.items() if not _is(n)}) for p in points[: 2 * runs + 1]}
    return points if method == "grid" or 2 * len(cells) <= runs else None


def _swept(config: Mapping[str, Any], points: list[dict[str, Any]] | None) -> dict[str, list[Any]]:
    """Parameter -> its values, of those that vary; without values for points that were drawn."""
    parameters = config.get("parameters") or {}
    if points is None:
        return {name: [] for name in _drawn(parameters, "")}
    listed = dict(axis_values(parameters))
    swept = {n: v for n, v in listed.items() if len(v) > 1 or n == SEED}
    if set(swept) <= {SEED}:  # a sweep narrowed to one cell keeps the axes that it lists
        swept |= {n: v for n, v in listed.items() if "values" in (parameters.get(n) or {})}
    return {name: list(values) for name, values in swept.items()}


def _drawn(parameters: Mapping[str, Any], prefix: str) -> list[str]:
    """Names of parameters that are not fixed, nested ones with dots."""
    names = []
    for name, spec in parameters.items():
        inner = (spec or {}).get("parameters")
        if isinstance(inner, Mapping):
            names += _drawn(inner, f"{prefix}{name}.")
        elif set(spec or {}) - {"distribution"} != {"value"}:
            names.append(f"{prefix}{name}")
    return names


def _seed_of(
    swept: Mapping[str, Any], config: Mapping[str, Any], runs: list[Run], asked: str
) -> tuple[str, bool]:
    """(seed key, whether the sweep lists it)."""
    if asked == NONE:
        return "", True
    if asked:
        flats = [flatten(run.config) for run in runs]
        if asked not in swept and not any(asked in flat for flat in flats):
            names = dict.fromkeys([*swept, *(name for flat in flats for name in flat)])
            raise LayoutError(f"--seed-key {asked!r}: no run has it{suggest(asked, names)}")
        return asked, asked in swept
    listed = [n for n in seedlike(swept) if n == SEED or len(swept[n]) != 1]
    if listed:
        return listed[0], True
    if SEED in (config.get("parameters") or {}):
        return SEED, True
    return _within([flatten(run.config) for run in runs], list(swept)), False


def _within(flats: list[dict[str, Any]], axes: list[str]) -> str:
    """The seedlike key that varies between runs which agree on all axes; "" where none does."""
    for name in seedlike(dict.fromkeys(n for flat in flats for n in flat)):
        seen: dict[str, set[str]] = defaultdict(set)
        for flat in flats:
            if name in flat:
                seen[key([lookup(flat, axis, None) for axis in axes])].add(key(flat[name]))
        if any(len(values) > 1 for values in seen.values()):
            return name
    return ""


def _chosen(runs: list[Run], wanted: Plan, configs: Mapping[str, Mapping[str, Any]]) -> Layout:
    """Axes from the configs of runs; the points of those grids among their sweeps."""
    started = [run for run in runs if run.config]
    flats = [flatten(run.config) for run in started]
    values = by_key(flats)
    varying = [name for name, found in values.items() if len(found) > 1]
    unique = {name for name in varying if len(values[name]) == len(flats)}
    seeds = seedlike(varying)
    if wanted.seed_key not in ("", NONE):
        if wanted.seed_key not in values:
            asked = wanted.seed_key
            raise LayoutError(f"--seed-key {asked!r}: no run has it{suggest(asked, values)}")
        seeds = [wanted.seed_key]
    rest = [name for name in varying if name not in unique and name not in seeds]
    search = False
    if not rest and not wanted.by and not wanted.axis:
        rest = [name for name in varying if name not in seeds]
        numbers = [n for n in rest if all(_number(v) for v in values[n].values())]
        search = bool(numbers) and len(flats) >= SEARCH_RUNS
        rest = numbers if search else rest
    asked = [*wanted.by, *([wanted.axis] if wanted.axis else [])]
    _known(dict.fromkeys(asked), {n: 0 for n in varying if n not in seeds}, "--axis, --by")
    rest.sort(key=lambda name: (name not in asked, not _text(values[name])))
    rest = list(dict.fromkeys([*asked, *rest]))
    axes, tied = _untied(flats, rest) if not search else (rest, {})
    axes = list(dict.fromkeys([*asked, *axes]))
    left = [name for name in axes if name not in asked]
    if wanted.by and left:
        raise LayoutError(f"--by: the runs also differ in {', '.join(left)}; name it as well")
    seed = wanted.seed_key if wanted.seed_key not in ("", NONE) else ""
    if not wanted.seed_key:
        seed = _within(flats, axes)
        axes += [n for n in seeds if n != seed and n not in unique and not search]
    ordered = {name: _ordered([*values[name].values()]) for name in axes}
    points = [point for name, c in configs.items() for point in _of_part(name, c, runs, axes, seed)]
    sure = bool(seed) and any(seed in _swept(c, _listed(c, 0)) for c in configs.values())
    return Layout(ordered, points or None, seed, sure, search=search, tied=tied)


def _of_part(
    sweep: str, config: Mapping[str, Any], runs: list[Run], axes: list[str], seed: str
) -> list[Point]:
    """The points of one grid among several: what it does not say is what its runs all have."""
    listed = _listed(config, 0) if config.get("method", "grid") == "grid" else None
    values = by_key([flatten(run.config) for run in runs if run.sweep == sweep and run.config])
    alike = {n: v for n, seen in values.items() if len(seen) == 1 for v in seen.values()}
    found = []
    for point in listed or []:
        label = seed_label(point.get(seed, alike.get(seed, NO_SEED))) if seed else NO_SEED
        if not seed or label != NO_SEED:
            found.append(({axis: lookup(point, axis, alike.get(axis)) for axis in axes}, label))
    return found


def _untied(flats: list[dict[str, Any]], names: list[str]) -> tuple[list[str], dict[str, str]]:
    """The names without those that always change with one before them, and what each goes with."""
    kept: list[str] = []
    tied: dict[str, str] = {}
    for name in names:
        for other in kept:
            seen: dict[str, set[str]] = defaultdict(set)
            for flat in flats:
                seen[key(flat.get(other))].add(key(flat.get(name)))
            if all(len(found) == 1 for found in seen.values()):
                tied[name] = other
                break
        else:
            kept.append(name)
    return kept, tied


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _text(values: Mapping[str, Any]) -> bool:
    return any(isinstance(value, str) for value in values.values())


def _ordered(values: list[Any]) -> list[Any]:
    """Numbers by size, after what is null; other values as they came."""
    numbers = [value for value in values if _number(value)]
    others = [value for value in values if not _number(value)]
    if numbers and all(value is None for value in others):
        return [*others, *sorted(numbers)]
    return values
