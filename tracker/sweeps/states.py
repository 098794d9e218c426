"""The life of a sweep: created, changed, paused, ended, taken up again; and its next fresh cell.

PENDING until the first agent comes, then RUNNING. FINISHED when every cell has ended, when the
target is reached, or on request (`wandb sweep --stop`); CANCELED and PAUSED on request; FAILED when
every agent that came was sent away; when all fell silent and nothing runs any more, STOPPED where
their runs were interrupted (Ctrl-C, SIGTERM) or a launcher says so, else CRASHED.
Whatever ended can go on: with more cells, on request (`wandb sweep --resume`), or, where it ended
for want of an agent, with one that comes or is heard of again.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache, partial
from typing import Any

from contract.sweepfile import read, search
from contract.sweepfile.space import Cell, SweepConfig, cell_key, is_cell, values_of
from contract.words import counted
from tracker.api import ids
from tracker.errors import RequestError
from tracker.runs.tables import RunRow
from tracker.store.rows import insert, update
from tracker.sweeps import rows as sweep_rows
from tracker.sweeps import scores
from tracker.sweeps.rows import sweep_of
from tracker.sweeps.tables import SweepRow

ABANDONED = ("FAILED", "CRASHED", "STOPPED")  # for want of an agent
ENDED = ("FINISHED", "CANCELED", *ABANDONED)
# What can be asked for, as `explain` says it. Nobody's client but our launcher says STOPPED.
SETTABLE = {
    "RUNNING": "resumed on request",
    "PAUSED": "paused on request",
    "FINISHED": "stopped on request; what runs goes on to its end",
    "CANCELED": "canceled on request",
    "STOPPED": "its agents were stopped; start one to go on",
}


MAX_CONFIG_CHARS = 250_000  # reading so many takes seconds


@lru_cache(maxsize=32)
def config_of(text: str) -> SweepConfig:
    """Return what a sweep's YAML says; RequestError, in the reader's words, where it cannot run."""
    if len(text) > MAX_CONFIG_CHARS:
        raise RequestError(f"the sweep's config is longer than {MAX_CONFIG_CHARS} characters")
    try:
        return read.parse(text)
    except read.SweepConfigError as error:
        raise RequestError(str(error)) from None


def note(
    db: sqlite3.Connection, sweep_id: int, now: float, kind: str, text: str, run: str | None = None
) -> None:
    """Write a decision down, for `explain`."""
    insert(db, "decisions", sweep_id=sweep_id, at=now, kind=kind, text=text, run=run)


def api_state(sweep: SweepRow) -> str:
    """Return the state in a word that W&B's clients know, whose commands go by it.

    PAUSED is the nearest to STOPPED: halted by its owner, can go on, be finished or canceled.
    """
    return "PAUSED" if sweep["state"] == "STOPPED" else sweep["state"]


def explain(db: sqlite3.Connection, sweep_id: int) -> list[str]:
    """Every decision about a sweep, in words, oldest first."""
    lines = []
    for row in sweep_rows.decisions(db, sweep_id):
        time = datetime.fromtimestamp(row["at"], UTC).strftime("%Y-%m-%d %H:%M:%SZ")
        run = f"{row['run']}: " if row["run"] else ""
        lines.append(f"{time}  {row['kind']:<8}  {run}{row['text']}")
    return lines


# --- created and changed ----------------------------------------------------------------------


def create(
    db: sqlite3.Connection, project_id: int, text: str, now: float, **columns: Any
) -> SweepRow:
    """Make a sweep of a config (YAML); `columns` are further columns of the table `sweeps`."""
    config = config_of(text)
    sweep_id = insert(
        db,
        "sweeps",
        project_id=project_id,
        name=ids.random_name(),
        config=text,
        method=config.method,
        description=columns.pop("description", None) or config.description,
        state="PENDING",
        created_at=now,
        updated_at=now,
        **columns,
    )
    note(db, sweep_id, now, "created", f"{config.method}, {_size(config)}")
    return sweep_of(db, sweep_id)


def add_prior_runs(
    db: sqlite3.Connection, sweep: SweepRow, runs: Iterable[RunRow], now: float
) -> None:
    """Take runs made before into the sweep: a finished one is the result of its cell."""
    config = config_of(sweep["config"])
    for run in runs:
        sweep_rows.add_prior_run(db, sweep["id"], run["id"])
        logged = json.loads(run["config"])
        args = {
            parameter.path[0]: logged[parameter.path[0]].get("value")
            for parameter in config.parameters
            if isinstance(logged.get(parameter.path[0]), dict)
        }
        known = values_of(config, args) is not None and is_cell(config, args)
        if run["state"] != "finished" or not known:
            continue
        cell_id = sweep_rows.add_cell(db, sweep["id"], Cell(cell_key(args), args), "done")
        insert(
            db,
            "attempts",
            sweep_id=sweep["id"],
            cell_id=cell_id,
            run_id=run["id"],
            number=0,
            leased_at=run["created_at"],
            ended_at=now,
            outcome="done",
        )
        scores.read_all(db, config, sweep["id"], run)
        note(db, sweep["id"], now, "prior", f"{describe(args)} is done", run["name"])


def reconfigure(db: sqlite3.Connection, sweep: SweepRow, text: str, now: float) -> None:
    """Give a sweep another config: done cells stay done, failed ones are tried again, cells that
    are new are added, those that are gone and have no result are dropped."""
    config = config_of(text)
    dropped = [
        cell["id"]
        for cell in sweep_rows.cells_in(db, sweep["id"], "waiting", "failed", "stopped")
        if not is_cell(config, json.loads(cell["args"]))
    ]
    for cell_id in dropped:
        update(db, "cells", cell_id, state="dropped")
    same_search = config.method == sweep["method"] != "grid"  # a grid is walked from its start
    cursor = sweep["cursor"] if same_search else 0
    columns = {"config": text, "method": config.method, "cursor": cursor, "updated_at": now}
    if config.description is not None:
        columns["description"] = config.description
    update(db, "sweeps", sweep["id"], **columns)
    gone = f", {counted(len(dropped), 'cell')} dropped" if dropped else ""
    note(db, sweep["id"], now, "changed", f"{config.method}, {_size(config)}{gone}")
    reopen(db, sweep["id"], now)
    old = config_of(sweep["config"])
    if (config.metric, config.hyperband) != (old.metric, old.hyperband):
        scores.read_anew(db, config, sweep["id"])
    sweep = sweep_of(db, sweep["id"])
    if sweep["state"] in ("FINISHED", *ABANDONED) and anything_left(db, sweep):
        _become(db, sweep, "RUNNING", now, "there are cells to run")


def reopen(db: sqlite3.Connection, sweep_id: int, now: float) -> None:
    """Give failed cells all their attempts again."""
    failed = sweep_rows.cells_in(db, sweep_id, "failed")
    for cell in failed:
        columns = {"state": "waiting", "turn": 1, "failures": 0, "interruptions": 0}
        update(db, "cells", cell["id"], **columns)
    if failed:
        text = f"{counted(len(failed), 'failed cell')} to be tried again"
        note(db, sweep_id, now, "reopened", text)
        end_retries(db, sweep_of(db, sweep_id), now)


def set_state(db: sqlite3.Connection, sweep: SweepRow, state: str, now: float) -> None:
    """Pause, stop, cancel or resume on request, or take note that its agents were stopped."""
    state = state.upper()
    if state not in SETTABLE:
        raise RequestError(f"state {state!r} is none of {', '.join(SETTABLE)}")
    if state == "STOPPED" and sweep["state"] not in ("PENDING", "RUNNING"):
        return  # it ended for another reason, which stays
    if state != sweep["state"]:
        _become(db, sweep, state, now, SETTABLE[state])
    if state == "CANCELED":
        for lease in sweep_rows.leases(db, sweep["id"]):
            update(db, "attempts", lease["id"], stop_reason="cancel", stop_asked_at=now)
            update(db, "runs", lease["run_id"], stop_requested=1)
    if state == "RUNNING":
        reopen(db, sweep["id"], now)
        conclude(db, sweep["id"], now)


def agent_came(db: sqlite3.Connection, sweep: SweepRow, now: float) -> None:
    """A sweep that waited for an agent, for its first or for any, runs."""
    waited = sweep["state"] in ABANDONED and anything_left(db, sweep)
    if waited or sweep["state"] == "PENDING":
        _become(db, sweep, "RUNNING", now, "an agent came")


def conclude(db: sqlite3.Connection, sweep_id: int, now: float) -> None:
    """Finish a sweep when every cell has ended."""
    sweep = sweep_of(db, sweep_id)
    end_retries(db, sweep, now)
    if sweep["state"] in ("RUNNING", *ABANDONED) and not anything_left(db, sweep):
        counts = sweep_rows.count_cells(db, sweep_id)
        text = ", ".join(f"{n} {state}" for state, n in sorted(counts.items()))
        _become(db, sweep, "FINISHED", now, f"every cell has ended ({text or 'none'})")


def finish(db: sqlite3.Connection, sweep: SweepRow, now: float, why: str) -> None:
    """Give out no more cells; what runs goes on."""
    if sweep["state"] in ("PENDING", "RUNNING", "PAUSED"):
        _become(db, sweep, "FINISHED", now, why)


def give_up(db: sqlite3.Connection, sweep: SweepRow, now: float) -> None:
    """End a running sweep that nobody works on."""
    if sweep_rows.any_dismissed(db, sweep["id"]):
        _become(db, sweep, "FAILED", now, "every agent was dismissed; start one to go on")
    elif sweep_rows.any_waiting_since(db, sweep["id"], "interrupted") and not (
        sweep_rows.any_waiting_since(db, sweep["id"], "crashed")
    ):
        _become(db, sweep, "STOPPED", now, SETTABLE["STOPPED"])
    else:
        _become(db, sweep, "CRASHED", now, "no agent is left; start one to go on")


def _become(db: sqlite3.Connection, sweep: SweepRow, state: str, now: float, why: str) -> None:
    update(db, "sweeps", sweep["id"], state=state, updated_at=now)
    note(db, sweep["id"], now, "state", f"{sweep['state']} -> {state}: {why}")


# --- cells ------------------------------------------------------------------------------------


def fresh_cell(db: sqlite3.Connection, sweep: SweepRow) -> int | None:
    """Hand out a cell that never was; None where there is none left."""
    config = config_of(sweep["config"])
    if not runs_left(db, sweep):
        return None
    suggestion = search.suggest(
        config,
        seed=sweep["name"],
        cursor=sweep["cursor"],
        seen=partial(sweep_rows.is_seen, db, sweep["id"]),
        observations=partial(scores.observations, db, config, sweep["id"]),
    )
    if suggestion is None:
        return None
    cell_id = sweep_rows.add_cell(db, sweep["id"], suggestion.cell, "waiting")
    handed_out = sweep["handed_out"] + 1
    columns = {"cursor": suggestion.cursor, "handed_out": handed_out}
    update(db, "sweeps", sweep["id"], **columns)
    return cell_id


def anything_left(db: sqlite3.Connection, sweep: SweepRow, besides: int = 0) -> bool:
    """Whether some cell other than `besides` has not ended, handed out or not."""
    if sweep_rows.any_cell(db, sweep["id"], "waiting", "leased", besides=besides):
        return True
    config = config_of(sweep["config"])
    if not runs_left(db, sweep):
        return False
    seen = partial(sweep_rows.is_seen, db, sweep["id"])
    return search.any_left(config, cursor=sweep["cursor"], seen=seen)


def runs_left(db: sqlite3.Connection, sweep: SweepRow) -> bool:
    """Whether run_cap, which counts runs (retries too, resumed ones once), allows another one."""
    run_cap = config_of(sweep["config"]).run_cap
    return run_cap is None or sweep_rows.count_runs(db, sweep["id"]) < run_cap


def end_retries(db: sqlite3.Connection, sweep: SweepRow, now: float) -> None:
    """Fail what waits for a run of its own where run_cap allows none."""
    if runs_left(db, sweep):
        return
    failed = sweep_rows.fail_waiting_for_run(db, sweep["id"])
    if failed:
        text = f"run_cap is used up: {counted(failed, 'cell')} not tried again"
        note(db, sweep["id"], now, "failed", text)


def describe(args: dict[str, Any]) -> str:
    """A cell in words: `fusion=add, seed=0`."""
    text = ", ".join(f"{name}={json.dumps(value)}" for name, value in args.items())
    text = text.replace('"', "")
    return text if len(text) <= 200 else f"{text[:197]}..."


def _size(config: SweepConfig) -> str:
    number = config.expected
    return "cells without end" if number is None else counted(number, "cell")
