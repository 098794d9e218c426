"""Offers that are lost, and programs that end before wandb.init."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.tracker.sweep_world import Agent, World
from tracker.sweeps import attempts as rules
from tracker.sweeps import leases


def offers_without_life(world: World, agent: Agent, most: int = 100) -> list[str]:
    """The runs that an agent is given while nothing that it starts comes to life (or no reply
    reaches it), until it is told something else."""
    names: list[str] = []
    while len(names) < most:
        commands = world.beat(agent)
        if [command["type"] for command in commands] not in (["run"], ["resume"]):
            break
        names.append(commands[0]["run_id"])
        agent.processes.clear()
    return names


def test_replies_that_are_lost_one_after_another_burn_nothing(world: World) -> None:
    world.sweep({"a": {"values": [1, 2]}})
    agent = world.agent()
    (lost,) = set(offers_without_life(world, agent, leases.OFFERS - 1))
    process = world.take(agent)
    assert process.name == lost
    world.end(agent, process)
    world.work([agent])
    assert [state for state, _ in world.cells()] == ["done", "done"]
    assert len(world.attempts()) == 2
    told = [line for line in world.explain() if "offered again" in line]
    assert len(told) == leases.OFFERS - 1 and "8 of 8 times: no sign of it from agent" in told[-1]


def test_the_lost_offer_of_a_run_that_goes_on_is_repeated(world: World) -> None:
    world.sweep({"a": {"values": [1]}})
    agent = world.agent()
    process = world.take(agent)
    world.end(agent, process, code=143)
    assert offers_without_life(world, agent, 3) == [process.name] * 3
    world.end(agent, world.take(agent))
    assert world.cells() == [("done", {"a": 1})]


def test_a_program_that_ends_before_wandb_init_fails_its_cell_and_its_agent(world: World) -> None:
    world.sweep({"a": {"values": [1]}})
    agent = world.agent()
    names = offers_without_life(world, agent)
    assert Counter(Counter(names).values()) == {leases.OFFERS: 1, 1: 2}  # then there is no doubt
    assert agent.log[-1] == ("exit", None) and world.state == "FINISHED"
    assert world.cells()[0][0] == "failed"
    assert {world.run_state(name) for name in names} == {"crashed"}
    told = world.explain()
    assert any("unstarted (before wandb.init)" in line for line in told)
    assert any("is dismissed: 3 runs in a row failed on it" in line for line in told)


def test_a_process_that_was_seen_and_ended_before_wandb_init_is_no_lost_reply(world: World) -> None:
    world.sweep({"a": {"values": [1]}})
    agent = world.agent()
    offers_without_life(world, agent, 3)
    world.beat(agent)
    world.beat(agent)  # which names it
    agent.processes.clear()
    assert len(offers_without_life(world, agent)) == rules.RETRIES
    assert world.cells()[0][0] == "failed"


def test_a_sick_agent_learns_of_its_sickness_once(world: World) -> None:
    world.sweep({"a": {"min": 1, "max": 6}})
    sick = world.agent()
    assert len(offers_without_life(world, sick)) == leases.OFFERS + rules.DISMISSAL - 1
    world.work([world.agent()])
    assert [state for state, _ in world.cells()] == ["done"] * 6


def test_a_cell_that_cannot_start_is_doubted_once_and_costs_no_healthy_agent(world: World) -> None:
    world.sweep({"a": {"values": [1, 2, 3, 4, 5]}})
    agent = world.agent()
    world.end(agent, world.take(agent))
    for _ in range(leases.OFFERS + rules.RETRIES + 4):
        world.beat(agent)
        for process in list(agent.processes.values()):
            if process.args["a"] == 2:
                agent.processes.clear()
            else:
                world.end(agent, process)
    assert Counter(process.args["a"] for process in world.processes_started) == {
        1: 1, 2: leases.OFFERS + rules.RETRIES, 3: 1, 4: 1, 5: 1
    }  # fmt: skip
    assert [state for state, _ in world.cells()] == ["done", "failed", "done", "done", "done"]
    assert not any("dismissed" in line for line in world.explain())


def test_an_agent_that_ends_over_a_program_that_does_not_start_fails_the_last_cell(
    world: World,
) -> None:
    """The stock agent ends by itself when the first five runs fail."""
    world.sweep({"a": {"values": [1]}})
    world.wait(200)
    offers_without_life(world, world.agent(), 5)
    world.wait(100)
    assert world.cells()[0][0] == "failed" and world.state == "FINISHED"
    assert any("after 3 faults" in line for line in world.explain())


@pytest.mark.parametrize("left", ["cells", "an agent"])
def test_where_something_is_left_it_costs_the_cell_no_fault(world: World, left: str) -> None:
    world.sweep({"a": {"values": [1, 2] if left == "cells" else [1]}})
    world.wait(200)
    dying = world.agent()
    offers_without_life(world, dying, 5)
    other = world.agent()
    for _ in range(20):
        world.tick()
        if left == "an agent":
            assert world.beat(other) == [] or other.processes
    assert world.rows("SELECT max(failures) AS most FROM cells") == [{"most": 0}]
    world.work([other])
    assert {state for state, _ in world.cells()} == {"done"} and world.state == "FINISHED"


def test_a_lost_offer_is_not_repeated_while_the_sweep_pauses(world: World) -> None:
    world.sweep({"a": {"values": [1]}})
    agent = world.agent()
    (lost,) = offers_without_life(world, agent, 1)
    world.set_state("PAUSED")
    assert world.beat(agent) == [] and world.beat(agent) == []
    world.set_state("RUNNING")
    process = world.take(agent)
    assert process.name == lost
    world.end(agent, process)
    assert world.cells() == [("done", {"a": 1})]
    assert world.rows("SELECT failures FROM cells") == [{"failures": 0}]


def test_a_lost_offer_of_a_cancelled_sweep_is_not_repeated(world: World) -> None:
    world.sweep({"a": {"values": [1]}})
    agent = world.agent()
    (lost,) = offers_without_life(world, agent, 1)
    world.set_state("CANCELED")
    assert world.beat(agent) == [{"type": "exit"}]
    assert world.run_state(lost) == "killed"
