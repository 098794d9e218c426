"""What a stage leaves behind, and what all stages compute in the same way.

Legend: N samples of a part, B batch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from fusion.contrastive.config import PretrainConfig
from fusion.contrastive.views import Views
from fusion.training.loop import Plan

# Of steps that see labels, and of the study's contrastive loss.
BATCH = 32


@dataclass(frozen=True)
class Outcome:
    """Numbers about the weights of the best epoch; arrays, and grey pictures (uint8), by name."""

    summary: dict[str, float | int | str | bool]
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    pictures: dict[str, np.ndarray] = field(default_factory=dict)


def final_part(views: Views) -> str:
    """Return the part that has no say in training: test, or val where there is no test part."""
    return "test" if "test" in views.data.parts else "val"


@torch.no_grad()
def gather(views: Views, part: str, function: Callable[[Tensor], Tensor]) -> Tensor:
    """Return (N, …): `function` of the indices of a part, in order; nothing learns from it."""
    return torch.cat([function(index_B) for index_B in views.in_order(part)])


def plan(config: PretrainConfig, name: str, epochs: int, **other: int | float | bool) -> Plan:
    """Return the plan of a stage: its own streams, the shared learning rate and schedule."""
    values = {"batch_size": BATCH, "learning_rate": config.learning_rate, **other}
    return Plan(name, config.seed, epochs, schedule=config.schedule, **values)  # type: ignore[arg-type]


def labelled_plan(
    config: PretrainConfig, views: Views, name: str, epochs: int, rate: float
) -> Plan:
    """Return the plan of a stage that sees labels.

    An epoch has as many steps as one pass over the whole training part, however few labels there
    are: otherwise a small share of labels would also mean too little training.
    """
    steps = -(-views.count("train") // BATCH)
    return plan(config, name, epochs, steps=steps, learning_rate=rate)
