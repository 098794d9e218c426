"""What of a sweep is done, and what is left, in numbers and in words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from contract.sweepfile.file import SweepFile
from contract.sweepfile.points import expand, seed_of
from contract.values import key
from contract.words import counted
from launch.prepare import guest

OWN = "the program checks its own parameters"


def size(sweep: SweepFile, points: list[dict[str, Any]], most: int = 1000) -> list[str]:
    """Return up to `most` cells with their seeds, a line each, and a line with the numbers.

    It says what was checked: nothing of a program that no guest knows.
    """
    study, command = guest(sweep)
    known = study.check(command) is not None
    name, method = sweep.config["name"], sweep.config["method"]
    if method != "grid":
        cap = sweep.config.get("run_cap")
        runs = counted(cap, "run") if cap else "runs without end (`run_cap` ends them)"
        checked = "the ends of every parameter checked" if known else OWN
        return [f"{name}: {method}, {runs}; {checked}"]
    own = seed_of(points[0])
    axes = [n for n in points[0] if n != own and len({key(p.get(n)) for p in points}) > 1]
    cells: dict[str, list[Any]] = {}
    for point in points:
        cells.setdefault(", ".join(f"{n}={point[n]}" for n in axes), []).append(point.get(own))
    lines = [f"  {cell or 'one cell'}  seeds {seeds}" for cell, seeds in cells.items()][:most]
    seeds = counted(len(points) // max(1, len(cells)), "seed")
    total = f"{counted(len(cells), 'cell')} × {seeds} = {counted(len(points), 'run')}"
    return [*lines, f"{name}: {total}{', every cell checked' if known else f'; {OWN}'}"]


def unfinished(path: str, config: dict[str, Any]) -> int:
    """Return how many cells × seeds of the sweep are not done."""
    counts = counter(path, config)()
    return sum(number for state, number in counts.items() if state != "done")


def counter(path: str, config: dict[str, Any]) -> Callable[[], dict[str, int]]:
    """Return a function that counts cells × seeds by state, asking the server anew.

    A cell × seed is done where any run of it finished, whatever became of other attempts.
    """
    import wandb

    from analysis.grid.cells import lookup

    entity, project, sweep_id = path.split("/")
    points = expand(config) if config["method"] == "grid" else []
    names = list(points[0]) if points else []
    states = {"finished": "done", "running": "running", "pending": "running"}
    order = ["done", "running", "failed"]

    def count() -> dict[str, int]:
        best: dict[str, str] = {}
        runs = wandb.Api().runs(
            f"{entity}/{project}", filters={"sweep": sweep_id}, per_page=1000, lazy=False
        )
        for run in runs:
            point = key({n: lookup(run.config, n, None) for n in names}) if points else run.id
            state = states.get(run.state, "failed")
            best[point] = min(best.get(point, state), state, key=order.index)
        wanted = [key(point) for point in points] or list(best)
        found = [best.get(point, "missing") for point in wanted]
        return {state: found.count(state) for state in (*order, "missing")}

    return count


def describe(counts: dict[str, int], seconds: float, done_here: int) -> str:
    """Return one line of progress; `seconds` since the start, in which `done_here` were done."""
    left = counts["running"] + counts["missing"]
    line = ", ".join(f"{counts[state]} {state}" for state in ("done", "running", "failed"))
    if left and done_here:
        # of what is running, half is done on average
        seconds_left = (left - counts["running"] / 2) * seconds / done_here
        minutes, rest = divmod(round(seconds_left), 60)
        hours, minutes = divmod(minutes, 60)
        span = f"{hours}:{minutes:02d} h" if hours else f"{minutes}:{rest:02d} min"
        line += f", {left} to go, about {span} left"
    return line
