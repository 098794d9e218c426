"""Run a registered sweep on this machine: register, start agents, watch them, stop them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from cli.agent import prepare_environment
from cli.servers import Chosen
from contract import places
from contract.values import key

POLL_SECONDS = 2.0
# A run gets this long to write its checkpoint after Ctrl-C, before its agent is killed.
STOP_SECONDS = 60.0
# Marks a sweep that is adding seeds to some of its cells (`--until-decided`): its seeds are not
# wanted for all cells.
ADDED_SEEDS = "seeds added to undecided cells"


class LaunchError(Exception):
    """The sweep could not be registered or found."""

    exit_code = 2


def register(file: Path, update: str | None = None) -> str:
    """Register `file` with the real `wandb sweep`; return "entity/project/id".

    `update`: the path of an existing sweep that gets this configuration instead.
    """
    command = [sys.executable, "-m", "wandb", "sweep"]
    command += ["--update", update] if update else []
    done = subprocess.run([*command, str(file)], capture_output=True, text=True, cwd=places.CODE)
    output = click.unstyle(done.stdout + done.stderr)
    found = re.search(r"wandb agent '?([^\s']+)", output)
    if done.returncode != 0 or found is None:
        raise LaunchError(f"wandb sweep {file} was refused:\n{output.strip()}")
    path = found[1]
    if path.count("/") == 2:
        return path
    return "/".join([str(connect().default_entity), *path.split("/")])


def connect() -> Any:
    """Return a wandb.Api; LaunchError where its server cannot be reached or refuses the login."""
    import wandb

    try:
        return wandb.Api()
    except (wandb.Error, ValueError) as error:
        server = os.environ.get("WANDB_BASE_URL", "the W&B server of your login")
        raise LaunchError(
            f"{server} cannot be used: {error}\nLog in with `wandb login`, mend WANDB_BASE_URL and "
            "WANDB_API_KEY, or use --tracker embedded"
        ) from None


def find_existing(config: dict[str, Any], extend: bool) -> tuple[str, dict[str, Any]] | None:
    """Return path and configuration of the latest sweep that `config` repeats or extends.

    It is the same sweep where name, method, command and fixed parameters agree, and where each of
    its axes holds no value that `config` lacks. Seeds may differ: they are replicates. Without
    `extend` (a server that does not take new cells into a sweep that has run) nothing may differ.
    """
    from wandb.errors import CommError

    api = connect()
    try:
        sweeps = list(api.project(config["project"]).sweeps())
    except (ValueError, CommError):  # no such project yet
        return None
    for sweep in sorted(sweeps, key=lambda s: s._attrs.get("createdAt") or "", reverse=True):
        same = extends(config, sweep.config)
        if not extend:
            same = same and sweep.config["parameters"] == config["parameters"]
        if same and sweep._attrs.get("state") != "CANCELED":
            return "/".join(sweep.path), sweep.config
    return None


def extends(new: dict[str, Any], old: dict[str, Any]) -> bool:
    """Return whether the sweep `old` is `new`, or `new` with fewer values or other seeds."""
    if any(new.get(key) != old.get(key) for key in ("name", "method", "command", "program")):
        return False
    mine, theirs = new["parameters"], old.get("parameters", {})
    if set(mine) != set(theirs):
        return False
    if new["method"] != "grid":
        return key(mine) == key(theirs)
    return all(
        {key(value) for value in values(spec)} <= {key(value) for value in values(mine[name])}
        for name, spec in theirs.items()
        if name != "seed"
    )


def values(spec: dict[str, Any]) -> list[Any]:
    """Return the values of one parameter of a grid."""
    return spec["values"] if "values" in spec else [spec.get("value")]


def with_seeds_of(config: dict[str, Any], old: dict[str, Any]) -> dict[str, Any]:
    """Return `config` with the seeds of the existing sweep kept beside its own."""
    if "seed" not in config["parameters"] or (old.get("description") or "").startswith(ADDED_SEEDS):
        return config
    seeds = values(old["parameters"]["seed"])
    added = [s for s in values(config["parameters"]["seed"]) if s not in seeds]
    return {
        **config,
        "parameters": {**config["parameters"], "seed": {"values": [*seeds, *added]}},
    }


@dataclass
class Agents:
    """The agent processes of one sweep, each with its own log."""

    sweep: str
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    logs: list[Path] = field(default_factory=list)

    def start(self, count: int) -> None:
        """Start `count` agents in process groups of their own, so that Ctrl-C reaches them once."""
        prepare_environment()
        folder = places.runs() / "agents"
        folder.mkdir(parents=True, exist_ok=True)
        for _ in range(count):
            log = folder / f"{self.sweep.rsplit('/', 1)[-1]}-{len(self.logs)}.log"
            with log.open("ab") as output:
                process = subprocess.Popen(
                    [sys.executable, str(places.RUNNER), "agent", self.sweep],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    cwd=places.CODE,
                    process_group=0,
                )
            self.processes.append(process)
            self.logs.append(log)

    def alive(self) -> bool:
        """Return whether any agent still works."""
        return any(process.poll() is None for process in self.processes)

    def stop(self) -> None:
        """Ask agents to end their runs at a checkpoint; kill what does not listen."""
        deadline = time.monotonic() + STOP_SECONDS
        for process in self.processes:
            process.terminate()  # does nothing to a process that has ended
        for process in self.processes:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


@contextmanager
def terminated_as_interrupt() -> Iterator[None]:
    """Treat SIGTERM, and SIGUSR1 by which Slurm warns, like Ctrl-C: all of them stop the agents."""

    def interrupt(signum: int, frame: object) -> None:
        # once: a scheduler's second word must not keep agents from being stopped
        for known in before:
            signal.signal(known, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {s: signal.signal(s, interrupt) for s in (signal.SIGTERM, signal.SIGUSR1)}
    try:
        yield
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


def watch(
    agents: Agents, server: Chosen, count: Callable[[], dict[str, int]], expected: int
) -> dict[str, int]:
    """Show progress until the agents are through; return the last counts by state.

    `count` returns cells × seeds by state ("done", "running", "failed", "missing"). A server of
    ours that dies is started again: agents and runs retry until it answers.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console()
    started, first = time.monotonic(), None
    last: dict[str, int] = {}
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[line]}"),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
    ) as progress:
        task = progress.add_task("cells × seeds", total=expected, line="")
        alive = True
        while alive:
            alive = agents.alive()
            try:
                now = count()
            except Exception as error:
                server.keep_alive()
                progress.log(f"the server did not answer ({type(error).__name__}); retrying")
                time.sleep(POLL_SECONDS)
                continue
            first = now["done"] if first is None else first
            line = describe(now, time.monotonic() - started, now["done"] - first)
            progress.update(task, completed=now["done"], line=line)
            if not console.is_terminal and now != last:
                click.echo(line)
            last = now
            if alive:
                time.sleep(POLL_SECONDS)
    return last


