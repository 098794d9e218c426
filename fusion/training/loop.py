"""The loop that all stages share: steps, validation, best epoch, checkpoint, resume.

Legend: B indices of a batch, N indices of all samples to train on.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fusion.fit import StoppedError, learning_rate, now, stream
from fusion.training import checkpoint
from fusion.training.adam import Adam
from fusion.training.checkpoint import Progress, State


class DivergedError(Exception):
    """A loss or a gradient is not finite: a result of the settings, not a fault."""


@dataclass(frozen=True)
class Plan:
    """How one stage trains. `name` and `seed` give it random streams of its own."""

    name: str
    seed: int
    epochs: int
    batch_size: int
    learning_rate: float
    schedule: str
    # Optimizer steps of an epoch; 0: as many as one pass over the samples takes
    steps: int = 0
    # Leave out a last batch that is smaller: where the loss depends on the number of candidates
    whole_batches: bool = False


@dataclass(frozen=True)
class Job:
    """What surrounds a stage. `identity` must be equal for a checkpoint to be continued."""

    checkpoint_path: Path | None = None
    identity: dict[str, Any] = field(default_factory=dict)
    log: Callable[[dict[str, float]], None] = lambda row: None
    stop: Callable[[], bool] = lambda: False


def train(
    model: nn.Module,
    plan: Plan,
    job: Job,
    index_N: Tensor,
    loss: Callable[[Tensor], Tensor],
    validate: Callable[[], dict[str, float]],
    device: torch.device,
) -> Progress:
    """Train what of `model` requires gradients; end with the weights of the best epoch.

    `loss` maps indices (B,) to the mean loss of that batch; `validate` returns at least "val/loss",
    by which the best epoch is chosen. Continues from the checkpoint where there is one. Raises
    StoppedError after `job.stop` said so (the checkpoint is written), DivergedError on NaN and
    infinity.
    """
    torch.manual_seed(stream(plan.seed, f"{plan.name}/noise").initial_seed())
    free = [p for p in model.parameters() if p.requires_grad]
    state = State(model, Adam(free))
    if job.checkpoint_path is not None:
        checkpoint.read(job.checkpoint_path, state, job.identity)
    for row in state.progress.history:
        job.log(row)

    while state.progress.epoch < plan.epochs:
        samples = train_epoch(state, plan, job, index_N, loss, device)
        val = validate()
        if not math.isfinite(val["val/loss"]):
            raise DivergedError(f"{plan.name}: val/loss is {val['val/loss']}")
        progress = state.progress
        row = {
            "epoch": progress.epoch + 1,
            "train/loss": progress.loss_sum / samples,
            **val,
            "epoch_seconds": progress.seconds,
            "samples_per_second": samples / progress.seconds,
        }
        history = progress.history
        if row["val/loss"] < min((before["val/loss"] for before in history), default=math.inf):
            state.best = copy.deepcopy(model.state_dict())
            progress.best_epoch = row["epoch"]
        state.progress = Progress(
            epoch=row["epoch"], best_epoch=progress.best_epoch, history=[*history, row]
        )
        # First on the disk, then to the tracker: what was logged is never ahead of the checkpoint
        save(state, job)
        job.log(row)

    model.load_state_dict(state.best)
    return state.progress


def train_epoch(
    state: State,
    plan: Plan,
    job: Job,
    index_N: Tensor,
    loss: Callable[[Tensor], Tensor],
    device: torch.device,
) -> int:
    """Take the remaining steps of one epoch; return how many samples the whole epoch has."""
    model, optimizer, progress = state.model, state.optimizer, state.progress
    order = stream(plan.seed, f"{plan.name}/order", progress.epoch + 1)
    batches = list(split(index_N, plan, order))
    started, before = now(device), progress.seconds
    for index_B in islice(batches, progress.batch, None):
        step = progress.epoch * len(batches) + progress.batch
        value = loss(index_B)
        model.zero_grad()
        value.backward()
        norm = nn.utils.get_total_norm([p.grad for p in model.parameters() if p.grad is not None])
        if not math.isfinite((value.detach() + norm).item()):
            raise DivergedError(f"{plan.name}: loss or gradient is not finite in step {step}")
        optimizer.step(learning_rate(plan, step, plan.epochs * len(batches)))
        progress.batch += 1
        progress.loss_sum += value.item() * len(index_B)
        if job.stop():
            progress.seconds = before + now(device) - started
            save(state, job)
            raise StoppedError(
                f"{plan.name}: stopped in epoch {progress.epoch + 1} of {plan.epochs}"
            )
    progress.seconds = before + now(device) - started
    return sum(len(index_B) for index_B in batches)


def split(index_N: Tensor, plan: Plan, generator: torch.Generator) -> Iterator[Tensor]:
    """Yield the batches of one epoch: passes in new orders until `plan.steps` are reached."""
    taken = 0
    while True:
        order_N = index_N[torch.randperm(len(index_N), generator=generator)]
        for index_B in order_N.split(plan.batch_size):
            if plan.whole_batches and taken and len(index_B) < plan.batch_size:
                break
            yield index_B
            taken += 1
            if taken == plan.steps:
                return
        if not plan.steps:
            return


def save(state: State, job: Job) -> None:
    """Write the checkpoint, where there is a place for one."""
    if job.checkpoint_path is not None:
        job.checkpoint_path.parent.mkdir(parents=True, exist_ok=True)
        checkpoint.write(job.checkpoint_path, state, job.identity)
