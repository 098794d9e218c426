"""What a report's verdicts promise, measured: simulated sweeps in which nothing differs.

    python benchmarks/nulls.py [--trials 2000] [--seeds 3 5 8 10]

Prints for each case and number of seeds the share of sweeps with any false verdict (promised: at
most 0.05 in a family) and how often the 95 % intervals hold the truth. The members of a family are
judged by the very code that reports use; only the training is left out.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator

import numpy as np

from analysis.judge import stats
from analysis.judge.draft import Draft
from analysis.judge.family import Judged, Member, corrected
from analysis.judge.verdict import DIFFERENT, DIFFERENT_HERE, EQUIVALENT
from analysis.metrics import Metric

RETURNS = Metric("return", "return", role="quality", population="seeds")
ACCURACY = Metric("test/accuracy", "accuracy", role="quality")
ARMS = 8
EXAMPLES = 100
MARGIN = 1.0


def member(
    metric: Metric, delta_S: np.ndarray, terms_SN: np.ndarray | None = None, main: bool = False
) -> Member:
    """A comparison of matched seeds, from its differences."""
    crossed = stats.crossed(terms_SN) if terms_SN is not None else None
    deltas = {str(seed): float(delta) for seed, delta in enumerate(delta_S)}
    item = Draft(
        [], metric, len(deltas), deltas, stats.paired_estimate(delta_S), crossed,
        len(deltas) if crossed else 0, EXAMPLES if crossed else 0,
    )  # fmt: skip
    return Member("a", "b", item, main=main)


def correctness(rng: np.random.Generator, arms: int, n: int, seed_sd: float) -> np.ndarray:
    """Terms (arms, n, EXAMPLES) of arms of equal accuracy that are right on other examples."""
    level = 1.0 + seed_sd * rng.normal(size=(arms, n, 1)) + rng.normal(size=EXAMPLES)
    level = level + 0.5 * rng.normal(size=(arms, 1, EXAMPLES))
    return (level + 0.4 * rng.normal(size=(arms, n, EXAMPLES)) > 0).astype(float)


def over_seeds(rng: np.random.Generator, n: int) -> list[Judged]:
    """Eight arms against a baseline; a return, whose population is seeds."""
    runs = rng.normal(size=(ARMS + 1, n))
    return corrected([member(RETURNS, arm - runs[0]) for arm in runs[1:]])


def over_examples(rng: np.random.Generator, n: int) -> list[Judged]:
    """The same on a test set, with the terms of every example."""
    terms = correctness(rng, ARMS + 1, n, 0.1)
    differences = terms[1:] - terms[0]
    return corrected([member(ACCURACY, d.mean(-1), d) for d in differences])


def without_terms(rng: np.random.Generator, n: int) -> list[Judged]:
    """The same where no terms were logged and the arms are equal on this very test set."""
    runs = 0.9 + 0.02 * rng.normal(size=(ARMS + 1, n))
    return corrected([member(ACCURACY, arm - runs[0]) for arm in runs[1:]])


def at_the_margin(rng: np.random.Generator, n: int) -> list[Judged]:
    """True differences exactly at the margin of equivalence, which is about what is detectable."""
    runs = 0.1 * rng.normal(size=(ARMS + 1, n))
    runs[1:] += MARGIN
    return corrected([member(RETURNS, arm - runs[0]) for arm in runs[1:]], margin=MARGIN)


def with_pooled_effects(rng: np.random.Generator, n: int) -> list[Judged]:
    """Four rows of two arms and a baseline: two pooled effects, which have most of the level, and
    eight contrasts."""
    terms = correctness(rng, 12, n, 0.1).reshape(4, 3, n, EXAMPLES)
    rows = terms[:, 1:] - terms[:, :1]
    pooled = rows.mean(0)
    found = [*pooled, *rows.reshape(8, n, EXAMPLES)]
    return corrected(
        [member(ACCURACY, d.mean(-1), d, main=i < len(pooled)) for i, d in enumerate(found)]
    )


def unpaired(rng: np.random.Generator, n: int) -> list[Judged]:
    """Eight arms against a baseline whose runs share a test set and no seeds."""
    terms = correctness(rng, ARMS + 1, n, 0.1)
    members = []
    for arm in terms[1:]:
        estimate = stats.unpaired([arm.mean(-1)], [terms[0].mean(-1)])
        crossed = stats.crossed_unpaired([arm], [terms[0]])
        item = Draft([], ACCURACY, n, {}, estimate, crossed, n, EXAMPLES)
        members.append(Member("a", "b", item))
    return corrected(members)


CASES: dict[str, tuple[Callable[[np.random.Generator, int], list[Judged]], str, float]] = {
    "seeds": (over_seeds, DIFFERENT, 0.0),
    "seeds and examples": (over_examples, DIFFERENT, 0.0),
    "no terms known": (without_terms, DIFFERENT_HERE, 0.0),
    "at the margin": (at_the_margin, EQUIVALENT, MARGIN),
    "pooled effects": (with_pooled_effects, DIFFERENT, 0.0),
    "unpaired": (unpaired, DIFFERENT, 0.0),
}


def measure(case: str, n: int, trials: int) -> tuple[float, float, float]:
    """(share of families with the false verdict, coverage of their intervals, share of families of
    which all intervals of what is excluded hold the truth)."""
    make, false, truth = CASES[case]
    rng = np.random.default_rng([n, list(CASES).index(case)])
    wrong = held = members = together = 0
    for _ in range(trials):
        found = make(rng, n)
        wrong += any(item.verdict.name == false for item in found)
        inside = [_holds(item.facts.interval, truth) for item in found]
        held, members = held + sum(inside), members + len(inside)
        together += all(_holds(item.facts.outside, truth) for item in found)
    return wrong / trials, held / members, together / trials


def _holds(interval: tuple[float, float], truth: float) -> bool:
    return interval[0] <= truth <= interval[1]


def table(seeds: list[int], trials: int) -> Iterator[str]:
    """One line for each case and number of seeds."""
    yield f"{'case':<20} {'seeds':>5} {'any false':>9} {'coverage':>9} {'all excluded hold':>18}"
    for case in CASES:
        for n in seeds:
            wrong, coverage, together = measure(case, n, trials)
            yield f"{case:<20} {n:>5} {wrong:>9.3f} {coverage:>9.3f} {together:>18.3f}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=2000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[3, 5, 8, 10])
    options = parser.parse_args()
    for line in table(options.seeds, options.trials):
        print(line, flush=True)


if __name__ == "__main__":
    main()
