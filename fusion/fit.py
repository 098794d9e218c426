"""fit(): train one model, choose its best epoch on val, evaluate that epoch on test.

Suffixes: B batch, N samples of a part.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from contract.names import BEST_EPOCH_METRICS
from fusion.config import RunConfig
from fusion.data.arrays import ArrayData
from fusion.data.dataset import Data
from fusion.models import transfer
from fusion.models.registry import build, source
from fusion.training.loop import (
    EVALUATION_BATCH,
    DivergedError,
    Job,
    Loss,
    Plan,
    initialised,
    train,
)
from fusion.training.score import loss_of, predicted, score


@dataclass(frozen=True)
class Result:
    """A finished training. `model` has the weights of `best_epoch`.

    `part` is the part it was evaluated on in the end, "test", or "val" where there is no test part;
    `metrics` (PART/loss, …) and `logits_N` are of that part (empty where training diverged).
    """

    model: nn.Module
    history: list[dict[str, float]]
    best_epoch: int
    diverged: bool
    part: str
    metrics: dict[str, float]
    logits_N: np.ndarray


def fit(
    config: RunConfig,
    data: Data | ArrayData,
    *,
    device: torch.device,
    checkpoint_path: Path | None = None,
    pretrained: Mapping[str, Tensor] | None = None,
    log: Callable[[dict[str, float]], None] = lambda row: None,
    stop: Callable[[], bool] = lambda: False,
) -> Result:
    """Train the model of `config`; continue from `checkpoint_path` where that file exists.

    `pretrained`: encoders to begin with (`models.transfer`). For `log` and `stop` see `Job`: once
    `stop` says True, the checkpoint is written and StoppedError is raised. Without a
    checkpoint_path nothing is written.
    """
    model = initialised(lambda: build(config, data.shape), config.seed, device)
    if pretrained is not None:
        transfer.initialise(model, pretrained)

    def loss(index_B: Tensor) -> Loss:
        batch = data.batch("train", index_B)
        logits_B = model(batch.rgb_BCHW, batch.lidar_BCHW)
        right = (predicted(logits_B) == batch.labels_B).sum()
        return Loss(loss_of(logits_B, batch.labels_B), right)

    plan = Plan(
        config.seed,
        config.epochs,
        config.batch_size,
        config.learning_rate,
        config.schedule,
        detailed=True,
    )
    identity = {"config": config.decisive(), "hashes": data.hashes, **source(config)}
    job = Job(checkpoint_path, identity, log, stop)
    everything_N = torch.arange(len(data.parts["train"].ids))
    diverged = False
    try:
        progress = train(
            model, plan, job, everything_N, loss, lambda: evaluate(model, data, "val")[0], device
        )
    except DivergedError as error:
        progress, diverged = error.progress, True

    # The weights of the best epoch, on the part that had no say in choosing it
    part = "test" if "test" in data.parts else "val"
    metrics, logits_N = {}, np.empty(0, np.float32)
    if not diverged:
        metrics, logits_N = evaluate(model, data, part)
    return Result(model, progress.history, progress.best_epoch, diverged, part, metrics, logits_N)


def summarise(result: Result, costs: dict[str, Any], provenance: dict[str, Any]) -> dict[str, Any]:
    """Return the summary of a run: values at its best epoch, on the test part, costs, origin."""
    summary: dict[str, Any] = {}
    if result.best_epoch:
        best = result.history[result.best_epoch - 1]
        summary = {"best_epoch": result.best_epoch} | {key: best[key] for key in BEST_EPOCH_METRICS}
    if result.part == "test":
        summary |= result.metrics
    return summary | costs | {"diverged": result.diverged, "provenance": provenance}


@torch.inference_mode()
def evaluate(
    model: nn.Module, data: Data | ArrayData, part: str
) -> tuple[dict[str, float], np.ndarray]:
    """Return PART/loss, PART/accuracy and PART/f1, and the logits (N,) or (N, K) in order."""
    model.eval()
    batches = data.batches(part, EVALUATION_BATCH)
    logits_N = torch.cat([model(b.rgb_BCHW, b.lidar_BCHW) for b in batches]).cpu()
    return score(part, logits_N, data.parts[part].labels), logits_N.numpy()
