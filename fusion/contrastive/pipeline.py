"""From a PretrainConfig to a classifier that borrows another modality's: the stages in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from fusion.contrastive import classifiers, contrast, finetune, projection
from fusion.contrastive.config import PretrainConfig
from fusion.contrastive.networks import Borrowed, Projector
from fusion.contrastive.views import Views
from fusion.training.loop import Job
from fusion.training.outcome import Outcome
from fusion.training.stages import Finished, Nobody, Recorder, Stage, obtain

# Fields that decide each stage, besides the data; a field that is missing here would make the
# store hand out a stage that was trained with other settings (a test compares).
SHARED = ("inputs", "align", "width", "downsample", "seed", "learning_rate", "schedule")
SUPERVISED = (*SHARED, "labels", "classifier_epochs")
CONTRASTIVE = (*SHARED, "logits", "temperature", "batch_size", "shift", "contrastive_epochs")
PROJECTOR = (*SHARED, "embedding", "target", "projector_epochs")


@dataclass(frozen=True)
class Prepared:
    """All that the last stage starts from."""

    lidar: Finished
    scratch: Finished
    contrastive: Finished
    projector: Finished

    def stages(self) -> dict[str, Finished]:
        """Return the stages by the prefix that their numbers get in the final summary."""
        return dict(vars(self))


def prepare(
    config: PretrainConfig,
    views: Views,
    root: Path,
    recorder: Recorder | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Prepared:
    """Train, or find, all stages before the last."""
    recorder = recorder or Nobody()
    independent = [
        classifier_stage(config, views, "lidar"),
        contrastive_stage(config, views),
        classifier_stage(config, views, "rgb"),
    ]
    lidar, contrastive, scratch = obtain(independent, root, recorder, stop)
    (projector,) = obtain(
        [projector_stage(config, views, lidar, contrastive)], root, recorder, stop
    )
    return Prepared(lidar, scratch, contrastive, projector)


def finish(
    config: PretrainConfig, views: Views, prepared: Prepared, job: Job
) -> tuple[Outcome, Borrowed]:
    """Fine-tune; the summary holds every stage's numbers, each under its own prefix."""
    model = borrowed(config, views, prepared.lidar, prepared.contrastive, prepared.projector)
    outcome = finetune.fit(config, views, model, job)
    stages = prepared.stages()
    earlier = {f"{n}/{key}": v for n, f in stages.items() for key, v in f.summary.items()}
    parts = {"part": views.final_part}
    logits = {n: f.arrays["logits"] for n, f in stages.items() if "logits" in f.arrays}
    logits["zero_shot"] = logits.pop("projector")
    # The zero-shot metrics are of the composed classifier, not of its projector
    earlier = {key.replace("projector/zero_shot/", "zero_shot/"): v for key, v in earlier.items()}
    return Outcome({**earlier, **outcome.summary, **parts}, {**outcome.arrays, **logits}), model


def classifier_stage(config: PretrainConfig, views: Views, modality: classifiers.Modality) -> Stage:
    """Stage 0, the LiDAR classifier, or the RGB classifier from scratch beside it."""
    return Stage(
        classifiers.name_of(modality),
        settings(config, views, SUPERVISED),
        classifiers.__name__,
        lambda: classifiers.build(config, views, modality),
        lambda model, job: classifiers.fit(config, views, model, modality, job),  # type: ignore[arg-type]
    )


def contrastive_stage(config: PretrainConfig, views: Views) -> Stage:
    """Stage 1."""
    fields = [f for f in CONTRASTIVE if f != "temperature" or config.logits != "study"]
    return Stage(
        contrast.NAME,
        settings(config, views, fields),
        contrast.__name__,
        lambda: contrast.build(config, views),
        lambda model, job: contrast.fit(config, views, model, job),  # type: ignore[arg-type]
    )


def projector_stage(
    config: PretrainConfig, views: Views, lidar: Finished, contrastive: Finished
) -> Stage:
    """Stage 2: trains the projector inside the composed classifier, and keeps that alone."""

    def fit(module: nn.Module, job: Job) -> Outcome:
        assert isinstance(module, Projector)
        model = compose(config, lidar, contrastive, module)
        return projection.fit(config, views, model, job)

    return Stage(
        projection.NAME,
        settings(config, views, PROJECTOR),
        projection.__name__,
        lambda: projection.build(config, views),
        fit,
        (lidar, contrastive),
    )


def borrowed(
    config: PretrainConfig,
    views: Views,
    lidar: Finished,
    contrastive: Finished,
    projector: Finished,
) -> Borrowed:
    """Return the composed classifier, before fine-tuning."""
    return compose(config, lidar, contrastive, projector.module).to(views.device)


def compose(
    config: PretrainConfig, lidar: Finished, contrastive: Finished, projector: Projector
) -> Borrowed:
    """Put RGB embedder, projector and LiDAR classifier together."""
    unit_length = config.embedding != "raw"
    return Borrowed(contrastive.module.encoders.rgb, projector, lidar.module, unit_length)


def settings(config: PretrainConfig, views: Views, fields: Iterable[str]) -> dict[str, Any]:
    """Return the fields that decide a stage, and the hashes of its data."""
    decisive = config.decisive()
    hashes = {name: views.data.hashes[name] for name in ("data", "split")}
    device = str(views.device)
    return {**{f: decisive[f] for f in fields if f in decisive}, **hashes, "device": device}
