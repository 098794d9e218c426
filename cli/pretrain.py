"""`runner.py pretrain`: borrow a LiDAR classifier for RGB; all stages, then the run itself."""

from __future__ import annotations

import os
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
from contract import places
from fusion.contrastive.config import PretrainConfig

if TYPE_CHECKING:
    from fusion.contrastive.pipeline import Prepared
    from fusion.contrastive.views import Views
    from fusion.data.dataset import Data
    from fusion.training.tracking import Tracking


@click.command(cls=ConfigCommand, kind=PretrainConfig)
@run_options
@click.option(
    "--stages",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the trained stages, shared by all runs (default: runs/stages).",
)
def command(**values: Any) -> None:
    """Pre-train RGB against LiDAR, project, classify, fine-tune.

    The LiDAR classifier, the embedders, the projector and an RGB classifier from scratch are stages
    with W&B runs of their own. Each is trained once and reused by every run with the same settings.
    This command's own run, which a sweep's agent begins, is the last stage: fine-tuning, with the
    numbers of all stages in its summary. Exit codes as of train.
    """
    config = config_from(values, PretrainConfig)
    stop = Stop()
    mode = tracking_mode(values["tracking"])

    from fusion.training import output
    from fusion.training.device import pick_device

    # All checks come first: what is refused leaves no folder, and no run on a server
    folder = folder_of(values, config)
    output.check_folder(folder, config)
    values["stages"] = values["stages"] or places.runs() / "stages"
    output.check_writable(values["stages"], "--stages")
    device = pick_device(values["device"], values["threads"])
    data = None if output.read_summary(folder) else load_data(config, device)

    with claimed(folder, config) as summary:
        if summary is not None:
            publish_again(summary, folder, lambda: _tracking(mode, config, folder, values))
        else:
            data = data or load_data(config, device)
            summary = _run(config, data, folder, values, mode, stop)
            click.echo(f"wrote {folder}")
        if not summary["diverged"]:
            click.echo(_accuracies(summary))
    if summary["diverged"] and "WANDB_SWEEP_ID" not in os.environ:
        raise SystemExit(1)


def _accuracies(summary: dict[str, Any]) -> str:
    """What the run found, in one line."""
    part = summary["part"]
    arms = {
        "zero-shot": "zero_shot/",
        "fine-tuned": "",
        "RGB from scratch": "scratch/",
        "LiDAR classifier": "lidar/",
    }
    found = [f"{name} {summary[f'{prefix}{part}/accuracy']:.4f}" for name, prefix in arms.items()]
    return f"{part} accuracy: {', '.join(found)}"


def _tracking(mode: str, config: PretrainConfig, folder: Path, values: dict[str, Any]) -> Tracking:
    from fusion.training import tracking

    return tracking.start(
        mode,
        config,
        folder,
        project=project_of(values),
        name=values["name"],
        group=config.group,
        job_type="finetune",
    )


def _run(
    config: PretrainConfig,
    data: Data,
    folder: Path,
    values: dict[str, Any],
    mode: str,
    stop: Stop,
) -> dict[str, Any]:
    """Train what is not trained, write the results, send them; return the summary."""
    from fusion.contrastive import pipeline
    from fusion.contrastive.views import Views
    from fusion.training import output, tracking
    from fusion.training.loop import DivergedError, StoppedError
    from fusion.training.provenance import provenance
    from fusion.training.stage_runs import WandbRecorder
    from fusion.training.stages import Nobody

    views = Views(data, config.inputs)
    recorder = WandbRecorder(mode, project_of(values), config.group)
    summary: dict[str, Any] = {}
    prepared = None
    stop.training = True
    try:
        with tracking.outside_sweep():
            who = Nobody() if mode == "disabled" else recorder
            prepared = pipeline.prepare(config, views, values["stages"], who, stop)
    except DivergedError as error:
        click.echo(f"diverged: {error}")
        summary = {"diverged": True}
    except StoppedError as error:
        click.echo(f"{error}; the same command goes on from there")
        raise SystemExit(128 + stop.signum) from None

    with _tracking(mode, config, folder, values) as run:
        if prepared is not None:
            for stage in prepared.stages().values():
                if name := recorder.artifact(stage):
                    run.use(name)
            summary = _finetune(config, views, prepared, folder, run, stop)
        summary["provenance"] = provenance(data.device, data.hashes)
        output.write_summary(folder, summary)
        run.publish(summary, folder)
    return summary


def _finetune(
    config: PretrainConfig,
    views: Views,
    prepared: Prepared,
    folder: Path,
    run: Tracking,
    stop: Stop,
) -> dict[str, Any]:
    """Train the last stage and write what it leaves, except the summary."""
    from fusion.contrastive import pipeline
    from fusion.training import measure, output, sealed
    from fusion.training.loop import DivergedError, Job, StoppedError, speed

    history: list[dict[str, float]] = []

    def log(row: dict[str, float]) -> None:
        history.append(row)
        output.write_history(folder, history)
        run.log(row)
        click.echo(
            f"finetune, epoch {row['epoch']}/{config.finetune_epochs}: "
            f"val/loss {row['val/loss']:.4f}"
        )

    identity = {"config": config.decisive(), "hashes": views.data.hashes}
    job = Job(folder / output.CHECKPOINT, identity, log, stop)
    try:
        outcome, model = pipeline.finish(config, views, prepared, job)
    except DivergedError as error:
        click.echo(f"diverged: {error}")
        return {"diverged": True}
    except StoppedError as error:
        click.echo(f"{error}; checkpoint in {folder}; the same command goes on from there")
        raise SystemExit(128 + stop.signum) from None
    stop.training = False

    logits = dict(outcome.arrays)
    columns = {"logit": logits.pop("logits"), **logits}
    part = views.data.parts[str(outcome.summary["part"])]
    output.write_predictions(folder, part.ids, part.labels, columns)
    sealed.write_weights(folder / output.WEIGHTS, model)
    samples = len(views.data.parts["train"].ids)
    return {
        **outcome.summary,
        **measure.costs(model, views.example()),
        **speed(history, samples),
        "peak_memory_mib": measure.peak_memory_mib(views.device),
        "diverged": False,
    }
