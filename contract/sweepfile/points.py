"""The grid of a sweep: which (cell, seed) pairs a sweep file asks for.

A cell is a point of the grid without the seed; values are compared by meaning, so `1e-3` (which
YAML reads as a string), `0.001` and `1.0e-3` are one value, and `true` is not `1`.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from contract.sweepfile import read
from contract.sweepfile.read import SweepConfigError
from contract.sweepfile.search import SEED
from contract.values import key

SEEDLIKE = re.compile(r"(.*[._-])?seed", re.IGNORECASE)


class GridError(Exception):
    """A sweep config whose grid cannot be listed."""

    exit_code = 2


def expand(sweep_config: Mapping[str, Any]) -> list[dict[str, Any]]:
    """All grid points of a grid sweep's config, as flat parameter dicts including the seed.

    `seed` varies slowest (every cell gets its first seed before any gets its second), the other
    parameters in the order they are stored, the last one fastest. Nested `parameters` become
    dotted names. Values that are equal in meaning are listed once.
    Raises GridError for a parameter that has no countable list of values.
    """
    parameters = sweep_config.get("parameters")
    axes = dict(axis_values(parameters)) if parameters else {}
    names = [SEED] * (SEED in axes) + [name for name in axes if name != SEED]
    points = itertools.product(*(axes[name] for name in names))
    order = list(axes)
    rows = (dict(zip(names, point, strict=True)) for point in points)
    return [{name: row[name] for name in order} for row in rows] if axes else []


def axis_values(parameters: Mapping[str, Any]) -> Iterator[tuple[str, list[Any]]]:
    """(name, distinct values) of each parameter of a sweep config, nested ones with dots."""
    try:
        config = read.space(parameters)
    except SweepConfigError as error:
        raise GridError(f"{error.key}: {error.message}") from None
    for parameter in config.parameters:
        support = config.support(parameter)
        assert support is not None, "a grid is finite: read.space has seen to it"
        yield ".".join(parameter.path), _distinct(support)


def _distinct(values: Iterable[Any]) -> list[Any]:
    seen: dict[str, Any] = {}
    for value in values:
        seen.setdefault(key(value), value)
    return list(seen.values())


def seed_of(parameters: Iterable[str]) -> str:
    """Return the parameter that holds the seed: `seed`, or the only one that is called like it
    (`random_seed`, `trainer.seed`); `seed` where there is none.
    """
    found = [name for name in parameters if SEEDLIKE.fullmatch(name)]
    return found[0] if len(found) == 1 else SEED


def ends(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return a grid over the values, or the limits, of every parameter that has them."""
    return {
        name: spec if "min" not in spec else {"values": [spec["min"], spec["max"]]}
        for name, spec in parameters.items()
        if "min" in spec or "values" in spec or "value" in spec
    }
