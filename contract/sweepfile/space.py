"""The search space of a sweep, as its config describes it (`read.parse` makes it)."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from contract.sweepfile.distributions import Distribution, Steps
from contract.values import exact


@dataclass(frozen=True)
class Parameter:
    """A leaf of `parameters`: `path` is its name and those of the parameters it is nested in."""

    path: tuple[str, ...]
    distribution: Distribution


@dataclass(frozen=True)
class Metric:
    """`target`: the sweep ends once a run reaches it. `impute`, `impute_while_running`: what
    bayes takes for runs that failed or still run: worst, best, latest (or "false": pending)."""

    name: str
    goal: str = "minimize"
    target: float | None = None
    impute: str = "worst"
    impute_while_running: str = "false"

    @property
    def sign(self) -> int:
        """Factor that makes smaller better: 1 to minimize, -1 to maximize."""
        return -1 if self.goal == "maximize" else 1


@dataclass(frozen=True)
class Hyperband:
    """Rungs count logged values of the metric, from 1: `min_iter * eta^k`, or the `s` rungs
    `max_iter / eta^k` below `max_iter`. `strict` compares the value at the rung, otherwise the best
    so far. Defaults are those of W&B's search library 0.3 (eta 3, strict)."""

    min_iter: int | None = None
    max_iter: int | None = None
    s: int | None = None
    eta: float = 3.0
    strict: bool = True

    def rungs(self, length: int) -> list[int]:
        """All rungs that a run with `length` values has passed, ascending."""
        if self.max_iter is not None:
            steps = (int(self.max_iter / self.eta**k) for k in range(1, (self.s or 0) + 1))
            return sorted({rung for rung in steps if 1 <= rung <= length})
        rungs, rung = set(), float(self.min_iter or 1)
        while rung <= length:
            rungs.add(int(rung))
            rung *= self.eta
        return sorted(rungs)


@dataclass(frozen=True)
class SweepConfig:
    """A sweep config that can be run as written. `warnings` are for the person who wrote it."""

    method: str
    parameters: tuple[Parameter, ...]
    metric: Metric | None = None
    run_cap: int | None = None
    hyperband: Hyperband | None = None
    program: str | None = None
    name: str | None = None
    description: str | None = None
    seed: str | None = None
    warnings: tuple[str, ...] = field(default=(), compare=False)

    @property
    def size(self) -> int | None:
        """Number of different cells; None where some distribution is not finite."""
        supports = [self.support(parameter) for parameter in self.parameters]
        if any(support is None for support in supports):
            return None
        return math.prod(len(support) for support in supports if support is not None)

    @property
    def expected(self) -> int | None:
        """Number of cells that the sweep will run; None where it runs until it is stopped.

        Only a grid ends before its run_cap: the others repeat points.
        """
        if self.run_cap is None or self.size is None or self.method != "grid":
            return self.run_cap or self.size
        return min(self.size, self.run_cap)

    def support(self, parameter: Parameter) -> Sequence[Any] | None:
        """All values of a parameter, or None where they are not finite.

        A grid over q_uniform takes min, min + q, … below max, as W&B's does; sampling it rounds
        to multiples of q.
        """
        dist = parameter.distribution
        if self.method == "grid" and dist.name == "q_uniform":
            return Steps.below(dist.spec["min"], dist.spec["max"], dist.spec.get("q", 1))
        return dist.support


class Cell(NamedTuple):
    """One point of the space. `key` is the same for equal points, but for one that is drawn once
    more; `args` is nested as the agent wants it: {top-level name: value}."""

    key: str
    args: dict[str, Any]


@dataclass(frozen=True)
class Observation:
    """What is known of a cell that was handed out: `value` is the best metric of its run.

    None while pending (no result yet), or where the run failed and nothing is imputed.
    """

    args: Mapping[str, Any]
    value: float | None
    pending: bool = False


def make_cell(config: SweepConfig, values: Sequence[Any]) -> Cell:
    """Nest `values` under their parameters' names and key them."""
    args: dict[str, Any] = {}
    for parameter, value in zip(config.parameters, values, strict=True):
        level = args
        for part in parameter.path[:-1]:
            level = level.setdefault(part, {})
        level[parameter.path[-1]] = value
    return Cell(cell_key(args), args)


def cell_key(args: Mapping[str, Any]) -> str:
    """Hash of the arguments; 0.0 and 0 are equal, true and 1, "0.1" and 0.1 are not."""
    return hashlib.blake2b(exact(dict(args)).encode(), digest_size=16).hexdigest()


def values_of(config: SweepConfig, args: Mapping[str, Any]) -> list[Any] | None:
    """Inverse of make_cell: one value per parameter; None where some parameter is missing."""
    values = []
    for parameter in config.parameters:
        level: Any = args
        for part in parameter.path:
            if not isinstance(level, Mapping) or part not in level:
                return None
            level = level[part]
        values.append(level)
    return values


def is_cell(config: SweepConfig, args: Mapping[str, Any]) -> bool:
    """Whether a point still belongs to the sweep, e.g. after its config was changed."""
    values = values_of(config, args)
    if values is None or make_cell(config, values).key != cell_key(args):
        return False
    return all(_contains(config, *pair) for pair in zip(config.parameters, values, strict=True))


def _contains(config: SweepConfig, parameter: Parameter, value: Any) -> bool:
    support, dist = config.support(parameter), parameter.distribution
    if dist.choices is not None:
        return dist.index(value) is not None
    return value in support if support is not None else dist.unit(value) is not None
