"""fit(): train one model, choose its best epoch on val, evaluate that epoch on test.

Suffixes: B batch, N samples of a part.
"""

from __future__ import annotations

import copy
import hashlib
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from fusion.config import RunConfig
from fusion.data.dataset import Data
from fusion.models import transfer
from fusion.models.registry import build
from fusion.training import checkpoint
from fusion.training.adam import Adam
from fusion.training.checkpoint import Progress, State

# Of all steps, with cosine: Adam's first steps have hardly any second moments to go by.
WARMUP = 0.05
# Fastest on a CPU: with more, activations fall out of the second-level cache.
EVALUATION_BATCH = 64


class StoppedError(Exception):
    """Training was asked to stop; its checkpoint is written."""


@dataclass(frozen=True)
class Result:
    """A finished training. `model` has the weights of `best_epoch`.

    `part` is the part it was evaluated on in the end, "test", or "val" where there is no test part;
    `metrics` and `logits_N` are of that part (empty where training diverged).
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
    data: Data,
    *,
    device: torch.device,
    checkpoint_path: Path | None = None,
    pretrained: Mapping[str, Tensor] | None = None,
    log: Callable[[dict[str, float]], None] = lambda row: None,
    stop: Callable[[], bool] = lambda: False,
) -> Result:
    """Train the model of `config`; continue from `checkpoint_path` where that file exists.

    `pretrained`: encoders to begin with (`models.transfer`). `log` gets the row of every epoch,
    those from before a continuation first. `stop` is asked after every step: once it says True, the
    checkpoint is written and StoppedError is raised. Without a checkpoint_path nothing is written.
    The same config, data and number of threads give the same weights on a CPU, bit for bit,
    interrupted or not. Draws from torch's global random state, which is the noise stream.
    """
    # Start from weights that do not depend on the device, or from where the last call stopped
    state = initial_state(config, device)
    if pretrained is not None:
        transfer.initialise(state.model, pretrained)
    identity = {"config": config.model_dump(), "hashes": data.hashes}
    if checkpoint_path is not None:
        checkpoint.read(checkpoint_path, state, identity)
    for row in state.progress.history:
        log(row)

    diverged = False
    while state.progress.epoch < config.epochs:
        # One pass over the training part
        finite = train_epoch(state, config, data, stop)
        if stop():
            if checkpoint_path is not None:
                checkpoint.write(checkpoint_path, state, identity)
            raise StoppedError(f"stopped in epoch {state.progress.epoch + 1} of {config.epochs}")

        # Validation: its time does not count as the epoch's
        val, _ = evaluate(state.model, data, "val")
        diverged = not finite or not math.isfinite(val["loss"])
        if diverged:
            break
        row = epoch_row(state.progress, config, len(data.parts["train"].ids), val)

        # The best epoch has the lowest val/loss; its weights are kept
        history = state.progress.history
        epoch, best_epoch = state.progress.epoch + 1, state.progress.best_epoch
        if row["val/loss"] < min((before["val/loss"] for before in history), default=math.inf):
            state.best = copy.deepcopy(state.model.state_dict())
            best_epoch = epoch
        state.progress = Progress(epoch=epoch, best_epoch=best_epoch, history=[*history, row])

        # First on the disk, then to the tracker: what was logged is never ahead of the checkpoint
        if checkpoint_path is not None:
            checkpoint.write(checkpoint_path, state, identity)
        log(row)

    # The weights of the best epoch, on the part that had no say in choosing it
    part = "test" if "test" in data.parts else "val"
    metrics, logits_N = {}, np.empty(0, np.float32)
    if not diverged:
        state.model.load_state_dict(state.best)
        metrics, logits_N = evaluate(state.model, data, part)
    progress = state.progress
    return Result(
        state.model, progress.history, progress.best_epoch, diverged, part, metrics, logits_N
    )


def train_epoch(state: State, config: RunConfig, data: Data, stop: Callable[[], bool]) -> bool:
    """Take the remaining steps of one epoch; return whether loss and gradients stayed finite.

    Ends early, with the progress so far, when `stop` says so.
    """
    model, optimizer, progress = state.model.train(), state.optimizer, state.progress
    steps = math.ceil(len(data.parts["train"].ids) / config.batch_size)
    order = stream(config.seed, "order", progress.epoch + 1)
    batches = data.batches("train", config.batch_size, order)
    started, before = now(data.device), progress.seconds
    for batch in islice(batches, progress.batch, None):
        logits_B = model(batch.rgb_B3HW, batch.lidar_B4HW)
        loss = nn.functional.binary_cross_entropy_with_logits(logits_B, batch.labels_B)
        model.zero_grad()
        loss.backward()

        # One transfer from the device a step, before the step: nothing broken gets into the weights
        norm = nn.utils.get_total_norm([p.grad for p in model.parameters() if p.grad is not None])
        correct = ((logits_B > 0) == (batch.labels_B > 0)).sum()
        loss_value, norm_value, right = torch.stack([loss, norm, correct]).tolist()
        if not math.isfinite(loss_value + norm_value):
            return False
        step = progress.epoch * steps + progress.batch
        optimizer.step(learning_rate(config, step, config.epochs * steps))

        progress.batch += 1
        progress.loss_sum += loss_value * len(batch.labels_B)
        progress.correct += int(right)
        if stop():
            break
    progress.seconds = before + now(data.device) - started
    return True


def epoch_row(
    progress: Progress, config: RunConfig, samples: int, val: dict[str, float]
) -> dict[str, float]:
    """Return what is logged of a finished epoch; train/ is over the epoch, while it learned."""
    steps = math.ceil(samples / config.batch_size)
    last_step = (progress.epoch + 1) * steps - 1
    return {
        "epoch": progress.epoch + 1,
        "train/loss": progress.loss_sum / samples,
        "train/accuracy": progress.correct / samples,
        "val/loss": val["loss"],
        "val/accuracy": val["accuracy"],
        "val/f1": val["f1"],
        "epoch_seconds": progress.seconds,
        "samples_per_second": samples / progress.seconds,
        "train/learning_rate": learning_rate(config, last_step, config.epochs * steps),
    }


@torch.inference_mode()
def evaluate(model: nn.Module, data: Data, part: str) -> tuple[dict[str, float], np.ndarray]:
    """Return loss, accuracy and F1 over all samples of a part, and its logits (N,) in order."""
    model.eval()
    logits_N = torch.cat(
        [model(b.rgb_B3HW, b.lidar_B4HW) for b in data.batches(part, EVALUATION_BATCH)]
    ).cpu()
    return score(logits_N, torch.as_tensor(data.parts[part].labels)), logits_N.numpy()


def score(logits_N: Tensor, labels_N: Tensor) -> dict[str, float]:
    """Return `loss` (mean over samples), `accuracy` and `f1` of label 1; a logit above 0 says 1.

    F1 is 0 where neither label nor prediction is ever 1.
    """
    predicted, actual = logits_N > 0, labels_N > 0
    hits = (predicted & actual).sum().item()
    said = predicted.sum().item() + actual.sum().item()
    loss = nn.functional.binary_cross_entropy_with_logits(logits_N.double(), labels_N.double())
    return {
        "loss": loss.item(),
        "accuracy": (predicted == actual).double().mean().item(),
        "f1": 2 * hits / said if said else 0.0,
    }


def initial_state(config: RunConfig, device: torch.device) -> State:
    """Return model and optimizer before the first step, and seed the noise stream."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream(config.seed, "initialisation").initial_seed())
        model = build(config)
    torch.manual_seed(stream(config.seed, "noise").initial_seed())
    # channels_last is 1.4-1.6 times as fast as the default order on a CPU
    model = model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return State(model, Adam(model.parameters()))


