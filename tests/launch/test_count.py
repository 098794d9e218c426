"""How large a sweep is, and how long it will take, in words."""

from __future__ import annotations

import pytest

from contract import places
from launch.count import describe, size
from launch.prepare import checked_points, prepare

TEXT = """\
project: p
method: METHOD
program: runner.py
command: ["${env}", python3, "${program}", train, "${args}"]
parameters:
  seed: {values: SEEDS}
  fusion: {values: [late, concat]}
"""


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
def test_the_size_of_a_sweep_in_words(tmp_path, monkeypatch, method, seeds, end):
    monkeypatch.setenv(places.HOME, str(tmp_path))  # the guest looks for its data there
    file = tmp_path / "mine.yaml"
    file.write_text(TEXT.replace("METHOD", method).replace("SEEDS", seeds))
    sweep, _ = prepare(file, None, None, ())
    assert size(sweep, checked_points(sweep))[-1] == end


def test_seeds_go_under_the_name_that_the_sweep_has_for_them(tmp_path):
    (tmp_path / "t.py").touch()
    text = "program: t.py\nmethod: grid\nparameters:\n  random_seed: {values: [0, 1]}\n"
    (tmp_path / "mine.yaml").write_text(text + "  depth: {values: [1, 2, 3]}\n")
    sweep, _ = prepare(tmp_path / "mine.yaml", None, 4, ())
    assert sweep.config["parameters"]["random_seed"] == {"values": [0, 1, 2, 3]}
    total = size(sweep, checked_points(sweep))[-1]
    assert total == "mine: 3 cells × 4 seeds = 12 runs; the program checks its own parameters"


def test_parameters_that_are_nested_are_axes(tmp_path):
    (tmp_path / "t.py").touch()
    nested = "net: {parameters: {depth: {values: [1, 2, 3]}}}"
    text = f"program: t.py\nmethod: grid\nparameters:\n  seed: {{values: [0, 1]}}\n  {nested}\n"
    (tmp_path / "mine.yaml").write_text(text)
    sweep, _ = prepare(tmp_path / "mine.yaml", None, None, ())
    *cells, total = size(sweep, checked_points(sweep))
    assert cells == [f"  net.depth={depth}  seeds [0, 1]" for depth in (1, 2, 3)]
    assert total == "mine: 3 cells × 2 seeds = 6 runs; the program checks its own parameters"


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
    names = ["done", "running", "failed", "missing"]
    states = dict(zip(names, counts, strict=True))
    assert describe(states, seconds, done_here).endswith(end)
