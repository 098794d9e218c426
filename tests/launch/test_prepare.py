"""A sweep file with budget and flags laid over it, and every cell checked."""

from __future__ import annotations

from pathlib import Path

import pytest

from contract import places
from contract.study import StudyError
from contract.sweepfile.file import SweepFile, SweepFileError
from launch.prepare import checked_points, make_data, prepare

TEXT = """\
project: p
method: grid
program: runner.py
command: ["${env}", python3, "${program}", train, "${args}"]
parameters:
  seed: {values: [0, 1]}
  fusion: {values: [late, concat]}
  epochs: {value: 3}
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(places.HOME, str(tmp_path))  # the guest looks for its data there
    path = tmp_path / "mine.yaml"
    path.write_text(TEXT)
    return path


def test_a_budget_fixes_values_but_never_an_axis(file):
    sweep = SweepFile(file)
    notes = sweep.lay_over({"epochs": 8, "fusion": "add", "width": 0.5}, "--budget x")
    parameters = sweep.config["parameters"]
    assert parameters["epochs"] == {"value": 8}
    assert parameters["width"] == {"value": 0.5}
    assert parameters["fusion"] == {"values": ["late", "concat"]}
    assert len(notes) == 2  # the replaced epochs and the kept axis; width was not there before


def test_set_makes_a_value_or_an_axis(file):
    sweep, _ = prepare(file, None, None, ("epochs=5", "batch-size=[16, 32]"))
    assert sweep.config["parameters"]["epochs"] == {"value": 5}
    assert sweep.config["parameters"]["batch_size"] == {"values": [16, 32]}


def test_a_name_of_another_program_stays_as_it_is_written_and_a_dot_leads_into_what_is_nested(
    tmp_path,
):
    (tmp_path / "t.py").touch()
    nested = "model: {parameters: {depth: {values: [1, 2]}}}"
    text = f"method: grid\nprogram: t.py\nparameters:\n  {nested}\n  a.b: {{value: 1}}\n"
    (tmp_path / "mine.yaml").write_text(text)
    words = ("model-depth=3", "model.depth=4", "a.b=[5, 6]", "c.d=7")
    sweep, _ = prepare(tmp_path / "mine.yaml", None, None, words)
    assert sweep.config["parameters"] == {
        "model": {"parameters": {"depth": {"value": 4}}},
        "a.b": {"values": [5, 6]},
        "model-depth": {"value": 3},
        "c.d": {"value": 7},
    }
    assert {tuple(point.items()) for point in checked_points(sweep)} == {
        (("model.depth", 4), ("a.b", value), ("model-depth", 3), ("c.d", 7)) for value in (5, 6)
    }


@pytest.mark.parametrize(
    "budget, name", [(None, "mine"), ("default", "mine"), ("smoke", "mine-smoke")]
)
def test_a_budget_other_than_the_default_shows_in_the_name(file, budget, name):
    sweep, _ = prepare(file, budget, None, ())
    assert sweep.config["name"] == name


def test_without_a_budget_the_file_runs_as_it_stands(file):
    sweep, notes = prepare(file, None, None, ())
    assert sweep.config["parameters"]["epochs"] == {"value": 3} and not notes


def test_seeds_come_from_the_flag_before_the_budget(file):
    sweep, _ = prepare(file, "smoke", 7, ())
    assert sweep.config["parameters"]["seed"] == {"values": list(range(7))}


def test_a_budget_without_seeds_leaves_those_of_the_sweep(file):
    sweep, _ = prepare(file, "default", None, ())
    assert sweep.config["parameters"]["seed"] == {"values": [0, 1]}


@pytest.mark.parametrize(
    "old, new, words",
    [
        ("fusion:", "fusoin:", [":7: fusoin", "did you mean 'fusion'"]),
        ("late,", "lat,", [":7: fusion", "'lat' is not allowed", "did you mean 'late'"]),
        ("{value: 3}", "{value: 0}", [":8: epochs", "0 is not allowed"]),
        ("{value: 3}", "3", [":8: ", "{value: 3}"]),
        ("method:", "methd:", [":2: ", "did you mean 'method'"]),
        ("parameters:", "parameter:", [":5: ", "did you mean 'parameters'"]),
        (
            "method: grid",
            "method: gird",
            [":2: method: 'gird'", "one of grid, random, bayes", "did you mean 'grid'"],
        ),
        ("values: [0", "valus: [0", [":6: parameters.seed.valus", "did you mean 'values'"]),
        ("[0, 1]", "2", [":6: parameters.seed", "at least one value", "2"]),
        ("[0, 1]", "[]", [":6: parameters.seed", "at least one value", "[]"]),
        ("program: runner.py", "program: runer.py", [":3: program", "did you mean 'runner.py'"]),
        ("program: runner.py\n", "", ["program: missing"]),
        (", train,", ", trian,", [":4: command", "train nor pretrain"]),
        ("epochs:", "seed:", [":8: key 'seed' stands here a second time"]),
        ("[0, 1]", "[0, x]", [":6: seed", "'x' is not allowed"]),
        ("{value: 3}", "{value: 3}\nmetric: {gaol: minimize}", [":9: metric.gaol", "'goal'"]),
        (
            "{value: 3}",
            "{value: 3}\nmetric: {name: l}\nearly_terminate: {type: hyperband, min_itr: 2}",
            [":10: early_terminate.min_itr", "did you mean 'min_iter'"],
        ),
        ("[0, 1]", "{min: 0.1, max: 0.2}", [":6: parameters.seed"]),
    ],
)
def test_a_typo_names_file_line_key_and_a_suggestion(file, old, new, words):
    file.write_text(TEXT.replace(old, new))
    with pytest.raises(SweepFileError) as caught:
        sweep, _ = prepare(file, None, None, ())
        checked_points(sweep)
    assert str(caught.value).startswith(str(file))
    assert all(word in str(caught.value) for word in words)


def test_a_bad_flag_is_named_instead_of_the_file(file):
    sweep, _ = prepare(file, None, None, ("width=-1",))
    with pytest.raises(SweepFileError, match=r"^--set width=-1: width: -1 is not allowed"):
        checked_points(sweep)


def test_what_wandb_takes_is_taken(file):
    file.write_text("apiVersion: 1\nkind: sweep\n" + TEXT.replace("{value: 3}", "&e {value: 3}"))
    sweep, _ = prepare(file, None, None, ("learning_rate=1e-4",))
    points = checked_points(sweep)
    assert len(points) == 4
    assert {point["learning_rate"] for point in points} == {1e-4}


@pytest.mark.parametrize("content", ["", "- a", "a: [", "parameters: {}", "parameters: 3"])
def test_what_is_no_sweep_is_refused_with_its_path(tmp_path, content):
    path = tmp_path / "x.yaml"
    path.write_text(content)
    with pytest.raises(SweepFileError, match=r"x\.yaml"):
        SweepFile(path)


@pytest.mark.parametrize("name", ["concat_at_equal_parameters", "label_efficiency.yaml"])
def test_a_shipped_sweep_is_found_by_its_bare_name_from_another_folder(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    sweep, _ = prepare(Path(name), None, None, ())
    assert sweep.path.is_absolute() and sweep.config["name"] == name.removesuffix(".yaml")
    Path(name).write_text(TEXT + "name: own\n")  # a file of one's own comes first
    assert prepare(Path(name), None, None, ())[0].config["name"] == "own"
    for path in (tmp_path / "gone" / name, Path("gone") / name):
        with pytest.raises(SweepFileError, match="no such sweep file"):
            prepare(path, None, None, ())


def foreign(file: Path, plan: str = "") -> Path:
    """A sweep of a program of which nothing is known but its plan."""
    file.write_text(TEXT.replace("program: runner.py\n", "").replace('"${program}", train', "t.py"))
    if plan:
        file.with_name("mine.plan.yaml").write_text(plan)
    return file


def test_a_sweep_whose_plan_has_no_budgets_takes_none(file):
    for plan in ("", "study: fusion.study:STUDY\n"):
        with pytest.raises(SweepFileError, match=r"--budget smoke: no plan of .* names a folder"):
            prepare(foreign(file, plan), "smoke", None, ())


def test_budgets_lie_in_the_folder_that_the_plan_names(file):
    folder = file.with_name("own")
    folder.mkdir()
    (folder / "small.yaml").write_text("seeds: 3\nparameters: {epochs: 1}\n")
    (folder / "none.yaml").write_text("seeds: three\n")
    sweep, _ = prepare(foreign(file, "budgets: own\n"), "small", None, ())
    assert sweep.config["parameters"]["epochs"] == {"value": 1}
    assert sweep.config["parameters"]["seed"] == {"values": [0, 1, 2]}
    for name, words in (("smal", "did you mean 'small'"), ("none", "a budget is `seeds: 5`")):
        with pytest.raises(SweepFileError, match=words):
            prepare(file, name, None, ())


def test_points_of_a_foreign_program_are_its_own_business(file):
    sweep, _ = prepare(foreign(file), None, None, ("data=nowhere", "width=-1"))
    points = checked_points(sweep)
    make_data(sweep, points)
    assert len(points) == 4


GUEST = """
from contract.study import Study

