"""Agents on which runs fail, and sweeps without one."""

from __future__ import annotations

from tests.tracker.sweep_world import World
from tests.tracker.sweeps.steps import FOUR, use_up
from tracker.sweeps import attempts as rules


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
