from __future__ import annotations

from pathlib import Path

import pytest

from cli import sweep as command
from contract.sweepfile.file import SweepFile, SweepFileError

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
def file(tmp_path: Path) -> Path:
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
    sweep = SweepFile(file)
    sweep.set(("epochs=5", "batch-size=[16, 32]"))
    assert sweep.config["parameters"]["epochs"] == {"value": 5}
    assert sweep.config["parameters"]["batch_size"] == {"values": [16, 32]}


@pytest.mark.parametrize(
    "budget, name", [(None, "mine"), ("default", "mine"), ("smoke", "mine-smoke")]
)
def test_a_budget_other_than_the_default_shows_in_the_name(file, budget, name):
    sweep, _ = command.prepare(file, budget, None, ())
    assert sweep.config["name"] == name


def test_without_a_budget_the_file_runs_as_it_stands(file):
    sweep, notes = command.prepare(file, None, None, ())
    assert sweep.config["parameters"]["epochs"] == {"value": 3} and not notes


def test_seeds_come_from_the_flag_before_the_budget(file):
    sweep, _ = command.prepare(file, "smoke", 7, ())
    assert sweep.config["parameters"]["seed"] == {"values": list(range(7))}


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
        sweep, _ = command.prepare(file, None, None, ())
        command.checked_points(sweep)
    assert str(caught.value).startswith(str(file))
    assert all(word in str(caught.value) for word in words)


def test_a_bad_flag_is_named_instead_of_the_file(file):
    sweep, _ = command.prepare(file, None, None, ("width=-1",))
    with pytest.raises(SweepFileError, match=r"^--set width=-1: width: -1 is not allowed"):
        command.checked_points(sweep)


def test_what_wandb_takes_is_taken(file):
    file.write_text("apiVersion: 1\nkind: sweep\n" + TEXT.replace("{value: 3}", "&e {value: 3}"))
    sweep, _ = command.prepare(file, None, None, ("learning_rate=1e-4",))
    points = command.checked_points(sweep)
    assert len(points) == 4
    assert {point["learning_rate"] for point in points} == {1e-4}


@pytest.mark.parametrize("content", ["", "- a", "a: [", "parameters: {}", "parameters: 3"])
def test_what_is_no_sweep_is_refused_with_its_path(tmp_path, content):
    path = tmp_path / "x.yaml"
    path.write_text(content)
    with pytest.raises(SweepFileError, match=r"x\.yaml"):
        SweepFile(path)


def test_a_sweep_is_extended_by_seeds_and_values_but_not_by_other_fixed_values():
    from cli.launch import extends, with_seeds_of

    def config(**parameters):
        return {"name": "n", "method": "grid", "parameters": parameters}

    old = config(seed={"values": [0, 1]}, fusion={"values": ["late"]}, epochs={"value": 3})
    more = config(
        seed={"values": [0, 1, 2]}, fusion={"values": ["late", "add"]}, epochs={"value": 3}
    )
    assert extends(more, old) and not extends(old, more)
    assert extends(config(**{**old["parameters"], "seed": {"value": 0}}), old)
    assert not extends(config(**{**more["parameters"], "epochs": {"value": 4}}), old)
    fewer = config(**{**more["parameters"], "seed": {"values": [5]}})
    assert with_seeds_of(fewer, old)["parameters"]["seed"] == {"values": [0, 1, 5]}


@pytest.mark.parametrize("name", ["concat_at_equal_parameters", "label_efficiency.yaml"])
def test_a_shipped_sweep_is_found_by_its_bare_name_from_another_folder(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    sweep, _ = command.prepare(Path(name), None, None, ())
    assert sweep.path.is_absolute() and sweep.config["name"] == name.removesuffix(".yaml")
    Path(name).write_text(TEXT + "name: own\n")  # a file of one's own comes first
    assert command.prepare(Path(name), None, None, ())[0].config["name"] == "own"
    for path in (tmp_path / "gone" / name, Path("gone") / name):
        with pytest.raises(SweepFileError, match="no such sweep file"):
            command.prepare(path, None, None, ())


@pytest.mark.parametrize(
    ("method", "seeds", "end"),
    [
        ("grid", "[0]", "mine: 2 cells × 1 seed = 2 runs, every cell checked"),
        ("grid", "[0, 1, 2]", "mine: 2 cells × 3 seeds = 6 runs, every cell checked"),
        ("random\nrun_cap: 1", "[0]", "mine: random, 1 run; the ends of every parameter checked"),
        ("bayes\nmetric: {name: l}", "[0]", "mine: bayes, runs without end (`run_cap` ends them); "
         "the ends of every parameter checked"),
    ],
)  # fmt: skip
def test_the_size_of_a_sweep_in_words(file, capsys, method, seeds, end):
    file.write_text(TEXT.replace("grid", method).replace("[0, 1]", seeds))
    sweep, notes = command.prepare(file, None, None, ())
    command.describe_cells(sweep, command.checked_points(sweep), notes)
    assert capsys.readouterr().out.splitlines()[-1] == end


@pytest.mark.parametrize(
    ("counts", "seconds", "done_here", "end"),
    [
        ((0, 2, 0, 58), 5, 0, "0 done, 2 running, 0 failed"),
        ((2, 2, 0, 56), 30, 2, "58 to go, about 14:15 min left"),
        ((59, 1, 0, 0), 590, 59, "1 to go, about 0:05 min left"),
        ((11, 0, 0, 50), 60, 1, "50 to go, about 50:00 min left"),  # ten were done before
        ((1, 1, 0, 9), 3600, 1, "10 to go, about 9:30 h left"),
        ((9, 0, 1, 0), 60, 9, "9 done, 0 running, 1 failed"),
    ],
)
def test_progress_says_how_long_it_will_take(counts, seconds, done_here, end):
    from cli.launch import describe

    names = ["done", "running", "failed", "missing"]
    states = dict(zip(names, counts, strict=True))
    assert describe(states, seconds, done_here).endswith(end)
