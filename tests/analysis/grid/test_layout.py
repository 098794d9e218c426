"""What is a cell, an arm and a replicate in runs of programs that nobody here has seen."""

from __future__ import annotations

import numpy as np
import pytest

from analysis import choices
from analysis.build import arrange, build
from analysis.grid.layout import LayoutError
from analysis.grid.plan import ChoiceError
from analysis.read.snapshot import Run, Snapshot
from tests.analysis.strangers import run, snapshot

ARMS = {"adam": 0.9, "sgd": 0.8}


def accuracies(seed_key: str, seeds: list, **more) -> list[Run]:
    """Two arms, each with these seeds: accuracies in percent, and whatever else."""
    draws = np.random.default_rng(0)
    runs = []
    for arm, level in ARMS.items():
        for seed in seeds:
            config = {"opt": arm, **more, **({seed_key: seed} if seed_key else {})}
            runs.append(run(len(runs), config, {"acc": 100 * level + draws.normal()}))
    return runs


def swept(runs: list[Run], **parameters) -> Snapshot:
    given = {"opt": {"values": list(ARMS)}, **parameters}
    return snapshot(runs, given, metric={"name": "acc", "goal": "maximize"})


def chosen(taken: Snapshot, flag: str) -> str:
    return next(c.value for c in build(taken).choices if c.flag == f"--{flag}")


@pytest.mark.parametrize("name", ["seed", "random_seed", "data.seed", "fold", "rng-seed"])
def test_a_seed_is_found_by_its_name(name: str) -> None:
    taken = swept(accuracies(name, [0, 1, 2, 3]), **{name: {"values": [0, 1, 2, 3]}})
    report = build(taken)
    assert chosen(taken, "seed-key") == name
    assert list(report.axes) == ["opt"] and len(report.cells) == 2
    (contrast,) = report.contrasts
    assert contrast.matched and contrast.n == 4 and contrast.b == {"opt": "adam"}
    assert report.grid.expected == report.grid.done == 8
    assert (report.primary, report.metric("acc").better) == ("acc", "higher")


def test_seeds_that_a_program_draws_count_one_per_run_and_are_unpaired() -> None:
    draws = np.random.default_rng(1)
    runs = accuracies("seed", [0, 1, 2, 3])
    for item in runs:
        item.config["seed"] = int(draws.integers(10**9))
    report = build(swept(runs))
    (contrast,) = report.contrasts
    assert not contrast.matched and contrast.n == 4
    assert report.grid.done == 8 and report.grid.duplicates == 0


def test_seeds_that_a_program_lists_itself_are_paired() -> None:
    (contrast,) = build(swept(accuracies("trainer.seed", [3, 7, 11]))).contrasts
    assert contrast.matched and list(contrast.deltas) == ["3", "7", "11"]


def test_none_makes_replicates_of_seeds_and_never_duplicates() -> None:
    taken = swept(accuracies("seed", [0, 1, 2, 2]), seed={"values": [0, 1, 2]})
    assert build(taken).grid.duplicates == 2
    taken.choices = choices.said({"seed_key": "none"})
    report = build(taken)
    assert report.grid.duplicates == 0 and not report.contrasts[0].matched
    assert report.contrasts[0].n == 4


def test_repeats_without_any_seed_are_replicates() -> None:
    taken = snapshot(accuracies("", [0, 1, 2, 3, 4]))
    taken.choices = choices.said({"metric": ["acc"], "better": ["higher"]})
    (contrast,) = build(taken).contrasts
    assert not contrast.matched and contrast.n == 5 and "unpaired" in contrast.sentence


def test_chosen_runs_have_the_axes_in_which_they_differ() -> None:
    runs = accuracies("seed", [0, 1, 2], model={"depth": 2})
    runs += accuracies("seed", [0, 1, 2], model={"depth": 4})
    for i, item in enumerate(runs):
        item.id, item.config["out"] = f"r{i}", f"/out/{i}"
        item.config["momentum"] = 0.9 if item.config["opt"] == "sgd" else None
    grid, design = arrange(snapshot(runs))
    assert grid.axes == {"opt": ["adam", "sgd"], "model.depth": [2, 4]}
    assert grid.tied == {"momentum": "opt"} and grid.seed_key == "seed"
    assert (design.axis, design.baseline) == ("opt", "adam")
    report = build(snapshot(runs))
    assert report.grid.done == 12 and "out" in report.constants.leaked
    assert any("What opt is decides momentum" in line for line in report.warnings)


