"""What was found, written as a plan, gives the same report; other forms of its table."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis import choices
from analysis import report as reports
from analysis.read import snapshot as files
from analysis.read.snapshot import Snapshot
from analysis.report import ReportError
from contract import places
from tests.analysis.strangers import run, snapshot

SAID = {"metric": ["m_a&b"], "better": ["higher"], "margin": ["0.5"], "at": "max"}


def taken() -> Snapshot:
    """Three arms on two data sets, with a metric of the history alone; the last arm is lower."""
    draws, runs = np.random.default_rng(0), []
    for data in ("x_1", "x_2"):
        for arm, level in (("a%", 5.0), ("b", 5.0), ("c", 1.0)):
            for seed in range(4):
                curve = level + 0.1 * draws.random(5)
                config = {"net": {"arm": arm}, "data": data, "trial_seed": seed}
                runs.append(run(len(runs), config, {}, history={"m_a&b": curve}))
    parameters: dict[str, Any] = {
        "data": {"values": ["x_1", "x_2"]},
        "net": {"parameters": {"arm": {"values": ["a%", "b", "c"]}}},
        "trial_seed": {"values": [0, 1, 2, 3]},
    }
    return snapshot(runs, parameters)


def rendered(made: Snapshot, folder: Path, **options: Any) -> Path:
    file = folder.with_suffix(".json.gz")
    files.save(made, file)
    return reports.report(None, folder, offline=file, **options)


def content(written: Path) -> dict[str, Any]:
    found = json.loads(written.with_name("report.json").read_text())
    for name in ("choices", "provenance", "declared", "file"):
        del found[name]
    return found


def test_a_plan_of_what_was_found_gives_the_same_report(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(places.HOME, str(tmp_path))
    said = choices.said({**SAID, "axis": "net.arm", "baseline": "b", "population": "seeds"})
    first = rendered(taken(), tmp_path / "first", said=said)
    plan = reports.write_plan(first)
    assert plan == Path("theirs.plan.yaml") and "axis: net.arm" in plan.read_text()
    second = rendered(taken(), tmp_path / "second")
    assert json.loads(second.with_name("report.json").read_text())["declared"]
    assert content(second) == content(first)
    assert reports.write_plan(first) == plan
    plan.write_text("axis: data\n")
    with pytest.raises(ReportError, match="is there already"):
        reports.write_plan(first)
    third = rendered(taken(), tmp_path / "third", said=said)
    assert content(third) == content(first)  # what is said overrules


def test_without_a_word_all_axes_are_pooled_and_the_plan_says_so(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    said = choices.said({"metric": ["m_a&b"]})
    first = rendered(taken(), tmp_path / "first", said=said)
    assert {e["axis"] for e in content(first)["effects"]} == {"data", "net.arm"}
    reports.write_plan(first)
    assert content(rendered(taken(), tmp_path / "second")) == content(first)


def test_the_table_of_a_paper_is_bold_by_verdict(tmp_path: Path) -> None:
    said = choices.said({**SAID, "axis": "net.arm", "baseline": "c", "population": "seeds"})
    written = rendered(taken(), tmp_path / "r", said=said)
    table = written.with_name("table.tex").read_text()
    assert "\\toprule" in table and "m\\_a\\&b" in table and "x\\_1 $\\cdot$ a\\%" in table
    rows = [line for line in table.splitlines() if line.startswith("x\\_")]
    assert ["\\textbf" in row for row in rows] == [True, True, False] * 2
    said = choices.said({**SAID, "axis": "net.arm", "baseline": "a%", "population": "seeds"})
    table = rendered(taken(), tmp_path / "s", said=said).with_name("table.tex").read_text()
    rows = [line for line in table.splitlines() if line.startswith("x\\_")]
    # b is as a, c is lower where higher is better
    assert ["\\approx" in row for row in rows] == [False, True, False] * 2
    assert "\\textbf" not in "".join(rows)


def test_runs_stand_in_long_and_in_wide_form(tmp_path: Path) -> None:
    written = rendered(taken(), tmp_path / "r", said=choices.said(SAID))
    tables = {}
    for name in ("runs", "runs-long"):
        with written.with_name(f"{name}.csv").open(newline="") as file:
            tables[name] = list(csv.DictReader(file))
    assert len(tables["runs"]) == len(tables["runs-long"]) == 24
    wide = {row["id"]: float(row["m_a&b"]) for row in tables["runs"]}
    long = {row["id"]: float(row["value"]) for row in tables["runs-long"]}
    assert wide == long and {row["net.arm"] for row in tables["runs-long"]} == {"a%", "b", "c"}
    assert written.with_name("report.html").read_text().startswith("<!doctype html>")
