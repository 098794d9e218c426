"""The verdict ladder: the first rule that holds, and the only sentence it allows."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from analysis.show.text import fmt, fmt_p, share, span, with_span

NOT_COMPARABLE = "NOT_COMPARABLE"
SATURATED = "SATURATED"
INSUFFICIENT = "INSUFFICIENT"
BELOW_NOISE_FLOOR = "BELOW_NOISE_FLOOR"
EQUIVALENT = "EQUIVALENT"
DIFFERENT = "DIFFERENT"
DIFFERENT_HERE = "DIFFERENT_HERE"
INCONCLUSIVE = "INCONCLUSIVE"
LADDER = (
    NOT_COMPARABLE, SATURATED, INSUFFICIENT, BELOW_NOISE_FLOOR,
    EQUIVALENT, DIFFERENT, DIFFERENT_HERE, INCONCLUSIVE,
)  # fmt: skip
UNDECIDED = (INSUFFICIENT, INCONCLUSIVE)
MIN_SEEDS = 3


@dataclass(frozen=True)
class Facts:
    """All that a verdict depends on. NaN, None or 0 = not available.

    interval: the 95 % interval that belongs to p; seeds: that over seeds alone. p, p_here (over
    seeds alone) and that of equivalence, and as corrected in a family of `family` members, of
    whose level this one has a `share`. outside: 95 % interval that holds together with those of the
    whole family. runs, copies: finished runs of both arms, and those that are copies of another.
    reference: mean of B. lacking: levels, of `levels`, that lack a cell. here: examples are the
    question.
    """

    a: str
    b: str
    metric: str
    n: int
    delta: float
    interval: tuple[float, float]
    seeds: tuple[float, float]
    examples: int = 0
    here: bool = True
    matched: bool = True
    runs: int = 0
    copies: int = 0
    lacking: int = 0
    levels: int = 1
    family: int = 1
    share: float = 1.0
    p: float = math.nan
    p_holm: float = math.nan
    p_here: float = math.nan
    p_here_holm: float = math.nan
    p_equal_holm: float = math.nan
    alpha: float = 0.05
    reference: float = math.nan
    outside: tuple[float, float] = (math.nan, math.nan)
    differing: list[str] = field(default_factory=list)
    saturated: bool = False
    noise: float | None = None
    margin: float | None = None
    equivalence: tuple[float, float] = (math.nan, math.nan)

    @property
    def replicates(self) -> str:
        return f"{self.n} seeds" if self.matched else f"{self.n} unpaired runs each"


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
    excluded_percent: float | None = None


def judge(facts: Facts) -> Verdict:
    """The first rule of the ladder that holds."""
    if facts.differing:
        keys = ", ".join(facts.differing)
        text = f"{facts.a} and {facts.b} differ in {keys}; no comparison is made."
        return Verdict(NOT_COMPARABLE, text)
    if facts.saturated:
        text = f"Both reach the ceiling of {facts.metric}; this task cannot rank them."
        return Verdict(SATURATED, text)
    if facts.lacking or facts.n < MIN_SEEDS:
        return _insufficient(facts)
    if facts.noise is not None and abs(facts.delta) <= facts.noise:
        return Verdict(BELOW_NOISE_FLOOR, "The difference is within the A/A range of this setup.")
    if facts.margin is not None and facts.p_equal_holm < facts.alpha:
        return _equivalent(facts)
    if facts.p_holm < facts.alpha and excludes_zero(facts.interval):
        return _different(facts)
    if facts.here and facts.p_here_holm < facts.alpha and excludes_zero(facts.seeds):
        return _different_here(facts)
    return _inconclusive(facts)


def excludes_zero(interval: tuple[float, float]) -> bool:
    """Whether 0 lies outside; an interval without width excludes nothing."""
    low, high = interval
    return high > low and (low > 0 or high < 0)


def _insufficient(facts: Facts) -> Verdict:
    if facts.lacking:
        text = f"{facts.lacking} of {facts.levels} levels lack a cell; no inference."
        return Verdict(INSUFFICIENT, text)
    if facts.copies:
        text = f"{facts.copies} of {facts.runs} runs are copies of one another; no inference."
        return Verdict(INSUFFICIENT, text)
    kind = "paired seeds" if facts.matched else "runs of the smaller arm"
    text = f"Only {facts.n} {kind}; no inference. Observed Δ = {fmt(facts.delta)}."
    return Verdict(INSUFFICIENT, text, by=abs(facts.delta))


def _percent(size: float, facts: Facts) -> float | None:
    """A size in percent of B's mean; None where that is 0 or unknown."""
    known = math.isfinite(facts.reference) and facts.reference != 0
    return 100 * size / abs(facts.reference) if known else None


