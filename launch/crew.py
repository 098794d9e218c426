"""The agents of one sweep on this machine: start them, watch them, stop them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from contract import outside, places
from contract.words import counted
from launch.count import counter, describe
from launch.explain import tell_stopped
from launch.program import Program
from launch.servers import Chosen

POLL_SECONDS = 2.0
# A run gets this long to write its checkpoint after Ctrl-C, before its agent is killed.
STOP_SECONDS = 60.0
# Exit code where the agents are through and some cells are not done, as `report --strict`.
INCOMPLETE = 3


@dataclass(frozen=True)
class Crew:
    """Who works on a sweep: so many agents, for a server, on a program.

    modules: folders in which a person's modules are looked for. warm: whether runs are forked from
    a process that has loaded their libraries; None: those of our own program.
    """

    agents: int
    server: Chosen
    program: Program
    modules: tuple[Path, ...] = ()
    warm: bool | None = None


def run_agents(path: str, config: dict[str, Any], crew: Crew) -> int:
    """Run agents until the sweep is through; return the exit code that its state deserves."""
    count = counter(path, config)
    before = count()
    expected = sum(before.values()) if config["method"] == "grid" else config.get("run_cap", 0)
    if config["method"] == "grid" and before["done"] == expected:
        click.echo(f"sweep {path}: all {expected} cells × seeds are done; nothing to run")
        return 0
    logs = places.runs() / "agents"
    click.echo(f"sweep {path}: {counted(crew.agents, 'agent')}; logs are in {logs}")
    agents = Agents(path, crew)
    with terminated_as_interrupt():
        try:
            agents.start(crew.agents)
            after = watch(agents, crew.server, count, expected)
        except KeyboardInterrupt:
            click.echo("\nstopping: every run writes its checkpoint …", err=True)
            agents.stop()
            tell_stopped(crew.server, path)
            click.echo("stopped; the same command goes on from here", err=True)
            raise SystemExit(130) from None
    left = expected - after["done"]
    if config["method"] == "grid" and left:
        click.echo(
            f"{left} of {expected} cells × seeds are not done; the reasons stand in "
            f"{', '.join(str(log) for log in agents.logs)}. The same command runs them again",
            err=True,
        )
        return INCOMPLETE
    return 0


@dataclass
class Agents:
    """The agent processes of one sweep, each with its own log."""

    sweep: str
    crew: Crew
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    logs: list[Path] = field(default_factory=list)

    def start(self, count: int) -> None:
        """Start `count` agents in process groups of their own, so that Ctrl-C reaches them once."""
        command = [sys.executable, str(places.RUNNER), "agent", self.sweep]
        command += ["--program", str(places.RUNNER)] if self.crew.program.ours else []
        if self.crew.warm is not None:
            command += ["--warm" if self.crew.warm else "--no-warm"]
        env = os.environ | {places.HOME: str(places.home())}
        env[outside.FOLDERS] = outside.folders(*self.crew.modules)
        folder = places.runs() / "agents"
        folder.mkdir(parents=True, exist_ok=True)
        for _ in range(count):
            log = folder / f"{self.sweep.rsplit('/', 1)[-1]}-{len(self.logs)}.log"
            with log.open("ab") as output:
                process = subprocess.Popen(
                    command,
                    env=env,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    cwd=self.crew.program.folder,
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
