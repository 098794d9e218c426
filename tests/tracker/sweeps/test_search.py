"""Random, bayes, caps, targets and hyperband, as the server applies them."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.tracker.sweep_world import Agent, Process, World
from tests.tracker.sweeps.steps import FOUR
from tests.tracker.sweeps.test_changes import delete
from tracker.sweeps import rows as sweep_rows
from tracker.sweeps import scores
from tracker.sweeps.states import config_of

LINE: dict[str, Any] = {"x": {"min": 0.0, "max": 1.0}}


METRIC = {"name": "loss", "goal": "minimize"}


@pytest.mark.parametrize("agents", [1, 3])
def test_run_cap_is_a_budget_of_runs(world: World, agents: int) -> None:
    world.sweep(LINE, "random", run_cap=5)
    crew = [world.agent() for _ in range(agents)]
    world.end(crew[0], world.take(crew[0]), code=1)
    world.work(crew)
    assert Counter(state for state, _ in world.cells()) == {"done": 4, "failed": 1}
    assert len(world.attempts()) == 5 and world.state == "FINISHED"
    assert any("run_cap is used up: 1 cell not tried again" in line for line in world.explain())


def test_what_run_cap_leaves_over_is_for_retries(world: World) -> None:
    world.sweep(FOUR, run_cap=6)
    one, two = world.agent(), world.agent()
    for code in (1, 1, 1, 0):  # the fourth of the cells is done, two retries are left for three
        agent = two if code == 1 and len(world.attempts()) == 1 else one
        world.end(agent, world.take(agent), code)
    world.work([one, two])
    assert len(world.attempts()) == 6 and world.state == "FINISHED"
    assert Counter(state for state, _ in world.cells()) == {"done": 3, "failed": 1}


def test_a_run_that_goes_on_is_counted_once(world: World) -> None:
    world.sweep(LINE, "random", run_cap=2)
    agent = world.agent()
    process = world.take(agent)
    for _ in range(3):
        world.end(agent, process, code=143)
        process = world.take(agent)
    world.end(agent, process)
    last = world.take(agent)
    agent.processes.clear()  # killed: it goes on, too
    assert world.take(agent).name == last.name
    world.end(agent, last)
    world.work([agent])
    assert [state for state, _ in world.cells()] == ["done", "done"]


def test_a_larger_run_cap_and_a_deleted_run_give_runs_to_retries(world: World) -> None:
    axes = {"a": {"values": [1, 2]}}
    world.sweep(axes, run_cap=2)
    agent = world.agent()
    world.end(agent, world.take(agent), code=1)
    world.work([agent])
    assert [state for state, _ in world.cells()] == ["failed", "done"]
    world.set_state("RUNNING")
    assert world.state == "FINISHED"  # there is still no run for it
    world.change(axes, run_cap=3)
    agent = world.agent()
    done = world.take(agent)
    world.end(agent, done)
    assert world.state == "FINISHED"
    delete(world, done)
    world.set_state("RUNNING")
    world.work([world.agent()])
    assert [state for state, _ in world.cells()] == ["done", "done"]


def test_random_over_a_finite_space_goes_on_to_run_cap(world: World) -> None:
    world.sweep({"a": {"values": [None, 0.05]}}, "random", run_cap=12)
    world.work([world.agent(), world.agent()])
    drawn = [args["a"] for state, args in world.cells() if state == "done"]
    assert len(drawn) == 12 and set(drawn[:2]) == set(drawn) == {None, 0.05}
    assert world.state == "FINISHED" and world.read()["runCountExpected"] == 12


def test_random_over_a_finite_space_ends_when_it_is_exhausted(world: World) -> None:
    world.sweep({"a": {"values": [1, 2, 3]}}, "random")
    world.work([world.agent(), world.agent()])
    assert sorted(c["a"] for _, c in world.cells()) == [1, 2, 3] and world.state == "FINISHED"


@pytest.mark.parametrize("method", ["random", "bayes"])
def test_a_restart_does_not_change_what_is_searched(tmp_path: Path, method: str) -> None:
    def search(folder: str, restart: bool) -> list[dict[str, Any]]:
        (tmp_path / folder).mkdir()
        world = World(tmp_path / folder)
        seeded = {"controller": {"type": "cloud", "seed": 3}}
        world.sweep(LINE, method, metric=METRIC, run_cap=15, **seeded)
        agent = world.agent()
        while agent.alive:
            for process in list(agent.processes.values()):
                world.begin(process)
                world.log(process, {"loss": (process.args["x"] - 0.3) ** 2})
                world.end(agent, process)
            if restart:
                world.restart()
            world.beat(agent)
        return [p.args for p in world.processes_started]

    assert search("a", restart=False) == search("b", restart=True)


def test_bayes_is_told_results_failures_and_pending_cells(world: World) -> None:
    world.sweep(LINE, "bayes", metric=METRIC)
    one, two = world.agent(), world.agent()
    good, bad = world.take(one), world.take(two)
    world.log(good, {"loss": 0.5}, {"loss": 0.2}, {"loss": "NaN"}, {"other": 1})
    world.end(one, good)
    world.end(two, bad, code=1)
    for agent in (one, two):  # another agent first; both before fresh cells
        retry = world.take(agent)
        assert retry.args == bad.args
        world.end(agent, retry, code=1)
    world.log(world.take(one), {"loss": 0.1})
    with world.store.read() as db:
        sweep = sweep_rows.running_sweeps(db)[0]
        told = scores.observations(db, config_of(sweep["config"]), sweep["id"])
    assert [(o.value, o.pending) for o in told] == [(0.2, False), (0.2, False), (None, True)]
    assert world.read()["bestLoss"] == 0.1


def test_the_target_ends_the_sweep_and_lets_running_runs_finish(world: World) -> None:
    world.sweep(FOUR, metric={**METRIC, "target": 0.1})
    one, two = world.agent(), world.agent()
    good, other = world.take(one), world.take(two)
    world.log(good, {"loss": 0.5})
    assert world.state == "RUNNING"
    world.log(good, {"loss": 0.05})
    assert world.state == "FINISHED" and world.beat(two) == []
    world.end(two, other)
    assert world.beat(two) == [{"type": "exit"}]
    assert any("reached the target: loss 0.05" in line for line in world.explain())


def hyperband_world(world: World, agents: int = 4, **spec: Any) -> list[tuple[Agent, Process]]:
    """Agents with a begun run each."""
    early = {"type": "hyperband", "min_iter": 2, "eta": 2, **spec}
    world.sweep(FOUR, metric=METRIC, early_terminate=early)
    return [(agent, world.take(agent)) for agent in (world.agent() for _ in range(agents))]


def test_hyperband_stops_what_is_behind_and_says_why(world: World) -> None:
    (one, best), (_, middle), (three, worst), _ = hyperband_world(world)
    assert not world.log(best, {"loss": 0.5}, {"loss": 0.1})
    assert not world.log(middle, {"loss": 0.5}, {"loss": 0.1})
    assert not world.log(worst, {"loss": 0.9})
    assert world.log(worst, {"loss": 0.8}) is True
    world.end(three, worst, code=255)  # the client interrupts the program
    assert world.run_state(worst.name) == "killed"
    world.end(one, best)
    states = {c["a"]: s for s, c in world.cells()}
    assert states[best.args["a"]] == states[worst.args["a"]] == "done"  # and never run again
    (line,) = [line for line in world.explain() if "stop: loss" in line]
    assert (
        f"rung      {worst.name}: stop: loss 0.8 at rung 2 is outside the top 1/2 of 3 runs" in line
    )


def test_a_run_that_does_not_stop_by_itself_is_stopped_by_its_agent(world: World) -> None:
    (_, best), (_, second), (agent, worst), _ = hyperband_world(world)
    world.log(best, {"loss": 0.1}, {"loss": 0.1})
    world.log(second, {"loss": 0.1}, {"loss": 0.1})
    world.log(worst, {"loss": 0.9}, {"loss": 0.9})
    assert world.beat(agent) == [{"type": "stop", "run_id": worst.name}]
    world.beat(agent)
    assert world.run_state(worst.name) == "killed"


def test_a_resumed_run_is_judged_on_its_whole_history(world: World) -> None:
    ((one, process),) = hyperband_world(world, 1, min_iter=3)
    world.log(process, {"loss": 0.9}, {"loss": 0.8})
    one.processes.clear()
    assert world.beat(one)[0]["type"] == "resume"
    resumed = one.processes[process.name]
    world.begin(resumed)
    resumed.lines = 2
    world.log(resumed, {"loss": 0.7})
    assert world.rows("SELECT rung, value FROM rungs") == [{"rung": 3, "value": 0.7}]
    assert world.rows("SELECT count, best FROM scores WHERE count > 0") == [
        {"count": 3, "best": 0.7}
    ]


def test_a_run_that_begins_anew_forgets_its_old_history(world: World) -> None:
    ((one, process),) = hyperband_world(world, 1)
    world.log(process, {"loss": 0.1}, {"loss": 0.1})
    one.processes.clear()
    world.beat(one)
    again = one.processes[process.name]
    world.begin(again)  # without resume: from the first line
    world.log(again, {"loss": 0.9})
    assert world.rows("SELECT count, best FROM scores WHERE count > 0") == [
        {"count": 1, "best": 0.9}
    ]
    assert world.rows("SELECT * FROM rungs") == []


REWIND = """mutation Rewind($name: String!) { rewindRun(input: {runName: $name,
    projectName: "p", metricName: "_step", metricValue: 0}) { rewoundRun { id } } }"""


def test_a_rewound_run_loses_the_score_of_the_rows_it_lost(world: World) -> None:
    ((_, process),) = hyperband_world(world, 1)
    world.log(process, {"loss": 0.5}, {"loss": 0.1}, {"loss": 0.1})
    world.query(REWIND, name=process.name)
    process.lines = 1
    world.log(process, {"loss": 0.4})
    assert world.rows("SELECT count, best FROM scores") == [{"count": 2, "best": 0.4}]
    assert world.rows("SELECT rung, value FROM rungs") == [{"rung": 2, "value": 0.4}]


def test_a_changed_metric_is_read_from_all_histories(world: World) -> None:
    world.sweep(LINE, "random", metric=METRIC)
    agent = world.agent()
    process = world.take(agent)
    world.log(process, {"loss": 0.5, "acc": 0.7})
    world.end(agent, process)
    assert world.read()["bestLoss"] == 0.5
    world.change(LINE, "random", metric={"name": "acc", "goal": "maximize"})
    assert world.read()["bestLoss"] == 0.7


def test_ten_thousand_cells_cost_nothing_until_they_run(world: World) -> None:
    axes = {name: {"min": 0, "max": 9} for name in "abcd"}
    start = time.process_time()
    world.sweep(axes)
    agent = world.agent()
    process = world.take(agent)
    assert time.process_time() - start < 1
    assert world.read()["runCountExpected"] == 10_000
    start = time.process_time()
    for _ in range(200):
        world.end(agent, process)
        process = world.take(agent)
    each = (time.process_time() - start) / 200
    assert each < 0.05, f"{each * 1000:.1f} ms a run"
