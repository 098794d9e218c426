"""Sweeps that are paused, stopped, changed, and whose runs are deleted."""

from __future__ import annotations

import pytest

from tests.tracker.sweep_world import Process, RefusedError, World
from tests.tracker.sweeps.steps import FOUR, stop, use_up


def test_pause_and_resume(world: World) -> None:
    world.sweep(FOUR)
    agent = world.agent()
    process = world.take(agent)
    world.set_state("PAUSED")
    world.end(agent, process)
    assert world.beat(agent) == [] and world.state == "PAUSED"
    world.set_state("RUNNING")
    world.work([agent])
    assert [state for state, _ in world.cells()] == ["done"] * 4


def test_stop_lets_running_runs_finish(world: World) -> None:
    world.sweep(FOUR)
    agent = world.agent()
    process = world.take(agent)
    world.set_state("FINISHED")
    assert world.beat(agent) == []
    world.end(agent, process)
    assert world.beat(agent) == [{"type": "exit"}]
    assert world.cells() == [("done", {"a": 1})]


def test_cancel_kills_running_runs_and_resume_runs_them_again(world: World) -> None:
    world.sweep(FOUR)
    agent = world.agent()
    process = world.take(agent)
    world.set_state("CANCELED")
    assert world.log(process, {"loss": 1}) is True  # the client is asked to stop
    assert world.beat(agent) == [{"type": "stop", "run_id": process.name}]
    assert world.beat(agent) == [{"type": "exit"}]
    assert world.run_state(process.name) == "killed" and world.state == "CANCELED"
    world.set_state("RUNNING")
    fresh = world.agent()
    assert world.beat(fresh)[0]["run_id"] == process.name
    world.work([fresh])
    assert [state for state, _ in world.cells()] == ["done"] * 4


def test_a_run_stopped_by_a_person_is_not_run_again(world: World) -> None:
    world.sweep({"a": {"values": [1, 2]}})
    agent = world.agent()
    process = world.take(agent)
    stop(world, process)
    assert world.beat(agent) == []  # it may stop by itself
    world.tick(20)
    assert world.beat(agent) == [{"type": "stop", "run_id": process.name}]
    world.work([agent])
    assert [state for state, _ in world.cells()] == ["stopped", "done"]
    assert world.state == "FINISHED"


def test_resume_reopens_failed_cells(world: World) -> None:
    world.sweep({"a": {"values": [1]}})
    agent = world.agent()
    for _ in range(3):
        world.end(agent, world.take(agent), code=1)
    assert world.state == "FINISHED"
    world.set_state("RUNNING")
    world.work([world.agent()])
    assert world.cells() == [("done", {"a": 1})] and world.state == "FINISHED"


def test_more_seeds_are_added_and_done_cells_are_kept(world: World) -> None:
    world.sweep({"seed": {"values": [0]}, "a": {"values": [1, 2]}})
    world.work([world.agent()])
    assert world.state == "FINISHED"
    world.change({"seed": {"values": [0, 1]}, "a": {"values": [1, 2.0, 3]}})
    assert world.state == "RUNNING"
    world.work([world.agent()])
    started = [(p.args["seed"], p.args["a"]) for p in world.processes_started]
    assert started == [(0, 1), (0, 2), (0, 3), (1, 1), (1, 2.0), (1, 3)]


def test_the_same_config_again_changes_nothing_but_failed_cells(world: World) -> None:
    world.sweep(FOUR)
    agent = world.agent()
    use_up(world, agent, lambda process: int(process.args["a"] == 3))
    world.change(FOUR)
    world.work([world.agent()])
    assert [p.args["a"] for p in world.processes_started[-1:]] == [3]
    assert [state for state, _ in world.cells()] == ["done"] * 4
    world.change(FOUR)
    assert world.state == "FINISHED"


def test_cells_that_are_gone_are_dropped_unless_they_have_run(world: World) -> None:
    world.sweep(FOUR)
    agent = world.agent()
    world.end(agent, world.take(agent))
    world.end(agent, world.take(agent), code=1)
    world.change({"a": {"values": [3, 5]}})
    world.work([agent])
    assert [(s, c["a"]) for s, c in world.cells()] == [("done", 1), ("done", 3), ("done", 5)]
    world.change(FOUR)  # 2 belongs to it again
    world.work([world.agent()])
    assert sorted(c["a"] for s, c in world.cells() if s == "done") == [1, 2, 3, 4, 5]


def test_a_changed_constant_makes_other_cells(world: World) -> None:
    """Results of 5 epochs must not pass for results of 10."""
    world.sweep({**FOUR, "epochs": {"value": 5}})
    world.work([world.agent()])
    world.change({**FOUR, "epochs": {"value": 10}})
    world.work([world.agent()])
    assert len(world.processes_started) == 8


def test_an_invalid_change_is_refused_and_changes_nothing(world: World) -> None:
    world.sweep(FOUR)
    with pytest.raises(RefusedError, match=r"parameters\.a\.max"):
        world.change({"a": {"min": 3, "max": 2}})
    with pytest.raises(RefusedError, match="none of RUNNING"):
        world.set_state("DONE")
    world.work([world.agent()])
    assert len(world.cells()) == 4


DELETE_RUN = "mutation DeleteRun($id: ID!) { deleteRun(input: {id: $id}) { success } }"


def delete(world: World, process: Process) -> None:
    query = 'query Q($name: String!) { project(name: "p") { run(name: $name) { id } } }'
    run = world.query(query, name=process.name)["project"]["run"]
    world.query(DELETE_RUN, id=run["id"])


@pytest.mark.parametrize("when", ["running", "done"])
def test_a_deleted_run_is_run_again(world: World, when: str) -> None:
    world.sweep({"a": {"values": [1, 2]}})
    agent = world.agent()
    process = world.take(agent)
    if when == "done":
        world.end(agent, process)
    delete(world, process)
    agent.processes.clear()
    world.work([agent])
    assert sorted(p.args["a"] for p in world.processes_started) == [1, 1, 2]
    assert [state for state, _ in world.cells()] == ["done", "done"]
