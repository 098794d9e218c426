"""The GraphQL of sweeps and agents, as the wandb client asks and beyond."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.tracker.sweep_world import CREATE_AGENT, ENGINE, HEARTBEAT, RefusedError, World

AXES = {"a": {"values": [1, 2, 3]}}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def sweeps_of(world: World, arguments: str = "") -> list[str]:
    fields = "totalCount edges { node { name } cursor } pageInfo { endCursor hasNextPage }"
    query = f'{{ project(name: "p") {{ totalSweeps sweeps{arguments} {{ {fields} }} }} }}'
    found = world.query(query)["project"]["sweeps"]["edges"]
    return [edge["node"]["name"] for edge in found]


def test_sweeps_are_listed_newest_first_paged_and_filtered(world: World) -> None:
    names = [world.sweep(AXES) for _ in range(5)]
    world.agent()  # the newest runs
    assert sweeps_of(world) == names[::-1]
    page = """query Q($after: String) { project(name: "p") { totalSweeps
        sweeps(first: 2, after: $after) {
            edges { node { name } } pageInfo { endCursor hasNextPage } } } }"""
    read, after = [], None
    while True:
        data = world.query(page, after=after)["project"]
        assert data["totalSweeps"] == 5
        read += [edge["node"]["name"] for edge in data["sweeps"]["edges"]]
        if not data["sweeps"]["pageInfo"]["hasNextPage"]:
            break
        after = data["sweeps"]["pageInfo"]["endCursor"]
    assert read == names[::-1]

    def filtered(document: Any) -> list[str]:
        return sweeps_of(world, f"(filters: {json.dumps(json.dumps(document))})")

    assert filtered({"state": "RUNNING"}) == names[-1:]
    assert filtered({"$or": [{"name": names[0]}, {"name": {"$in": names[1:2]}}]}) == names[1::-1]
    assert filtered({"$and": [{"method": {"$ne": "grid"}}]}) == []
    for wrong in ({"color": 1}, {"name": {"$regex": "a"}}, ["a"], {"$and": [3]}):
        with pytest.raises(RefusedError, match="filters"):
            filtered(wrong)


FIELDS = """{ project(name: "p") { sweep(sweepName: "%s") { id name displayName description method
    state config createdAt updatedAt heartbeatAt bestLoss runCount runCountExpected
    earlyStopJobRunning controller scheduler priorRuns { edges { node { name } } }
    project { name entity { name } } user { username }
    runs { edges { node { name state sweepName sweep { name } agent { name } } } }
    agents { edges { node { id name host state totalRuns createdAt heartbeatAt
        runs { edges { cursor node { name } } pageInfo { hasNextPage } } } } } } } }"""


def test_every_field_of_a_sweep(world: World) -> None:
    name = world.sweep(AXES, name="named", description="why", metric={"name": "loss"})
    read = world.query(FIELDS.replace("%s", name))["project"]["sweep"]
    assert (read["method"], read["state"], read["description"]) == ("grid", "PENDING", "why")
    assert (read["runCount"], read["runCountExpected"], read["bestLoss"]) == (0, 3, None)
    assert read["heartbeatAt"] is None and read["project"]["entity"]["name"] == "local"

    agent = world.agent()
    process = world.take(agent)
    world.log(process, {"loss": 0.25})
    read = world.query(FIELDS.replace("%s", f"local/p/{name}"))["project"]["sweep"]
    assert (read["state"], read["runCount"], read["bestLoss"]) == ("RUNNING", 1, 0.25)
    (run,) = [edge["node"] for edge in read["runs"]["edges"]]
    (known,) = [edge["node"] for edge in read["agents"]["edges"]]
    assert run == {
        "name": process.name,
        "state": "running",
        "sweepName": name,
        "sweep": {"name": name},
        "agent": {"name": known["name"]},
    }
    assert (known["host"], known["state"], known["totalRuns"]) == ("h", "RUNNING", 1)
    assert known["runs"]["edges"][0]["node"]["name"] == process.name

    one = """query Q($sweep: String!, $agent: String!) { project(name: "p") {
        sweep(sweepName: $sweep) { agent(agentName: $agent) { name state } } } }"""
    for key in (known["id"], known["name"]):
        found = world.query(one, sweep=name, agent=key)["project"]["sweep"]["agent"]
        assert found == {"name": known["name"], "state": "RUNNING"}
    world.wait(120)
    found = world.query(one, sweep=name, agent=known["id"])["project"]["sweep"]["agent"]
    assert found["state"] == "CRASHED"


def test_what_does_not_exist_is_null_or_refused(world: World) -> None:
    assert world.query('{ project(name: "nope") { id } }')["project"] is None
    world.sweep(AXES)
    assert world.query('{ project(name: "p") { sweep(sweepName: "x") { id } } }') == {
        "project": {"sweep": None}
    }
    with pytest.raises(RefusedError, match="does not exist"):
        world.query(CREATE_AGENT, sweep="x")
    with pytest.raises(RefusedError, match="is not the id of a Sweep"):
        world.upsert(id="QWdlbnQ6MQ==", state="RUNNING")
    with pytest.raises(RefusedError, match="needs a `config`"):
        world.upsert(projectName="p")
    with pytest.raises(RefusedError, match="cannot be enqueued"):
        world.query(
            'mutation M($id: ID!) { enqueueSweepRun(input: {id: $id, config: "{}"}) { id } }',
            id=world.sweep_id,
        )


@pytest.mark.parametrize("state", ["[]", "{", "3"])
def test_a_run_state_that_is_no_object_is_refused(world: World, state: str) -> None:
    world.sweep(AXES)
    agent = world.agent()
    with pytest.raises(RefusedError, match="runState"):
        world.query(HEARTBEAT, id=agent.id, runState=state)


def test_the_heartbeat_of_an_unknown_agent_is_a_404(world: World) -> None:
    """On which the client's agent ends, rather than ask for ever."""
    world.sweep(AXES)
    body = {"query": HEARTBEAT, "variables": {"id": "QWdlbnQ6OTk=", "runState": "{}"}}
    status, _ = ENGINE.run(body, world.context)
    assert status == 404


