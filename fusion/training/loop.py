"""The training loop of both experiments: steps, validation, best epoch, checkpoint, resume.

The same plan, data and number of threads give the same weights on a CPU, bit for bit, interrupted
or not.

Legend: B indices of a batch, N indices of all samples to train on.
"""

from __future__ import annotations

import copy
import hashlib
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from fusion.training import checkpoint
from fusion.training.adam import Adam
from fusion.training.checkpoint import Progress, State

Network = TypeVar("Network", bound=nn.Module)
# Of all steps, with cosine: Adam's first steps have hardly any second moments to go by.
WARMUP = 0.05
# Fastest on a CPU: with more, activations fall out of the second-level cache.
EVALUATION_BATCH = 64
DETAILS = ("train/accuracy", "train/learning_rate")


class StoppedError(Exception):
    """Training was asked to stop; its checkpoint is written."""


class DivergedError(Exception):
    """A loss or a gradient is not finite: a result of the settings, not a fault."""

    def __init__(self, text: str, progress: Progress) -> None:
        super().__init__(text)
        self.progress = progress


@dataclass(frozen=True)
class Plan:
    """How a model trains. `seed` and `name` ("" for the only one) give it streams of its own."""

    seed: int
    epochs: int
    batch_size: int
    learning_rate: float  # the highest
    schedule: str  # "cosine" or "constant"
    name: str = ""
    # Optimizer steps of an epoch; 0: as many as one pass over the samples takes
    steps: int = 0
    # Leave out a last batch that is smaller: where the loss depends on the number of candidates
    whole_batches: bool = False
    # Rows hold train/accuracy, for which the loss counts, and train/learning_rate, too
    detailed: bool = False

    @property
    def label(self) -> str:
        """What messages begin with."""
        return f"{self.name}: " if self.name else ""


@dataclass(frozen=True)
class Job:
    """What surrounds a training. `identity` must be equal for a checkpoint to be continued.

    `log` gets the row of every epoch, those from before a continuation first. `stop` is asked after
    every step.
    """

    checkpoint_path: Path | None = None
    identity: dict[str, Any] = field(default_factory=dict)
    log: Callable[[dict[str, float]], None] = lambda row: None
    stop: Callable[[], bool] = lambda: False


class Loss(NamedTuple):
    """Of a batch: the mean, and how many samples are classified right, where a plan asks."""

    mean: Tensor
    right: Tensor | None = None


def train(
    model: nn.Module,
    plan: Plan,
    job: Job,
    index_N: Tensor,
    loss: Callable[[Tensor], Loss],
    validate: Callable[[], dict[str, float]],
    device: torch.device,
) -> Progress:
    """Train what of `model` requires gradients; end with the weights of the best epoch.

    `loss` is of the samples at indices (B,); `validate` returns at least "val/loss", by which the
    best epoch is chosen. Continues from the checkpoint where there is one, and draws from torch's
    global random state, which is the noise stream. Raises StoppedError after `job.stop` said so
    (the checkpoint is written), DivergedError on NaN and infinity.
    """
    # Everything before the first step, or as it was where the last call stopped
    torch.manual_seed(stream(plan.seed, "noise", plan.name).initial_seed())
    state = State(model, Adam(p for p in model.parameters() if p.requires_grad))
    if job.checkpoint_path is not None:
        checkpoint.read(job.checkpoint_path, state, job.identity)
    for row in state.progress.history:
        job.log(row)

    while state.progress.epoch < plan.epochs:
        # One epoch, in an order of its own, so that it can be taken up without the ones before
        epoch = state.progress.epoch + 1
        batches = list(split(index_N, plan, stream(plan.seed, "order", plan.name, epoch)))
        model.train()
        take_steps(state, plan, job, batches, loss, device)

        # Validation: its time does not count as the epoch's
        model.eval()
        val = validate()
        if not math.isfinite(val["val/loss"]):
            raise DivergedError(f"{plan.label}val/loss is {val['val/loss']}", state.progress)
        row = row_of(state.progress, plan, batches, val)

        # The best epoch has the lowest val/loss; its weights are kept
        history, best_epoch = state.progress.history, state.progress.best_epoch
        if row["val/loss"] < min((before["val/loss"] for before in history), default=math.inf):
            state.best = copy.deepcopy(model.state_dict())
            best_epoch = epoch
        state.progress = Progress(epoch=epoch, best_epoch=best_epoch, history=[*history, row])

        # First on the disk, then to the tracker: what was logged is never ahead of the checkpoint
        save(state, job)
        job.log(row)

    model.load_state_dict(state.best)
    return state.progress


