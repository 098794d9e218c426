"""W&B's parameter distributions: support, quantile function and its inverse.

Legend: `unit` is a point of [0, 1], the probability below a value. Everything that samples goes
through `at(unit)`, so one uniform draw per parameter is all the randomness there is.
"""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from statistics import NormalDist
from typing import Any

from contract.values import exact

# distribution -> (keys it needs, keys it may have)
DISTRIBUTIONS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "constant": (("value",), ()),
    "categorical": (("values",), ()),
    "categorical_w_probabilities": (("values", "probabilities"), ()),
    "int_uniform": (("min", "max"), ()),
    "uniform": (("min", "max"), ()),
    "q_uniform": (("min", "max"), ("q",)),
    "log_uniform": (("min", "max"), ()),
    "log_uniform_values": (("min", "max"), ()),
    "q_log_uniform": (("min", "max"), ("q",)),
    "q_log_uniform_values": (("min", "max"), ("q",)),
    "inv_log_uniform": (("min", "max"), ()),
    "inv_log_uniform_values": (("min", "max"), ()),
    "normal": ((), ("mu", "sigma")),
    "q_normal": ((), ("mu", "sigma", "q")),
    "log_normal": ((), ("mu", "sigma")),
    "q_log_normal": ((), ("mu", "sigma", "q")),
    "beta": ((), ("a", "b")),
    "q_beta": ((), ("a", "b", "q")),
}
EDGE = 1e-12  # keeps quantiles finite at the ends
NORMAL = NormalDist()


@dataclass(frozen=True)
class Steps(Sequence):
    """start, start + step, … (count values), without the rounding noise of repeated addition."""

    start: int | float
    step: int | float
    count: int

    @classmethod
    def below(cls, low: float, high: float, step: float) -> Steps:
        """low, low + step, … strictly below high (numpy.arange)."""
        return cls(low, step, math.ceil((_exact(high) - _exact(low)) / _exact(step)))

    @classmethod
    def multiples(cls, low: float, high: float, step: float) -> Steps:
        """All multiples of step within [low, high]."""
        first = math.ceil(_exact(low) / _exact(step))
        last = math.floor(_exact(high) / _exact(step))
        return cls(_times(step, first), step, max(0, last - first + 1))

    def __len__(self) -> int:
        return self.count

    def __contains__(self, value: object) -> bool:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return False
        if not math.isfinite(value):
            return False
        index = round((_exact(value) - _exact(self.start)) / _exact(self.step))
        return 0 <= index < self.count and self[index] == value

    def __getitem__(self, index: Any) -> Any:
        if not 0 <= index < self.count:
            raise IndexError(index)
        if isinstance(self.start, int) and isinstance(self.step, int):
            return self.start + index * self.step
        return float(_exact(self.start) + _exact(self.step) * index)


@dataclass(frozen=True)
class Distribution:
    """One of W&B's distributions with its validated settings (`spec`, as in the sweep config).

    `choices` are the values of a distribution over listed values or whole numbers; `cumulative`
    their cumulative probabilities where they are not equal.
    """

    name: str
    spec: Mapping[str, Any]
    choices: Sequence[Any] | None = None
    cumulative: tuple[float, ...] | None = None
    _index: dict[str, int] = field(default_factory=dict, compare=False, repr=False)

    @property
    def support(self) -> Sequence[Any] | None:
        """All values; None where there is no finite number of them."""
        if self.choices is not None:
            return self.choices
        bounds = self._bounds()
        if not self._quantised or bounds is None:
            return None
        return Steps.multiples(*bounds, self.spec.get("q", 1))

    @property
    def ordered(self) -> bool:
        """Whether neighbouring choices are neighbouring numbers."""
        values = self.choices
        if isinstance(values, range) or values is None:
            return True
        numbers = all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values)
        return numbers and (list(values) == sorted(values) or list(values) == sorted(values)[::-1])

    def at(self, unit: float) -> Any:
        """Quantile: the value below which lies the probability `unit` (0 to 1)."""
        if self.choices is not None:
            if self.cumulative is not None:
                index = bisect.bisect_right(self.cumulative, unit)
            else:
                index = int(unit * len(self.choices))
            return self.choices[min(index, len(self.choices) - 1)]
        value = self._quantile(unit)
        return self._rounded(value) if self._quantised else value

    def unit(self, value: Any) -> float | None:
        """Inverse of `at` for a distribution without choices; None for what it cannot give."""
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return None
        unit = self._cumulative(float(value))
        return unit if -1e-9 <= unit <= 1 + 1e-9 else None

    def index(self, value: Any) -> int | None:
        """Position of `value` among the choices; None where it is not one of them."""
        if isinstance(self.choices, range):
            whole = isinstance(value, (int, float)) and not isinstance(value, bool)
            return self.choices.index(int(value)) if whole and value in self.choices else None
        return self._index.get(exact(value))

    # --- continuous part ----------------------------------------------------------------------

    @property
    def _quantised(self) -> bool:
        return self.name.startswith("q_")

    @property
    def _family(self) -> str:
        return self.name.removeprefix("q_").removeprefix("inv_").removesuffix("_values")

    def _bounds(self) -> tuple[float, float] | None:
        """Lowest and highest value before rounding; None where there is none."""
        if self._family == "beta":
            return 0.0, 1.0
        if "min" not in self.spec:
            return None
        low, high = self.spec["min"], self.spec["max"]
        if self._family != "log_uniform" or self.name.endswith("_values"):
            return low, high
        # log(1/X) is uniform on [min, max] for inv_log_uniform: X is log-uniform, upside down
        low, high = (-high, -low) if self.name.startswith("inv_") else (low, high)
        return math.exp(low), math.exp(high)

    def _quantile(self, unit: float) -> float:
        spec, family, bounds = self.spec, self._family, self._bounds()
        if family == "beta":
            from scipy.special import betaincinv

            unit = min(max(unit, EDGE), 1 - EDGE) if 0 < unit < 1 else unit
            return float(betaincinv(spec.get("a", 1), spec.get("b", 1), unit))
        if bounds is not None:
            low, high = bounds
            if family == "uniform":
                return low + unit * (high - low)
            value = math.exp(math.log(low) + unit * (math.log(high) - math.log(low)))
            return min(max(value, low), high)
        z = NORMAL.inv_cdf(min(max(unit, EDGE), 1 - EDGE))
        value = spec.get("mu", 0.0) + spec.get("sigma", 1.0) * z
        return math.exp(value) if family == "log_normal" else value

    def _cumulative(self, value: float) -> float:
        spec, family, bounds = self.spec, self._family, self._bounds()
        if family == "beta":
            from scipy.special import betainc

            inside = 0 <= value <= 1
            return float(betainc(spec.get("a", 1), spec.get("b", 1), value)) if inside else math.nan
        if family.startswith("log") and value <= 0:
            return math.nan
        if bounds is not None:
            low, high = bounds
            if family == "log_uniform":
                low, high, value = math.log(low), math.log(high), math.log(value)
            return (value - low) / (high - low)
        value = math.log(value) if family == "log_normal" else value
        return NORMAL.cdf((value - spec.get("mu", 0.0)) / spec.get("sigma", 1.0))

    def _rounded(self, value: float) -> int | float:
        """Nearest multiple of q, within the bounds (W&B's formula alone may leave them)."""
        q = self.spec.get("q", 1)
        times, support = round(value / q), self.support
        if support is not None:
            first = round(support[0] / q)
            times = min(max(times, first), first + len(support) - 1)
        return _times(q, times)


