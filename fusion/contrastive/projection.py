"""Stage 2: from the RGB embedding to the LiDAR classifier's convolutional embedding.

Legend: B batch, N samples of a part, D embedding, E convolutional embedding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from fusion.contrastive.networks import Borrowed, Projector
from fusion.contrastive.plans import plan
from fusion.contrastive.views import Views
from fusion.training.freeze import count_trainable, digest, frozen
from fusion.training.loop import Job, Loss, initialised, train
from fusion.training.outcome import Outcome

if TYPE_CHECKING:
    from fusion.contrastive.config import PretrainConfig

NAME = "projector"


def build(config: PretrainConfig, views: Views) -> Projector:
    """Return an untrained projector."""
    return initialised(lambda: Projector(config.width), config.seed, views.device, NAME)


def fit(config: PretrainConfig, views: Views, model: Borrowed, job: Job) -> Outcome:
    """Train the projector alone, on all pairs, without labels; the rest of `model` is frozen.

    Inputs and targets are computed once. Summary: the projector's errors, and the zero-shot metrics
    of the composed classifier, which has then seen no label of any RGB image.
    """
    projector, classifier = model.projector, model.classifier
    with frozen(model.embedder, classifier) as kept:
        parts = views.data.parts
        inputs = {p: views.gather(p, lambda i, p=p: model.embed(views.rgb(p, i))) for p in parts}
        targets = {
            p: views.gather(p, lambda i, p=p: classifier.embed(views.lidar(p, i))) for p in parts
        }
        if config.embedding != "normalised":
            projector.standardise("input", inputs["train"])
        if config.target == "standardised":
            projector.standardise("target", targets["train"])
        weight_E = projector.target_std.square().reciprocal()
        mean_E = targets["train"].mean(0)

        def loss(index_B: Tensor) -> Loss:
            error_BE = projector(inputs["train"][index_B]) - targets["train"][index_B]
            return Loss((error_BE.square() * weight_E).mean())

        @torch.no_grad()
        def errors(part: str) -> dict[str, float]:
            return fit_quality(projector(inputs[part]), targets[part], mean_E)

        def validate() -> dict[str, float]:
            values = errors("val")
            return {"val/loss": values.pop("mse"), **{f"val/{k}": v for k, v in values.items()}}

        batches = plan(config, NAME, config.projector_epochs)
        everything_N = torch.arange(views.count("train"))
        progress = train(projector, batches, job, everything_N, loss, validate, views.device)

        part = views.final_part
        with torch.no_grad():
            logits_N = model.decide(inputs[part])
            val_N = model.decide(inputs["val"])
        summary = {
            "best_epoch": progress.best_epoch,
            "trainable_parameters": count_trainable(projector),
            "weights": digest(projector),
            "frozen/rgb_embedder": kept[0],
            "frozen/lidar_classifier": kept[1],
            **errors(part),
            **{f"zero_shot/{k}": v for k, v in views.score("val", val_N).items()},
            **{f"zero_shot/{k}": v for k, v in views.score(part, logits_N).items()},
        }
    return Outcome({**summary, "frozen_identical": True}, {"logits": logits_N.cpu().numpy()})


def fit_quality(projected_NE: Tensor, target_NE: Tensor, mean_E: Tensor) -> dict[str, float]:
    """Return `mse`, that of always saying the training mean, explained variance and mean cosine.

    The error alone says little: its size is that of the classifier's activations.
    """
    mse = (projected_NE - target_NE).double().square().mean().item()
    trivial = (mean_E - target_NE).double().square().mean().item()
    return {
        "mse": mse,
        "mse_of_mean": trivial,
        "explained_variance": 1 - mse / trivial if trivial else 0.0,
        "cosine": cosine_similarity(projected_NE, target_NE).mean().item(),
    }
