"""Sweeps with the real wandb command line, agents and Api against a server process of its own."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter

import pytest

from tests.tracker.sweeps.site import HELD_AT, PATIENCE, Site, registered, value, wait_for

pytestmark = pytest.mark.e2e


def test_two_stock_agents_run_a_grid_and_the_api_reads_it(site: Site) -> None:
    axes = {"seed": {"values": [0, 1]}, "x": {"values": [1, 2.5]}}
    site.write(axes, name="stock", metric={"name": "loss", "goal": "minimize"})
    sweep = registered(site.wandb("sweep", "sweep.yaml"))
    assert site.state(sweep) == "PENDING"
    agents = [site.spawn(["-m", "wandb", "agent", sweep], {}) for _ in range(2)]
    assert [agent.wait(PATIENCE) for agent in agents] == [0, 0]
    assert site.state(sweep) == "FINISHED"
    assert Counter((value(r, "seed"), r["x"], r["state"]) for r in site.runs(sweep)) == {
        (seed, x, "finished"): 1 for seed in (0, 1) for x in (1, 2.5)
    }
    script = f"""
import json, wandb
sweep = wandb.Api().sweep({sweep!r})
print(json.dumps([
    sweep.state, sweep.name, sweep.expected_run_count, sweep.config["method"],
    sweep.best_run().config["x"], len(sweep.runs), 
    sorted(len(agent.runs()) for agent in sweep.agents()),
    sweep.id in [s.id for s in wandb.Api().project("p", sweep.path[0]).sweeps()],
    [round(row["loss"], 3) for row in sweep.best_run().scan_history()],
]))
"""
    read = subprocess.run(
        [sys.executable, "-c", script],
        env=site.env,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    answer = json.loads(read.stdout.splitlines()[-1])
    assert answer[:6] == ["FINISHED", "stock", 4, "grid", 1, 4], read
    assert sum(answer[6]) == 4 and answer[7] is True
    assert answer[8] == [2.0, 1.5, 1.333]


def test_random_and_bayes(site: Site) -> None:
    axes = {"x": {"min": 0.0, "max": 1.0}, "opt": {"parameters": {"lr": {"values": [0.1, 0.2]}}}}
    sweeps = [site.sweep(axes, m, metric={"name": "loss"}, run_cap=2) for m in ("random", "bayes")]
    agents = [site.agent(sweep) for sweep in sweeps]
    for sweep in sweeps:
        site.until(sweep)
        runs = site.runs(sweep)
        assert [run["state"] for run in runs] == ["finished"] * 2
        assert len({run["x"] for run in runs}) == 2 and all(0 <= run["x"] <= 1 for run in runs)
        assert all(value(run, "opt")["lr"] in (0.1, 0.2) for run in runs)
        best = min(run["x"] for run in runs) + 1 / 3
        assert site.ask(sweep, "bestLoss")["bestLoss"] == pytest.approx(best)
    assert [agent.wait(PATIENCE) for agent in agents] == [0, 0]


def test_hyperband_stops_a_run_early_and_says_why(site: Site) -> None:
    early = {"type": "hyperband", "min_iter": 2, "eta": 4}
    metric = {"name": "loss", "goal": "minimize"}
    sweep = site.sweep({"x": {"values": [1, 9]}}, metric=metric, early_terminate=early)
    agent = site.agent(sweep, TRAIN_STEPS="40", TRAIN_HELD="9")
    site.until(sweep)
    assert agent.wait(PATIENCE) == 0
    good, bad = sorted(site.runs(sweep), key=lambda run: run["x"])
    assert (good["state"], good["historyLineCount"]) == ("finished", 40)
    assert bad["state"] == "killed" and bad["historyLineCount"] == HELD_AT
    assert f"{bad['name']}: stop: loss 9.5 at rung 2 is outside the top 1/4 of 2 runs" in (
        site.explain(sweep)
    )


def test_pause_resume_cancel_update_and_stop_from_the_command_line(site: Site) -> None:
    sweep = site.sweep({"x": {"values": [1, 2]}})
    agent = site.agent(sweep, TRAIN_STEPS="10", TRAIN_HELD="1")
    wait_for(lambda: site.started(sweep))
    assert "Done" in site.wandb("sweep", "--pause", sweep) and site.state(sweep) == "PAUSED"
    assert "Done" in site.wandb("sweep", "--resume", sweep) and site.state(sweep) == "RUNNING"
    assert "Done" in site.wandb("sweep", "--cancel", sweep)
    assert agent.wait(PATIENCE) == 0 and site.state(sweep) == "CANCELED"
    assert [run["state"] for run in site.runs(sweep)] == ["killed"]

    sweep_id = site.ask(sweep, "id")["id"]
    site.upsert(id=sweep_id, state="RUNNING")
    site.write({"x": {"values": [1, 2, "1e1"]}})
    assert "Updating sweep with ID" in site.wandb("sweep", "--update", sweep, "sweep.yaml")
    assert site.agent(sweep).wait(PATIENCE) == 0 and site.state(sweep) == "FINISHED"
    assert {r["x"]: r["state"] for r in site.runs(sweep)} == dict.fromkeys((1, 2, 10), "finished")

    site.write({"x": {"min": 0.0, "max": 1.0}}, "random")
    site.upsert(id=sweep_id, config=(site.folder / "sweep.yaml").read_text())
    endless = site.agent(sweep, TRAIN_STEPS="10", TRAIN_HELD="all")
    wait_for(lambda: len(site.runs(sweep)) == 4)
    assert "Done" in site.wandb("sweep", "--stop", sweep)
    with site.released():
        assert endless.wait(PATIENCE) == 0
    assert site.state(sweep) == "FINISHED"
    assert site.runs(sweep)[-1]["state"] == "finished"


def test_wandb_sweep_says_why_a_config_is_refused(site: Site) -> None:
    site.write({"x": {"min": 0.0, "max": 1.0}})
    output = site.wandb("sweep", "sweep.yaml")
    assert "parameters.x: a grid cannot enumerate uniform" in output


def test_prior_runs_are_results_of_their_cells(site: Site) -> None:
    first = site.sweep({"x": {"values": [1]}}, metric={"name": "loss"})
    assert site.agent(first).wait(PATIENCE) == 0
    (run,) = site.runs(first)
    second = registered(site.wandb("sweep", "-R", run["name"], "sweep.yaml"))
    edges = site.ask(second, "priorRuns { edges { node { name } } }")["priorRuns"]["edges"]
    assert [edge["node"]["name"] for edge in edges] == [run["name"]]
    assert site.agent(second).wait(PATIENCE) == 0
    assert site.state(second) == "FINISHED"
    for sweep in (first, second):  # it stands in both
        assert [found["name"] for found in site.runs(sweep)] == [run["name"]]
        assert site.ask(sweep, "bestLoss runCount") == {
            "bestLoss": pytest.approx(4 / 3),
            "runCount": 1,
        }
    script = f"""
