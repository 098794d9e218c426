"""What every resolver and route is given: the store, the clock, the settings, signed addresses."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tracker.documents import Object
from tracker.http.signing import Signer
from tracker.settings import Settings
from tracker.store.database import Store
from tracker.work import Work

RunHook = Callable[[sqlite3.Connection, int, float], None]  # (transaction, runs.id, now)


@dataclass(frozen=True)
class Hooks:
    """What other subjects do when a run changes, inside the transaction that changes it."""

    run_started: tuple[RunHook, ...] = ()  # a client has begun it, or has begun it again
    run_logged: tuple[RunHook, ...] = ()  # history rows were added
    run_rewritten: tuple[RunHook, ...] = ()  # rows were replaced, or put in before the last
    run_ended: tuple[RunHook, ...] = ()  # finished, failed, crashed, killed, preempted or deleted
    outputs_unwanted: tuple[RunHook, ...] = ()  # it is deleted, and what it made is to go with it
    # every few seconds, when silence counts (see clocks.py)
    tick: tuple[Callable[[sqlite3.Connection, float], None], ...] = ()


@dataclass(frozen=True)
class Context:
    store: Store
    now: float  # seconds since 1970
    base_url: str  # where this server listens, as the client reached it; no trailing slash
    signer: Signer
    blobs: Path
    settings: Settings = field(default_factory=Settings)
    hooks: Hooks = field(default_factory=Hooks)
    user_agent: str = ""
    work: Work = field(default_factory=Work)
    lease: str = ""  # the lease that the request names: see `take_over`
    operation_name: str = ""  # as the request names it, which some clients do not
    writer: str = ""  # one of several clients that write to a run at once, as it names itself

    def place(self, input: Object) -> tuple[str, str]:
        """Entity and project that an input names; this server's own where it names none."""
        project = input.get("projectName") or input.get("modelName") or self.settings.project
        return input.get("entityName") or self.settings.entity, project
