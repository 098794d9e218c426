"""The supervised stages: the LiDAR classifier to borrow from, the RGB classifier from scratch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from fusion.contrastive.networks import Classifier
from fusion.contrastive.plans import labelled_plan
from fusion.contrastive.views import Views
from fusion.training.freeze import count_trainable, digest
from fusion.training.loop import Job, Loss, initialised, train
from fusion.training.outcome import Outcome

if TYPE_CHECKING:
    from fusion.contrastive.config import PretrainConfig

Modality = Literal["rgb", "lidar"]


def name_of(modality: Modality) -> str:
    """Return what the stage is called."""
    return f"{modality}-classifier"


def build(config: PretrainConfig, views: Views, modality: Modality) -> Classifier:
    """Return an untrained classifier of one modality."""
    channels = views.rgb_channels if modality == "rgb" else views.lidar_channels
    return initialised(
        lambda: Classifier(channels, config.width, config.downsample),
        config.seed,
        views.device,
        name_of(modality),
    )


def fit(
    config: PretrainConfig, views: Views, model: Classifier, modality: Modality, job: Job
) -> Outcome:
    """Train on the labels that may be seen; summary: val/ and the final part's metrics, logits."""
    see = views.rgb if modality == "rgb" else views.lidar
    labels_N = views.labels("train")

    def loss(index_B: Tensor) -> Loss:
        logits_B = model(see("train", index_B))
        return Loss(binary_cross_entropy_with_logits(logits_B, labels_N[index_B]))

    def logits(part: str) -> Tensor:
        return views.gather(part, lambda index_B: model(see(part, index_B)))

    plan = labelled_plan(
        config, views, name_of(modality), config.classifier_epochs, config.learning_rate
    )
    seen_N = views.labelled(config.labels, config.seed)
    progress = train(
        model, plan, job, seen_N, loss, lambda: views.score("val", logits("val")), views.device
    )
    part = views.final_part
    final_N = logits(part)
    summary = {
        "best_epoch": progress.best_epoch,
        "labelled_pairs": len(seen_N),
        "trainable_parameters": count_trainable(model),
        "weights": digest(model),
        **views.score("val", logits("val")),
        **views.score(part, final_N),
    }
    return Outcome(summary, {"logits": final_N.cpu().numpy()})
