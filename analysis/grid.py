"""The grid of a sweep: which (cell, seed) pairs a sweep file asks for.

A cell is a point of the grid without the seed; values are compared by meaning, so `1e-3` (which
YAML reads as a string), `0.001` and `1.0e-3` are one value, and `true` is not `1`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from typing import Any

from contract.values import canonical, key

SEED = "seed"


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
    axes = dict(axis_values(sweep_config.get("parameters") or {}))
    names = [SEED] * (SEED in axes) + [name for name in axes if name != SEED]
    points = itertools.product(*(axes[name] for name in names))
    order = list(axes)
    rows = (dict(zip(names, point, strict=True)) for point in points)
    return [{name: row[name] for name in order} for row in rows] if axes else []


def axis_values(parameters: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, list[Any]]]:
    """(name, distinct values) of each parameter of a sweep config, nested ones with dots."""
    for name, spec in parameters.items():
        full = f"{prefix}{name}"
        if isinstance(spec, Mapping) and isinstance(spec.get("parameters"), Mapping):
            yield from axis_values(spec["parameters"], f"{full}.")
        else:
            yield full, _distinct(_values(full, spec))


def _values(name: str, spec: Any) -> list[Any]:
    if not isinstance(spec, Mapping):
        return [spec]
    if "values" in spec:
        return list(spec["values"])
    if "value" in spec:
        return [spec["value"]]
    low, high, step = spec.get("min"), spec.get("max"), spec.get("q", 1)
    whole = all(isinstance(bound, int) and not isinstance(bound, bool) for bound in (low, high))
    if whole and "q" not in spec:
        return list(range(low, high + 1))  # type: ignore[arg-type]
    if "q" in spec and low is not None and high is not None:
        count = math.floor((float(high) - float(low)) / float(step) + 1e-9) + 1
        return [canonical(round(float(low) + i * float(step), 12)) for i in range(count)]
    raise GridError(
        f"sweep parameter {name!r}: {dict(spec)} cannot be listed in a grid; "
        "give `values`, `value`, integer `min` and `max`, or `min`, `max` and `q`"
    )


def _distinct(values: list[Any]) -> list[Any]:
    seen: dict[str, Any] = {}
    for value in values:
        seen.setdefault(key(value), value)
    return list(seen.values())
