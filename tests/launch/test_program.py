"""Which program a sweep calls, and where its agents run."""

from __future__ import annotations

from pathlib import Path

import pytest

from contract import places
from contract.sweepfile.file import SweepFile, SweepFileError
from launch.count import size
from launch.prepare import checked_points, make_data, prepare
from launch.program import Program, program_of

TEXT = """\
project: p
method: grid
program: train.py
parameters:
  seed: {values: [0, 1, 2]}
  depth: {values: [1, 2]}
  data: {value: theirs}
"""
OURS = "program: runner.py\ncommand: [python3, '${program}', train]\n"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A sweep file in one folder, called from another."""
    (tmp_path / "here").mkdir()
    (tmp_path / "beside").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    file = tmp_path / "beside" / "mine.yaml"
    file.write_text(TEXT)
    return file


def found(file: Path) -> Program:
    return program_of(SweepFile(file))


@pytest.mark.parametrize("name", ["train.py", "src/train.py"])
@pytest.mark.parametrize("folder", ["here", "beside"])
def test_a_program_is_found_beside_its_sweep_and_in_the_current_folder(file, folder, name):
    file.write_text(TEXT.replace("train.py", name))
    program = file.parents[1] / folder / name
    program.parent.mkdir(exist_ok=True)
    program.touch()
    assert found(file) == Program(file.parents[1] / folder)


def test_of_two_programs_neither_is_taken(file, monkeypatch):
    Path("train.py").touch()
    (file.parent / "train.py").touch()
    with pytest.raises(SweepFileError) as caught:
        found(file)
    assert str(caught.value).startswith(f"{file}:3: program: 'train.py' is in {file.parent} and in")
    monkeypatch.chdir(file.parent)
    assert found(file) == Program(file.parent)


def test_a_program_that_is_nowhere_is_an_error_with_both_folders(file):
    (file.parent / "trains.py").touch()
    with pytest.raises(SweepFileError, match=r"mine\.yaml:3: .*neither in /.*trains\.py'\?$"):
        found(file)


@pytest.mark.parametrize("line", ["", "program: anything\n"])
def test_a_command_that_says_all_runs_in_the_current_folder(file, line):
    file.write_text(TEXT.replace("program: train.py\n", f"{line}command: [python, -m, mine]\n"))
    assert found(file) == Program(Path.cwd())


def test_runner_py_is_ours_where_nobody_has_another(file):
    file.write_text(TEXT.replace("program: train.py\n", OURS))
    assert found(file) == Program(places.home(), ours=True)
    (file.parent / "runner.py").touch()
    assert found(file) == Program(file.parent)
    Path("runner.py").touch()
    shipped = SweepFile(places.SWEEPS / "label_efficiency.yaml")
    assert program_of(shipped) == Program(places.home(), ours=True)


def test_nothing_of_the_study_is_added_to_the_sweep_of_another_program(file):
    (file.parent / "train.py").touch()
    sweep, notes = prepare(file, None, None, ())
    points = checked_points(sweep)
    assert not notes and sweep.config["parameters"]["data"] == {"value": "theirs"}
    make_data(sweep, points)
    end = "mine: 2 cells × 3 seeds = 6 runs; the program checks its own parameters"
    assert size(sweep, points)[-1] == end
    with pytest.raises(SweepFileError, match=r"^--budget smoke: no plan of .* names a folder"):
        prepare(file, "smoke", None, ())
