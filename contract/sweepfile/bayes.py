"""Bayesian search: Optuna's TPE behind W&B's YAML, without state of its own."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from contract.sweepfile.space import Observation, Parameter, SweepConfig, values_of

optuna.logging.set_verbosity(optuna.logging.WARNING)


def ask(config: SweepConfig, stream: str, observations: Sequence[Observation]) -> tuple[Any, ...]:
    """Ask a fresh TPE sampler that was told all observations.

    Pending cells are told as running: with `constant_liar` they repel, so parallel agents spread.
    Parameters are searched on the scale of their own distribution (its cumulative probability),
    listed values by position where they are numbers in order, else as categories.
    """
    axes = {
        "/".join(p.path): _axis(p)
        for p in config.parameters
        if len(config.support(p) or (0, 0)) > 1  # constants are not searched
    }
    seed = int.from_bytes(hashlib.blake2b(stream.encode(), digest_size=4).digest(), "big")
    sampler = optuna.samplers.TPESampler(seed=seed, multivariate=True, constant_liar=True)
    study = optuna.create_study(sampler=sampler)
    for observation in observations:
        point = _point(config, axes, observation.args)
        if point is None or (observation.value is None and not observation.pending):
            continue
        sign = config.metric.sign if config.metric else 1
        state = optuna.trial.TrialState
        study.add_trial(
            optuna.trial.create_trial(
                state=state.RUNNING if observation.pending else state.COMPLETE,
                params=point,
                distributions=axes,
                value=None if observation.value is None else sign * observation.value,
            )
        )
    asked = study.ask(axes).params
    return tuple(
        _value(parameter, asked.get("/".join(parameter.path), 0)) for parameter in config.parameters
    )


def _axis(parameter: Parameter) -> Any:
    dist = parameter.distribution
    if dist.choices is None:
        return FloatDistribution(0.0, 1.0)
    if dist.ordered and dist.cumulative is None:
        return IntDistribution(0, len(dist.choices) - 1)
    return CategoricalDistribution(range(len(dist.choices)))


def _value(parameter: Parameter, coordinate: Any) -> Any:
    choices = parameter.distribution.choices
    return parameter.distribution.at(coordinate) if choices is None else choices[coordinate]


def _point(
    config: SweepConfig, axes: Mapping[str, Any], args: Mapping[str, Any]
) -> dict[str, Any] | None:
    """Coordinates of a cell on the searched axes; None where it lies outside the space."""
    values = values_of(config, args)
    if values is None:
        return None
    point: dict[str, Any] = {}
    for parameter, value in zip(config.parameters, values, strict=True):
        dist = parameter.distribution
        at = dist.unit(value) if dist.choices is None else dist.index(value)
        if at is None:
            return None
        point["/".join(parameter.path)] = min(max(at, 0.0), 1.0) if dist.choices is None else at
    return {name: point[name] for name in axes}
