"""Steps that several tests of sweeps take."""

from __future__ import annotations

from collections.abc import Callable

from tests.tracker.sweep_world import Agent, Process, World

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


def preempt(world: World, agent: Agent, process: Process) -> None:
    world.stream(process, {"preempting": True})
    world.end(agent, process, code=143)


STOP_RUN = "mutation StopRun($id: ID!) { stopRun(input: {id: $id}) { success } }"


def stop(world: World, process: Process) -> None:
    query = 'query Q($name: String!) { project(name: "p") { run(name: $name) { id } } }'
    world.query(STOP_RUN, id=world.query(query, name=process.name)["project"]["run"]["id"])
