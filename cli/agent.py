"""`runner.py agent`: the wandb client's own agent, polling more often."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from cli.servers import choose, require_online, server_options
from contract import places

# Seconds. The client's own 5 s before every poll would cost more than a short run takes.
POLL_INTERVAL = 0.5


@click.command()
@click.argument("sweep")
@click.option("--count", type=click.IntRange(min=1), help="Stop after this many runs.")
@server_options
def command(sweep: str, count: int | None, tracker: str | None, data_dir: Path | None) -> None:
    """Run one agent for SWEEP (entity/project/id) until the server has nothing more to run.

    SIGTERM and SIGUSR1 are passed on to the run, which writes its checkpoint; then the agent ends.
    """
    from cli.launch import LaunchError

    if sweep.count("/") > 2:
        raise LaunchError(f"SWEEP {sweep!r}: write entity/project/id, as `wandb sweep` prints it")
    require_online()
    server = choose(tracker, data_dir)
    click.echo(server.line)
    prepare_environment()
    from wandb import wandb_agent
    from wandb.errors import CommError

    from cli.passing import Agent

    Agent.POLL_INTERVAL = POLL_INTERVAL  # type: ignore[assignment]
    wandb_agent.Agent = Agent  # type: ignore[misc]
    os.chdir(places.CODE)
    try:
        wandb_agent.run_agent(sweep, count=count)
    except CommError as error:  # no such sweep, or no server any more
        raise LaunchError(f"SWEEP {sweep!r}: {server.url} says: {error}") from error


def prepare_environment() -> None:
    """Set what makes agents of one machine fast and quiet; what the user has set stays."""
    defaults = {
        # One torch thread per agent: two one-thread agents do 1.8-2 times the work of one.
        "OMP_NUM_THREADS": "1",
        # Hyperband decides on the rows that have arrived; the client's default is every 15 s.
        "WANDB_X_FILE_STREAM_TRANSMIT_INTERVAL": "1",
        # The server stops offering runs to a sick agent; the client's own rules exit with 0.
        "WANDB_AGENT_DISABLE_FLAPPING": "true",
        "WANDB_AGENT_MAX_INITIAL_FAILURES": "1000000",
        "WANDB_DIR": str(places.runs()),
    }
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
    # `python3` of a sweep's command is this interpreter, not another one without the packages.
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    Path(os.environ["WANDB_DIR"]).mkdir(parents=True, exist_ok=True)
