"""What `runner.py explore` shows where little is said; none of this needs FiftyOne."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from analysis.read.snapshot import Examples, Predictions, Run, Snapshot, save
from cli.explore import command
from contract import places
from explore import choose as choosing
from explore import runs as sources
from explore.errors import ExploreError
from fusion.data import generate, manifest
from fusion.data.layout import DataError


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "few-pairs"
    generate.make(folder, "fusion", 40, 0, 1)
    return folder


@pytest.fixture
def reports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(places.HOME, str(tmp_path))
    return places.reports()


def report(folder: Path, root: Path, fusions: list[str], age: int) -> Path:
    """A report's folder with the snapshot of a finished sweep on `root`."""
    known = manifest.current(root)
    rows = known.parts("default")["test"]
    found = [known.pairs[row] for row in rows]
    found.sort(key=lambda pair: pair.id)
    labels = np.array([pair.label for pair in found], np.int8)
    examples = Examples(tuple(pair.id for pair in found), labels)
    runs = [
        Run(
            id=f"{fusion}{seed}",
            name=fusion,
            state="finished",
            created_at=f"2026-01-01T00:00:{n}{seed}",
            url="",
            config={"fusion": fusion, "seed": seed, "data": str(root)},
            summary={},
            provenance={"data_hash": known.data_hash},
            predictions=Predictions(examples, np.where(labels > n, 1, -1).astype(np.float32)),
        )
        for n, fusion in enumerate(fusions)
        for seed in (0, 1)
    ]
    parameters = {"fusion": {"values": fusions}, "seed": {"values": [0, 1]}}
    config = {"method": "grid", "parameters": parameters, "program": "runner.py"}
    config["command"] = ["${env}", "python3", "${program}", "train", "${args}"]
    info = {"id": folder.name, "name": folder.name, "entity": "e", "project": "p", "url": ""}
    path = folder / "snapshot.json.gz"
    save(Snapshot({**info, "state": "FINISHED", "config": config}, runs), path)
    os.utime(path, (age, age))
    return folder


def choose(root: str | None = None, runs: str | None = None, names=None) -> choosing.Chosen:
    asked = None if runs is None else sources.opened(runs, Path("unused"), Path("unused"))
    return choosing.choose_data(root, asked, names, "accuracy")


def test_the_newest_report_decides_runs_and_data(
    reports: Path, root: Path, capsys: pytest.CaptureFixture[str]
):
    report(reports / "new", root, ["concat", "late"], 20)
    report(reports / "old", root, ["add", "mul"], 10)
    chosen = choose()
    assert chosen.data.root == root
    assert chosen.predictions is not None
    assert [arm.label for arm in chosen.predictions.arms] == ["concat", "late"]
    assert "runs: 4 in 2 cells of new, on the test part" in capsys.readouterr().out


def test_a_contrast_finds_the_report_that_has_it(reports: Path, root: Path):
    report(reports / "new", root, ["concat", "late"], 20)
    report(reports / "old", root, ["add", "mul"], 10)
    chosen = choose(names=("add", "mul"))
    assert chosen.contrast is not None
    assert (chosen.contrast.a, chosen.contrast.b) == ("add", "mul")
    with pytest.raises(ExploreError, match=r"no report below .* has it; .*no cell 'add'"):
        choose(names=("concat", "add"))


def test_runs_of_other_data_are_not_shown_on_this(reports: Path, root: Path, tmp_path: Path):
    other = tmp_path / "data" / "other"
    generate.make(other, "study", 40, 1, 1)
    folder = report(reports / "new", root, ["concat", "late"], 20)
    assert choose(root=str(other)).predictions is None
    with pytest.raises(ExploreError, match="4 of other data"):
        choose(root=str(other), runs=str(folder))


def test_damaged_runs_are_refused_where_they_were_asked_for(reports: Path, tmp_path: Path):
    path = tmp_path / "snapshot.json.gz"
    path.write_bytes(b"no snapshot")
    with pytest.raises(Exception, match="is damaged"):
        choose(runs=str(path))


def test_data_that_is_none_is_named_as_it_was_said(reports: Path, root: Path):
    with pytest.raises(DataError, match="ROOT '/none' is neither a folder nor a specification"):
        choose(root="/none")
    gone = shutil.copytree(root, reports / "gone")
    folder = report(reports / "new", gone, ["concat", "late"], 20)
    shutil.rmtree(gone)
    with pytest.raises(DataError, match=f"data of the runs '{gone}' is neither a folder nor"):
        choose(runs=str(folder))


FOREIGN = """
import sys
sys.modules["fusion"] = None  # whoever imports it gets an error
from runner import run
sys.argv = ["runner.py", "explore", "--runs", sys.argv[1], "--folder", sys.argv[2]]
run()
"""


def test_runs_of_another_program_are_refused_without_a_line_of_the_study(
    tmp_path: Path,
):
    path = tmp_path / "snapshot.json.gz"
    config = {"method": "grid", "program": "theirs.py", "parameters": {"lr": {"values": [1, 2]}}}
    info = {"id": "mine", "name": "mine", "entity": "e", "project": "p", "url": ""}
    save(Snapshot({**info, "state": "FINISHED", "config": config}, []), path)
    command = [sys.executable, "-c", FOREIGN, str(path), str(tmp_path / "folder")]
    done = subprocess.run(command, cwd=places.CODE, capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
    assert "no plan of this sweep names a study whose examples can be opened" in done.stderr
    assert not (tmp_path / "folder").exists()


def test_the_help_names_the_options():
    output = CliRunner().invoke(command, ["--help"]).output
    for option in ("--runs", "--contrast", "--screenshot", "--export-tags", "--embed", "--port"):
        assert option in output
