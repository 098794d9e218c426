"""From a sweep file and flags to points that are checked, and to the data that they need."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from contract.sweepfile.file import SweepFile, SweepFileError, located
from contract.sweepfile.points import ends, expand
from launch import overlay


def prepare(
    file: Path, budget: str | None, seeds: int | None, assignments: tuple[str, ...]
) -> tuple[SweepFile, list[str]]:
    """Read FILE and lay budget, --seeds and --set over it, in this order."""
    sweep = SweepFile(located(file))
    overlay.check_program(sweep)
    notes: list[str] = []
    method = sweep.config["method"]
    if method != "grid" and seeds is not None:
        raise SweepFileError(
            f"--seeds: {sweep.path} has method {method!r}; seeds are replicates of a "
            "grid. Set `run_cap` in the file for other methods"
        )
    sweep.config.setdefault("name", sweep.path.stem)
    sweep.config.setdefault("project", sweep.path.stem)
    if budget is not None:
        count, parameters = overlay.read_budget(budget, sweep.config.get("command"))
        notes = sweep.lay_over(parameters, f"--budget {budget}")
        seeds = seeds or count
        if budget != "default":
            sweep.config["name"] += f"-{budget}"
    if seeds is not None:
        sweep.set_seeds(seeds)
    sweep.set(assignments)
    return sweep, notes


def checked_points(sweep: SweepFile) -> list[dict[str, Any]]:
    """Return the points of the sweep after the program's own check of each of them.

    For a grid these are all its points; for random and bayes the ends of every parameter.
    """
    sweep.parse()  # with what flags and budget have made of it
    config = sweep.config
    grid = config if config["method"] == "grid" else {"parameters": ends(config["parameters"])}
    points = expand(grid)
    check = program_check(config)
    if check is not None:
        sweep.check(points, check)
    return points


def program_check(config: dict[str, Any]) -> Callable[[dict[str, Any]], Any] | None:
    """Return what checks one cell: the config of the command called; None for a foreign program."""
    command = config.get("command", [])
    if config.get("program") != overlay.PROGRAM:
        return None
    from fusion.training.config import check

    if "train" in command:
        from fusion.config import RunConfig

        return lambda point: check(point, RunConfig)
    if "pretrain" in command:
        from fusion.contrastive.config import PretrainConfig

        return lambda point: check(point, PretrainConfig)
    return None


def check_data(config: dict[str, Any], points: list[dict[str, Any]]) -> None:
    """Refuse data that is not there, or too small for a cell, before anything is begun."""
    check = program_check(config)
    if check is None:
        return
    from fusion.data import parts

    cells = [check(point) for point in points]
    for data, split, train_pairs in sorted({(c.data, c.split, c.train_pairs) for c in cells}):
        parts.check(data, split, train_pairs)


def make_data(points: list[dict[str, Any]]) -> None:
    """Make or check the data of all cells once, before two agents want it at the same time."""
    from fusion.data.dataset import resolve

    for data in sorted({point["data"] for point in points if "data" in point}):
        resolve(data)
