"""`runner.py agent` in a scheduler's hands: what it is told, its run hears, and both end well."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from contract import places
from fusion.data import generate
from launch.crew import terminated_as_interrupt
from tracker import server

EPOCHS = 30
READ = """
import json, sys, wandb
(run,) = wandb.Api().sweep(sys.argv[1]).runs
print(json.dumps([run.id, run.state, [row["epoch"] for row in run.scan_history()]]))
"""


class World:
    """A tracker of its own, a sweep of one cell, and agents that work on it."""

    def __init__(self, folder: Path, checkout: Path) -> None:
        self.folder, self.checkout, self.output = folder, checkout, folder / "run"
        self.agents: list[subprocess.Popen[bytes]] = []
        self.server = server.ensure(folder / "tracker")
        self.env = os.environ | {
            places.HOME: str(folder / "home"),
            "WANDB_BASE_URL": self.server.url,
            "WANDB_API_KEY": self.server.key,
            "WANDB_DIR": str(folder),
        }

    def sweep(self) -> str:
        """Register the sweep with the real client; return its path."""
        generate.make(self.folder / "data", "fusion", 60, 0, workers=1)
        fixed = {"data": str(self.folder / "data"), "width": 0.04, "batch_size": 2}
        config = {
            "program": "runner.py",
            "method": "grid",
            "project": "p",
            "command": [
                *("${env}", "python3", "${program}", "train"),
                *(f"--output={self.output}", "${args}"),
            ],
            "parameters": {
                **{name: {"value": value} for name, value in fixed.items()},
                "epochs": {"value": EPOCHS},
                "seed": {"values": [0]},
            },
        }
        (self.folder / "sweep.yaml").write_text(yaml.safe_dump(config))
        done = self.python("-m", "wandb", "sweep", str(self.folder / "sweep.yaml"))
        return done.split("wandb agent ")[1].split()[0]

    def python(self, *arguments: str) -> str:
        command = [sys.executable, *arguments]
        done = subprocess.run(
            command, cwd=self.checkout, env=self.env, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def agent(self, sweep: str) -> subprocess.Popen[bytes]:
        with (self.folder / "agent.log").open("ab") as log:
            agent = subprocess.Popen(
                [sys.executable, "runner.py", "agent", sweep],
                cwd=self.checkout,
                env=self.env,
                stdout=log,
                stderr=log,
            )
        self.agents.append(agent)
        return agent

    def log(self) -> str:
        return (self.folder / "agent.log").read_text()

    def read(self, sweep: str) -> list[Any]:
        """Id, state and epochs of the sweep's only run."""
        return json.loads(self.python("-c", READ, sweep).splitlines()[-1])


@pytest.fixture
def world(tmp_path: Path, checkout_copy: Path) -> Iterator[World]:
    world = World(tmp_path, checkout_copy)
    yield world
    for agent in world.agents:
        agent.kill()
        agent.wait()
    for run in runs_in(world.output):
        os.kill(run, signal.SIGKILL)
    server.stop(tmp_path / "tracker")


def wait_for(condition: Callable[[], Any], world: World, seconds: float = 300.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, world.log()
        time.sleep(0.02)


def runs_in(folder: Path) -> list[int]:
    """Ids of this machine's processes that train in a folder."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            words = (
                (entry / "cmdline").read_bytes().replace(b"\0", b" ").split()
            )  # of forked ones, too
            if f"--output={folder}".encode() in words:
                found.append(int(entry.name))
    return found


@pytest.mark.e2e
@pytest.mark.timeout(900)
@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGUSR1], ids=lambda s: s.name)
def test_an_agent_passes_a_signal_on_and_ends_with_its_run(world: World, signum: int) -> None:
    sweep = world.sweep()
    agent = world.agent(sweep)
    wait_for((world.output / "history.jsonl").exists, world)
    agent.send_signal(signum)
    agent.send_signal(signum)  # a scheduler tells everybody, and several times
    assert agent.wait(300) == 128 + signal.SIGTERM, world.log()
    assert not runs_in(world.output)
    assert "checkpoint in" in world.log() and "Traceback" not in world.log()
    run, state, _ = world.read(sweep)
    assert state == "preempted"
    assert not (world.output / "summary.json").exists()

    assert world.agent(sweep).wait(500) == 0, world.log()
    assert world.read(sweep) == [run, "finished", list(range(1, EPOCHS + 1))]


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGUSR1], ids=lambda s: s.name)
def test_a_sweep_s_command_takes_both_for_ctrl_c_once(signum: int) -> None:
    before = signal.getsignal(signum)
    with terminated_as_interrupt():
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signum)
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGUSR1)
    assert signal.getsignal(signum) == before
