"""What every command that trains shares: how it is stopped, where it logs, its further options."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from contract import places
from launch.servers import choose, user_base_url

if TYPE_CHECKING:
    import torch

    from fusion.config import RunConfig
    from fusion.contrastive.config import PretrainConfig
    from fusion.training.config import Config
    from fusion.training.tracking import Tracking

DEFAULT_PROJECT = "fusion"
TRACKING = ("online", "offline", "disabled")


class TrackingModeError(Exception):
    """Tracking as asked for is not possible."""

    exit_code = 2


class Stop:
    """SIGTERM, SIGUSR1 and SIGINT: in training, the step ends and a checkpoint is written; else at
    once.

    SIGUSR1, by which Slurm warns, counts as SIGTERM. Both may come several times, from a scheduler,
    an agent and a sweep's command, and say nothing new then; a further SIGINT, a person's, ends the
    run at once.
    """

    def __init__(self) -> None:
        self.signum = 0
        self.training = False
        for signum in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT):
            signal.signal(signum, self._on_signal)

    def _on_signal(self, signum: int, frame: object) -> None:
        again = bool(self.signum)
        if again and signum != signal.SIGINT:
            return
        self.signum = signal.SIGTERM if signum == signal.SIGUSR1 else signum
        if again or not self.training:
            raise SystemExit(128 + self.signum)

    def __call__(self) -> bool:
        return bool(self.signum)


def run_options(command: Any) -> Any:
    """Add the options that do not define the experiment, shared by all commands that train."""
    options = [
        click.option(
            "--output",
            type=click.Path(path_type=Path),
            help="Folder of the run (default: runs/ and WANDB_RUN_ID, or a name of the "
            "configuration).",
        ),
        click.option(
            "--tracking",
            type=click.Choice(TRACKING),
            help="Where to log: to the W&B server in use, to files for `wandb sync`, or nowhere "
            "(default: WANDB_MODE, or online in a sweep or where a server is configured, else "
            "disabled).",
        ),
        click.option(
            "--project", help="W&B project outside of a sweep (default: WANDB_PROJECT, fusion)."
        ),
        click.option("--name", help="Display name of the W&B run."),
        click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto"),
        click.option(
            "--threads", type=click.IntRange(min=1), help="CPU threads (default: torch's own)."
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def load_data(config: RunConfig | PretrainConfig, device: torch.device) -> Any:
    """Return the data that a configuration names: `Data` of a folder, or `ArrayData`."""
    from fusion.data.arrays import any_data

    return any_data(
        config.data,
        split=config.split,
        train_pairs=config.train_pairs,
        align=config.align,
        device=device,
    )


def folder_of(values: dict[str, Any], config: RunConfig | PretrainConfig) -> Path:
    """Return the folder of the run."""
    return values["output"] or places.runs() / os.environ.get("WANDB_RUN_ID", config.name)


@contextmanager
def claimed(folder: Path, config: Config) -> Iterator[dict[str, Any] | None]:
    """Hold the folder of a run, once no other process trains in it; gives its summary, if any."""
    from fusion.training import output

    def waiting() -> None:
        click.echo(f"another process trains in {folder}; waiting for it")

    with output.claim(folder, config, waiting):
        yield output.read_summary(folder)


def publish_again(summary: dict[str, Any], folder: Path, start: Callable[[], Tracking]) -> None:
    """Send what a finished run has left in its folder; nothing is trained or written."""
    from fusion.training import output

    click.echo(f"finished already: {folder}; nothing is trained or written again")
    with start() as tracking:
        for row in output.read_history(folder):
            tracking.log(row)
        tracking.publish(summary, folder)


def tracking_mode(asked: str | None) -> str:
    """Decide where to log, and make sure that a server can be reached if it is to be online."""
    in_sweep = "WANDB_SWEEP_ID" in os.environ
    url = user_base_url()
    default = "online" if in_sweep or url else "disabled"
    mode = asked or os.environ.get("WANDB_MODE") or default
    mode = {"run": "online", "dryrun": "offline"}.get(mode, mode)  # the client's older names
    if mode not in TRACKING:
        raise TrackingModeError(
            f"WANDB_MODE: {mode!r} is not allowed; allowed: {', '.join(TRACKING)}"
        )
    if mode != "online":
        click.echo(f"tracking: {mode}")
        return mode
    if url is None:
        raise TrackingModeError(
            "--tracking online: no W&B server is configured. Start the embedded one with\n"
            '  eval "$(python runner.py env)"\n'
            "or log in with `wandb login`, or use --tracking offline or --tracking disabled"
        )
    click.echo(choose(None, None, "use --tracking offline or disabled").line)
    return mode


def project_of(values: dict[str, Any]) -> str:
    """Return the project of runs outside of a sweep."""
    return values["project"] or os.environ.get("WANDB_PROJECT", DEFAULT_PROJECT)
