"""How runs end, fall silent and live again."""

from __future__ import annotations

from typing import Any

import pytest

from tests.tracker.runs.rows import numbered, rows
from tests.tracker.worlds import Site
from tracker.store.clocks import Watch


def state(site: Site, name: str = "r1") -> str:
    run = site.run("state", name)
    assert run
    return run["state"]


@pytest.mark.parametrize(
    ("before", "exit_code", "after"),
    [
        ({}, 0, "finished"),
        ({}, 1, "failed"),
        ({}, 255, "failed"),
        ({"preempting": True}, 1, "preempted"),
        ({"preempting": True}, 0, "finished"),
    ],
)
def test_the_end_of_a_run(site: Site, before: dict[str, Any], exit_code: int, after: str):
    site.start_run()
    site.stream(**before)
    assert state(site) == ("preempting" if before else "running")
    for _ in range(2):  # told twice
        site.stream(complete=True, exitcode=exit_code)
        assert state(site) == after


def test_a_run_that_was_asked_to_stop_is_killed(site: Site):
    bucket = site.start_run()["bucket"]
    assert site.stream()["stopped"] is False
    site.gql("mutation($id: ID!) { stopRun(input: {id: $id}) { success } }", id=bucket["id"])
    assert site.stream()["stopped"] is True
    assert site.run("stopped shouldStop") == {"stopped": True, "shouldStop": True}
    assert site.stream(complete=True, exitcode=1)["stopped"] is False
    assert state(site) == "killed"
    # taken up again, it is not stopped again
    site.start_run()
    assert site.run("state stopped") == {"state": "running", "stopped": False}


def test_a_silent_run_is_called_crashed_and_lives_again_when_it_is_heard(site: Site):
    site.start_run("quiet")
    site.start_run("loud")
    site.tick(100)
    site.stream("loud")
    site.tick(100)
    assert (state(site, "quiet"), state(site, "loud")) == ("crashed", "running")
    site.log("quiet", *numbered(0, 1))
    assert state(site, "quiet") == "running"
    site.tick(179)
    assert state(site, "quiet") == "running"
    site.tick(2)
    assert state(site, "quiet") == "crashed"


def test_a_silent_preempting_run_was_preempted(site: Site):
    site.start_run()
    site.stream(preempting=True)
    site.tick(181)
    assert state(site) == "preempted"


def test_after_a_start_nobody_is_called_crashed_before_the_grace_is_over(site: Site):
    site.start_run()
    site.watch = Watch(60)
    site.tick(10_000)  # the server was down meanwhile
    for _ in range(2):
        assert state(site) == "running"
        site.tick(30)
    assert state(site) == "crashed"


@pytest.mark.parametrize("stopped", [True, False])
def test_a_clock_that_was_set_back_does_not_keep_silent_runs_alive(site: Site, stopped: bool):
    site.start_run()
    if stopped:
        site.watch = Watch(0)
    site.tick(-3600)
    site.tick(30)
    assert state(site) == "running"
    for _ in range(3):
        site.tick(60)
    assert state(site) == "crashed"


def test_a_question_of_a_client_does_not_stay_in_the_future(site: Site):
    """Where the run stands was asked by one that went on at once, not by whoever begins it next."""
    site.start_run()
    site.log("r1", *numbered(0, 3))
    site.gql(
        'query($n: String!) { model(name: "p", entityName: "local") {'
        " bucket(name: $n, missingOk: true) { historyLineCount } } }",
        n="r1",
    )
    site.stream(complete=True, exitcode=1)
    site.watch = Watch(0)
    asked = "SELECT resume_asked_at FROM runs"
    with site.store.read() as db:
        assert db.execute(asked).fetchone()[0] == site.now
    site.tick(-3600)
    with site.store.read() as db:
        assert db.execute(asked).fetchone()[0] == site.now


def test_an_ended_run_is_not_crashed_by_time(site: Site):
    site.start_run()
    site.stream(complete=True, exitcode=0)
    site.tick(1e6)
    assert state(site) == "finished"


def test_a_late_row_of_an_ended_run_is_kept_and_changes_no_state(site: Site):
    site.start_run()
    site.stream(complete=True, exitcode=0)
    site.log("r1", *numbered(0, 1))
    assert state(site) == "finished"
    assert rows(site) == numbered(0, 1)
