"""`runner.py train`: build and train one model; what a person types and every agent calls."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.flags import ConfigCommand, config_from
from cli.servers import choose, user_base_url
from contract import places
from fusion.config import CONTRASTIVE, RunConfig

if TYPE_CHECKING:
    import torch

    from fusion.contrastive.config import PretrainConfig
    from fusion.data.dataset import Data
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


@click.command(cls=ConfigCommand, kind=RunConfig)
@run_options
def command(**values: Any) -> None:
    """Train one model and evaluate its best epoch.

    Started again with the same configuration and output, it goes on where it was stopped; a
    finished run is not trained again. Exit codes: 0 finished, 1 diverged (0 in a sweep, where that
    is a result), 2 for what a person can fix, 128+n after signal n.
    """
    config = config_from(values, RunConfig)
    stop = Stop()
    mode = tracking_mode(values["tracking"])

    from fusion.training import output
    from fusion.training.device import pick_device

    # All checks come first: what is refused leaves no folder, and no run on a server
    folder: Path = values["output"] or places.runs() / os.environ.get("WANDB_RUN_ID", config.name)
    output.check_folder(folder, config)
    device = pick_device(values["device"], values["threads"])
    finished = output.read_summary(folder) is not None
    data = None if finished else load_data(config, device)
    if not finished:
        _check_init(config, mode)

    def waiting() -> None:
        click.echo(f"another process trains in {folder}; waiting for it")

    with output.claim(folder, config, waiting):
        summary = output.read_summary(folder)
        if summary is not None:
            click.echo(f"finished already: {folder}; nothing is trained or written again")
            with _tracking(mode, config, folder, values) as tracking:
                for row in output.read_history(folder):
                    tracking.log(row)
                tracking.publish(summary, folder)
        else:
            data = data or load_data(config, device)
            with _tracking(mode, config, folder, values) as tracking:
                summary = _train(config, data, device, folder, tracking, stop)
            click.echo(f"wrote {folder}: {', '.join(_written(folder))}")
    if summary["diverged"] and "WANDB_SWEEP_ID" not in os.environ:
        raise SystemExit(1)


def load_data(config: RunConfig | PretrainConfig, device: torch.device) -> Data:
    """Return the data that a configuration names."""
    from fusion.data.dataset import load

    return load(
        config.data,
        split=config.split,
        train_pairs=config.train_pairs,
        align=config.align,
        device=device,
    )


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


def _tracking(mode: str, config: RunConfig, folder: Path, values: dict[str, Any]) -> Tracking:
    from fusion.training import tracking

    return tracking.start(mode, config, folder, project=project_of(values), name=values["name"])


def project_of(values: dict[str, Any]) -> str:
    """Return the project of runs outside of a sweep."""
    return values["project"] or os.environ.get("WANDB_PROJECT", DEFAULT_PROJECT)


def _train(
    config: RunConfig,
    data: Data,
    device: torch.device,
    folder: Path,
    tracking: Tracking,
    stop: Stop,
) -> dict[str, Any]:
    """Train, write the results, send them; return the summary."""
    from fusion import fit
    from fusion.models.registry import example
    from fusion.training import measure, output
    from fusion.training.provenance import provenance

    sizes = ", ".join(f"{len(part.ids)} {name}" for name, part in data.parts.items())
    click.echo(f"{config.name}: {sizes} pairs, on {device}")
    history: list[dict[str, float]] = []
    stop.training = True
    try:
        with _display(config.epochs) as show:

            def log(row: dict[str, float]) -> None:
                history.append(row)
                output.write_history(folder, history)
                tracking.log(row)
                show(row)

            result = fit.fit(
                config,
                data,
                device=device,
                checkpoint_path=folder / output.CHECKPOINT,
                pretrained=_pretrained(config, folder, tracking),
                log=log,
                stop=stop,
            )
    except fit.StoppedError as error:
        click.echo(f"{error}; checkpoint in {folder}; the same command goes on from there")
        raise SystemExit(128 + stop.signum) from None
    stop.training = False

    costs = measure.costs(result.model, *example(device))
    costs |= fit.speed(result.history, len(data.parts["train"].ids))
    costs["peak_memory_mib"] = measure.peak_memory_mib(device)
    summary = output.summarise(result, costs, provenance(device, data.hashes))
    if result.diverged:
        click.echo(f"diverged in epoch {len(result.history) + 1}: loss or gradient not finite")
    else:
        output.write_results(folder, config, result, data.parts[result.part], summary)
    output.write_summary(folder, summary)
    tracking.publish(summary, folder)
    return summary


def _check_init(config: RunConfig, mode: str) -> None:
    """Raise TransferError where --init names what cannot be had; artifacts only a server knows."""
    if not config.init.startswith(CONTRASTIVE):
        return
    from fusion.models import transfer

    name = config.init.removeprefix(CONTRASTIVE)
    if Path(name).is_dir():
        transfer.read(Path(name), config)
    elif mode != "online":
        raise transfer.TransferError(
            f"--init {config.init}: {name} is no folder, and an artifact needs --tracking online"
        )


def _pretrained(
    config: RunConfig, folder: Path, tracking: Tracking
) -> dict[str, torch.Tensor] | None:
    """Return the encoders that --init names, from a folder or from an artifact."""
    if not config.init.startswith(CONTRASTIVE):
        return None
    from fusion.models import transfer

    name = config.init.removeprefix(CONTRASTIVE)
    if Path(name).is_dir():
        return transfer.read(Path(name), config)
    artifact = tracking.use(name)
    return transfer.read(Path(artifact.download(root=str(folder / "init"))), config)


@contextmanager
def _display(epochs: int) -> Iterator[Callable[[dict[str, float]], None]]:
    """Yield what shows a finished epoch: a line, and on a terminal a bar below the lines."""
    if not sys.stdout.isatty():
        yield lambda row: click.echo(_line(row, epochs))
        return
    from rich.progress import Progress

    # Drawn once an epoch: wandb records what a terminal shows
    with Progress(transient=True, auto_refresh=False) as progress:
        task = progress.add_task("epochs", total=epochs)

        def show(row: dict[str, float]) -> None:
            progress.console.print(_line(row, epochs), highlight=False)
            progress.update(task, completed=row["epoch"], refresh=True)

        yield show


def _line(row: dict[str, float], epochs: int) -> str:
    return (
        f"epoch {row['epoch']}/{epochs}  train/loss {row['train/loss']:.4f}  "
        f"val/loss {row['val/loss']:.4f}  val/accuracy {row['val/accuracy']:.3f}  "
        f"{row['epoch_seconds']:.1f} s"
    )


def _written(folder: Path) -> list[str]:
    names = ["summary.json", "predictions.csv", "weights.safetensors"]
    return [name for name in names if (folder / name).exists()]
