"""The ladder: which rule comes first, and what it allows to be said."""

from __future__ import annotations

import dataclasses

import pytest

from analysis.judge.verdict import LADDER, Facts, judge

BASE = Facts(
    a="concat",
    b="late",
    metric="test/accuracy",
    n=8,
    delta=0.03,
    seeds=(0.02, 0.04),
    crossed=(0.01, 0.05),
    examples=800,
    p_holm=0.001,
    equivalence=(0.012, 0.048),
)
CASES = [
    ("NOT_COMPARABLE", {"differing": ["epochs", "test_hash"]},
     "concat and late differ in epochs, test_hash; no comparison is made."),
    ("INSUFFICIENT", {"n": 2},
     "Only 2 paired seeds; no inference. Observed Δ = 0.03."),
    ("INSUFFICIENT", {"crossed": None, "seeds": (0.03, 0.03)},
     "Only 8 paired seeds; no inference. Observed Δ = 0.03."),
    ("SATURATED", {"saturated": True},
     "Both reach the ceiling of test/accuracy; this task cannot rank them."),
    ("BELOW_NOISE_FLOOR", {"noise": 0.05},
     "The difference is within the A/A range of this setup."),
    ("EQUIVALENT", {"margin": 0.05},
     "Within ±0.05 of each other (90 % CI [0.0120, 0.0480])."),
    ("DIFFERENT", {},
     "concat is higher than late by 0.0300 (95 % CI [0.0100, 0.0500]; 8 seeds; 800 examples)."),
    ("DIFFERENT_HERE", {"crossed": (-0.01, 0.07)},
     "On this test set concat is higher by 0.0300 (95 % CI [0.0200, 0.0400]); "
     "the data do not show that this holds for new examples."),
    ("DIFFERENT_HERE", {"crossed": None},
     "On this test set concat is higher by 0.0300 (95 % CI [0.0200, 0.0400]); "
     "the data do not show that this holds for new examples."),
    ("INCONCLUSIVE", {"crossed": (-0.07, 0.03), "seeds": (-0.01, 0.04)},
     "No difference was resolved; differences larger than 0.07 are excluded."),
    ("INCONCLUSIVE", {"p_holm": 0.2},
     "No difference was resolved; differences larger than 0.05 are excluded."),
]  # fmt: skip


@pytest.mark.parametrize(("name", "changes", "sentence"), CASES)
def test_verdict_and_its_only_sentence(name: str, changes: dict, sentence: str) -> None:
    ruling = judge(dataclasses.replace(BASE, **changes))
    assert (ruling.name, ruling.sentence) == (name, sentence)


def test_the_first_rule_that_holds_wins() -> None:
    everything = dataclasses.replace(
        BASE, differing=["data_hash"], n=1, saturated=True, noise=1.0, margin=1.0
    )
    undo = [{"differing": []}, {"n": 8}, {"saturated": False}, {"noise": None}, {"margin": None}]
    names = [judge(everything).name]
    for change in undo:
        everything = dataclasses.replace(everything, **change)
        names.append(judge(everything).name)
    assert names == list(LADDER[:6])


def test_a_lower_mean_is_said_the_other_way_around() -> None:
    ruling = judge(dataclasses.replace(BASE, delta=-0.03, crossed=(-0.05, -0.01)))
    assert (ruling.higher, ruling.lower) == ("late", "concat")
    assert (ruling.by, ruling.low, ruling.high) == (0.03, 0.01, 0.05)


def test_a_look_decides_at_its_own_level() -> None:
    assert judge(dataclasses.replace(BASE, p_holm=0.02, alpha=0.0125)).name == "INCONCLUSIVE"
    assert judge(dataclasses.replace(BASE, p_holm=0.01, alpha=0.0125)).name == "DIFFERENT"
    equivalent = judge(dataclasses.replace(BASE, margin=0.05, alpha=0.0125))
    assert "97.5 % CI" in equivalent.sentence


def test_an_interval_that_touches_the_margin_is_not_inside() -> None:
    facts = dataclasses.replace(BASE, margin=0.048)
    assert judge(facts).name == "DIFFERENT"
