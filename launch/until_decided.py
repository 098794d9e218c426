"""`runner.py sweep --until-decided`: more seeds, but only for cells of undecided contrasts."""

from __future__ import annotations

import copy
import itertools
import json
from pathlib import Path
from typing import Any

import click

from contract import places
from contract.sweepfile.file import SweepFile, SweepFileError, holding
from contract.sweepfile.points import axis_values, seed_of
from contract.words import counted
from launch.crew import Crew, run_agents
from launch.overlay import write
from launch.register import ADDED_SEEDS, register

FEWEST_SEEDS = 3
# Tells every report of the sweep, whoever makes it, at which level it may decide.
LOOKED = "seeds added until decided: look {look} of {looks}"


def schedule(start: int, most: int) -> list[int]:
    """Return the number of seeds at each look, evenly from `start` to `most`, at most 4 looks."""
    from analysis.judge.sequential import MOST_LOOKS

    looks = min(MOST_LOOKS, most - start + 1)
    return [start + round(i * (most - start) / (looks - 1)) for i in range(looks)]


def first_seeds(own: list[Any], count: int) -> list[Any]:
    """Return the sweep's own seeds and after them the smallest others, `count` in all."""
    others = (seed for seed in itertools.count() if seed not in own)
    return [*own, *itertools.islice(others, max(count - len(own), 0))][:count]


def until_decided(sweep: SweepFile, path: str, max_seeds: int, crew: Crew) -> tuple[Path, int]:
    """Alternate reports and seeds until no contrast is open or `max_seeds` is reached.

    The sweep has run with its own seeds before. Seeds are added by laying a smaller grid over the
    same sweep, and its own grid is put back at the end; the report counts every seed of a cell.
    A look sees the seeds planned for it and no others, so that an interrupted call, made again,
    takes the same decisions and goes on where it stopped. The correction for looking repeatedly is
    `analysis.judge.sequential`. Returns the last report and the exit code (3: added runs failed).
    """
    from analysis.judge.sequential import cells_of, undecided
    from analysis.report import report

    if crew.server.data_dir is None:
        raise SweepFileError(
            f"--until-decided: {crew.server.url} takes no new cells into a sweep that has run; "
            "use --tracker embedded, or run the sweep again with more --seeds"
        )
    axes = dict(axis_values(sweep.config["parameters"]))
    seed = seed_of(axes)
    own = axes.get(seed, [])
    counts = planned(len(own), max_seeds)
    code = 0
    for look, count in enumerate(counts, start=1):
        put_back(sweep.config, path, look, len(counts))
        seen = first_seeds(own, count)
        written = report(
            path, looks=(look, len(counts)), seeds=(seed, seen), beside=sweep.path.parent
        )
        made = json.loads(written.with_name("report.json").read_text(encoding="utf-8"))
        found = undecided(made)
        cells = cells_of(made, found) if look < len(counts) else []
        click.echo(
            f"look {look} of {len(counts)}, {counted(count, 'seed')}: {len(found)} undecided on "
            f"{made['primary']}" + (f"; seeds for {counted(len(cells), 'cell')}" if cells else "")
        )
        if not cells:
            break
        seeds = first_seeds(own, counts[look])
        text = f"{ADDED_SEEDS}, {LOOKED.format(look=look, looks=len(counts))}"
        try:
            for some in blocks(cells):
                added = {**sweep.config, "description": text}
                code = add_seeds(added, {**some, seed: seeds}, path, crew) or code
        finally:
            put_back(sweep.config, path, look, len(counts))
    return written, code


def planned(start: int, most: int) -> list[int]:
    """Return the schedule from `start` to `most` seeds; SweepFileError where there is none."""
    if start < FEWEST_SEEDS:
        raise SweepFileError(
            f"--until-decided: the sweep starts with {counted(start, 'seed')}, too few for any "
            f"inference; give --seeds {FEWEST_SEEDS} or more"
        )
    if most <= start:
        has = counted(start, "seed")
        raise SweepFileError(f"--max-seeds {most}: the sweep already has {has}; allow more")
    return schedule(start, most)


def put_back(config: dict[str, Any], path: str, look: int, looks: int) -> None:
    """Give the sweep its own grid again; its description says which look was the last."""
    file = places.sweeps() / f"{config['name']}.yaml"
    write({**config, "description": LOOKED.format(look=look, looks=looks)}, file)
    register(file, update=path)


def blocks(cells: list[dict[str, Any]]) -> list[dict[str, list[Any]]]:
    """Return grids (axis -> values) that hold exactly these cells: one where they are a product."""
    axes = {
        name: list({json.dumps(cell[name]): cell[name] for cell in cells}.values())
        for name in cells[0]
    }
    product = [dict(zip(axes, point, strict=True)) for point in itertools.product(*axes.values())]
    if all(point in cells for point in product):
        return [axes]
    return [{name: [value] for name, value in cell.items()} for cell in cells]


def add_seeds(
    config: dict[str, Any],
    axes: dict[str, list[Any]],
    path: str,
    crew: Crew,
) -> int:
    """Run the cells and seeds in `axes`; those that are done are not run again."""
    parameters = copy.deepcopy(config["parameters"])
    for name, some in axes.items():
        holder, last = holding(parameters, name)
        holder[last] = {"values": some}
    smaller = {**config, "parameters": parameters}
    file = places.sweeps() / f"{config['name']}-added.yaml"
    write(smaller, file)
    register(file, update=path)
    return run_agents(path, smaller, crew)
