"""From a checked sweep to its report: data, sweep, agents, and more seeds where asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from contract import places
from contract.files import write_atomic
from contract.sweepfile.file import SweepFile
from launch.crew import Crew, run_agents
from launch.prepare import make_data
from launch.register import registered
from launch.until_decided import until_decided


def run(
    sweep: SweepFile,
    points: list[dict[str, Any]],
    crew: Crew,
    max_seeds: int | None,
) -> tuple[Path, int]:
    """Run what is left of the sweep, and report; return the report and the exit code.

    `max_seeds`: the most seeds of `--until-decided`, None without it. Exit code 3: some cells are
    not done. Raises SystemExit(130) where it was stopped; called again, it goes on from there.
    """
    from analysis.report import report

    make_data(sweep, points)
    path = registered(sweep, crew.server)
    code = run_agents(path, sweep.config, crew)
    if max_seeds is None or code:
        written = report(path, beside=sweep.path.parent)
    else:
        try:
            written, code = until_decided(sweep, path, max_seeds, crew)
        except KeyboardInterrupt:
            click.echo("stopped; the same command goes on from here", err=True)
            raise SystemExit(130) from None
    write_atomic(places.latest(), path)
    return written, code
