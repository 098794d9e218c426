"""One agent: the wandb client's, that ends well in a scheduler's hands and names its processes."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import select
import signal
import sys
import time
from pathlib import Path
from typing import Any

from wandb import wandb_agent
from wandb.env import SERVICE
from wandb.errors import CommError

from contract import places
from launch.program import RUNNER
from launch.register import LaunchError
from launch.servers import Chosen
from launch.warm import Forked, Warm
from tracker.runs.take_over import LEASE_HEADER

HEADERS = "WANDB_X_EXTRA_HTTP_HEADERS"  # JSON; the client sends them with all that it says of a run

# Seconds. The client's own 5 s before every poll would cost more than a short run takes.
POLL_INTERVAL = 0.5


def work(
    sweep: str, count: int | None, program: Path | None, server: Chosen, warm: bool | None
) -> None:
    """Run one agent for "entity/project/id" until the server has nothing more, or `count` runs.

    `program`: what to start in the place of the sweep's own. `warm`: whether runs are forked from a
    process that has loaded their libraries; None: those of our own program.
    """
    prepare_environment()
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # as background jobs of scripts begin
        # runs would ignore it too, and the client stops them by it
        signal.signal(signal.SIGINT, signal.default_int_handler)
    Agent.PROGRAM = program
    Agent.POLL_INTERVAL = POLL_INTERVAL  # type: ignore[assignment]
    Process.WARM = Warm(warm)
    wandb_agent.Agent = Agent  # type: ignore[misc]
    wandb_agent.AgentProcess = Process  # type: ignore[misc]
    try:
        wandb_agent.run_agent(sweep, count=count)
    except CommError as error:  # no such sweep, or no server any more
        raise LaunchError(f"SWEEP {sweep!r}: {server.url} says: {error}") from error
    finally:
        Process.WARM.close()


def prepare_environment() -> None:
    """Set what makes agents of one machine fast and quiet; what the user has set stays."""
    defaults = {
        # Hyperband decides on the rows that have arrived; the client's default is every 15 s.
        "WANDB_X_FILE_STREAM_TRANSMIT_INTERVAL": "1",
        # The server stops offering runs to a sick agent; the client's own rules exit with 0.
        "WANDB_AGENT_DISABLE_FLAPPING": "true",
        "WANDB_AGENT_MAX_INITIAL_FAILURES": "1000000",
        "WANDB_DIR": str(places.runs()),
    }
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
    Path(os.environ["WANDB_DIR"]).mkdir(parents=True, exist_ok=True)


def prepare_program(program: str | None, instead: Path | None) -> str | None:
    """Return the file to start for `program` of a sweep, and set what it needs to run well.

    `python3` of its command is this interpreter for our own program, and for others where nobody
    has activated an environment of theirs: another one may lack the packages.
    """
    path = Path(instead or program or "")
    if path == Path(RUNNER) and not path.is_file():
        path = places.RUNNER
    ours = path.resolve() == places.RUNNER
    if ours:
        # One torch thread per agent: two one-thread agents do 1.8-2 times the work of one.
        os.environ.setdefault("OMP_NUM_THREADS", "1")
    own, rest = str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)
    activated = {"VIRTUAL_ENV", "CONDA_PREFIX"} & set(os.environ)
    if (ours or not activated) and rest.split(os.pathsep)[0] != own:
        os.environ["PATH"] = f"{own}{os.pathsep}{rest}"
    return str(path) if program else None


class Process(wandb_agent.AgentProcess):
    """The client's handle of a run, forked where that is possible."""

    WARM = Warm(False)

    def __init__(self, env: dict[str, str], command: list[str], **options: Any) -> None:
        env.pop(SERVICE, None)  # each run starts a service of its own, as the client has it
        self._popen = self.WARM.begin(command, env)
        self._proc = None
        if self._popen is None:
            super().__init__(env=env, command=command, **options)


class Ends:
    """In the place of the client's queue, in which nothing ever lies: a poll waits for less time
    where a run ends meanwhile.
    """

    def __init__(self, processes: dict[str, Process]) -> None:
        self.processes = processes
        self.first = True

    def get(self, block: bool, timeout: float) -> Any:
        """Wait until a run ends or the time is up; the first poll comes at once."""
        timeout, self.first = 0 if self.first else timeout, False
        if not hasattr(os, "pidfd_open"):
            time.sleep(timeout)
            raise queue.Empty
        with contextlib.ExitStack() as opened:
            fds = []
            for process in self.processes.values():
                if isinstance(process._popen, Forked):
                    fds.append(process._popen.pidfd)
                elif process._popen and process.poll() is None:
                    # not waited for, so its number is still its own
                    fds.append(os.pidfd_open(process._popen.pid))
                    opened.callback(os.close, fds[-1])
                else:
                    raise queue.Empty
            select.select(fds, [], [], timeout)
        raise queue.Empty


class Agent(wandb_agent.Agent):
    """The client's agent; SIGTERM and SIGUSR1 reach its runs, and no further run begins.

    The client's own agent dies of either, and its run goes on alone; its option to forward signals
    hands on every one, a Ctrl-C and the end of a child included. Here the run gets the signal, the
    agent waits until it has ended, and exits with 143. Ctrl-C is the client's own affair.
    """

    PROGRAM: Path | None = None

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._queue = Ends(self._run_processes)
        self._received: list[int] = []
        self._starting = False
        for signum in (signal.SIGTERM, signal.SIGUSR1):
            signal.signal(signum, self._on_signal)

    def run(self) -> None:
        """Work until the server has no more runs, or a signal came."""
        try:
            super().run()
        except KeyboardInterrupt:  # before the client began to listen for it
            if not self._received:
                raise
        if self._received:
            raise SystemExit(128 + signal.SIGTERM)

    def _command_run(self, command: dict[str, Any]) -> None:
        """Begin a run; a signal that comes meanwhile reaches it afterwards."""
        name_process(command.get("lease"))
        command = {**command, "program": prepare_program(command.get("program"), self.PROGRAM)}
        self._starting, before = True, len(self._received)
        try:
            super()._command_run(command)
        finally:
            self._starting = False
        for signum in self._received[before:]:
            self._pass_on(signum)
        if self._received[before:]:
            raise KeyboardInterrupt

    def _on_signal(self, signum: int, frame: object) -> None:
        self._received.append(signum)
        if self._starting:
            return
        self._pass_on(signum)
        if len(self._received) == 1:
            raise KeyboardInterrupt  # upon which the client waits for its runs and ends

    def _pass_on(self, signum: int) -> None:
        for process in self._run_processes.values():
            if process._popen is not None:
                process._popen.send_signal(signum)  # does nothing to a process that has ended


def name_process(lease: str | None) -> None:
    """Let the process that is started next tell the embedded tracker under which lease it runs.

    Two processes may write to one run, where an agent was silent for so long that its run was given
    to another. The user's own headers stay. Other servers give no `lease`.
    """
    headers = json.loads(os.environ.get(HEADERS) or "{}")
    headers.pop(LEASE_HEADER, None)
    if lease is not None:
        headers[LEASE_HEADER] = lease
    os.environ[HEADERS] = json.dumps(headers)
