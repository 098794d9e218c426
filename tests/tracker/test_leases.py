"""Who runs which cell: retries, resumption, lost agents and servers, changed and ended sweeps."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.tracker.sweep_world import Agent, Process, RefusedError, World
from tracker.sweeps import attempts as rules
from tracker.sweeps import leases, scores
from tracker.sweeps import rows as sweep_rows
from tracker.sweeps.states import config_of

FOUR = {"a": {"values": [1, 2, 3, 4]}}


def use_up(world: World, agent: Agent, code_of: Callable[[Process], int]) -> None:
    """Let an agent run whatever it is given, with these exit codes, until it is sent away."""
    for _ in range(50):
        for process in list(agent.processes.values()):
            world.end(agent, process, code_of(process))
        world.beat(agent)
        if not agent.alive:
            return
    raise AssertionError("the agent is never sent away")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


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


def preempt(world: World, agent: Agent, process: Process) -> None:
    world.stream(process, {"preempting": True})
    world.end(agent, process, code=143)


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


# --- agents that vanish ---


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


# --- agents that fail ---


def test_an_agent_on_which_three_runs_fail_in_a_row_gets_no_more(world: World) -> None:
    world.sweep({"a": {"min": 1, "max": 12}})
    sick, healthy = world.agent(), world.agent()
    use_up(world, sick, lambda process: 1)
    assert sum(kind == "run" for kind, _ in sick.log) == rules.DISMISSAL
    world.work([healthy])
    assert [state for state, _ in world.cells()] == ["done"] * 12
    assert world.state == "FINISHED"
    assert any("is dismissed: 3 runs in a row failed on it" in line for line in world.explain())


def test_retries_count_against_an_agent_that_has_finished_nothing(world: World) -> None:
    world.sweep({"a": {"values": [1, 2]}})
    agent = world.agent()
    for _ in range(rules.DISMISSAL):
        world.end(agent, world.take(agent), code=1)
    assert world.beat(agent) == [{"type": "exit"}]
    world.work([world.agent()])
    assert [state for state, _ in world.cells()] == ["done", "done"]


def test_a_success_in_between_keeps_the_agent(world: World) -> None:
    world.sweep({"a": {"min": 1, "max": 8}})
    agent = world.agent()
    for a in range(1, 9):
        world.end(agent, world.take(agent), code=a % 3)
    assert agent.alive and world.beat(agent)[0]["type"] == "run"


def test_a_sick_agent_does_not_use_up_the_attempts_of_a_cell(world: World) -> None:
    world.sweep({"a": {"values": [1]}})
    sick, healthy = world.agent(), world.agent()
    world.end(sick, world.take(sick), code=1)
    assert world.beat(sick) == []  # the retry is left to the other agent
    world.end(healthy, world.take(healthy))
    assert world.cells()[0][0] == "done"


def test_two_agents_on_which_a_cell_failed_both_retry_it(world: World) -> None:
    world.sweep({"a": {"values": [1]}})
    one, two = world.agent(), world.agent()
    world.end(one, world.take(one), code=1)
    world.end(two, world.take(two), code=1)
    world.end(one, world.take(one), code=1)
    assert world.cells()[0][0] == "failed" and world.state == "FINISHED"


def test_bad_cells_do_not_cost_a_single_agent_its_place(world: World) -> None:
    world.sweep(FOUR)
    agent = world.agent()
    use_up(world, agent, lambda process: 1 - process.args["a"] % 2)
    assert sorted(state for state, _ in world.cells()) == ["done", "done", "failed", "failed"]
    assert world.state == "FINISHED"


def test_a_sweep_without_any_agent_left_fails_until_one_comes(world: World) -> None:
    world.sweep({"a": {"min": 1, "max": 5}})
    agent = world.agent()
    use_up(world, agent, lambda process: 1)
    world.wait(300)
    assert world.state == "FAILED"
    fixed = world.agent()
    assert world.state == "RUNNING"
    world.work([fixed])
    assert [state for state, _ in world.cells()] == ["done"] * 5


def test_a_sweep_whose_agents_fell_silent_ends_until_one_is_there_again(world: World) -> None:
    world.sweep(FOUR)
    world.wait(200)
    slept, dead = world.agent(), world.agent()
    begun = world.take(dead)
    (offered,) = world.beat(slept, obey=False)
    world.wait(50)
    assert world.state == "RUNNING"
    world.wait(200)
    assert world.state == "CRASHED" and "no agent is left" in world.explain()[-1]
    assert world.run_state(begun.name) == world.run_state(offered["run_id"]) == "crashed"
    world.beat(slept)
    assert world.state == "RUNNING"
    world.work([slept])
    assert world.state == "FINISHED"
    assert sorted(args["a"] for state, args in world.cells() if state == "done") == [1, 2, 3, 4]


def test_a_sweep_is_not_given_up_while_a_run_without_an_agent_lives(world: World) -> None:
    world.sweep({"a": {"values": [1, 2]}})
    agent = world.agent()
    orphan = world.take(agent)
    for _ in range(20):
        world.wait(30)
        world.stream(orphan, {})
    assert world.state == "RUNNING"
    world.end(agent, orphan)
    world.wait(200)
    assert world.state == "CRASHED"
    world.work([world.agent()])
    assert [state for state, _ in world.cells()] == ["done", "done"] and world.state == "FINISHED"


def test_a_sweep_whose_agents_were_interrupted_is_stopped_and_not_crashed(world: World) -> None:
    world.sweep(FOUR)
    agent, other = world.agent(), world.agent()
    process, _ = world.take(agent), world.beat(other, obey=False)  # one dies before its run begins
    world.stream(process, {"preempting": True})
    world.stream(process, {"complete": True, "exitcode": 143})
    world.wait(300)
    assert world.explain()[-1].endswith("RUNNING -> STOPPED: its agents were stopped; start one to "
                                        "go on")  # fmt: skip
    assert world.state == "PAUSED", "the nearest that W&B has"
    named = world.query('{ project(name: "p") { sweeps(filters: "{\\"state\\": \\"PAUSED\\"}") {'
                        " totalCount edges { node { state } } } } }")  # fmt: skip
    assert named["project"]["sweeps"] == {"totalCount": 1, "edges": [{"node": {"state": "PAUSED"}}]}
    world.work([world.agent()])
    assert world.state == "FINISHED" and len(world.cells()) == 4


def test_one_agent_that_died_with_its_run_makes_it_a_crash(world: World) -> None:
    world.sweep(FOUR)
    stopped, dead = world.agent(), world.agent()
    process, _ = world.take(stopped), world.take(dead)
    world.end(stopped, process, code=130)
    world.wait(300)
    assert world.state == "CRASHED"


def test_a_launcher_says_that_it_stopped_its_agents(world: World) -> None:
    world.sweep(FOUR)
    process = world.take(world.agent())
    world.set_state("STOPPED")
    assert world.state == "PAUSED"
    world.wait(300)  # its process was killed without a word
    assert world.run_state(process.name) == "crashed"
    assert not any("CRASHED" in line for line in world.explain())
    world.work([world.agent()])
    assert world.state == "FINISHED"
    world.set_state("STOPPED")
    assert world.state == "FINISHED"


def test_a_run_that_lives_after_all_wakes_its_sweep(world: World) -> None:
    world.sweep({"a": {"values": [1]}})
    agent = world.agent()
    process = world.take(agent)
    world.wait(400)
    assert (world.state, world.run_state(process.name)) == ("CRASHED", "crashed")
    world.log(process, {"loss": 1})
    assert world.state == "RUNNING"
    world.end(agent, process)
    assert world.cells() == [("done", {"a": 1})] and world.state == "FINISHED"


def test_a_resumed_sweep_waits_a_while_for_its_agents(world: World) -> None:
    world.sweep(FOUR)
    world.agent()
    world.wait(400)
    assert world.state == "CRASHED"
    world.set_state("RUNNING")
    world.wait(50)
    assert world.state == "RUNNING"
    world.wait(50)
    assert world.state == "CRASHED"


# --- the server ---


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


# --- changes on request ---


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


STOP_RUN = "mutation StopRun($id: ID!) { stopRun(input: {id: $id}) { success } }"


def stop(world: World, process: Process) -> None:
    query = 'query Q($name: String!) { project(name: "p") { run(name: $name) { id } } }'
    world.query(STOP_RUN, id=world.query(query, name=process.name)["project"]["run"]["id"])


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


# --- random, bayes, caps, targets, hyperband ---

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
