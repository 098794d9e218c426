"""Runs against the grid: what is done, failed, running, missing, repeated, unexpected."""

from __future__ import annotations

import copy
import math

from analysis.grid import cells


def counts(snapshot) -> dict[str, int]:
    return cells.arrange(snapshot).counts()


def test_a_complete_sweep(sweep) -> None:
    made = sweep({"fusion": ["late", "add"]}, seeds=3)
    assert counts(made) == {
        "expected": 6, "done": 6, "failed": 0, "running": 0, "missing": 0, "duplicates": 0,
        "unexpected": 0,
    }  # fmt: skip


def test_every_state_has_its_count(sweep) -> None:
    made = sweep({"fusion": ["late", "add"]}, seeds=4)
    states = ["finished", "failed", "crashed", "killed", "running", "pending", "finished"]
    made.runs = made.runs[:7]
    for run, state in zip(made.runs, states, strict=True):
        run.state = state
    found = counts(made)
    assert (found["done"], found["failed"], found["running"], found["missing"]) == (2, 3, 2, 1)
    assert found["expected"] == 8


def test_a_failed_run_that_was_repeated_is_done_and_no_duplicate(sweep) -> None:
    made = sweep({"fusion": ["late", "add"]}, seeds=2)
    again = copy.deepcopy(made.runs[0])
    made.runs[0].state = "crashed"
    again.id, again.created_at = "again", "2026-01-01T09:00:00Z"
    made.runs.append(again)
    found = counts(made)
    assert (found["done"], found["duplicates"]) == (4, 0)
    assert cells.arrange(made).cells[0].runs["0"].id == "again"


def test_of_two_finished_runs_the_earlier_counts(sweep) -> None:
    made = sweep({"fusion": ["late", "add"]}, seeds=2)
    again = copy.deepcopy(made.runs[0])
    again.id, again.created_at = "again", "2025-01-01T00:00:00Z"
    made.runs.append(again)
    arranged = cells.arrange(made)
    assert arranged.counts()["duplicates"] == 1
    assert arranged.cells[0].runs["0"].id == "again"


def test_runs_outside_the_grid_are_unexpected(sweep) -> None:
    made = sweep({"fusion": ["late", "add"]}, seeds=3)
    made.runs[0].config["fusion"] = "mul"
    made.runs[1].config["seed"] = 99
    made.runs[2].config = {}
    found = counts(made)
    assert (found["unexpected"], found["missing"], found["done"]) == (3, 3, 3)


def test_seeds_beyond_the_grid_count_once_looks_add_them(sweep) -> None:
    made = sweep({"fusion": ["late", "add"]}, seeds=3)
    made.runs[1].config["seed"] = 99
    made.looks = (2, 4)
    found = counts(made)
    assert (found["unexpected"], found["done"], found["missing"]) == (0, 6, 1)


def test_the_notation_of_a_value_does_not_matter(sweep) -> None:
    made = sweep({"learning_rate": ["1e-3", 0.01], "align": [True, False]}, seeds=2)
    for run in made.runs:
        run.config["learning_rate"] = float(run.config["learning_rate"])
    assert counts(made)["done"] == 8
    labels = [cell.label for cell in cells.arrange(made).cells]
    assert labels[0] == "learning_rate=0.001 · align=true"


def test_hyphens_nested_names_and_lists(sweep) -> None:
    made = sweep({"batch-size": [16, 32], "optimizer.name": ["adam", "sgd"]}, seeds=1)
    for run in made.runs:
        run.config["batch_size"] = run.config.pop("batch-size")
        run.config["optimizer"] = {"name": run.config.pop("optimizer.name")}
    assert counts(made)["done"] == 4
    made = sweep({"channels": [[8, 16], [16, 32]]}, seeds=2)
    assert counts(made)["done"] == 4


def test_a_sweep_without_seeds_has_one_slot_per_cell(sweep) -> None:
    made = sweep({"fusion": ["late", "add"]}, seeds=1)
    del made.sweep["config"]["parameters"]["seed"]
    arranged = cells.arrange(made)
    assert arranged.counts()["done"] == 2
    assert list(arranged.cells[0].slots) == ["-"]


