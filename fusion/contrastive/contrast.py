"""Stage 1: two embedders, trained so that partners find each other.

Legend: B batch, N samples of a part, D embedding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from fusion.contrastive import losses, retrieval
from fusion.contrastive.losses import Logits
from fusion.contrastive.networks import Encoders
from fusion.contrastive.plans import BATCH, plan
from fusion.contrastive.views import Views, shift
from fusion.training.freeze import count_trainable, digest
from fusion.training.loop import Job, Loss, initialised, stream, train
from fusion.training.outcome import Outcome

if TYPE_CHECKING:
    from fusion.contrastive.config import PretrainConfig

NAME = "contrastive"
# Pairs of the similarity matrix that is kept: enough to see, little to store.
SHOWN = 128


class Pretraining(nn.Module):
    """The embedders and the logits: all that this stage learns."""

    def __init__(self, config: PretrainConfig, views: Views) -> None:
        super().__init__()
        channels = views.rgb_channels, views.lidar_channels
        self.encoders = Encoders(*channels, config.width, config.downsample)
        self.logits = Logits(config.logits, config.temperature)


def build(config: PretrainConfig, views: Views) -> Pretraining:
    """Return untrained embedders."""
    return initialised(lambda: Pretraining(config, views), config.seed, views.device, NAME)


def fit(config: PretrainConfig, views: Views, model: Pretraining, job: Job) -> Outcome:
    """Train on all pairs, without labels; summary: losses with their lines, retrieval."""

    def loss(index_B: Tensor) -> Loss:
        rgb_BCHW, lidar_BCHW = views.both("train", index_B)
        moved = shift(rgb_BCHW, config.shift), shift(lidar_BCHW, config.shift)
        return Loss(losses.pair_losses(model.logits(*model.encoders(*moved))).mean())

    batches = plan(
        config,
        NAME,
        config.contrastive_epochs,
        batch_size=config.batch_size,
        whole_batches=True,
    )
    everything_N = torch.arange(views.count("train"))
    progress = train(
        model,
        batches,
        job,
        everything_N,
        loss,
        lambda: validation(config, views, model),
        views.device,
    )
    part = views.final_part
    rgb_ND, lidar_ND = embed(views, part, model.encoders)
    summary = {
        "best_epoch": progress.best_epoch,
        "trainable_parameters": count_trainable(model),
        "weights": digest(model),
        **lines(model.logits, rgb_ND, lidar_ND, config.batch_size),
        **retrieval.metrics(rgb_ND, lidar_ND),
        "candidates": len(rgb_ND),
        "mrr_chance": retrieval.chance_mrr(len(rgb_ND)),
    }
    matrix = similarity(views, part, rgb_ND, lidar_ND).numpy()
    return Outcome(summary, {"similarity": matrix}, {"similarity": picture(matrix)})


def validation(config: PretrainConfig, views: Views, model: Pretraining) -> dict[str, float]:
    """Return the row of an epoch: the loss among as many candidates as in training, its lines."""
    rgb_ND, lidar_ND = embed(views, "val", model.encoders)
    values = lines(model.logits, rgb_ND, lidar_ND, config.batch_size)
    above_N = retrieval.stronger(rgb_ND @ lidar_ND.T)
    size = min(BATCH, len(above_N))
    return {
        "val/loss": values.pop("loss"),
        **{f"val/{name}": value for name, value in values.items()},
        f"val/recall@1_of_{size}": retrieval.recall(above_N, 1, size),
    }


def lines(logits: Logits, rgb_ND: Tensor, lidar_ND: Tensor, batch_size: int) -> dict[str, float]:
    """Return the loss between its floor and chance, in the form trained and in the study's.

    In the study's form the batch has 32 pairs, so that every arm can be held against its gate.
    """
    values: dict[str, float] = {}
    study = Logits("study").to(rgb_ND)
    for prefix, form, size in (("", logits, batch_size), ("study_", study, BATCH)):
        count = min(size, len(rgb_ND))
        scale = form.scale().item()
        values[f"{prefix}loss"] = losses.evaluate(rgb_ND, lidar_ND, form, count)
        values[f"{prefix}chance"] = losses.chance(count)
        values[f"{prefix}floor"] = losses.floor(count, scale)
    values["scale"] = logits.scale().item()
    return values


def embed(views: Views, part: str, encoders: Encoders) -> tuple[Tensor, Tensor]:
    """Return both embeddings (N, D) of a part, in a random order that is always the same.

    Parts are stored with twins side by side, which would make hard candidates of neighbours.
    """

    def both(index_B: Tensor) -> Tensor:
        return torch.stack(encoders(*views.both(part, index_B)), dim=1)

    both_N2D = views.gather(part, both)
    order_N = torch.randperm(len(both_N2D), generator=stream(0, "evaluation"))
    both_N2D = both_N2D[order_N.to(both_N2D.device)]
    return both_N2D[:, 0], both_N2D[:, 1]


def similarity(views: Views, part: str, rgb_ND: Tensor, lidar_ND: Tensor) -> Tensor:
    """Return (SHOWN, SHOWN) cosines, float32, cubes before spheres; partners on the diagonal."""
    order_N = torch.randperm(len(rgb_ND), generator=stream(0, "evaluation"))
    labels_N = torch.as_tensor(views.data.parts[part].labels)[order_N]
    shown = labels_N[:SHOWN].argsort(stable=True).to(rgb_ND.device)
    return (rgb_ND[shown] @ lidar_ND[shown].T).float().cpu()


def picture(similarity: np.ndarray) -> np.ndarray:
    """Return cosines as a grey picture: black -1, white 1; four pixels a pair."""
    grey = np.rint((similarity.clip(-1, 1) + 1) / 2 * 255).astype(np.uint8)
    return grey.repeat(4, axis=0).repeat(4, axis=1)
