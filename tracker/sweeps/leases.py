"""Leases: which agent runs which cell.

A lease is an attempt whose `ended_at` is null; unique indexes allow one per cell and one per agent.
It is kept while the agent's heartbeats name the run (`runState`) or the run itself is heard of;
what follows its end stands in `attempts`. Cells whose run can go on come first, then fresh ones,
then retries; a retry goes to another agent while there is a live one on which it has not failed.

An offer may be lost on its way to the agent, which then asks once more. A program that ends before
wandb.init looks the same from here: its agent, too, has nothing alive and nothing came of the run.
So the same run is offered up to OFFERS times, and only then is it a fault. Where the cell or the
agent has just had such a fault, there is no more doubt, and each offer counts.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections.abc import Set
from typing import Any

from tracker.api import ids
from tracker.context import RunHook
from tracker.runs import rows as run_rows
from tracker.runs.states import next_state
from tracker.runs.tables import RunRow
from tracker.settings import Settings
from tracker.store.rows import insert, update
from tracker.sweeps import attempts
from tracker.sweeps import rows as sweep_rows
from tracker.sweeps import states as sweep_states
from tracker.sweeps.rows import SAME_RUN, run_of, sweep_of
from tracker.sweeps.states import config_of, describe, note
from tracker.sweeps.tables import AgentRow, AttemptRow, CellRow, SweepRow

OFFERS = 8  # of one lease that shows no sign of life
STOP_PATIENCE = 20.0  # seconds to obey a person's stop by oneself; the client asks every 15
PROCESS = secrets.token_hex(8)  # this server process: offers of an earlier one may have been lost
Command = dict[str, Any]


class Leases:
    """The rules above; all state lies in the database."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    # --- agents -------------------------------------------------------------------------------

    def register(self, db: sqlite3.Connection, sweep: SweepRow, host: str, now: float) -> int:
        """A new agent's id; a sweep that waited for one starts."""
        sweep_states.agent_came(db, sweep, now)
        columns = {"name": ids.random_name(), "host": host, "created_at": now, "heartbeat_at": now}
        return insert(db, "agents", sweep_id=sweep["id"], **columns)

    def heartbeat(
        self,
        db: sqlite3.Connection,
        agent: AgentRow,
        alive: Set[str],
        now: float,
        run_ended: tuple[RunHook, ...],
    ) -> list[Command]:
        """Commands for an agent whose living processes are the runs named in `alive`.

        One `run` at most, and only where nothing lives: the stock agent executes every command of
        a reply at once.
        """
        update(db, "agents", agent["id"], heartbeat_at=now)
        if agent["state"] == "running":  # its sweep may have been given up meanwhile
            sweep_states.agent_came(db, sweep_of(db, agent["sweep_id"]), now)
        lease = sweep_rows.lease_of_agent(db, agent["id"])
        if lease:
            run = run_of(db, lease)
            if run["name"] in alive:
                seen_at = lease["seen_at"] or now
                columns = {"process_alive": 1, "seen_at": seen_at}
                update(db, "attempts", lease["id"], **columns)
            elif not alive and _reply_was_lost(db, lease, run):
                if sweep_of(db, agent["sweep_id"])["state"] == "RUNNING":
                    return [_offer_again(db, agent, lease, run, now)]
                update(db, "attempts", lease["id"], process_gone=1)
                attempts.close(db, lease, run, "lost", now)
            else:
                update(db, "attempts", lease["id"], process_gone=1)
                attempts.process_ended(db, lease, run, now, run_ended)
        stops = [
            {"type": "stop", "run_id": name}
            for name in sorted(alive)
            if self._must_stop(db, agent, name, now)
        ]
        return stops if stops or alive else self._idle(db, agent["id"], now)

    def _idle(self, db: sqlite3.Connection, agent_id: int, now: float) -> list[Command]:
        """Commands for an agent that runs nothing: a cell, patience, or the end."""
        agent = sweep_rows.get_agent(db, agent_id)
        assert agent
        sweep = sweep_of(db, agent["sweep_id"])
        if agent["state"] == "running" and sweep["state"] == "RUNNING":
            sweep_states.end_retries(db, sweep, now)
            cell = self._choose(db, sweep, agent, now)
            if cell:
                return [self._lease(db, sweep, agent, cell, now)]
            sweep_states.conclude(db, sweep["id"], now)
            sweep = sweep_of(db, sweep["id"])
        if agent["state"] == "running" and sweep["state"] not in sweep_states.ENDED:
            return []
        if agent["state"] == "running":
            update(db, "agents", agent["id"], state="finished")
        return [{"type": "exit"}]

    def _must_stop(self, db: sqlite3.Connection, agent: AgentRow, name: str, now: float) -> bool:
        """Whether an agent is to end the process of a run."""
        run = run_rows.find_run(db, sweep_of(db, agent["sweep_id"])["project_id"], name)
        attempt = sweep_rows.last_attempt(db, run_id=run["id"]) if run else None
        if run is None or attempt is None:
            return False
        if attempt["ended_at"] is not None:  # it was thought dead
            revived = attempts.revive(db, attempt, run, now, agent["id"])
            return not revived and attempt["outcome"] in (*SAME_RUN, "superseded")
        if attempt["agent_id"] != agent["id"]:
            return True  # another agent goes on with this run
        if not run["stop_requested"] and attempt["stop_reason"] is None:
            return False
        if attempt["stop_reason"] is not None:
            return True  # hyperband, cancel: at once, as W&B does
        if attempt["stop_asked_at"] is None:
            update(db, "attempts", attempt["id"], stop_asked_at=now)
            return False
        return now >= attempt["stop_asked_at"] + STOP_PATIENCE

    # --- giving out ---------------------------------------------------------------------------

    def _choose(
        self, db: sqlite3.Connection, sweep: SweepRow, agent: AgentRow, now: float
    ) -> CellRow | None:
        """The next cell: one whose run can go on, a fresh one, a retry; but where fresh ones never
        end, a retry comes before them."""
        since = now - self.settings.agent_timeout
        endless = config_of(sweep["config"]).expected is None
        for turn in (0, 1) if endless else (0,):
            cell = sweep_rows.waiting_cell(db, sweep["id"], turn, agent["id"], since)
            if cell:
                return cell
        fresh = sweep_states.fresh_cell(db, sweep)
        if fresh is not None:
            return sweep_rows.get_cell(db, fresh)
        return sweep_rows.waiting_cell(db, sweep["id"], 1, agent["id"], since)

    def _lease(
        self, db: sqlite3.Connection, sweep: SweepRow, agent: AgentRow, cell: CellRow, now: float
    ) -> Command:
        forerunner = sweep_rows.last_attempt(db, cell_id=cell["id"])
        number = forerunner["number"] + 1 if forerunner else 1
        if forerunner and forerunner["outcome"] in SAME_RUN:
            run = self._take_up(db, forerunner, now)
            from_step = max(run["last_step"], forerunner["from_step"])  # it may have begun anew
        else:
            run = self._new_run(db, sweep, cell, forerunner, now)
            from_step = run["last_step"]
        insert(
            db,
            "attempts",
            sweep_id=sweep["id"],
            cell_id=cell["id"],
            run_id=run["id"],
            agent_id=agent["id"],
            forerunner=forerunner["id"] if forerunner else None,
            number=number,
            from_step=from_step,
            offered_by=PROCESS,
            leased_at=now,
        )
        update(db, "cells", cell["id"], state="leased")
        words = f"attempt {number} at {describe(json.loads(cell['args']))}"
        if forerunner:
            words += f", after {run_of(db, forerunner)['name']} ({forerunner['outcome']})"
        note(db, sweep["id"], now, "lease", f"{words}; agent {agent['name']}", run["name"])
        lease = sweep_rows.lease_of_cell(db, cell["id"])
        assert lease
        return _command(db, lease, run)

    def _take_up(self, db: sqlite3.Connection, forerunner: AttemptRow, now: float) -> RunRow:
        """The forerunner's run, made ready to go on."""
        run = run_of(db, forerunner)
        update(
            db,
            "runs",
            run["id"],
            state=next_state(run, "offered"),
            stop_requested=0,
            preempting=0,
            exit_code=None,
            ended_at=None,
            begun_anew=0,
            heartbeat_at=now,
        )
        return run_of(db, forerunner)

    def _new_run(
        self,
        db: sqlite3.Connection,
        sweep: SweepRow,
        cell: CellRow,
        forerunner: AttemptRow | None,
        now: float,
    ) -> RunRow:
        if forerunner:
            first = (run_of(db, forerunner)["display_name"] or "").partition("-retry-")[0]
            display_name = f"{first}-retry-{forerunner['number']}"
        else:
            display_name = f"{sweep['name']}-{sweep_of(db, sweep['id'])['handed_out']}"
        config = {name: {"value": value} for name, value in json.loads(cell["args"]).items()}
        run_id = run_rows.create_run(
            db,
            sweep["project_id"],
            ids.random_name(),
            "pending",
            now,
            sweep=sweep["name"],
            display_name=display_name,
            config=json.dumps(config),
        )
        run = run_rows.get_run(db, run_id)
        assert run
        return run

    # --- time ---------------------------------------------------------------------------------

    def tick(self, db: sqlite3.Connection, now: float) -> None:
        """Take back leases of vanished agents; end sweeps that nobody works on any more."""
        since = now - self.settings.agent_timeout
        for lease in sweep_rows.abandoned_leases(db, since):
            run = run_of(db, lease)
            if run["state"] == "pending":
                _give_up_offer(db, lease, run, now, since)
            else:
                attempts.process_ended(db, lease, run, now, (attempts.run_ended,))
        for sweep in sweep_rows.running_sweeps(db):
            alone = not sweep_rows.live_agents(db, sweep["id"], since)
            waited = sweep["updated_at"] < since  # resumed just now: somebody may come
            if alone and waited and not sweep_rows.leases(db, sweep["id"]):
                sweep_states.give_up(db, sweep, now)


