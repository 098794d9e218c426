"""The field's checklist, computed for any report; what only a guest knows, it answers."""

from __future__ import annotations

import pytest

from analysis.build import build
from analysis.show.render import markdown
from contract.study import GUESTS, HELD_OUT

ITEMS = [
    "unimodal baselines", "equal tuning budget", "held-out test untouched by selection",
    "number of seeds", "intervals", "equal data and code", "missing-modality tests",
    "multiplicity",
]  # fmt: skip


def answers(made) -> dict[str, bool | None]:
    report = build(made)
    assert report.checklist is not None
    assert [item.item for item in report.checklist.items] == ITEMS
    assert all(item.evidence for item in report.checklist.items)
    return {item.item: item.met for item in report.checklist.items}


def test_the_studys_own_comparison(sweep) -> None:
    found = answers(sweep(seeds=8))
    assert found.pop("missing-modality tests") is False
    assert set(found.values()) == {True}


def test_what_a_comparison_lacks_is_said(sweep) -> None:
    made = sweep({"fusion": ["late", "add"]}, seeds=2)
    made.runs[0].config["learning_rate"] = 0.5
    made.runs[1].provenance["commit"] = "another"
    made.sweep["config"]["metric"]["name"] = "test/loss"
    found = answers(made)
    assert found.pop("multiplicity") is True
    assert set(found.values()) == {False}
    text = markdown(build(made), [])
    assert "<details><summary>Checklist: 1 ✔, 7 ✘, 0 cannot be told</summary>" in text
    assert "- ✘ *number of seeds*: 2 a comparison, of 8 advised" in text


def test_without_a_guest_what_only_it_knows_cannot_be_told(sweep) -> None:
    made = sweep({"dropout": [0.1, 0.5]}, seeds=8, name="mine", project="other")
    for run in made.runs:
        run.provenance = {}
    found = answers(made)
    # without a plan, the sweep's own metric is what is reported
    assert made.sweep["config"]["metric"]["name"] == "val/loss" and found[HELD_OUT] is False
    unknown = {name for name, met in found.items() if met is None}
    assert unknown == {*GUESTS, "equal data and code"} - {HELD_OUT}
    assert "cannot be told from these runs *unimodal" in markdown(build(made), [])


@pytest.mark.parametrize("empty", [True, False])
def test_a_search_and_a_sweep_without_runs_have_one_too(sweep, empty: bool) -> None:
    made = sweep({"learning_rate": [0.01, 0.002, 0.3]}, seeds=1, name="search")
    made.sweep["config"]["method"] = "random"
    made.sweep["config"]["parameters"]["learning_rate"] = {"min": 0.001, "max": 0.5}
    if empty:
        made.runs = []
    found = answers(made)
    assert found["multiplicity"] is None and found["equal tuning budget"] is None


def test_data_that_is_swept_may_differ(sweep) -> None:
    made = sweep({"fusion": ["late", "rgb", "lidar"], "train_pairs": [100, 0]}, seeds=8)
    for run in made.runs:
        run.provenance["split_hash"] = str(run.config["train_pairs"])
    assert answers(made)["equal data and code"] is True