def _sized(size: float, facts: Facts) -> str:
    """A size in units, and relative to B's mean."""
    percent = _percent(size, facts)
    return fmt(size, 3) + (f" ({share(percent)} % of {facts.b})" if percent is not None else "")


def _equivalent(facts: Facts) -> Verdict:
    assert facts.margin is not None
    low, high = facts.equivalence
    level = 100 * (1 - 2 * facts.alpha)
    text = (
        f"Within ±{_sized(facts.margin, facts)} of each other ({level:g} % CI {span(low, high)}; "
        f"corrected p {fmt_p(facts.p_equal_holm)}); larger differences are excluded."
    )
    percent = _percent(facts.margin, facts)
    return Verdict(
        EQUIVALENT, text, low=low, high=high, excluded=facts.margin, excluded_percent=percent
    )


def _ordered(facts: Facts, interval: tuple[float, float]) -> tuple[str, str, float, float]:
    low, high = interval
    if facts.delta >= 0:
        return facts.a, facts.b, low, high
    return facts.b, facts.a, -high, -low


def _different(facts: Facts) -> Verdict:
    higher, lower, low, high = _ordered(facts, facts.interval)
    by = abs(facts.delta)
    by_text = with_span(by, low, high).split(" ")[0]
    examples = f"; {facts.examples} examples" if facts.here else ""
    text = (
        f"{higher} is higher than {lower} by {by_text} (95 % CI {span(low, high)}; "
        f"{facts.replicates}{examples})."
    )
    return Verdict(DIFFERENT, text, higher, lower, by, low, high)


def _different_here(facts: Facts) -> Verdict:
    higher, lower, low, high = _ordered(facts, facts.seeds)
    by = abs(facts.delta)
    by_text = with_span(by, low, high).split(" ")[0]
    runs = "" if facts.matched else f"; {facts.replicates}"
    what = "the data do not show" if facts.examples else "no per-example terms were logged to show"
    text = (
        f"On this test set {higher} is higher by {by_text} (95 % CI {span(low, high)}{runs}); "
        f"{what} that this holds for new examples."
    )
    return Verdict(DIFFERENT_HERE, text, higher, lower, by, low, high)


def _inconclusive(facts: Facts) -> Verdict:
    low, high = facts.interval
    if not high > low:
        text = f"Not resolved: Δ = {fmt(facts.delta)} in every replicate, so there is no spread."
        return Verdict(INCONCLUSIVE, text, by=abs(facts.delta))
    runs = "" if facts.matched else f"; {facts.replicates}"
    text = f"Not resolved: Δ = {with_span(facts.delta, low, high)} (95 % CI{runs})"
    p, corrected = facts.p, facts.p_holm
    if not math.isfinite(p):
        p, corrected = facts.p_here, facts.p_here_holm
    if p < facts.alpha <= corrected:
        after = f"after {facts.family} comparisons no ({fmt_p(corrected)})"
        text += f"; alone yes (p {fmt_p(p)}), {after}"
    excluded = max(map(abs, facts.outside))
    percent = None
    if math.isfinite(excluded):
        percent = _percent(excluded, facts)
        text += f"; differences beyond {_sized(excluded, facts)} are excluded"
    return Verdict(
        INCONCLUSIVE, text + ".", low=low, high=high, excluded=excluded, excluded_percent=percent
    )
