"""A report after every run of the default ablation, and without any one of them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from analysis import report as reports
from analysis.build import build
from analysis.read.snapshot import Snapshot
from analysis.show import render
from contract import places
from contract.sweepfile.points import SEED

NAME = "maxpool_vs_strided_ablation"
Sweep = Callable[..., Snapshot]


@pytest.fixture(scope="module")
def ablation(sweep: Sweep) -> Snapshot:
    """The sweep as it is shipped, with few examples and epochs; runs in the order of the grid."""
    shipped = yaml.safe_load((places.SWEEPS / f"{NAME}.yaml").read_text())["parameters"]
    axes = {axis: spec["values"] for axis, spec in shipped.items() if axis != SEED}
    made = sweep(axes, len(shipped[SEED]["values"]), name=NAME, n=40, common={"epochs": 3})
    assert len(made.runs) == 60
    return made


def made_of(taken: Snapshot) -> dict[str, Any]:
    """report.json of a snapshot, after all of its texts were made."""
    made = build(taken)
    render.tables(made)
    assert render.markdown(made, []).startswith("# ")
    content = json.loads(reports.to_json(made))
    for contrast in content["contrasts"]:
        alone, among = contrast["detectable"], contrast["detectable_family"]
        if contrast["n"] < 2 or not contrast["sd"]:
            continue
        assert 0 < alone <= among < math.inf
        first, family = contrast["seeds_needed"], contrast["seeds_needed_family"]
        assert family is None or 2 <= first <= family <= 1000
    return content


def test_a_report_after_every_run(ablation: Snapshot) -> None:
    for count in range(len(ablation.runs) + 1):
        content = made_of(Snapshot(ablation.sweep, ablation.runs[:count]))
        assert content["grid"]["done"] == count


def test_a_report_without_any_one_run(ablation: Snapshot) -> None:
    runs = ablation.runs
    for lost in range(len(runs)):
        content = made_of(Snapshot(ablation.sweep, [*runs[:lost], *runs[lost + 1 :]]))
        assert content["grid"]["done"] == len(runs) - 1 and content["contrasts"]


def test_a_report_of_three_seeds_of_which_one_run_is_missing(sweep: Sweep) -> None:
    """Two seeds at the level of a large family ask for differences beyond a hundred s.d."""
    made = sweep({"lr": [float(i) for i in range(11)]}, 3, name="lr", n=40, common={"epochs": 3})
    for lost in range(0, len(made.runs), 4):
        made_of(Snapshot(made.sweep, [*made.runs[:lost], *made.runs[lost + 1 :]]))


@pytest.mark.parametrize("count", [0, 1, 14, 33, 59])
def test_pictures_of_an_unfinished_sweep(ablation: Snapshot, count: int, tmp_path: Path) -> None:
    reports.write(Snapshot(ablation.sweep, ablation.runs[:count]), tmp_path)
    assert (tmp_path / "report.md").read_text().startswith("# ")
    assert (tmp_path / "grid.png").stat().st_size > 1000
