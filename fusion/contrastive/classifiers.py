"""The supervised stages: the LiDAR classifier to borrow from, the RGB classifier from scratch."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from fusion.contrastive.config import PretrainConfig
from fusion.contrastive.networks import Classifier
from fusion.contrastive.outcome import Outcome, final_part, gather, labelled_plan
from fusion.contrastive.views import Views
from fusion.fit import score
from fusion.training.freeze import count_trainable, digest
from fusion.training.loop import Job, train

Modality = Literal["rgb", "lidar"]


def build(config: PretrainConfig, views: Views, modality: Modality) -> Classifier:
    """Return an untrained classifier of one modality."""
    channels = views.rgb_channels if modality == "rgb" else views.lidar_channels
    return Classifier(channels, config.width, config.downsample)


def fit(
    config: PretrainConfig, views: Views, model: Classifier, modality: Modality, job: Job
) -> Outcome:
    """Train on the labels that may be seen; summary: val/ and the final part's metrics, logits."""
    see = views.rgb if modality == "rgb" else views.lidar
    labels_N = views.labels("train")

    def loss(index_B: Tensor) -> Tensor:
        logits_B = model(see("train", index_B))
        return binary_cross_entropy_with_logits(logits_B, labels_N[index_B])

    def logits(part: str) -> Tensor:
        return gather(views, part, lambda index_B: model(see(part, index_B)))

    name = f"{modality}-classifier"
    plan = labelled_plan(config, views, name, config.classifier_epochs, config.learning_rate)
    seen_N = views.labelled(config.labels, config.seed)
    progress = train(
        model, plan, job, seen_N, loss, lambda: scores(views, "val", logits("val")), views.device
    )
    part = final_part(views)
    final_N = logits(part)
    summary = {
        "best_epoch": progress.best_epoch,
        "labelled_pairs": len(seen_N),
        "trainable_parameters": count_trainable(model),
        "weights": digest(model),
        **scores(views, "val", logits("val")),
        **scores(views, part, final_N),
    }
    return Outcome(summary, {"logits": final_N.cpu().numpy()})


def scores(views: Views, part: str, logits_N: Tensor) -> dict[str, float]:
    """Return PART/loss, PART/accuracy and PART/f1."""
    values = score(logits_N.cpu(), torch.as_tensor(views.data.parts[part].labels))
    return {f"{part}/{name}": value for name, value in values.items()}
