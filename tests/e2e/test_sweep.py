"""The main job as a person runs it: sweep file in, report out, with everything real."""

from __future__ import annotations

import os
import re
import signal
import sys
from pathlib import Path

import psutil
import pytest
import yaml

pytestmark = pytest.mark.e2e

PROJECT = "maxpool_vs_strided_ablation"
NAME = f"{PROJECT}-smoke"
TINY = (
    "sweep",
    f"sweeps/{PROJECT}.yaml",
    *("--budget", "smoke", "--set", "data=fusion:200:0", "--set", "epochs=2"),
    *("--set", "fusion=[late, concat]", "--set", "downsample=[maxpool, strided_replace]"),
)


def done_once(runs: list[dict]) -> bool:
    """Whether every cell × seed has exactly one finished run."""
    cells = [repr(sorted(r["config"].items())) for r in runs if r["state"] == "finished"]
    return len(cells) == len(set(cells))


def test_a_sweep_runs_to_its_report_and_only_missing_cells_run_again(checkout):
    output = checkout.runner(*TINY, "--seeds", "1")
    assert output.startswith("W&B server: http://127.0.0.1:")
    assert output.splitlines()[-1].startswith("wrote ")
    report = checkout.report(NAME)
    counts = {"expected": 4, "done": 4, "failed": 0, "running": 0, "missing": 0, "duplicates": 0}
    assert report["grid"].items() >= counts.items()
    assert (checkout.root / "reports" / NAME / "report.md").read_text().strip()

    again = checkout.runner(*TINY, "--seeds", "1")
    assert "nothing to run" in again
    assert len(checkout.api_runs(PROJECT)) == 4

    checkout.runner(*TINY, "--seeds", "2")
    runs = checkout.api_runs(PROJECT)
    assert len(runs) == 8 and done_once(runs)
    report = checkout.report(NAME)
    assert report["grid"]["expected"] == report["grid"]["done"] == 8
    assert {len(c["metrics"]["val/loss"]["values"]) for c in report["cells"]} == {2}


@pytest.mark.parametrize("victim", ["run", "agent", "server"])
def test_killed_in_the_middle_the_same_command_completes_every_cell_once(checkout, victim):
    epochs = {"run": 6, "agent": 7, "server": 8}[victim]  # a sweep of its own for each
    command = [sys.executable, "runner.py", *TINY, "--seeds", "2"]
    command += ["--set", f"epochs={epochs}", "--set", "fusion=late"]
    process = checkout.popen(*command)
    run = checkout.freeze_run()
    pids = {
        "run": [run],
        "agent": [agent_of(run)],
        "server": checkout.processes("tracker/__main__.py"),
    }
    os.kill(pids[victim][0], signal.SIGKILL)
    if victim != "run":
        os.kill(run, signal.SIGCONT)
    process.communicate()
    checkout.run(*command)
    wanted = [r for r in checkout.api_runs(PROJECT) if r["config"]["epochs"] == epochs]
    assert done_once(wanted)
    report = checkout.report(NAME)
    assert report["grid"]["done"] == report["grid"]["expected"] == 4


def agent_of(run: int) -> int:
    """The agent above a run: its parent, or that of the process which forks its runs."""
    above = psutil.Process(run).parents()
    return next(process.pid for process in above if "agent" in process.cmdline())


def test_ctrl_c_stops_cleanly_and_the_next_call_goes_on(checkout):
    command = [sys.executable, "runner.py", *TINY, "--seeds", "1", "--set", "epochs=20"]
    command += ["--set", "fusion=late"]
    process = checkout.popen(*command)
    run = checkout.freeze_run()
    process.send_signal(signal.SIGINT)
    os.kill(run, signal.SIGCONT)
    output, _ = process.communicate()
    assert process.returncode == 130 and "Traceback" not in output
    assert not checkout.processes("runner.py train")
    assert not checkout.processes("runner.py agent")
    (path,) = re.findall(r"^sweep (\S+): 2 agents", output, re.MULTILINE)
    explained = checkout.runner("sweep", "explain", path)
    assert "RUNNING -> STOPPED: its agents were stopped" in explained
    checkout.run(*command)
    assert "CRASHED" not in checkout.runner("sweep", "explain", path)
    runs = [r for r in checkout.api_runs(PROJECT) if r["config"]["epochs"] == 20]
    assert done_once(runs) and sum(r["state"] == "finished" for r in runs) == 2


def test_plain_wandb_sweep_and_agent_work_without_an_activated_environment(checkout):
    exports = checkout.exports()
    shipped = checkout.root / "sweeps" / "fusion_architecture_comparison.yaml"
    sweep = yaml.safe_load(shipped.read_text())
    sweep["parameters"] |= {
        "seed": {"value": 0},
        "fusion": {"values": ["early", "lidar"]},
        "data": {"value": "fusion:200:0"},
        "epochs": {"value": 1},
    }
    file = checkout.root / "mine.yaml"
    file.write_text(yaml.safe_dump(sweep))
    wandb = str(Path(sys.executable).parent / "wandb")
    # The checkout's own .venv, and a PATH on which `python3` is a bare interpreter.
    (checkout.root / ".venv").symlink_to(Path(sys.executable).parents[1])
    env = exports | {"PATH": "/usr/bin:/bin"}
    output = checkout.run(wandb, "sweep", str(file), env=env)
    path = output.split("wandb agent ")[1].split()[0]
    checkout.run(wandb, "agent", path, env=env)
    runs = checkout.api_runs("fusion_architecture_comparison")
    assert sorted(r["config"]["fusion"] for r in runs) == ["early", "lidar"]
    assert {r["state"] for r in runs} == {"finished"}
    assert all(0 <= r["summary"]["test/accuracy"] <= 1 for r in runs)
    checkout.runner("report", path)