def describe(counts: dict[str, int], seconds: float, done_here: int) -> str:
    """Return one line of progress; `seconds` since the start, in which `done_here` were done."""
    left = counts["running"] + counts["missing"]
    line = ", ".join(f"{counts[state]} {state}" for state in ("done", "running", "failed"))
    if left and done_here:
        # of what is running, half is done on average
        seconds_left = (left - counts["running"] / 2) * seconds / done_here
        minutes, rest = divmod(round(seconds_left), 60)
        hours, minutes = divmod(minutes, 60)
        span = f"{hours}:{minutes:02d} h" if hours else f"{minutes}:{rest:02d} min"
        line += f", {left} to go, about {span} left"
    return line


SWEEP = """
query Sweep($entity: String!, $project: String!, $sweep: String!) {
  project(name: $project, entityName: $entity) { sweep(sweepName: $sweep) { id decisionLog } }
}
"""
STOP = """
mutation Stop($id: ID!) { upsertSweep(input: {id: $id, state: "STOPPED"}) { sweep { id } } }
"""


def decision_log(url: str, path: str) -> list[str]:
    """Return the embedded tracker's decisions about the sweep "entity/project/id", oldest first."""
    return _sweep(url, path)["decisionLog"]


def tell_stopped(server: Chosen, path: str) -> None:
    """Tell the embedded tracker that the agents of a sweep were stopped: they did not crash."""
    import requests

    if server.data_dir is not None:
        with suppress(LaunchError, requests.RequestException):  # then it has to guess
            _ask(server.url, STOP, id=_sweep(server.url, path)["id"])


def _sweep(url: str, path: str) -> dict[str, Any]:
    if path.count("/") != 2:
        raise LaunchError(f"SWEEP {path!r}: write entity/project/id, as `wandb sweep` prints it")
    entity, project, sweep = path.split("/")
    found = _ask(url, SWEEP, entity=entity, project=project, sweep=sweep).get("project") or {}
    if not found.get("sweep"):
        raise LaunchError(f"SWEEP {path!r}: the server has no such sweep")
    return found["sweep"]


def _ask(url: str, query: str, **variables: str) -> dict[str, Any]:
    """Return the embedded tracker's answer to a query, {} where it refuses."""
    import requests

    answer = requests.post(
        f"{url}/graphql",
        json={"query": query, "variables": variables},
        auth=("api", os.environ["WANDB_API_KEY"]),
        timeout=30,
    )
    return answer.json().get("data") or {}
