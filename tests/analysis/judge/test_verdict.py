"""The ladder: which rule comes first, and what it allows to be said."""

from __future__ import annotations

import dataclasses
import math

import pytest

from analysis.judge.verdict import LADDER, Facts, judge

BASE = Facts(
    a="concat",
    b="late",
    metric="test/accuracy",
    n=8,
    delta=0.03,
    interval=(0.01, 0.05),
    seeds=(0.02, 0.04),
    examples=800,
    family=16,
    p=0.0001,
    p_holm=0.0016,
    p_here=0.00001,
    p_here_holm=0.00016,
    p_equal_holm=0.004,
    reference=0.75,
    outside=(-0.004, 0.064),
    equivalence=(0.012, 0.048),
)
OPEN = {"interval": (-0.01, 0.07), "p": 0.2, "p_holm": 1.0, "p_here": 0.02, "p_here_holm": 0.3}
CASES = [
    ("NOT_COMPARABLE", {"differing": ["epochs", "test_hash"]},
     "concat and late differ in epochs, test_hash; no comparison is made."),
    ("SATURATED", {"saturated": True, "n": 2},
     "Both reach the ceiling of test/accuracy; this task cannot rank them."),
    ("INSUFFICIENT", {"n": 2},
     "Only 2 paired seeds; no inference. Observed Δ = 0.03000."),
    ("INSUFFICIENT", {"n": 2, "matched": False},
     "Only 2 runs of the smaller arm; no inference. Observed Δ = 0.03000."),
    ("INSUFFICIENT", {"n": 1, "copies": 8, "runs": 10},
     "8 of 10 runs are copies of one another; no inference."),
    ("INSUFFICIENT", {"lacking": 1, "levels": 4},
     "1 of 4 levels lack a cell; no inference."),
    ("BELOW_NOISE_FLOOR", {"noise": 0.05},
     "The difference is within the A/A range of this setup."),
    ("EQUIVALENT", {"margin": 0.05},
     "Within ±0.0500 (6.7 % of late) of each other (90 % CI [0.0120, 0.0480]; "
     "corrected p 0.0040); larger differences are excluded."),
    ("DIFFERENT", {},
     "concat is higher than late by 0.0300 (95 % CI [0.0100, 0.0500]; 8 seeds; 800 examples)."),
    ("DIFFERENT", {"here": False, "matched": False},
     "concat is higher than late by 0.0300 (95 % CI [0.0100, 0.0500]; 8 unpaired runs each)."),
    ("DIFFERENT_HERE", {"interval": (-0.01, 0.07), "p_holm": 0.3},
     "On this test set concat is higher by 0.0300 (95 % CI [0.0200, 0.0400]); "
     "the data do not show that this holds for new examples."),
    ("DIFFERENT_HERE", {"examples": 0, "interval": (0.02, 0.04), "p": math.nan, "p_holm": math.nan},
     "On this test set concat is higher by 0.0300 (95 % CI [0.0200, 0.0400]); "
     "no per-example terms were logged to show that this holds for new examples."),
    ("INCONCLUSIVE", OPEN,
     "Not resolved: Δ = 0.0300 [-0.0100, 0.0700] (95 % CI); "
     "differences beyond 0.0640 (8.5 % of late) are excluded."),
    ("INCONCLUSIVE", {**OPEN, "interval": (0.01, 0.05), "p": 0.0058, "p_holm": 0.093},
     "Not resolved: Δ = 0.0300 [0.0100, 0.0500] (95 % CI); alone yes (p 0.0058), after 16 "
     "comparisons no (0.093); differences beyond 0.0640 (8.5 % of late) are excluded."),
    ("INCONCLUSIVE", {**OPEN, "interval": (0.03, 0.03), "p": math.nan, "p_holm": math.nan},
     "Not resolved: Δ = 0.03000 in every replicate, so there is no spread."),
]  # fmt: skip


@pytest.mark.parametrize(("name", "changes", "sentence"), CASES)
def test_verdict_and_its_only_sentence(name: str, changes: dict, sentence: str) -> None:
    ruling = judge(dataclasses.replace(BASE, **changes))
    assert (ruling.name, ruling.sentence) == (name, sentence)


def test_the_first_rule_that_holds_wins() -> None:
    everything = dataclasses.replace(
        BASE, differing=["data_hash"], n=1, saturated=True, noise=1.0, margin=1.0
    )
    undo = [{"differing": []}, {"saturated": False}, {"n": 8}, {"noise": None}, {"margin": None}]
    names = [judge(everything).name]
    for change in [*undo, {"p_holm": 0.3}, {"p_here_holm": 0.3}]:
        everything = dataclasses.replace(everything, **change)
        names.append(judge(everything).name)
    assert names == list(LADDER)


@pytest.mark.parametrize("column", ["p_holm", "p_here_holm", "p_equal_holm"])
def test_no_verdict_bypasses_its_family(column: str) -> None:
    """Whatever the intervals say: what is not below the level after correction is open."""
    held = {"p_holm": 0.3, "p_here_holm": 0.3, "p_equal_holm": 0.3, "margin": 1.0}
    assert judge(dataclasses.replace(BASE, **held)).name == "INCONCLUSIVE"
    assert judge(dataclasses.replace(BASE, **(held | {column: 0.04}))).name != "INCONCLUSIVE"
    nothing = held | {column: math.nan}
    assert judge(dataclasses.replace(BASE, **nothing)).name == "INCONCLUSIVE"


def test_a_lower_mean_is_said_the_other_way_around() -> None:
    ruling = judge(dataclasses.replace(BASE, delta=-0.03, interval=(-0.05, -0.01)))
    assert (ruling.higher, ruling.lower) == ("late", "concat")
    assert (ruling.by, ruling.low, ruling.high) == (0.03, 0.01, 0.05)


def test_a_look_decides_at_its_own_level() -> None:
    here = {"p_here_holm": 0.5, "alpha": 0.0125}
    assert judge(dataclasses.replace(BASE, p_holm=0.02, **here)).name == "INCONCLUSIVE"
    assert judge(dataclasses.replace(BASE, p_holm=0.01, **here)).name == "DIFFERENT"
    equivalent = judge(dataclasses.replace(BASE, margin=0.05, alpha=0.0125))
    assert "97.5 % CI" in equivalent.sentence


def test_a_size_without_a_reference_is_in_units_alone() -> None:
    ruling = judge(dataclasses.replace(BASE, **OPEN, reference=0.0))
    assert ruling.excluded == 0.064 and ruling.excluded_percent is None
    assert ruling.sentence.endswith("differences beyond 0.0640 are excluded.")
