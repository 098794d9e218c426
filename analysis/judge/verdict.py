"""The verdict ladder: the first rule that holds, and the only sentence it allows."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from analysis.show.text import fmt, span, with_span

NOT_COMPARABLE = "NOT_COMPARABLE"
INSUFFICIENT = "INSUFFICIENT"
SATURATED = "SATURATED"
BELOW_NOISE_FLOOR = "BELOW_NOISE_FLOOR"
EQUIVALENT = "EQUIVALENT"
DIFFERENT = "DIFFERENT"
DIFFERENT_HERE = "DIFFERENT_HERE"
INCONCLUSIVE = "INCONCLUSIVE"
LADDER = (
    NOT_COMPARABLE, INSUFFICIENT, SATURATED, BELOW_NOISE_FLOOR,
    EQUIVALENT, DIFFERENT, DIFFERENT_HERE, INCONCLUSIVE,
)  # fmt: skip
UNDECIDED = (INSUFFICIENT, INCONCLUSIVE)
MIN_SEEDS = 3


@dataclass(frozen=True)
class Facts:
    """All that a verdict depends on. seeds and crossed are 95 % intervals, equivalence is the
    interval held against ±margin; NaN or None = not available."""

    a: str
    b: str
    metric: str
    n: int
    delta: float
    seeds: tuple[float, float]
    crossed: tuple[float, float] | None = None
    examples: int = 0
    p_holm: float = math.nan
    alpha: float = 0.05
    differing: list[str] = field(default_factory=list)
    saturated: bool = False
    noise: float | None = None
    margin: float | None = None
    equivalence: tuple[float, float] | None = None

    @property
    def interval(self) -> tuple[float, float]:
        """The interval that is quoted: crossed where there is one, else over seeds."""
        return self.crossed or self.seeds

    @property
    def spread(self) -> bool:
        """Whether differences varied at all; without spread there is no inference."""
        low, high = self.interval
        return high > low


@dataclass(frozen=True)
class Verdict:
    """Name, sentence, and the numbers in it (a Statement of the report's format)."""

    name: str
    sentence: str
    higher: str = ""
    lower: str = ""
    by: float | None = None
    low: float | None = None
    high: float | None = None
    excluded: float | None = None


def judge(facts: Facts) -> Verdict:
    """The first rule of the ladder that holds."""
    low, high = facts.interval
    if facts.differing:
        keys = ", ".join(facts.differing)
        text = f"{facts.a} and {facts.b} differ in {keys}; no comparison is made."
        return Verdict(NOT_COMPARABLE, text)
    if facts.n < MIN_SEEDS:
        return _insufficient(facts)
    if facts.saturated:
        text = f"Both reach the ceiling of {facts.metric}; this task cannot rank them."
        return Verdict(SATURATED, text)
    if facts.noise is not None and abs(facts.delta) <= facts.noise:
        return Verdict(BELOW_NOISE_FLOOR, "The difference is within the A/A range of this setup.")
    if equivalent(facts):
        return _equivalent(facts)
    if not facts.spread:
        return _insufficient(facts)
    if facts.p_holm < facts.alpha and facts.crossed is not None and excludes_zero(facts.crossed):
        return _different(facts, facts.crossed)
    if excludes_zero(facts.seeds) and not (facts.crossed and excludes_zero(facts.crossed)):
        return _different_here(facts)
    excluded = max(abs(low), abs(high))
    text = f"No difference was resolved; differences larger than {fmt(excluded, 3)} are excluded."
    return Verdict(INCONCLUSIVE, text, low=low, high=high, excluded=excluded)


def excludes_zero(interval: tuple[float, float]) -> bool:
    """Whether 0 lies outside; an interval without width excludes nothing."""
    low, high = interval
    return high > low and (low > 0 or high < 0)


def equivalent(facts: Facts) -> bool:
    """Two one-sided tests: the interval lies inside the declared margin."""
    if facts.margin is None or facts.equivalence is None:
        return False
    low, high = facts.equivalence
    if facts.crossed is None and not high > low:
        return False  # the same difference in every seed: nothing is known about its spread
    return -facts.margin < low and high < facts.margin


def _insufficient(facts: Facts) -> Verdict:
    text = f"Only {facts.n} paired seeds; no inference. Observed Δ = {fmt(facts.delta)}."
    return Verdict(INSUFFICIENT, text, by=abs(facts.delta))


def _equivalent(facts: Facts) -> Verdict:
    assert facts.margin is not None and facts.equivalence is not None
    low, high = facts.equivalence
    level = 100 * (1 - 2 * facts.alpha)
    text = f"Within ±{fmt(facts.margin)} of each other ({level:g} % CI {span(low, high)})."
    return Verdict(EQUIVALENT, text, low=low, high=high)


def _ordered(facts: Facts, interval: tuple[float, float]) -> tuple[str, str, float, float]:
    low, high = interval
    if facts.delta >= 0:
        return facts.a, facts.b, low, high
    return facts.b, facts.a, -high, -low


def _different(facts: Facts, interval: tuple[float, float]) -> Verdict:
    higher, lower, low, high = _ordered(facts, interval)
    by = abs(facts.delta)
    by_text = with_span(by, low, high).split(" ")[0]
    text = (
        f"{higher} is higher than {lower} by {by_text} (95 % CI {span(low, high)}; "
        f"{facts.n} seeds; {facts.examples} examples)."
    )
    return Verdict(DIFFERENT, text, higher, lower, by, low, high)


def _different_here(facts: Facts) -> Verdict:
    higher, lower, low, high = _ordered(facts, facts.seeds)
    by = abs(facts.delta)
    by_text = with_span(by, low, high).split(" ")[0]
    text = (
        f"On this test set {higher} is higher by {by_text} (95 % CI {span(low, high)}); "
        "the data do not show that this holds for new examples."
    )
    return Verdict(DIFFERENT_HERE, text, higher, lower, by, low, high)
