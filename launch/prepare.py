"""From a sweep file and flags to points that are checked, and to the data that they need."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from contract import places
from contract.plan import Plan, plan_of, words_of
from contract.study import Study, load
from contract.sweepfile.file import SweepFile, SweepFileError, located
from contract.sweepfile.points import ends, expand
from launch import overlay
from launch.program import RUNNER, program_of


def prepare(
    file: Path, budget: str | None, seeds: int | None, assignments: tuple[str, ...]
) -> tuple[SweepFile, list[str]]:
    """Read FILE and lay budget, --seeds and --set over it, in this order."""
    sweep = SweepFile(located(file))
    program = program_of(sweep)  # an error where there is none to run
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
        plan = plan_for(sweep)
        count, parameters = overlay.read_budget(budget, plan.budgets if plan else None, sweep.path)
        notes = sweep.lay_over(parameters, f"--budget {budget}")
        seeds = seeds or count
        if budget != "default":
            sweep.config["name"] += f"-{budget}"
    if seeds is not None:
        sweep.set_seeds(seeds)
    sweep.set(assignments, flags=program.ours)
    return sweep, notes


def plan_for(sweep: SweepFile) -> Plan | None:
    """Return the plan of a sweep file, as it lies beside it or is found for it elsewhere."""
    config = sweep.config
    if config.get("program") == RUNNER and not program_of(sweep).ours:
        config = {**config, "program": None}  # another of that name, for which no plan of ours is
    return plan_of(config, sweep.path.parent)


def guest(sweep: SweepFile) -> tuple[Study, list[str]]:
    """Return the study that the plan of a sweep names, and the words of the sweep's command."""
    plan, program = plan_for(sweep), program_of(sweep)
    file = places.RUNNER if program.ours else program.folder / str(sweep.config.get("program"))
    return load(plan.study if plan else "", sweep.path.parent), [str(file), *words_of(sweep.config)]


def checked_points(sweep: SweepFile) -> list[dict[str, Any]]:
    """Return the points of the sweep after the study's own check of each of them.

    For a grid these are all its points; for random and bayes the ends of every parameter. Raises
    what the study raises, too, where the data of the points is missing or too small.
    """
    sweep.parse()  # with what flags and budget have made of it
    config = sweep.config
    grid = config if config["method"] == "grid" else {"parameters": ends(config["parameters"])}
    points = expand(grid)
    study, command = guest(sweep)
    if check := study.check(command):
        sweep.check(points, check)
    study.check_data(command, points)
    return points


def make_data(sweep: SweepFile, points: list[dict[str, Any]]) -> None:
    """Have the data of all points made once, before two agents want it at the same time."""
    study, command = guest(sweep)
    study.prepare(command, points)
