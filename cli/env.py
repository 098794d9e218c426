"""`runner.py env`: point a person's own shell at the server in use."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import click

from cli.options import server_options
from launch.servers import choose


@click.command()
@server_options
def command(tracker: str | None, data_dir: Path | None) -> None:
    """Print export lines for the shell: eval "$(python runner.py env)".

    Starts the embedded tracker where it is not running. For a server of your own nothing is
    started, and no key is printed: the wandb client finds your login by itself.
    """
    server = choose(tracker, data_dir)
    click.echo(f"# {server.line}")
    click.echo(f"export WANDB_BASE_URL={shlex.quote(server.url)}")
    if server.data_dir is not None:
        click.echo(f"export WANDB_API_KEY={shlex.quote(os.environ['WANDB_API_KEY'])}")
