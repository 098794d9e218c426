"""Which cell of a sweep is next, and which run should stop: pure functions of what was observed.

Nothing here keeps state: the same config, seed and observations give the same answer, so a server
that was restarted goes on as if it had not been. Grid, random and hyperband follow W&B's published
search library (PyPI `sweeps` 0.3, read for its behaviour); bayes is Optuna's TPE.

Three deliberate differences from it: a grid gives every cell its first seed before any gets its
second; random gives every point of a finite space once before it repeats any, and repeats only
where a `run_cap` says how often; and whoever asks may skip cells (`seen`), so failed ones can be
run again.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from contract.sweepfile.space import Cell, Metric, Observation, SweepConfig, make_cell

SEED = "seed"  # the axis that varies slowest in a grid
DRAWS = 200  # repeats in a row before a random search looks for the unseen systematically


class Suggestion(NamedTuple):
    """The next cell and where to go on after it."""

    cell: Cell
    cursor: int


class Decision(NamedTuple):
    """Hyperband's word on a run at a rung, with the reason."""

    stop: bool
    rung: int
    value: float
    threshold: float
    reason: str


# --- the next cell ----------------------------------------------------------------------------


def suggest(
    config: SweepConfig,
    *,
    seed: str,
    cursor: int,
    seen: Callable[[str], bool],
    observations: Callable[[], Sequence[Observation]] = tuple,
) -> Suggestion | None:
    """Return the next cell that was not `seen` (asked by key), or None when there is none left.

    `cursor` is 0 at first and after the config changed, then the last suggestion's. `seed` is used
    where the config names none. `observations` is only called by bayes.
    """
    if config.method == "grid":
        return _next_of_grid(config, cursor, seen)
    stream = f"{config.seed or seed}/{cursor}"
    if config.method == "bayes":
        from contract.sweepfile.bayes import ask

        drawn = make_cell(config, ask(config, stream, observations()))
    else:
        drawn = _draw(config, random.Random(stream))
    if seen(drawn.key):
        fresh = _random(config, stream, seen)
        if fresh is None and config.run_cap is None:
            return None
        drawn = fresh or _once_more(drawn, cursor, seen)
    return Suggestion(drawn, cursor + 1)


def any_left(config: SweepConfig, *, cursor: int, seen: Callable[[str], bool]) -> bool:
    """Whether `suggest` has more to give (an unbounded space always has, as far as one can say)."""
    if config.method == "grid":
        return _next_of_grid(config, cursor, seen) is not None
    if config.run_cap is not None or config.size is None:
        return True
    return _any_unseen(config, random.Random(cursor), seen) is not None


def grid_point(config: SweepConfig, index: int) -> Cell:
    """Cell number `index` of a finite space: `seed` slowest, the last parameter fastest."""
    order = sorted(
        range(len(config.parameters)), key=lambda i: config.parameters[i].path != (SEED,)
    )
    values: list[Any] = [None] * len(order)
    for i in reversed(order):
        support = config.support(config.parameters[i])
        assert support is not None, "the space is finite"
        index, position = divmod(index, len(support))
        values[i] = support[position]
    return make_cell(config, tuple(values))


def _next_of_grid(
    config: SweepConfig, cursor: int, seen: Callable[[str], bool]
) -> Suggestion | None:
    size = config.size
    assert size is not None, "a grid is finite: read.parse has seen to it"
    for index in range(cursor, size):
        cell = grid_point(config, index)
        if not seen(cell.key):
            return Suggestion(cell, index + 1)
    return None


def _random(config: SweepConfig, stream: str, seen: Callable[[str], bool]) -> Cell | None:
    rng = random.Random(stream)
    for _ in range(DRAWS):
        cell = _draw(config, rng)
        if not seen(cell.key):
            return cell
    return _any_unseen(config, rng, seen)


def _draw(config: SweepConfig, rng: random.Random) -> Cell:
    return make_cell(config, [p.distribution.at(rng.random()) for p in config.parameters])


def _once_more(cell: Cell, cursor: int, seen: Callable[[str], bool]) -> Cell:
    """The same point as a cell of its own."""
    keys = (f"{cell.key}.{number}" for number in itertools.count(cursor))
    return cell._replace(key=next(key for key in keys if not seen(key)))


def _any_unseen(
    config: SweepConfig, rng: random.Random, seen: Callable[[str], bool]
) -> Cell | None:
    """Walk a finite space from a random place; what is unbounded but repeats itself is over."""
    size = config.size
    if size is None:
        return None
    start = rng.randrange(size)
    points = (grid_point(config, (start + i) % size) for i in range(size))
    return next((cell for cell in points if not seen(cell.key)), None)


# --- metric -----------------------------------------------------------------------------------


def impute(
    metric: Metric, way: str, best: float | None, latest: float | None, worst: float | None
) -> float | None:
    """Value that bayes takes for a run without a result of its own (`metric.impute`).

    `best`, `latest`: of what the run itself logged; `worst`: of the results of all others, which
    also stands in where the run logged nothing. None where there is nothing to take.
    """
    own = {"best": best, "latest": latest}.get(way)
    return worst if own is None else own


def better(metric: Metric, a: float | None, b: float | None) -> float | None:
    """The better of two values by the metric's goal; None is no value."""
    known = [value for value in (a, b) if value is not None]
    return min(known, key=lambda value: metric.sign * value, default=None)


def reached(metric: Metric, value: float | None) -> bool:
    """Whether `value` meets the metric's target."""
    if metric.target is None or value is None:
        return False
    return metric.sign * value <= metric.sign * metric.target


# --- hyperband --------------------------------------------------------------------------------


def judge(
    config: SweepConfig, rung: int, value: float, best: float, peers: Sequence[float]
) -> Decision | None:
    """Hyperband's decision on a running run whose last rung is `rung`.

    `value`: what it logged there; `best`: the best it has logged so far; `peers`: what every run
    of the sweep that came to the rung had there, this one included. It stays while it is in the
    top 1/eta of them.
    """
    hyperband, metric = config.hyperband, config.metric
    if hyperband is None or metric is None:
        return None
    sign = metric.sign
    ranked = sorted(peers, key=lambda peer: sign * peer)
    threshold = ranked[int(len(ranked) / hyperband.eta)]
    own = value if hyperband.strict else best
    stop = sign * own > sign * threshold
    what = f"at rung {rung}" if hyperband.strict else f"at its best, by rung {rung},"
    reason = (
        f"{metric.name} {own:g} {what} is {'outside' if stop else 'within'} the top "
        f"1/{hyperband.eta:g} of {len(ranked)} runs (threshold {threshold:g}, {metric.goal})"
    )
    return Decision(stop, rung, own, threshold, reason)
