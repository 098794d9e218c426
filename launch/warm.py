"""Runs that are forked from a process which has loaded their libraries (`launch.nest`).

A run of a sweep may take less time than its imports. What cannot be forked safely, or is no plain
Python program, is started as the client starts it.
"""

from __future__ import annotations

import ast
import json
import os
import select
import shutil
import signal
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

import wandb

from contract import places

# What the client imports when a run begins, and not before.
CLIENT = (
    *("wandb", "wandb.apis.public", "wandb.sdk.launch.sweeps", "requests", "psutil", "yaml"),
    "opentelemetry.exporter.otlp.proto.http.metric_exporter",
    "opentelemetry.exporter.otlp.proto.http._log_exporter",
)
# What a run of ours imports: so that a fork has nothing left to load.
OURS = (
    *("setproctitle", "cli.train", "cli.pretrain", "fusion.fit", "fusion.training.device"),
    *("fusion.contrastive.pipeline", "fusion.models.transfer", "fusion.training.tracking"),
    *("fusion.training.measure", "fusion.training.sealed", "fusion.training.provenance"),
)
KEPT = "WANDB_"  # variables that differ from run to run, and are read when a run begins


@dataclass(frozen=True)
class Call:
    """A command that is a Python program: interpreter, program and its arguments."""

    python: str
    argv: list[str]


def call_of(command: list[str], env: dict[str, str]) -> Call | None:
    """Read `[/usr/bin/env] PYTHON PROGRAM.py ARGUMENTS…`; None for any other command."""
    words = command[1:] if command[:1] == ["/usr/bin/env"] else command
    if len(words) < 2 or not Path(words[0]).name.startswith("python"):
        return None
    python = shutil.which(words[0], path=env.get("PATH"))
    if python is None or not words[1].endswith(".py") or not Path(words[1]).is_file():
        return None
    return Call(python, words[1:])


def imported(program: Path) -> list[str]:
    """Return the modules that a program imports at its top and that do not lie beside it."""
    try:
        body = ast.parse(program.read_bytes()).body
    except (SyntaxError, ValueError):
        return []
    names = []
    for statement in body:
        if isinstance(statement, ast.Import):
            names += [alias.name for alias in statement.names]
        elif isinstance(statement, ast.ImportFrom) and statement.module and not statement.level:
            names.append(statement.module)
    folder = program.resolve().parent
    tops = {name: folder / name.partition(".")[0] for name in names}
    return [
        name
        for name, top in tops.items()
        if not (top.is_dir() or list(folder.glob(f"{top.name}.*")))
    ]


class Nest:
    """A started nest, for one interpreter, program and environment."""

    def __init__(self, call: Call, env: dict[str, str]) -> None:
        program = Path(call.argv[0])
        ours = program.resolve() == places.RUNNER
        modules = OURS if ours else ["setproctitle", *imported(program)]
        self.key = key(call, env)
        self.control, theirs = socket.socketpair(type=socket.SOCK_SEQPACKET)
        with theirs:
            self.process = subprocess.Popen(
                [
                    *(call.python, str(places.NEST), str(theirs.fileno())),
                    *(str(places.CODE) if ours else "", *CLIENT, *modules),
                ],
                env=env,
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                process_group=0,  # a Ctrl-C in the terminal is the agent's affair
            )
        answer = self.receive()[0]
        self.refused = answer.get("refused", "" if answer else "it ended while it loaded them")
        if self.refused:
            wandb.termlog(f"Every run loads its libraries anew: {self.refused}")
        else:
            wandb.termlog(f"Runs are forked from process {self.process.pid}, libraries loaded")

    def receive(self) -> tuple[dict[str, object], list[int]]:
        """Return the next answer and what came with it; {} where the nest has ended."""
        try:
            line, fds, _, _ = socket.recv_fds(self.control, 4096, 1)
        except OSError:
            return {}, []
        return (json.loads(line) if line else {}), fds

    def fork(self, call: Call, env: dict[str, str]) -> Forked | None:
        """Return a run that has begun; None where another nest is needed."""
        end, theirs = os.pipe()
        try:
            line = json.dumps({"argv": call.argv, "env": env}).encode()
            socket.send_fds(self.control, [line], [theirs])
        except OSError:
            fds: list[int] = []
        else:
            fds = self.receive()[1]
        finally:
            os.close(theirs)
        if not fds:
            os.close(end)
            return None
        return Forked(fds[0], end)

    def close(self) -> None:
        """Let it end; what it has forked goes on."""
        self.control.close()
        self.process.wait()


class Warm:
    """The nest of an agent; `asked`: whether any Python program is to be forked, None: ours."""

    def __init__(self, asked: bool | None) -> None:
        self.asked = asked if hasattr(os, "pidfd_open") else False
        self.nest: Nest | None = None

    def begin(self, command: list[str], env: dict[str, str]) -> Forked | None:
        """Return a run that has begun; None where it is to be started as the client does it."""
        call = call_of(command, env) if self.asked is not False else None
        if call is None or not (self.asked or Path(call.argv[0]).resolve() == places.RUNNER):
            return None
        for _ in range(2):  # a nest may have died, or its libraries have changed
            if self.nest is None or self.nest.key != key(call, env):
                self.close()
                self.nest = Nest(call, env)
            if self.nest.refused:
                return None
            if forked := self.nest.fork(call, env):
                return forked
            self.close()
        return None

    def close(self) -> None:
        """Let the nest end; its runs go on."""
        if self.nest is not None:
            self.nest.close()
        self.nest = None


def key(call: Call, env: dict[str, str]) -> object:
    """Return what a nest is for: another interpreter, program or environment needs another."""
    return call.python, call.argv[0], {k: v for k, v in env.items() if not k.startswith(KEPT)}


class Forked:
    """A forked run, with what the client asks of `subprocess.Popen`."""

    def __init__(self, pidfd: int, end: int) -> None:
        self.pidfd, self.end = pidfd, end
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return the exit code, -n after signal n; 1 where its nest died; None while it runs."""
        if self.returncode is None and select.select([self.pidfd], [], [], 0)[0]:
            self.wait()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end; return the exit code."""
        if self.returncode is None:
            if not select.select([self.pidfd], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("run", timeout or 0)
            with os.fdopen(self.end, "rb") as file:
                self.returncode = int(file.read() or b"1")
            os.close(self.pidfd)
        return self.returncode

    def send_signal(self, signum: int) -> None:
        """Send a signal; does nothing to a run that has ended."""
        if self.poll() is None:
            signal.pidfd_send_signal(self.pidfd, signum)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)
