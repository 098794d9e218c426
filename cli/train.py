"""`runner.py train`: build and train one model; what a person types and every agent calls."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.flags import ConfigCommand, config_from
from cli.session import (
    Stop,
    claimed,
    folder_of,
    load_data,
    project_of,
    publish_again,
    run_options,
    tracking_mode,
)
from fusion.config import RunConfig

if TYPE_CHECKING:
    import torch

    from fusion.data.arrays import ArrayData
    from fusion.data.dataset import Data
    from fusion.training.tracking import Tracking


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

    from fusion.models import registry, transfer
    from fusion.training import output
    from fusion.training.device import pick_device

    # All checks come first: what is refused leaves no folder, and no run on a server
    folder = folder_of(values, config)
    output.check_folder(folder, config)
    device = pick_device(values["device"], values["threads"])
    finished = output.read_summary(folder) is not None
    data = None if finished else load_data(config, device)
    if data is not None:
        registry.check(config, data.shape)
        transfer.check(config, online=mode == "online")

    with claimed(folder, config) as summary:
        if summary is not None:
            publish_again(summary, folder, lambda: _tracking(mode, config, folder, values))
        else:
            data = data or load_data(config, device)
            with _tracking(mode, config, folder, values) as tracking:
                summary = _train(config, data, device, folder, tracking, stop)
            click.echo(f"wrote {folder}: {', '.join(_written(folder))}")
    if summary["diverged"] and "WANDB_SWEEP_ID" not in os.environ:
        raise SystemExit(1)


def _tracking(mode: str, config: RunConfig, folder: Path, values: dict[str, Any]) -> Tracking:
    from fusion.training import tracking

    return tracking.start(mode, config, folder, project=project_of(values), name=values["name"])


def _train(
    config: RunConfig,
    data: Data | ArrayData,
    device: torch.device,
    folder: Path,
    tracking: Tracking,
    stop: Stop,
) -> dict[str, Any]:
    """Train, write the results, send them; return the summary."""
    from fusion import fit
    from fusion.models import transfer
    from fusion.models.registry import example, source
    from fusion.training import measure, output, sealed
    from fusion.training.loop import StoppedError, speed
    from fusion.training.provenance import provenance
    from fusion.training.score import terms

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
                pretrained=transfer.encoders(config, folder, tracking.use),
                log=log,
                stop=stop,
            )
    except StoppedError as error:
        click.echo(f"{error}; checkpoint in {folder}; the same command goes on from there")
        raise SystemExit(128 + stop.signum) from None
    stop.training = False

    costs = measure.costs(result.model, *example(device, data.shape))
    costs |= speed(result.history, len(data.parts["train"].ids))
    costs["peak_memory_mib"] = measure.peak_memory_mib(device)
    origin = provenance(device, data.hashes) | source(config)
    summary = fit.summarise(result, costs, origin)
    if result.diverged:
        click.echo(f"diverged in epoch {len(result.history) + 1}: loss or gradient not finite")
    else:
        part = data.parts[result.part]
        if data.shape.classes == 2:
            output.write_predictions(folder, part.ids, part.labels, {"logit": result.logits_N})
        else:
            columns = terms(result.part, result.logits_N, part.labels)
            output.write_examples(folder, part.ids, columns)
        sealed.write_weights(folder / output.WEIGHTS, result.model)
        output.describe_weights(folder, config, summary)
    output.write_summary(folder, summary)
    tracking.publish(summary, folder)
    return summary


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
    names = ["summary.json", "predictions.csv", "examples.csv", "weights.safetensors"]
    return [name for name in names if (folder / name).exists()]