class Bad(Exception):
    problems = {"epochs": "three are too many"}

def check(command):
    def one(point):
        if point["epochs"] > 2:
            raise Bad
    return one if command[1:] == ["${env}", "python3", "t.py", "${args}"] else None

GUEST = Study(check=check, prepare=lambda command, points: print(command[-2], len(points)))
"""


def test_a_guest_that_the_plan_names_checks_points_and_makes_data(file, monkeypatch, capsys):
    file.with_name("a_guest.py").write_text(GUEST)
    monkeypatch.syspath_prepend(str(file.parent))
    sweep, _ = prepare(foreign(file, "study: a_guest:GUEST\n"), None, None, ())
    with pytest.raises(SweepFileError, match=r"mine.yaml:7: epochs: three are too many"):
        checked_points(sweep)
    sweep.set(("epochs=1",))
    make_data(sweep, checked_points(sweep))
    assert capsys.readouterr().out == "t.py 4\n"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("no_such_module:GUEST", "study no_such_module:GUEST cannot be imported: No module"),
        ("contract.study:STUDY", "cannot be imported: module 'contract.study' has no attribute"),
        ("contract.study:load", "is no contract.study.Study but function"),
    ],
)
def test_a_guest_that_cannot_be_had_is_named(file, name, words):
    sweep, _ = prepare(foreign(file, f"study: {name}\n"), None, None, ())
    with pytest.raises(StudyError, match=words):
        checked_points(sweep)
