#!/usr/bin/env python3
"""Entry point: `python runner.py COMMAND`, or `fusion-runner COMMAND` where it is installed.

It wires commands to packages and holds no logic. The rooms beside this file are imported by their
own names, so its folder comes first on the path of modules; a person's modules of the same names
stay theirs, because the path of this process is handed on to none of their programs.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
NEEDED = ("click", "pydantic")
STUDY = ("torch",)  # what only the study's own commands need


def use_checkout_python() -> None:
    """Re-execute with the checkout's own interpreter where the current one lacks the packages.

    `wandb agent` starts runs with whatever `python3` comes first on PATH; without this, a sweep
    would fail on every machine where the virtual environment is not activated.
    """
    python = ROOT / ".venv" / "bin" / "python"
    missing = [name for name in (*NEEDED, *STUDY) if importlib.util.find_spec(name) is None]
    if missing and python.exists() and Path(sys.prefix) != ROOT / ".venv":
        os.execv(python, [str(python), str(Path(__file__).resolve()), *sys.argv[1:]])
    if needed := [name for name in missing if name in NEEDED]:
        sys.exit(f"error: {', '.join(needed)} not installed; run `make setup` in {ROOT}")


if __name__ == "__main__":
    use_checkout_python()

sys.path[:] = [str(ROOT), *(folder for folder in sys.path if folder != str(ROOT))]

import click  # noqa: E402

# command -> (module in cli/, one-line help): the help page must not import torch or wandb
COMMANDS = {
    "train": ("train", "Build and train one model (what every W&B agent calls)."),
    "pretrain": ("pretrain", "Borrow a LiDAR classifier for RGB by contrastive pre-training."),
    "models": ("models", "List the registered models with parameters and FLOPs."),
    "data": ("data", "Make, check and describe data sets."),
    "sweep": ("sweep", "Run a sweep file: check, register, agents, report."),
    "agent": ("agent", "Run one W&B agent for a sweep."),
    "report": ("report", "Write the report of a sweep."),
    "explore": ("explore", "Look at the data and at failures in the FiftyOne App."),
    "serve": ("serve", "Run or stop the embedded W&B-compatible server."),
    "env": ("env", "Print the exports that point wandb at the server in use."),
}


class Commands(click.Group):
    """Loads a command's module only when that command is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        from contract.words import called

        found = importlib.import_module(f"cli.{COMMANDS[cmd_name][0]}").command
        for one in (found, *getattr(found, "commands", {}).values()):
            one.help, one.epilog = called(one.help or ""), called(one.epilog or "")
        return found

    def resolve_command(self, ctx: click.Context, args: list[str]):
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            from contract.words import suggest

            ctx.fail(f"no such command {args[0]!r}{suggest(args[0], COMMANDS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Compare neural architectures: W&B sweeps in, honest reports out."""


def run() -> None:
    """Run the command line; errors that a person caused are one line, without a traceback."""
    try:
        code = main(prog_name=Path(sys.argv[0]).name, standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        click.echo("stopped", err=True)
        sys.exit(130)
    except Exception as error:
        from contract.extras import EXTRAS, missing
        from contract.words import called

        if isinstance(error, ModuleNotFoundError) and error.name in EXTRAS:
            error = missing(error.name)
        code = getattr(error, "exit_code", None)
        if code is None:
            raise
        text = str(error)
        if isinstance(error, click.UsageError):
            text = error.format_message().rstrip(".")
            text += f" (see `{error.ctx.command_path} --help`)" if error.ctx else ""
        click.echo(called(f"error: {text}"), err=True)
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    run()