def distribution(name: str, spec: Mapping[str, Any]) -> tuple[Distribution, list[Any]]:
    """Make a distribution of validated settings; also return values that were listed twice.

    ValueError where the settings together make no sense (probabilities, nothing to choose from).
    """
    if name == "int_uniform":
        return Distribution(name, spec, range(int(spec["min"]), int(spec["max"]) + 1)), []
    if name not in ("constant", "categorical", "categorical_w_probabilities"):
        dist = Distribution(name, spec)
        _check_range(dist)
        return dist, []
    values = [spec["value"]] if name == "constant" else spec["values"]
    if not isinstance(values, list) or not values:
        raise ValueError(f"`values` must list at least one value, not {values!r}")
    weights = _weights(spec, len(values))
    index: dict[str, int] = {}
    kept: list[Any] = []
    masses: list[float] = []
    repeated: list[Any] = []
    for value, weight in zip(values, weights, strict=True):
        key = exact(value)
        if key in index:
            masses[index[key]] += weight
            repeated.append(value)
        elif weight > 0:
            index[key] = len(kept)
            kept.append(value)
            masses.append(weight)
    cumulative = tuple(itertools.accumulate(masses)) if "probabilities" in spec else None
    return Distribution(name, spec, tuple(kept), cumulative, index), repeated


def _weights(spec: Mapping[str, Any], count: int) -> list[float]:
    weights = spec.get("probabilities", [1.0] * count)
    numbers = isinstance(weights, list) and all(
        isinstance(w, (int, float)) and not isinstance(w, bool) and w >= 0 for w in weights
    )
    if not numbers or len(weights) != count:
        raise ValueError(f"`probabilities` must list {count} numbers of at least 0: {weights!r}")
    if "probabilities" in spec and not math.isclose(sum(weights), 1, rel_tol=1e-5, abs_tol=1e-8):
        raise ValueError(f"`probabilities` must sum to 1, not {sum(weights):g}")
    return weights


def _check_range(dist: Distribution) -> None:
    try:
        low, high = dist._quantile(0.0), dist._quantile(1.0)
    except OverflowError:
        low, high = -math.inf, math.inf
    if not math.isfinite(low) or not math.isfinite(high):
        hint = ": min and max are exponents of e" if dist._family == "log_uniform" else ""
        raise ValueError(f"{dist.name} leaves the range of numbers{hint}")
    if not low < high:
        raise ValueError(f"{dist.name} has one value only ({low:g}); use `value`")
    if dist.support is not None and not dist.support:
        raise ValueError(f"no multiple of q ({dist.spec.get('q', 1)}) lies within min and max")


def _times(step: int | float, count: int) -> int | float:
    return step * count if isinstance(step, int) else float(_exact(step) * count)


def _exact(number: float) -> Decimal:
    """The number as it is written: 0.1 is a tenth."""
    return Decimal(repr(number))