def test_a_refused_config_creates_nothing(world: World) -> None:
    world.sweep(AXES)
    with pytest.raises(RefusedError, match=r"parameters\.a\.valeus: unknown key"):
        world.sweep({"a": {"valeus": [1]}})
    assert len(sweeps_of(world)) == 1


def test_an_agent_of_a_deleted_project_is_told_to_end(world: World) -> None:
    world.sweep(AXES)
    agent = world.agent()
    world.take(agent)
    project = world.query('{ project(name: "p") { id } }')["project"]["id"]
    world.query(
        "mutation M($id: String!) { deleteModel(input: {id: $id}) { success } }", id=project
    )
    with pytest.raises(RefusedError, match="no such agent"):
        world.beat(agent)
    for table in ("sweeps", "cells", "attempts", "agents", "scores", "rungs", "decisions"):
        assert world.rows(f"SELECT * FROM {table}") == [], table


def test_a_description_and_a_display_name_can_be_set(world: World) -> None:
    name = world.sweep(AXES)
    world.upsert(id=world.sweep_id, displayName="shown", description="why")
    read = world.query(FIELDS.replace("%s", name))["project"]["sweep"]
    assert (read["displayName"], read["description"]) == ("shown", "why")
    assert read["state"] == "PENDING"


def test_the_decision_log_tells_the_story(world: World) -> None:
    world.sweep({"a": {"values": [1]}})
    agent = world.agent()
    first = world.take(agent)
    world.end(agent, first, code=2)
    second = world.take(agent)
    world.end(agent, second)
    log = [line[22:] for line in world.read()["decisionLog"]]
    known = world.query(FIELDS.replace("%s", world.sweep_name))["project"]["sweep"]["agents"]
    name = known["edges"][0]["node"]["name"]
    assert log == [
        "created   grid, 1 cell",
        "state     PENDING -> RUNNING: an agent came",
        f"lease     {first.name}: attempt 1 at a=1; agent {name}",
        f"ended     {first.name}: failed (exit code 2); cell waiting",
        f"lease     {second.name}: attempt 2 at a=1, after {first.name} (failed); agent {name}",
        f"ended     {second.name}: done (exit code 0); cell done",
        "state     RUNNING -> FINISHED: every cell has ended (1 done)",
    ]