def _reply_was_lost(db: sqlite3.Connection, lease: AttemptRow, run: RunRow) -> bool:
    """Whether the agent, which has nothing alive, may never have seen the command."""
    never_seen = lease["seen_at"] is None and run["state"] == "pending"
    if not never_seen or run["stop_requested"] or lease["offers"] >= OFFERS:
        return False
    return lease["offered_by"] != PROCESS or not any(
        attempts.never_began(before) for before in sweep_rows.attempts_before(db, lease)
    )


def _offer_again(
    db: sqlite3.Connection, agent: AgentRow, lease: AttemptRow, run: RunRow, now: float
) -> Command:
    offers = lease["offers"] + 1
    update(db, "attempts", lease["id"], offers=offers, offered_by=PROCESS)
    text = f"offered again, {offers} of {OFFERS} times: no sign of it from agent {agent['name']}"
    note(db, lease["sweep_id"], now, "lease", f"{text} (was the reply lost?)", run["name"])
    return _command(db, lease, run)


def _give_up_offer(
    db: sqlite3.Connection, lease: AttemptRow, run: RunRow, now: float, since: float
) -> None:
    """End the lease of a run that never began and whose agent has been silent since then.

    An agent that asked again and again before may have ended over a program that does not start, as
    the stock one does at its fifth failure. Where somebody else may come for the cell, it is lost.
    Where nobody and nothing else is left, it has as many faults as there were offers without a sign
    of life, each of which would have been a retry: else no end would be in sight for the sweep.
    """
    deaths = lease["offers"] - 1 if lease["seen_at"] is None else 0
    sweep = sweep_of(db, lease["sweep_id"])
    if (
        not deaths
        or sweep_rows.live_agents(db, sweep["id"], since)
        or sweep_states.anything_left(db, sweep, besides=lease["cell_id"])
    ):
        attempts.close(db, lease, run, "lost", now)
    else:
        outcome = "crashed" if run["started"] else "unstarted"
        attempts.close(db, lease, run, outcome, now, faults=deaths)


def _command(db: sqlite3.Connection, lease: AttemptRow, run: RunRow) -> Command:
    sweep = sweep_of(db, lease["sweep_id"])
    args = json.loads(sweep_rows.get_cell(db, lease["cell_id"])["args"])
    return {
        "type": "resume" if run["started"] else "run",
        "run_id": run["name"],
        "lease": str(lease["id"]),  # our own agents name their processes by it
        "program": config_of(sweep["config"]).program,
        "args": {name: {"value": value} for name, value in args.items()},
    }
