"""The wandb client's agent, that ends well in a scheduler's hands and names its processes."""

from __future__ import annotations

import json
import os
import signal
from typing import Any

from wandb import wandb_agent

from tracker.runs.take_over import LEASE_HEADER

HEADERS = "WANDB_X_EXTRA_HTTP_HEADERS"  # JSON; the client sends them with all that it says of a run


class Agent(wandb_agent.Agent):
    """The client's agent; SIGTERM and SIGUSR1 reach its runs, and no further run begins.

    The client's own agent dies of either, and its run goes on alone; its option to forward signals
    hands on every one, a Ctrl-C and the end of a child included. Here the run gets the signal, the
    agent waits until it has ended, and exits with 143. Ctrl-C is the client's own affair.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
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
