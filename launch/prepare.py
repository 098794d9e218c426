"""From a sweep file and flags to points that are checked, and to the data that they need."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from contract.sweepfile.file import SweepFile, SweepFileError, located
from contract.sweepfile.points import ends, expand
from launch import overlay
from launch.program import program_of


def prepare(
    file: Path, budget: str | None, seeds: int | None, assignments: tuple[str, ...]
) -> tuple[SweepFile, list[str]]:
    """Read FILE and lay budget, --seeds and --set over it, in this order."""
    sweep = SweepFile(located(file))
    program = program_of(sweep)
    notes: list[str] = []
    method = sweep.config["method"]
    if method != "grid" and seeds is not None:
        raise SweepFileError(
            f"--seeds: {sweep.path} has method {method!r}; seeds are replicates of a "
            "grid. Set `run_cap` in the file for other methods"
        )
    sweep.config.setdefault("name", sweep.path.stem)
    sweep.config.setdefault("project", sweep.path.stem)
    if budget is not None and not program.ours:
        raise SweepFileError(f"--budget {budget}: {sweep.path} calls a program without budgets")
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
    if check := program_check(sweep):
        sweep.check(points, check)
    return points


def program_check(sweep: SweepFile) -> Callable[[dict[str, Any]], Any] | None:
    """Return what checks one cell: the config of the command called; None for a program of others,
    which checks its own parameters.
    """
    if not program_of(sweep).ours:
        return None
    from fusion.training.config import check

    if "train" in sweep.config["command"]:
        from fusion.config import RunConfig

        return lambda point: check(point, RunConfig)
    from fusion.contrastive.config import PretrainConfig

    return lambda point: check(point, PretrainConfig)


def check_data(sweep: SweepFile, points: list[dict[str, Any]]) -> None:
    """Refuse data that is not there, or too small for a cell, before anything is begun."""
    if not (check := program_check(sweep)):
        return
    from fusion.data import parts

    cells = [check(point) for point in points]
    for data, split, train_pairs in sorted({(c.data, c.split, c.train_pairs) for c in cells}):
        parts.check(data, split, train_pairs)


def make_data(sweep: SweepFile, points: list[dict[str, Any]]) -> None:
    """Make or check the data of all cells once, before two agents want it at the same time."""
    if not program_of(sweep).ours:
        return  # a parameter `data` is the program's own
    from fusion.data.dataset import resolve

    for data in sorted({point["data"] for point in points if "data" in point}):
        resolve(data)
