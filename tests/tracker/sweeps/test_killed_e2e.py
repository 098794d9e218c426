"""Stock agents, runs and servers that are killed, or fall sick."""

from __future__ import annotations

import os
import signal
from collections import Counter

import pytest

from tests.tracker.lossy import LossyProxy
from tests.tracker.sweeps.site import HELD_AT, PATIENCE, Site, wait_for
from tracker.sweeps import leases

pytestmark = pytest.mark.e2e


def test_an_agent_a_run_and_the_server_are_killed_and_every_cell_is_done_once(site: Site) -> None:
    sweep = site.sweep({"x": {"min": 1, "max": 4}})
    held = {"TRAIN_STEPS": "10", "TRAIN_HELD": "all"}
    agents = [site.agent(sweep, **held), site.agent(sweep, **held)]

    wait_for(lambda: len(site.started(sweep)) >= 2)
    killed_run, pid, _ = site.started(sweep)[0]
    wait_for(lambda: all(run["historyLineCount"] == HELD_AT for run in site.runs(sweep)))
    os.kill(pid, signal.SIGKILL)  # a run

    wait_for(lambda: len(site.started(sweep)) >= 3)
    site.kill_server()
    site.start_server()

    agents[0].send_signal(signal.SIGKILL)  # an agent; its run lives on
    agents.append(site.agent(sweep, **held))
    with site.released():
        site.until(sweep)
        assert [agent.wait(PATIENCE) for agent in agents[1:]] == [0, 0]
    runs = site.runs(sweep)
    assert Counter(run["x"] for run in runs if run["state"] == "finished") == dict.fromkeys(
        range(1, 5), 1
    ), site.explain(sweep)
    assert (killed_run, "True") in [(run, resumed) for run, _, resumed in site.started(sweep)]
    for run in runs:
        assert [row["at"] for row in run["sampledHistory"][0]] == list(range(10)), run["name"]


def test_agent_and_run_killed_together_go_on_elsewhere(site: Site) -> None:
    sweep = site.sweep({"x": {"values": [1]}})
    agent = site.agent(sweep, TRAIN_STEPS="10", TRAIN_HELD="all")
    ((run, pid, _),) = wait_for(lambda: site.started(sweep))
    wait_for(lambda: site.runs(sweep)[0]["historyLineCount"] == HELD_AT)
    agent.send_signal(signal.SIGKILL)
    os.kill(pid, signal.SIGKILL)
    site.agent(sweep, TRAIN_STEPS="30")
    site.until(sweep)
    assert [(name, resumed) for name, _, resumed in site.started(sweep)] == [
        (run, "False"),
        (run, "True"),
    ]
    assert "crashed; cell waiting" in site.explain(sweep)


def test_a_preempted_run_is_offered_again_and_resumes(site: Site) -> None:
    sweep = site.sweep({"x": {"values": [1]}})
    assert site.agent(sweep, TRAIN_PREEMPT="1").wait(PATIENCE) == 0
    (run,) = site.runs(sweep)
    assert [row["at"] for row in run["sampledHistory"][0]] == [0, 1, 2]
    assert [(name, resumed) for name, _, resumed in site.started(sweep)] == [
        (run["name"], "False"),
        (run["name"], "True"),
    ]
    assert f"{run['name']}: interrupted (exit code 1); cell waiting" in site.explain(sweep)


# the stock agent ends by itself at its fifth failure
PATIENT = {"WANDB_AGENT_MAX_INITIAL_FAILURES": "1000"}


def test_replies_to_a_stock_agent_are_lost_and_no_cell_is_burnt(site: Site) -> None:
    sweep = site.sweep({"x": {"values": [1, 2]}})
    with LossyProxy(site.env["WANDB_BASE_URL"], lose=3) as proxy:
        agent = site.agent(sweep, WANDB_BASE_URL=proxy.url)
        assert agent.wait(PATIENCE) == 0
    assert len(set(proxy.lost)) == 1 and len(proxy.lost) == 3
    runs = site.runs(sweep)
    assert [run["state"] for run in runs] == ["finished"] * 2 and site.state(sweep) == "FINISHED"
    assert proxy.lost[0] in [run["name"] for run in runs]
    told = site.explain(sweep)
    assert f"{proxy.lost[0]}: offered again, 2 of 8 times" in told and "unstarted" not in told


def test_a_program_that_does_not_start_fails_its_cell_and_ends_its_agent(site: Site) -> None:
    sweep = site.sweep({"x": {"values": [1]}})
    agent = site.agent(sweep, TRAIN_SICK="1", **PATIENT)
    assert agent.wait(PATIENCE) == 0 and site.state(sweep) == "FINISHED"
    assert [run["state"] for run in site.runs(sweep)] == ["crashed"] * 3
    told = site.explain(sweep)
    assert told.count("offered again") < leases.OFFERS  # none where a heartbeat saw it alive
    assert "cell failed after 3 faults" in told


def test_an_agent_that_gives_up_by_itself_fails_its_last_cell(site: Site) -> None:
    sweep = site.sweep({"x": {"values": [1]}})
    # at its own pace, which leaves the program the time to end between two heartbeats
    agent = site.spawn(["-m", "wandb", "agent", sweep], {"TRAIN_SICK": "1"})
    assert agent.wait(PATIENCE) == 0
    site.until(sweep)
    assert {run["state"] for run in site.runs(sweep)} == {"crashed"}
    assert "cell failed after 3 faults" in site.explain(sweep)


def test_a_sick_agent_is_sent_away_and_a_healthy_one_does_the_work(site: Site) -> None:
    sweep = site.sweep({"x": {"min": 1, "max": 3}})
    sick = site.agent(sweep, TRAIN_SICK="1", **PATIENT)
    assert sick.wait(PATIENCE) == 0
    healthy = site.agent(sweep)
    site.until(sweep)
    assert healthy.wait(PATIENCE) == 0
    states = Counter(run["state"] for run in site.runs(sweep))
    assert states == {"finished": 3, "crashed": 3}
    assert "is dismissed: 3 runs in a row failed on it" in site.explain(sweep)
