"""How the stages train: what they share, and what those that see labels have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusion.contrastive.views import Views
from fusion.training.loop import Plan

if TYPE_CHECKING:  # its fields decide, not its code: those are in a stage's settings
    from fusion.contrastive.config import PretrainConfig

# Of steps that see labels, and of the study's contrastive loss.
BATCH = 32


def plan(config: PretrainConfig, name: str, epochs: int, **other: int | float | bool) -> Plan:
    """Return the plan of a stage: its own streams, the shared learning rate and schedule."""
    values = {"batch_size": BATCH, "learning_rate": config.learning_rate, **other}
    return Plan(config.seed, epochs, schedule=config.schedule, name=name, **values)  # type: ignore[arg-type]


def labelled_plan(
    config: PretrainConfig, views: Views, name: str, epochs: int, rate: float
) -> Plan:
    """Return the plan of a stage that sees labels.

    An epoch has as many steps as one pass over the whole training part, however few labels there
    are: otherwise a small share of labels would also mean too little training.
    """
    steps = -(-views.count("train") // BATCH)
    return plan(config, name, epochs, steps=steps, learning_rate=rate)