def stream(seed: int, name: str, index: int = 0) -> torch.Generator:
    """Return a generator of its own for (seed, name, index).

    Streams: "initialisation"; "order", one for each epoch, so that an epoch can be repeated without
    the ones before; "noise". Arms that draw different amounts from one do not disturb the others.
    """
    digest = hashlib.sha256(f"{seed}/{name}/{index}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8]) >> 1)


class Rate(Protocol):
    """What decides the learning rate: a RunConfig, or the plan of another training."""

    @property
    def learning_rate(self) -> float: ...
    @property
    def schedule(self) -> str: ...


def learning_rate(config: Rate, step: int, steps: int) -> float:
    """Return the learning rate of `step` (from 0) of `steps` in the whole training."""
    if config.schedule == "constant":
        return config.learning_rate
    warmup = math.ceil(WARMUP * steps)
    if step < warmup:
        return config.learning_rate * (step + 1) / warmup
    return config.learning_rate * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup))) / 2


def speed(history: list[dict[str, float]], samples: int) -> dict[str, float]:
    """Return the median seconds of the epochs after the first (it warms up), and the rate there."""
    seconds = [row["epoch_seconds"] for row in history]
    if not seconds:
        return {}
    typical = median(seconds[1:] or seconds)
    return {"epoch_seconds": typical, "samples_per_second": samples / typical}


def now(device: torch.device) -> float:
    """Return a clock in seconds after all work that was given to the device."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
