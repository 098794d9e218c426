"""A run goes on under another lease, and its former process comes back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.tracker.sweep_world import PROJECT, Agent, Process, World

UPSERT = "mutation M($input: UpsertBucketInput!) { upsertBucket(input: $input) { inserted } }"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    made.sweep({"a": {"values": [1]}})
    yield made
    made.store.close()


def taken_over(world: World) -> tuple[Agent, Process, Agent, Process]:
    """Former agent and process, which logged ten rows and fell silent; and their successors."""
    old_agent = world.agent()
    old = world.take(old_agent)
    world.beat(old_agent)
    world.log(old, *({"by": "old"} for _ in range(10)))
    world.wait(400)
    new_agent = world.agent()
    (command,) = world.beat(new_agent)
    assert (command["type"], command["run_id"]) == ("resume", old.name)
    return old_agent, old, new_agent, new_agent.processes[old.name]


def begin(world: World, process: Process) -> None:
    """As a client that resumes: it asks where the run stands, and goes on behind that."""
    ask = '{ model(name: "p") { bucket(name: "%s", missingOk: true) { historyLineCount } } }'
    bucket = world.query(ask % process.name)["model"]["bucket"]
    world.begin(process)
    process.lines = bucket["historyLineCount"]


def rows(world: World) -> list[str]:
    found = world.rows("SELECT step, row FROM history ORDER BY line")
    assert [row["step"] for row in found] == list(range(len(found)))
    return [json.loads(row["row"])["by"] for row in found]


def run(world: World) -> dict[str, Any]:
    return world.rows("SELECT * FROM runs")[0]


def outcomes(world: World) -> list[str | None]:
    return [attempt["outcome"] for attempt in world.attempts()]


def test_rows_of_the_former_process_are_refused_and_it_is_stopped(world: World) -> None:
    _, old, new_agent, new = taken_over(world)
    begin(world, new)
    world.log(new, *({"by": "new"} for _ in range(10)))
    for step in (10, 30):  # in the place of the successor's lines, and behind its last step
        lines = [json.dumps({"_step": step + i, "by": "old"}) for i in range(3)]
        chunk = {"offset": 10, "content": lines}
        summary = {"offset": 0, "content": ['{"by": "old"}']}
        files = {"wandb-history.jsonl": chunk, "wandb-summary.json": summary}
        assert world.stream(old, {"files": files, "complete": True, "exitcode": 1})
    assert rows(world) == ["old"] * 10 + ["new"] * 10
    assert run(world)["summary"] == "{}"
    assert not world.log(new, {"by": "new"})
    world.end(new_agent, new)
    world.beat(new_agent)
    assert (run(world)["state"], run(world)["history_lines"]) == ("finished", 21)
    assert outcomes(world) == ["crashed", "done"]


def test_before_its_successor_has_begun_nothing_of_it_counts(world: World) -> None:
    _, old, _, new = taken_over(world)
    assert world.stream(old, {})
    assert world.log(old, {"by": "old"})
    assert world.stream(old, {"complete": True, "exitcode": 0})
    assert run(world)["state"] == "pending"
    begin(world, new)
    assert not world.log(new, {"by": "new"})
    assert rows(world) == ["old"] * 10 + ["new"]


@pytest.mark.parametrize("code", [0, 1])
def test_an_end_of_nobody_knows_whom_counts_when_the_lease_ends(world: World, code: int) -> None:
    _, _, new_agent, new = taken_over(world)
    begin(world, new)
    world.beat(new_agent)
    world.stream(new, {"complete": True, "exitcode": code})
    world.beat(new_agent)
    assert run(world)["state"] == "running"  # its process lives
    new_agent.processes.clear()
    world.beat(new_agent)
    assert world.run_state(new.name) == ("failed" if code else "finished")
    assert outcomes(world)[:2] == ["crashed", "failed" if code else "done"]


def test_an_end_told_by_the_former_process_is_none_of_its_successors(world: World) -> None:
    _, old, new_agent, new = taken_over(world)
    begin(world, new)
    world.beat(new_agent)
    world.stream(old, {"complete": True, "exitcode": 1})
    world.log(new, {"by": "new"})
    new_agent.processes.clear()  # killed without a word
    world.beat(new_agent)
    assert outcomes(world)[:2] == ["crashed", "crashed"]


def test_after_the_end_the_former_process_changes_nothing(world: World) -> None:
    _, old, new_agent, new = taken_over(world)
    begin(world, new)
    world.log(new, *({"by": "new"} for _ in range(3)))
    world.end(new_agent, new)
    world.beat(new_agent)
    world.log(old, *({"by": "old"} for _ in range(5)))
    world.stream(old, {"complete": True, "exitcode": 1})
    assert rows(world) == ["old"] * 10 + ["new"] * 3
    assert (run(world)["state"], run(world)["exit_code"]) == ("finished", 0)


def test_a_successor_may_begin_the_run_anew_and_its_former_process_may_not(world: World) -> None:
    _, old, _, new = taken_over(world)
    world.begin(new)  # without a question
    world.log(new, *({"by": "new"} for _ in range(3)))
    assert rows(world) == ["new"] * 3
    assert not world.log(new, {"by": "new"})
    old.lines = 1
    assert world.log(old, *({"by": "old"} for _ in range(5)))
    assert rows(world) == ["new"] * 4


def test_a_process_that_names_its_lease_needs_no_guess(world: World) -> None:
    _, old, new_agent, new = taken_over(world)
    first, second = (str(attempt["id"]) for attempt in world.attempts())
    begin(world, new)

    before = run(world)
    world.now += 7
    world.lease = first
    assert world.log(old, {"by": "old"}, {"by": "old"})  # where nobody has written yet
    assert world.stream(old, {"complete": True, "exitcode": 1})
    world.query(UPSERT, input={"name": old.name, "modelName": PROJECT, "config": "{}"})
    assert run(world) == before
    world.lease = second
    assert not world.log(new, {"by": "new"})
    assert rows(world) == ["old"] * 10 + ["new"]
    world.end(new_agent, new)
    assert run(world)["state"] == "finished"  # at once
    assert outcomes(world) == ["crashed", "done"]


def test_where_the_agent_said_that_the_process_is_gone_nobody_is_doubted(world: World) -> None:
    agent = world.agent()
    old = world.take(agent)
    world.log(old, {"by": "old"})
    agent.processes.clear()
    (command,) = world.beat(agent)
    assert command["type"] == "resume"
    new = agent.processes[old.name]
    begin(world, new)
    world.log(new, {"by": "new"})
    world.stream(new, {"complete": True, "exitcode": 0})
    assert run(world)["state"] == "finished"
