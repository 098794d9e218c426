"""A server, stock agents and their program, as processes."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.tracker.worlds import ROOT
from tracker.server import find, stop

PATIENCE = 900  # seconds, for what hangs


SERVE = """
import sys
from pathlib import Path
from tracker.settings import Settings
from tracker.serving import serve
# stock agents beat every 5 s
run, agent = map(float, sys.argv[2:])
times = Settings(heartbeat_timeout=run, agent_timeout=agent, start_grace=2, tick_seconds=0.3)
serve(Path(sys.argv[1]), settings=times)
"""


# the client's own Agent, polling more often
AGENT = """
import sys
from wandb import wandb_agent
wandb_agent.Agent.POLL_INTERVAL = 0.2
wandb_agent.run_agent(sys.argv[1])
"""


# begins, says so, logs; TRAIN_* variables make it sick, or hold it at a step until it is released:
# one value of x, or all
HELD_AT = 5


PROGRAM = (
    f"HELD_AT = {HELD_AT}"
    + """
import os, sys, time
args = dict(arg.removeprefix("--").split("=", 1) for arg in sys.argv[1:])
if os.environ.get("TRAIN_SICK"):
    sys.exit(3)
import wandb
with wandb.init(resume="allow") as run:
    with open("started.txt", "a") as file:
        file.write(f"{run.id} {os.getpid()} {run.resumed} {' '.join(sys.argv[1:])}\\n")
    if os.environ.get("TRAIN_PREEMPT") and not run.resumed:
        run.log({"loss": 9.0, "at": 0})
        run.mark_preempting()
        sys.exit(1)
    held = os.environ.get("TRAIN_HELD") in (args["x"], "all")
    for step in range(run.starting_step, int(os.environ.get("TRAIN_STEPS", 3))):
        while step == HELD_AT and held and not os.path.exists("released"):
            time.sleep(0.05)
        run.log({"loss": float(args["x"]) + 1 / (step + 1), "at": step})