def test_drawn_points_make_their_own_cells(sweep) -> None:
    made = sweep({"learning_rate": [0.01, 0.002, 0.3]}, seeds=1)
    made.sweep["config"]["method"] = "random"
    made.sweep["config"]["run_cap"] = 5
    made.sweep["config"]["parameters"]["learning_rate"] = {"min": 0.001, "max": 0.5}
    arranged = cells.arrange(made)
    assert arranged.search
    assert len(arranged.cells) == 3
    assert (arranged.counts()["expected"], arranged.counts()["missing"]) == (5, 2)


def test_points_that_a_search_drew_twice_count_towards_its_run_cap(sweep) -> None:
    made = sweep({"learning_rate": [0.01, 0.002]}, seeds=1)
    made.sweep["config"]["method"] = "random"
    made.sweep["config"]["run_cap"] = 4
    again = copy.deepcopy(made.runs[0])
    again.id = "again"
    made.runs.append(again)
    found = counts(made)
    assert (found["expected"], found["missing"], found["duplicates"]) == (3, 1, 1)


def test_the_last_axis_varies_fastest_and_cells_follow_the_file(sweep) -> None:
    made = sweep({"downsample": ["maxpool", "strided"], "fusion": ["late", "add"]}, seeds=1)
    labels = [cell.label for cell in cells.arrange(made, last="downsample").cells]
    assert labels == ["late · maxpool", "late · strided", "add · maxpool", "add · strided"]


def test_diverged_runs_are_done_without_quality(sweep) -> None:
    made = sweep({"fusion": ["late", "add"]}, seeds=3)
    made.runs[0].summary |= {"diverged": True}
    del made.runs[0].summary["test/loss"]
    made.runs[1].summary |= {"val/loss": "NaN"}
    first, second = cells.arrange(made).cells
    assert first.diverged == second.diverged == ["0"]
    assert math.isnan(first.values("test/loss")["0"])
    assert list(first.finite("test/loss")) == ["1", "2"]
    assert counts(made)["done"] == 6


def test_a_finished_run_without_a_summary_has_no_values(sweep) -> None:
    made = sweep({"fusion": ["late", "add"]}, seeds=3)
    made.runs[0].summary = {}
    first = cells.arrange(made).cells[0]
    assert list(first.values("test/loss")) == ["1", "2"]
    assert counts(made)["done"] == 6


def test_a_killed_run_that_the_server_calls_finished_is_not_done(sweep) -> None:
    made = sweep({"fusion": ["late", "add"]}, seeds=3)
    made.runs[0].history = {name: column[:2] for name, column in made.runs[0].history.items()}
    made.runs[1].history = {}
    made.runs[2].history = {"epoch": made.runs[2].history["epoch"][:1]}
    made.runs[3].config["epochs"] = 99  # changed afterwards: the run did end
    for run in made.runs[:3]:
        del run.summary["best_epoch"]
    made.runs[2].summary["diverged"] = True
    found = counts(made)
    assert (found["done"], found["failed"]) == (4, 2)
    assert made.runs[0].state == "finished"
    first = cells.arrange(made).cells[0]
    assert first.slots["0"].runs[0].state == "interrupted"


def test_epochs_counted_from_zero_or_not_logged_interrupt_nothing(sweep) -> None:
    made = sweep({"fusion": ["late", "add"]}, seeds=2)
    for run in made.runs:
        del run.summary["best_epoch"]
        run.history["epoch"] = run.history["epoch"] - 1
    assert counts(made)["done"] == 4
    for run in made.runs:
        run.history = {}
    assert counts(made)["done"] == 4


def test_a_pair_is_named_by_what_it_shares_and_where_it_differs() -> None:
    axes = {"fusion": ["late", "add"], "align": [True, False], "one": [3]}
    a = {"fusion": "late", "align": True, "one": 3}
    assert cells.pair_label(a, a | {"align": False}, axes) == "late: align=true − align=false"
    assert cells.pair_label({"fusion": "late"}, {"fusion": "add"}, axes) == "late − add"