import json, wandb
for sweep in (wandb.Api().sweep({first!r}), wandb.Api().sweep({second!r})):
    print(json.dumps([[run.id for run in sweep.runs], len(sweep.runs), sweep.best_run().id]))
"""
    read = subprocess.run(
        [sys.executable, "-c", script],
        env=site.env,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    lists = [json.loads(line) for line in read.stdout.splitlines() if line.startswith("[")]
    assert lists == [[[run["name"]], 1, run["name"]]] * 2, read


FUNCTION = """
import sys, wandb
from wandb.agents import pyagent
pyagent.Agent.HEARTBEAT_SLEEP_SECONDS = 0.2
def train():
    with wandb.init() as run:
        if run.config.x == 2 and not getattr(train, "failed", False):
            train.failed = True
            raise ValueError("once")
        run.log({"loss": run.config.x})
sweep = wandb.sweep({"method": "grid", "parameters": {"x": {"values": [1, 2, 3]}}}, project="p")
print("SWEEP", sweep)
wandb.agent(sweep, function=train, project="p")
"""


def test_agents_that_call_a_function(site: Site) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FUNCTION],
        cwd=site.folder,
        # with the variable that switches off the client's own rule, pyagent ends at any failure
        env={k: v for k, v in site.env.items() if k != "WANDB_AGENT_DISABLE_FLAPPING"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    found = re.search(r"SWEEP (\S+)", done.stdout)
    assert found, done.stdout + done.stderr
    states = [(run["x"], run["state"]) for run in site.runs(found.group(1))]
    assert sorted(states) == [(1, "finished"), (2, "failed"), (2, "finished"), (3, "finished")]
    assert site.state(found.group(1)) == "FINISHED"
