"""The first points of a search, run again on fresh seeds."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from analysis import choices, confirm
from analysis import report as reports
from analysis.build import arrange, build, report_metrics
from analysis.read import snapshot as files
from analysis.read.snapshot import Snapshot
from contract.sweepfile import read
from tests.analysis.strangers import run, snapshot


def searched() -> Snapshot:
    """Twelve points of a bayes sweep with nested parameters, on seed 3; the 5th, 6th come first."""
    runs = [
        run(i, {"net": {"lr": 0.01 * (i + 1)}, "wd": 0.1 * i, "seed": 3}, {"loss": abs(i - 4.4)})
        for i in range(12)
    ]
    parameters: dict[str, Any] = {
        "net": {"parameters": {"lr": {"min": 0.0, "max": 1.0}}},
        "wd": {"min": 0.0, "max": 2.0},
        "seed": {"value": 3},
    }
    goal = {"metric": {"name": "loss", "goal": "minimize"}, "program": "train.py"}
    return snapshot(runs, parameters, method="bayes", run_cap=12, **goal)


def test_sweeps_of_the_first_points_on_fresh_seeds(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    files.save(searched(), tmp_path / "s.json.gz")
    written = reports.report(None, tmp_path / "r", offline=tmp_path / "s.json.gz")
    made = reports.write_confirmation(written, 2)
    assert [file.name for file in made] == ["theirs-confirm-1.yaml", "theirs-confirm-2.yaml"]
    first, second = (yaml.safe_load(file.read_text()) for file in made)
    assert first["parameters"]["net"]["parameters"]["lr"] == {"value": pytest.approx(0.05)}
    assert second["parameters"]["wd"] == {"value": pytest.approx(0.5)}
    assert first["parameters"]["seed"] == {"values": [4, 5, 6, 7, 8]}
    assert (first["method"], first["program"], first["project"]) == ("grid", "train.py", "theirs")
    for config in (first, second):
        assert "run_cap" not in config and read.parse(config).size == 5
    parts, runs = [], []
    for i, config in enumerate((first, second)):
        parts.append({"id": f"c{i}", "name": config["name"], "config": config})
        lr, wd = config["parameters"]["net"]["parameters"]["lr"], config["parameters"]["wd"]
        for seed in config["parameters"]["seed"]["values"]:
            point = {"net": {"lr": lr["value"]}, "wd": wd["value"], "seed": seed}
            runs.append(run(len(runs), point, {"loss": i + 0.01 * seed}, sweep=f"c{i}"))
    together = snapshot(runs)
    together.sweep |= {"parts": parts, "what": ["a", "b"]}
    report = build(together)
    assert report.warnings[0].startswith(
        "These runs repeat 2 of the 2 points that were chosen from them/theirs/abcd1234 by loss on "
        "fresh seeds"
    )
    assert report.warnings[0].endswith("selection and confirmation are disjoint.")
    assert report.grid.expected == report.grid.done == 10 and len(report.cells) == 2
    assert report.contrasts[0].matched and report.contrasts[0].n == 5
    runs[0].config["seed"] = 3
    assert "on seeds that chose them, too: 3" in build(together).warnings[0]


def test_what_cannot_be_confirmed_is_said() -> None:
    taken = searched()
    for item in taken.runs:
        del item.config["seed"]
    del taken.sweep["config"]["parameters"]["seed"]

    def ask(count: int) -> None:
        grid, design = arrange(taken)
        judged, _, _ = report_metrics(taken, grid, design)
        confirm.sweeps(taken, grid, judged[0] if judged else None, count)

    with pytest.raises(confirm.ConfirmError, match="no seed varies in these runs"):
        ask(2)
    taken = searched()
    with pytest.raises(confirm.ConfirmError, match="only 12 points have a loss"):
        ask(13)
    taken.sweep["config"]["metric"] = {}
    taken.choices = choices.said({"metric": ["loss"]})
    with pytest.raises(confirm.ConfirmError, match="--better lower"):
        ask(2)
