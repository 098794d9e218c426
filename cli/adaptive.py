"""`runner.py sweep --until-decided`: more seeds, but only for cells of undecided contrasts."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import click

from cli import launch
from cli.servers import ROOT, Chosen
from cli.sweepfile import SweepFile, SweepFileError, write

# The level of every look is alpha / looks, so few looks keep some power.
MOST_LOOKS = 4
FEWEST_SEEDS = 3


def schedule(start: int, most: int) -> list[int]:
    """Return the number of seeds at each look, evenly from `start` to `most`, at most 4 looks."""
    looks = min(MOST_LOOKS, most - start + 1)
    return [start + round(i * (most - start) / (looks - 1)) for i in range(looks)]


def until_decided(sweep: SweepFile, path: str, max_seeds: int, agents: int, server: Chosen) -> Path:
    """Alternate reports and seeds until no contrast is open or `max_seeds` is reached.

    The sweep has run with its own seeds before. Seeds are added by laying a smaller grid over the
    same sweep, and its own grid is put back at the end; the report counts every seed of a cell.
    The correction for looking repeatedly is `analysis.sequential`. Returns the last report.
    """
    from analysis.report import report
    from analysis.sequential import undecided

    if server.data_dir is None:
        raise SweepFileError(
            f"--until-decided: {server.url} does not take new cells into a sweep that has run; use "
            "--tracker embedded, or run the sweep again with more --seeds"
        )
    start = len(launch.values(sweep.config["parameters"].get("seed", {"values": []})))
    if not FEWEST_SEEDS <= start < max_seeds:
        raise SweepFileError(
            f"--max-seeds {max_seeds}: the sweep starts with {start} seeds; start with at least "
            f"{FEWEST_SEEDS} (--seeds) and allow more than that"
        )
    counts = schedule(start, max_seeds)
    file = ROOT / "runs" / "sweeps" / f"{sweep.config['name']}.yaml"
    for look, count in enumerate(counts, start=1):
        written = report(path, looks=(look, len(counts)))
        made = json.loads(written.with_name("report.json").read_text(encoding="utf-8"))
        cells = undecided(made, look, len(counts))
        click.echo(f"look {look} of {len(counts)}, {count} seeds: {len(cells)} cells undecided")
        if not cells:
            break
        try:
            for axes in blocks(cells):
                add_seeds(sweep.config, axes, counts[look], path, agents, server)
        finally:
            write(sweep.config, file)
            launch.register(file, update=path)
    return written


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
    count: int,
    path: str,
    agents: int,
    server: Chosen,
) -> None:
    """Run seeds 0 .. count - 1 of the cells in `axes`; those that are done are not run again."""
    from cli.sweep import run_agents

    parameters = {**config["parameters"], **{n: {"values": v} for n, v in axes.items()}}
    parameters["seed"] = {"values": list(range(count))}
    smaller = {**config, "description": launch.ADDED_SEEDS, "parameters": parameters}
    file = ROOT / "runs" / "sweeps" / f"{config['name']}-added.yaml"
    write(smaller, file)
    launch.register(file, update=path)
    run_agents(path, smaller, agents, server)
