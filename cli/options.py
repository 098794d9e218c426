"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path

import click


def server_options(command):
    """Add `--tracker` and `--data-dir`, shared by all commands that talk to a server."""
    command = click.option(
        "--data-dir",
        type=click.Path(path_type=Path, file_okay=False),
        help="Folder of the embedded tracker (default: .tracker in the checkout).",
    )(command)
    return click.option(
        "--tracker",
        type=click.Choice(["embedded", "wandb"]),
        help="Server to use (default: yours where you are logged in or WANDB_BASE_URL is set).",
    )(command)


def warm_option(command):
    """Add `--warm`, shared by the commands that start agents."""
    return click.option(
        "--warm/--no-warm",
        default=None,
        help="Fork every run from a process that has loaded the libraries which the program "
        "imports at its top (default: for our own program).",
    )(command)
