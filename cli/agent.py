"""`runner.py agent`: the wandb client's own agent, polling more often."""

from __future__ import annotations

from pathlib import Path

import click

from cli.options import server_options, warm_option
from launch.register import LaunchError
from launch.servers import choose, require_online


@click.command()
@click.argument("sweep")
@click.option("--count", type=click.IntRange(min=1), help="Stop after this many runs.")
@click.option(
    "--program",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Start this file (default: `program` of the sweep, in the current folder).",
)
@warm_option
@server_options
def command(
    sweep: str,
    count: int | None,
    program: Path | None,
    warm: bool | None,
    tracker: str | None,
    data_dir: Path | None,
) -> None:
    """Run one agent for SWEEP (entity/project/id) until the server has nothing more to run.

    The sweep's program is started here, in the current folder.

    SIGTERM and SIGUSR1 are passed on to the run, which writes its checkpoint; then the agent ends.
    """
    if sweep.count("/") > 2:
        raise LaunchError(f"SWEEP {sweep!r}: write entity/project/id, as `wandb sweep` prints it")
    require_online()
    server = choose(tracker, data_dir)
    click.echo(server.line)
    from launch.agent import work

    work(sweep, count, program, server, warm)
