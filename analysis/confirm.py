"""Running the first K points of a search again: sweeps on fresh seeds, and what their report says.

A search's first point is flattered: it was chosen for its numbers. Any program takes the points
again as sweeps of one cell each, since a grid is a product and W&B's sweeps hold no list of points.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from typing import Any

from analysis.grid.cells import Cell, Grid
from analysis.grid.configs import lookup, seed_label
from analysis.metrics import Metric
from analysis.read.snapshot import Snapshot
from contract.values import canonical

SEEDS = 5
SAID = re.compile(r"confirms point (\d+) of (\d+) of (\S+), chosen by (.+) on seeds (.*)$")


class ConfirmError(Exception):
    """A search whose first points cannot be run again."""

    exit_code = 2


def sweeps(snapshot: Snapshot, grid: Grid, metric: Metric | None, count: int) -> list[dict]:
    """Configs of `count` sweeps, of the first points in order, each on the same fresh seeds."""
    if not grid.search:
        raise ConfirmError("--confirm: no points were searched; a grid's cells have their seeds")
    if metric is None or not metric.better:
        raise ConfirmError("--confirm: which runs come first? --metric NAME and --better lower")
    if not grid.seed_key:
        raise ConfirmError(
            "--confirm: no seed varies in these runs, so nothing tells a program to draw a fresh "
            "one; --seed-key KEY names its parameter"
        )
    sign = 1 if metric.better == "lower" else -1
    ranked = sorted(
        (sign * sum(values) / len(values), i)
        for i, cell in enumerate(grid.cells)
        if (values := [*cell.finite(metric.name).values()])
    )
    if len(ranked) < count:
        raise ConfirmError(f"--confirm {count}: only {len(ranked)} points have a {metric.name}")
    used = seeds(snapshot, grid)
    cells = [grid.cells[i] for _, i in ranked[:count]]
    return [_sweep(snapshot, grid, cell, f"{i} of {count}", metric, used)
            for i, cell in enumerate(cells, 1)]  # fmt: skip


def seeds(snapshot: Snapshot, grid: Grid) -> list[Any]:
    """Every seed of the runs of a snapshot, finished or not."""
    found = [lookup(canonical(run.config), grid.seed_key, None) for run in snapshot.runs]
    return list({seed_label(seed): seed for seed in found if seed is not None}.values())


def fresh(used: list[Any]) -> list[int]:
    """Seeds above all that were used."""
    numbers = [seed for seed in used if isinstance(seed, int) and not isinstance(seed, bool)]
    first = max(numbers, default=-1) + 1
    return list(range(first, first + SEEDS))


def _sweep(
    snapshot: Snapshot, grid: Grid, cell: Cell, which: str, metric: Metric, used: list[Any]
) -> dict[str, Any]:
    sweep = snapshot.sweep
    config = copy.deepcopy(dict(sweep.get("config") or {}))
    for name in ("run_cap", "early_terminate", "description"):
        config.pop(name, None)
    config["method"] = "grid"
    config["name"] = f"{sweep.get('name') or sweep['id']}-confirm-{which.split()[0]}"
    config["project"] = sweep.get("project")
    parameters = config.setdefault("parameters", {})
    for axis, value in cell.config.items():
        _put(parameters, axis, {"value": value})
    _put(parameters, grid.seed_key, {"values": fresh(used)})
    path = "/".join(str(sweep.get(name)) for name in ("entity", "project", "id"))
    labels = ",".join(seed_label(seed) for seed in used)
    config["description"] = (
        f"confirms point {which} of {path}, chosen by {metric.name} on seeds {labels}"
    )
    return config


def _put(parameters: dict[str, Any], name: str, spec: dict[str, Any]) -> None:
    """Set a parameter, nested where its dotted name is."""
    if name in parameters:
        parameters[name] = spec
        return
    head, _, rest = name.partition(".")
    inner = parameters.get(head)
    if rest and isinstance(inner, Mapping) and "parameters" in inner:
        _put(inner["parameters"], rest, spec)
    else:
        parameters[name] = spec


def said(snapshot: Snapshot, grid: Grid) -> list[str]:
    """What a report of such sweeps says of selection and confirmation; nothing of others."""
    parts = snapshot.sweep.get("parts") or [snapshot.sweep]
    found = [
        SAID.search(str((part.get("config") or {}).get("description") or "")) for part in parts
    ]
    matches = [match for match in found if match]
    if not matches or len(matches) < len(parts):
        return []
    _, count, source, metric, used = matches[0].groups()
    again = [seed_label(seed) for seed in seeds(snapshot, grid)]
    both = [seed for seed in again if seed in used.split(",")]
    what = f"{len(matches)} of the {count} points that were chosen from {source} by {metric}"
    if both:
        return [f"These runs repeat {what}, but on seeds that chose them, too: {', '.join(both)}."]
    return [
        f"These runs repeat {what} on fresh seeds, and no run that chose them counts here: "
        "selection and confirmation are disjoint."
    ]