"""
)


class Site:
    """A server, a folder to work in, and the environment that points wandb at the server."""

    def __init__(self, folder: Path, run_timeout: float = 20, agent_timeout: float = 20) -> None:
        self.folder, self.data = folder, folder / "data"
        self.timeouts = [str(run_timeout), str(agent_timeout)]
        self.processes: list[subprocess.Popen] = []
        (folder / "train.py").write_text(PROGRAM)
        self.start_server()

    def start_server(self) -> None:
        command = [sys.executable, "-c", SERVE, str(self.data), *self.timeouts]
        self.data.mkdir(exist_ok=True)
        with (self.data / "server.log").open("ab") as log:
            self.processes.append(
                subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, start_new_session=True)
            )
        server = wait_for(lambda: find(self.data))
        self.pid = server.pid
        self.env = {
            **{name: value for name, value in os.environ.items() if not name.startswith("WANDB_")},
            "WANDB_BASE_URL": server.url,
            "WANDB_API_KEY": server.key,
            "WANDB_DIR": str(self.folder),
            "WANDB_CONFIG_DIR": str(self.folder / "config"),
            "WANDB_CACHE_DIR": str(self.folder / "cache"),
            "WANDB_SILENT": "false",
            "WANDB_X_FILE_STREAM_TRANSMIT_INTERVAL": "1",
            "WANDB_AGENT_DISABLE_FLAPPING": "true",
            "WANDB_X_DISABLE_STATS": "true",
            "WANDB_X_DISABLE_META": "true",
            "WANDB_DISABLE_GIT": "true",
            "WANDB_CONSOLE": "off",
        }

    def kill_server(self) -> None:
        (process,) = (process for process in self.processes if process.pid == self.pid)
        process.kill()
        process.wait()

    def wandb(self, *arguments: str) -> str:
        command = [sys.executable, "-m", "wandb", *arguments]
        done = subprocess.run(
            command, cwd=self.folder, env=self.env, capture_output=True, text=True, timeout=PATIENCE
        )
        return done.stdout + done.stderr

    def sweep(self, parameters: dict[str, Any], method: str = "grid", **rest: Any) -> str:
        """Register a sweep as the client does (but in less time); returns its path."""
        self.write(parameters, method, **rest)
        config = (self.folder / "sweep.yaml").read_text()
        return f"local/p/{self.upsert(projectName='p', config=config)['name']}"

    def upsert(self, **input: Any) -> Any:
        query = "mutation M($i: UpsertSweepInput!) { upsertSweep(input: $i) { sweep { name } } }"
        return self.query(query, i=input)["upsertSweep"]["sweep"]

    def write(self, parameters: dict[str, Any], method: str = "grid", **rest: Any) -> None:
        config = {"method": method, "project": "p", "program": "train.py", "parameters": parameters}
        config |= {"command": [sys.executable, "${program}", "${args}"], **rest}
        (self.folder / "sweep.yaml").write_text(yaml.safe_dump(config))

    def agent(self, sweep: str, **env: str) -> subprocess.Popen:
        return self.spawn(["-c", AGENT, sweep], env)

    def spawn(self, arguments: list[str], env: dict[str, str]) -> subprocess.Popen:
        with (self.folder / "agents.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=self.folder,
                env=self.env | env,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def query(self, query: str, **variables: Any) -> Any:
        answer = httpx.post(
            f"{self.env['WANDB_BASE_URL']}/graphql",
            json={"query": query, "variables": variables},
            auth=("api", self.env["WANDB_API_KEY"]),
            timeout=PATIENCE,
        )
        return answer.json()["data"]

    def ask(self, sweep: str, fields: str) -> Any:
        """Fields of a sweep."""
        name = sweep.rpartition("/")[2]
        query = f'{{ project(name: "p") {{ sweep(sweepName: "{name}") {{ {fields} }} }} }}'
        return self.query(query)["project"]["sweep"]

    def state(self, sweep: str) -> str:
        return self.ask(sweep, "state")["state"]

    def runs(self, sweep: str) -> list[dict[str, Any]]:
        fields = "name state exitcode config summaryMetrics historyLineCount sampledHistory(specs: "
        fields += '["{}"])'
        edges = self.ask(sweep, f"runs(first: 500) {{ edges {{ node {{ {fields} }} }} }}")["runs"]
        return [edge["node"] | {"x": value(edge["node"], "x")} for edge in edges["edges"]]

    def explain(self, sweep: str) -> str:
        return "\n".join(self.ask(sweep, "decisionLog")["decisionLog"])

    def started(self, sweep: str | None = None) -> list[tuple[str, int, str]]:
        """(run, pid, resumed) of every start of the program, of one sweep or of all."""
        path = self.folder / "started.txt"
        words = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
        names = {run["name"] for run in self.runs(sweep)} if sweep else {w[0] for w in words}
        return [(w[0], int(w[1]), w[2]) for w in words if w[0] in names]

    def until(self, sweep: str, state: str = "FINISHED") -> None:
        self.wait_for(sweep, lambda: self.state(sweep) == state)

    def wait_for(self, sweep: str, check: Callable[[], Any]) -> Any:
        try:
            return wait_for(check)
        except AssertionError:
            log = (self.folder / "agents.log").read_text()[-3000:]
            raise AssertionError(f"{self.state(sweep)}\n{self.explain(sweep)}\n{log}") from None

    @contextlib.contextmanager
    def released(self) -> Iterator[None]:
        """Meanwhile, runs that are held go on."""
        file = self.folder / "released"
        file.touch()
        yield
        file.unlink()

    def close(self) -> None:
        stop(self.data)
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        for _, pid, _ in self.started():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def wait_for(check: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if result := check():
            return result
        time.sleep(0.05)
    raise AssertionError("waited in vain")


def value(run: dict[str, Any], name: str) -> Any:
    return json.loads(run["config"])[name]["value"]


def registered(output: str) -> str:
    """The path of the sweep that `wandb sweep` printed."""
    found = re.search(r"wandb agent (\S+)", output)
    assert found, output
    return found.group(1)