def take_steps(
    state: State,
    plan: Plan,
    job: Job,
    batches: list[Tensor],
    loss: Callable[[Tensor], Loss],
    device: torch.device,
) -> None:
    """Take those of an epoch's steps that are left."""
    model, progress = state.model, state.progress
    started, before = now(device), progress.seconds
    for index_B in islice(batches, progress.batch, None):
        mean, right = loss(index_B)
        model.zero_grad()
        mean.backward()

        # One transfer from the device a step, before the step: nothing broken gets into the weights
        norm = nn.utils.get_total_norm([p.grad for p in model.parameters() if p.grad is not None])
        numbers = [mean.detach(), norm] + ([] if right is None else [right])
        mean_value, norm_value, *counted = torch.stack(numbers).tolist()
        step = progress.epoch * len(batches) + progress.batch
        if not math.isfinite(mean_value + norm_value):
            text = f"{plan.label}loss or gradient is not finite in step {step}"
            raise DivergedError(text, progress)
        state.optimizer.step(learning_rate(plan, step, plan.epochs * len(batches)))

        progress.batch += 1
        progress.loss_sum += mean_value * len(index_B)
        if counted:
            progress.correct += int(counted[0])
        if job.stop():
            progress.seconds = before + now(device) - started
            save(state, job)
            where = f"epoch {progress.epoch + 1} of {plan.epochs}"
            raise StoppedError(f"{plan.label}stopped in {where}")
    progress.seconds = before + now(device) - started


def row_of(
    progress: Progress, plan: Plan, batches: list[Tensor], val: dict[str, float]
) -> dict[str, float]:
    """Return what is logged of a finished epoch; train/ is over the epoch, while it learned."""
    samples, steps = sum(len(index_B) for index_B in batches), len(batches)
    last_step = (progress.epoch + 1) * steps - 1
    row = {
        "epoch": progress.epoch + 1,
        "train/loss": progress.loss_sum / samples,
        "train/accuracy": progress.correct / samples,
        **val,
        "epoch_seconds": progress.seconds,
        "samples_per_second": samples / progress.seconds,
        "train/learning_rate": learning_rate(plan, last_step, plan.epochs * steps),
    }
    return {name: row[name] for name in row if plan.detailed or name not in DETAILS}


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


def learning_rate(plan: Plan, step: int, steps: int) -> float:
    """Return the learning rate of `step` (from 0) of `steps` in the whole training."""
    if plan.schedule == "constant":
        return plan.learning_rate
    warmup = math.ceil(WARMUP * steps)
    if step < warmup:
        return plan.learning_rate * (step + 1) / warmup
    return plan.learning_rate * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup))) / 2


def save(state: State, job: Job) -> None:
    """Write the checkpoint, where there is a place for one."""
    if job.checkpoint_path is not None:
        checkpoint.write(job.checkpoint_path, state, job.identity)


def initialised(
    build: Callable[[], Network], seed: int, device: torch.device, name: str = ""
) -> Network:
    """Build a model with a random stream of its own: weights that do not depend on the device."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream(seed, "initialisation", name).initial_seed())
        model = build()
    # channels_last is 1.4-1.6 times as fast as the default order on a CPU
    return model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]


def stream(seed: int, purpose: str, name: str = "", index: int = 0) -> torch.Generator:
    """Return a generator of its own for (seed, purpose, name of what trains, index).

    Purposes: "initialisation"; "order", one for each epoch; "noise". Arms that draw different
    amounts from one do not disturb the others.
    """
    path = "/".join([str(seed), *filter(None, [name]), purpose, str(index)])
    digest = hashlib.sha256(path.encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8]) >> 1)


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