def test_what_an_arm_does_not_have_is_null_and_a_level() -> None:
    runs = accuracies("seed", [0, 1, 2])
    for item in runs:
        if item.config["opt"] == "sgd":
            item.config["nesterov"] = True
    taken = snapshot([r for r in runs if r.config.pop("opt")])
    taken.choices = choices.said({"metric": ["acc"], "axis": "nesterov"})
    (contrast,) = build(taken).contrasts
    assert contrast.b == {"nesterov": None} and contrast.a == {"nesterov": True}


def test_arms_of_which_no_two_differ_in_one_axis_alone_are_arms_all_the_same() -> None:
    runs = accuracies("seed", [0, 1, 2])
    for item in runs:
        adam = item.config["opt"] == "adam"
        item.config |= {"beta": 1} if adam else {"nesterov": item.config["seed"] % 2 == 0}
    report = build(snapshot(runs))
    assert {contrast.b_label for contrast in report.contrasts} == {report.cells[0].label}
    assert len(report.contrasts) == len(report.cells) - 1


def test_choices_that_fit_nothing_are_refused() -> None:
    taken = swept(accuracies("seed", [0, 1]), seed={"values": [0, 1]})
    for flags, error, words in (
        ({"axis": "optt"}, ChoiceError, "--axis 'optt'.*did you mean 'opt'"),
        ({"baseline": "adm"}, ChoiceError, "--baseline adm: opt is one of adam, sgd"),
        ({"metric": ["accc"]}, ChoiceError, "--metric 'accc'.*did you mean 'acc'"),
        ({"seed_key": "sed"}, LayoutError, "--seed-key 'sed'.*did you mean 'seed'"),
        ({"by": ["x"]}, LayoutError, "--by 'x' is no axis"),
    ):
        taken.choices = choices.said(flags)
        with pytest.raises(error, match=words):
            build(taken)
    for flags in ({"better": ["up"]}, {"at": "end"}, {"margin": ["x"]}, {"margin": ["acc=0"]}):
        with pytest.raises(ChoiceError, match=f"--{next(iter(flags))}"):
            choices.said(flags)


def test_a_run_that_stopped_early_is_done() -> None:
    runs = accuracies("seed", [0, 1, 2], epochs=10)
    for i, item in enumerate(runs):
        item.history = {"epoch": np.arange(1.0, 4 + i), "acc": np.full(3 + i, 0.5)}
        item.summary["test_acc"] = item.summary["acc"]
    runs[-1].state = "crashed"
    report = build(swept(runs, seed={"values": [0, 1, 2]}))
    assert (report.grid.done, report.grid.failed) == (5, 1)
    assert report.contrasts[0].n == 2


def test_folds_are_paired_and_speak_of_more_than_one_test_set() -> None:
    taken = swept(accuracies("fold", [0, 1, 2, 3, 4]), fold={"values": [0, 1, 2, 3, 4]})
    report = build(taken)
    (contrast,) = report.contrasts
    assert contrast.matched and contrast.verdict == "DIFFERENT"
    assert any("Replicates are folds (fold)" in line for line in report.warnings)


def test_a_random_search_that_repeats_few_points_compares_them() -> None:
    taken = swept(accuracies("", [0, 1, 2, 3]))
    taken.sweep["config"]["method"] = "random"
    report = build(taken)
    assert report.kind == "architecture" and report.contrasts[0].n == 4


def test_nested_parameters_of_a_search_are_its_axes() -> None:
    runs = [run(i, {"model": {"lr": 0.1 * i}, "k": 1}, {"acc": i}) for i in range(1, 9)]
    inner = {"parameters": {"lr": {"min": 0.0, "max": 1.0}}}
    taken = snapshot(runs, {"model": inner, "k": {"value": 1}}, method="bayes")
    taken.sweep["config"]["metric"] = {"name": "acc", "goal": "maximize"}
    report = build(taken)
    assert report.kind == "search" and list(report.axes) == ["model.lr"]
    assert len(report.cells) == report.grid.done == 8
