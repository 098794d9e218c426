"""Who runs which cell: retries, resumption, lost agents and servers, changed and ended sweeps."""

from __future__ import annotations

import pytest

from tests.tracker.sweep_world import World
from tests.tracker.sweeps.steps import FOUR, preempt
from tracker.sweeps import attempts as rules


def test_a_grid_runs_each_cell_once_and_ends(world: World) -> None:
    world.sweep({"seed": {"values": [0, 1]}, "a": {"values": [1, 2]}})
    assert world.state == "PENDING"
    agents = [world.agent(), world.agent()]
    assert world.state == "RUNNING"
    world.work(agents)
    order = [(p.args["seed"], p.args["a"]) for p in world.processes_started]
    assert order == [(0, 1), (0, 2), (1, 1), (1, 2)]
    assert world.state == "FINISHED"
    assert [agent.log[-1][0] for agent in agents] == ["exit", "exit"]
    assert "every cell has ended (4 done)" in world.explain()[-1]


def test_one_command_at_a_time_and_only_to_an_idle_agent(world: World) -> None:
    world.sweep(FOUR)
    agent = world.agent()
    assert [c["type"] for c in world.beat(agent)] == ["run"]
    assert world.beat(agent) == []


def test_an_idle_agent_waits_while_others_run(world: World) -> None:
    world.sweep({"a": {"values": [1]}})
    busy, idle = world.agent(), world.agent()
    process = world.take(busy)
    assert world.beat(idle) == []
    world.end(busy, process)
    assert [c["type"] for c in world.beat(idle)] == ["exit"]


def test_a_failed_run_is_retried_as_a_new_run_after_the_fresh_cells(world: World) -> None:
    world.sweep({"a": {"values": [1, 2]}})
    agent = world.agent()
    first = world.take(agent)
    world.end(agent, first, code=1)
    world.end(agent, world.take(agent))
    retry = world.take(agent)
    assert retry.args == first.args == {"a": 1}
    assert retry.name != first.name
    world.end(agent, retry)
    world.work([agent])
    failed, _, done = world.attempts()
    assert (failed["state"], failed["outcome"]) == ("failed", "failed")  # and stays to be seen
    assert done["forerunner"] == failed["id"]
    assert done["display_name"] == failed["display_name"] + "-retry-1"
    assert world.state == "FINISHED"


def test_a_cell_fails_after_its_bound(world: World) -> None:
    world.sweep({"a": {"values": [1]}})
    agent = world.agent()
    for _ in range(rules.RETRIES + 1):
        world.end(agent, world.take(agent), code=1)
    assert world.cells() == [("failed", {"a": 1})]
    assert world.state == "FINISHED"
    assert world.beat(agent) == [{"type": "exit"}]
    assert any("cell failed after 3 faults" in line for line in world.explain())


def test_a_killed_run_goes_on_as_the_same_run(world: World) -> None:
    world.sweep(FOUR)
    agent = world.agent()
    killed = world.take(agent)
    world.log(killed, {"loss": 1.0})
    world.beat(agent)
    agent.processes.clear()  # SIGKILL: nobody tells
    commands = world.beat(agent)
    assert [(c["type"], c["run_id"]) for c in commands] == [("resume", killed.name)]
    assert world.run_state(killed.name) == "pending"
    resumed = agent.processes[killed.name]
    assert resumed.args == killed.args
    world.end(agent, resumed)
    world.work([agent])
    assert [state for state, _ in world.cells()] == ["done"] * 4


def test_a_run_that_always_dies_fails_after_its_bound(world: World) -> None:
    world.sweep({"a": {"values": [1]}})
    agent = world.agent()
    for _ in range(rules.RETRIES + 1):
        world.take(agent)
        agent.processes.clear()
    assert world.beat(agent) == [{"type": "exit"}]
    assert world.cells()[0][0] == "failed"


@pytest.mark.parametrize("code", [129, 130, 143])
def test_a_run_ended_by_a_signal_it_handled_goes_on(world: World, code: int) -> None:
    world.sweep({"a": {"values": [1]}})
    agent = world.agent()
    first = world.take(agent)
    for _ in range(rules.RETRIES + 3):  # an interruption is no fault
        world.end(agent, agent.processes[first.name], code)
        assert world.beat(agent)[0]["type"] == "resume"
    world.end(agent, agent.processes[first.name])
    world.work([agent])
    assert world.cells()[0][0] == "done" and len({a["name"] for a in world.attempts()}) == 1


def test_a_run_that_gets_on_between_its_interruptions_ends_in_the_end(world: World) -> None:
    world.sweep({"a": {"values": [1]}})
    agent, lines = world.agent(), 0
    for i in range(2 * rules.INTERRUPTIONS):
        process = world.take(agent)
        process.lines = lines  # from its checkpoint
        if i % 3:  # now and then it is taken away before its first row
            world.log(process, {"loss": 1.0})
        lines = process.lines
        preempt(world, agent, process)
    world.end(agent, world.take(agent))
    assert world.cells() == [("done", {"a": 1})] and world.state == "FINISHED"
    assert len({attempt["name"] for attempt in world.attempts()}) == 1


@pytest.mark.parametrize("rows", [0, 3])
def test_a_cell_that_always_interrupts_itself_ends(world: World, rows: int) -> None:
    """Rows at steps that it has had before, for want of a checkpoint, are no progress."""
    world.sweep({"a": {"values": [1]}})
    agent = world.agent()
    for _ in range(rules.INTERRUPTIONS + bool(rows) + 1):  # the first rows are progress
        process = world.take(agent)
        for row in range(rows):
            world.log(process, {"loss": float(row)})
        preempt(world, agent, process)
    assert world.beat(agent) == [{"type": "exit"}]
    assert world.cells()[0][0] == "failed" and world.state == "FINISHED"
    assert any("after 0 faults, 11 interruptions" in line for line in world.explain())


def test_a_preempted_run_is_offered_again_first(world: World) -> None:
    world.sweep(FOUR)
    agent = world.agent()
    process = world.take(agent)
    world.stream(process, {"preempting": True})
    world.end(agent, process, code=1)
    assert world.run_state(process.name) == "preempted"
    commands = world.beat(agent)
    assert [(c["type"], c["run_id"]) for c in commands] == [("resume", process.name)]


def test_a_run_that_ended_is_settled_once_its_process_is_gone(world: World) -> None:
    """A retry must not begin while the old process is still writing its last words."""
    world.sweep({"a": {"values": [1]}})
    agent, other = world.agent(), world.agent()
    process = world.take(agent)
    world.beat(agent)
    world.stream(process, {"complete": True, "exitcode": 1})
    assert world.beat(other) == []
    agent.processes.clear()
    world.beat(agent)
    assert world.beat(other)[0]["type"] == "run"


def test_where_fresh_cells_never_end_retries_come_first(world: World) -> None:
    world.sweep({"x": {"min": 0.0, "max": 1.0}}, "random")
    agent = world.agent()
    first = world.take(agent)
    world.end(agent, first, code=1)
    assert world.take(agent).args == first.args
