"""Agents, runs and servers that vanish, and what comes back."""

from __future__ import annotations

import pytest

from tests.tracker.sweep_world import World
from tests.tracker.sweeps.steps import FOUR, stop


def test_a_run_offered_to_an_agent_that_vanished_is_offered_again(world: World) -> None:
    world.sweep(FOUR)
    lost, other = world.agent(), world.agent()
    world.tick()
    (command,) = world.beat(lost)
    lost.processes.clear()
    for _ in range(60):
        world.tick()
        world.beat(other)
        if command["run_id"] in [p.name for p in world.processes_started[1:]]:
            break
        for process in list(other.processes.values()):
            world.end(other, process)
    again = [p for p in world.processes_started if p.name == command["run_id"]]
    assert len(again) == 2 and world.attempts()[0]["outcome"] == "lost"


def test_the_run_of_a_killed_agent_finishes_and_counts(world: World) -> None:
    world.sweep({"a": {"values": [1]}})
    agent = world.agent()
    orphan = world.take(agent)
    for _ in range(100):  # the agent is dead; the run beats every 30 s
        world.tick(30)
        world.stream(orphan, {})
    world.end(agent, orphan)
    assert world.cells()[0][0] == "done" and world.state == "FINISHED"
    assert len(world.attempts()) == 1


def test_when_agent_and_run_die_together_another_agent_goes_on(world: World) -> None:
    world.sweep({"a": {"values": [1]}})
    dead = world.agent()
    process = world.take(dead)
    world.beat(dead)
    world.wait(400)
    assert world.run_state(process.name) == "crashed"
    assert world.beat(world.agent())[0] == {
        "type": "resume",
        "run_id": process.name,
        "program": "t.py",
        "args": {"a": {"value": 1}},
        "lease": str(world.attempts()[-1]["id"]),
    }


def test_a_silent_agent_with_a_silent_run_is_given_up_after_its_timeout(world: World) -> None:
    world.sweep(FOUR)
    world.wait(200)  # the server has been up for a while
    process = world.take(world.agent())
    world.wait(50)
    assert world.cells()[0][0] == "leased"
    world.wait(20)
    assert world.cells()[0][0] == "waiting" and world.run_state(process.name) == "crashed"


def test_a_run_thought_dead_takes_its_lease_up_again(world: World) -> None:
    world.sweep({"a": {"values": [1]}})
    agent = world.agent()
    process = world.take(agent)
    world.beat(agent)
    world.wait(400)
    assert world.cells()[0][0] == "waiting"
    assert world.beat(agent) == []
    assert world.cells()[0][0] == "leased"
    world.end(agent, process)
    world.work([agent])
    assert [a["outcome"] for a in world.attempts()] == ["done"]


def test_an_orphan_thought_dead_takes_its_lease_up_again(world: World) -> None:
    world.sweep({"a": {"values": [1]}})
    process = world.take(world.agent())
    world.wait(400)
    assert world.cells()[0][0] == "waiting"
    world.log(process, {"loss": 1})
    assert world.cells()[0][0] == "leased"


def test_a_run_that_comes_back_too_late_is_stopped(world: World) -> None:
    world.sweep({"a": {"values": [1]}})
    slept, awake = world.agent(), world.agent()
    world.beat(slept)
    process = next(iter(slept.processes.values()))
    world.wait(400)  # never began: offered to another agent as the same run
    other = world.take(awake)
    assert other.name == process.name
    assert world.beat(slept) == [{"type": "stop", "run_id": process.name}]


def test_a_run_that_finishes_after_all_supersedes_its_retry(world: World) -> None:
    world.sweep({"a": {"values": [1]}})
    slow, fast = world.agent(), world.agent()
    zombie = world.take(slow)
    world.end(slow, zombie, code=1)
    retry = world.take(fast)
    assert retry.name != zombie.name
    world.begin(zombie)  # its user had it go on by hand
    world.end(slow, zombie)
    assert world.cells()[0][0] == "done"
    assert world.beat(fast) == [{"type": "stop", "run_id": retry.name}]
    assert [a["outcome"] for a in world.attempts()] == ["done", "superseded"]


def test_a_metric_that_was_never_logged_is_told(world: World) -> None:
    world.sweep({"a": {"values": [1, 2, 3]}}, metric={"name": "val.loss", "goal": "minimize"})
    agent = world.agent()
    for row in ({"val": {"loss": 0.5}}, {"val/loss": 1}, {"val": {"loss": "nan"}}):
        process = world.take(agent)
        world.log(process, row)
        world.end(agent, process)
    told = [line for line in world.explain() if "never logged val.loss" in line]
    assert len(told) == 2


def test_an_offer_whose_reply_was_lost_with_the_server_is_repeated(world: World) -> None:
    world.sweep(FOUR)
    agent = world.agent()
    (lost,) = world.beat(agent, obey=False)  # committed, then kill -9 before the answer
    world.restart()
    (again,) = world.beat(agent)
    assert again == lost
    world.end(agent, agent.processes[lost["run_id"]])
    world.work([agent])
    assert len(world.attempts()) == 4


def test_a_restart_gives_agents_time_to_be_heard(world: World) -> None:
    world.sweep(FOUR)
    agent = world.agent()
    process = world.take(agent)
    world.beat(agent)
    world.now += 3600  # the server was down
    world.restart()
    for _ in range(10):
        world.tick()
    assert world.cells()[0][0] == "leased"
    world.beat(agent)
    world.end(agent, process)
    world.work([agent])
    assert len(world.attempts()) == 4


def test_a_machine_that_slept_gives_agents_time_to_be_heard(world: World) -> None:
    world.sweep(FOUR)
    lost = world.agent()
    world.tick()
    world.tick()
    world.wait(200)
    world.beat(lost)
    world.tick(3600)
    world.tick()
    assert world.cells()[0][0] == "leased"
    world.wait(200)
    assert world.cells()[0][0] == "waiting"


def test_a_clock_that_was_set_back_does_not_keep_dead_leases(world: World) -> None:
    world.sweep(FOUR)
    world.wait(200)
    world.beat(world.agent())
    world.tick(-7200)
    world.wait(400)
    assert world.cells()[0][0] == "waiting"


@pytest.mark.parametrize("begun", [True, False])
def test_a_clock_that_is_set_back_over_a_restart_does_not_keep_dead_leases(
    world: World, begun: bool
) -> None:
    world.sweep(FOUR)
    agent = world.agent()
    world.beat(agent)
    if begun:
        world.begin(next(iter(agent.processes.values())))
    world.now -= 3600
    world.restart()
    world.wait(400)
    assert world.cells()[0][0] == "waiting" and world.state == "CRASHED"


def test_a_clock_that_is_set_back_does_not_put_off_a_stop(world: World) -> None:
    world.sweep(FOUR)
    agent = world.agent()
    process = world.take(agent)
    stop(world, process)
    assert world.beat(agent) == []
    world.now -= 3600
    world.restart()
    world.tick()
    world.tick(20)
    assert world.beat(agent) == [{"type": "stop", "run_id": process.name}]
