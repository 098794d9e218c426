"""Attempts: what becomes of a lease and of its cell, from the run's first sign of life to its end.

| the run …                                            | the cell …                               |
|------------------------------------------------------|------------------------------------------|
| finished, or was stopped by hyperband                | done, never run again                    |
| was stopped by a person                              | stopped                                  |
| was preempted, or ended by SIGINT, SIGTERM or SIGHUP | waits, goes on as the same run           |
| died without an exit code (crashed)                  | waits, goes on as the same run, a fault  |
| exited with another code, or ended before wandb.init | waits for a new run, a fault             |
| was offered to an agent that vanished                | waits, is offered again                  |

A cell fails with its third fault (RETRIES + 1), or when it was interrupted too often in a row
without getting on: a step of history that its run had not reached before is progress, after which
interruptions are counted from none. So a run on machines that are taken away every hour ends, and
one that only ever interrupts itself does, too. An agent on
which three runs in a row fail is dismissed. Where it has shown that it can finish runs, a cell that
failed before is the suspect, and its further faults do not count against the agent.
"""

from __future__ import annotations

import sqlite3

from contract.sweepfile import search
from contract.words import counted
from tracker.context import RunHook
from tracker.documents import Object
from tracker.runs import rows as run_rows
from tracker.runs import stream
from tracker.runs.states import ALIVE, ENDED, next_state
from tracker.runs.tables import RunRow
from tracker.store.rows import update
from tracker.sweeps import rows as sweep_rows
from tracker.sweeps import score_rows, scores
from tracker.sweeps import states as sweep_states
from tracker.sweeps.rows import FAULTS, SAME_RUN
from tracker.sweeps.states import config_of, note
from tracker.sweeps.tables import AttemptRow, CellRow

RETRIES = 2
INTERRUPTIONS = 10  # in a row without progress
DISMISSAL = 3  # faults in a row
INTERRUPTED_CODES = (128 + 1, 128 + 2, 128 + 15)  # SIGHUP, SIGINT, SIGTERM


def never_began(attempt: AttemptRow) -> bool:
    """Whether the attempt ended as a fault before wandb.init."""
    unseen = attempt["seen_at"] is None and attempt["outcome"] in FAULTS
    return unseen or attempt["outcome"] == "unstarted"


# --- what runs do (hooks) -----------------------------------------------------------------


def run_started(db: sqlite3.Connection, run_id: int, now: float) -> None:
    """A client began the run, perhaps once more."""
    attempt = sweep_rows.last_attempt(db, run_id=run_id)
    if attempt is None:
        return
    # the history may be replaced: read it anew
    score_rows.forget_score(db, attempt["sweep_id"], run_id)
    if attempt["ended_at"] is None:
        seen_at = attempt["seen_at"] or now
        update(db, "attempts", attempt["id"], seen_at=seen_at)
    else:
        _came_back(db, attempt, now)


def run_logged(db: sqlite3.Connection, run_id: int, now: float) -> None:
    """History came: keep the score, stop the run at a rung, end the sweep at its target."""
    attempt, run = (
        sweep_rows.last_attempt(db, run_id=run_id),
        run_rows.get_run(db, run_id),
    )
    if attempt is None or run is None:
        return
    if attempt["ended_at"] is not None and run["state"] in ALIVE:
        _came_back(db, attempt, now)
    sweep = sweep_rows.sweep_of(db, attempt["sweep_id"])
    config = config_of(sweep["config"])
    if config.metric is None:
        return
    rung_before = score_rows.last_rung(db, sweep["id"], run_id)
    score = scores.read(db, config, sweep["id"], run)
    decision = scores.judge(db, config, sweep["id"], run, score)
    if decision and not run["stop_requested"] and run["state"] in ALIVE:
        if decision.stop:
            update(db, "runs", run_id, stop_requested=1)
            columns = {"stop_reason": "hyperband", "stop_asked_at": now}
            update(db, "attempts", attempt["id"], **columns)
        if decision.stop or rung_before is None or rung_before["rung"] != decision.rung:
            word = "stop" if decision.stop else "go on"
            note(db, sweep["id"], now, "rung", f"{word}: {decision.reason}", run["name"])
    if search.reached(config.metric, score["best"]):
        why = f"{run['name']} reached the target: {config.metric.name} {score['best']:g}"
        sweep_states.finish(db, sweep, now, why)


def run_rewritten(db: sqlite3.Connection, run_id: int, now: float) -> None:
    """The history is no longer what it was: the score is read anew."""
    attempt = sweep_rows.last_attempt(db, run_id=run_id)
    if attempt:
        score_rows.forget_score(db, attempt["sweep_id"], run_id)


def run_ended(db: sqlite3.Connection, run_id: int, now: float) -> None:
    """The run's row came to an end (or is about to be deleted, which a trigger answers)."""
    attempt, run = (
        sweep_rows.last_attempt(db, run_id=run_id),
        run_rows.get_run(db, run_id),
    )
    if attempt is None or run is None or run["state"] not in ENDED:
        return
    if attempt["ended_at"] is not None:
        if run["state"] == "finished" and attempt["outcome"] != "done":
            _finished_after_all(db, attempt, run, now)
    elif run["state"] == "finished" or not attempt["process_alive"]:
        settle(db, attempt, run, now)
    # else: the process still lives; its agent will say when it does not


def process_ended(
    db: sqlite3.Connection,
    lease: AttemptRow,
    run: RunRow,
    now: float,
    run_ended: tuple[RunHook, ...],
) -> None:
    """An agent no longer has the process of its lease. What the run did not say itself (it
    was killed, or ended before wandb.init) is said for it."""
    update(db, "attempts", lease["id"], process_alive=0)
    if run["state"] not in ENDED:
        state = next_state(run, "gone")
        update(db, "runs", run["id"], state=state, ended_at=now, updated_at=now)
    for hook in run_ended:
        hook(db, run["id"], now)


# --- the end of a lease -------------------------------------------------------------------


def settle(db: sqlite3.Connection, attempt: AttemptRow, run: RunRow, now: float) -> None:
    """Close a lease whose run has ended, and say what becomes of the cell."""
    if attempt["told_end"] is not None and run["exit_code"] is None:  # was put off until now
        update(db, "runs", run["id"], **stream.end_of(run, attempt["told_end"], now))
        run = sweep_rows.run_of(db, attempt)
    elif run["exit_code"] is not None:
        update(db, "attempts", attempt["id"], process_gone=1)
    sweep = sweep_rows.sweep_of(db, attempt["sweep_id"])
    metric, outcome = config_of(sweep["config"]).metric, _outcome(attempt, run)
    known = scores.read_all(db, config_of(sweep["config"]), sweep["id"], run)
    if metric and not known and outcome == "done":
        text = f"it never logged {metric.name}, the metric of the sweep"
        note(db, sweep["id"], now, "metric", text, run["name"])
    close(db, attempt, run, outcome, now)


def close(
    db: sqlite3.Connection,
    attempt: AttemptRow,
    run: RunRow,
    outcome: str,
    now: float,
    faults: int = 1,
) -> None:
    """End an attempt; `faults`: how many it counts for the cell where its outcome is one."""
    columns = {"ended_at": now, "outcome": outcome, "process_alive": 0}
    update(db, "attempts", attempt["id"], **columns)
    if run["state"] == "pending":  # it was offered and never begun
        update(db, "runs", run["id"], state=next_state(run, "given up"), ended_at=now)
    cell = sweep_rows.get_cell(db, attempt["cell_id"])
    changes = _next_state(cell, outcome, faults, progress=run["last_step"] > attempt["from_step"])
    update(db, "cells", cell["id"], **changes)
    text = f"{outcome}{_details(run)}; cell {changes['state']}"
    if changes["state"] == "failed":
        counts = {**cell, **changes}
        text += f" after {counted(counts['failures'], 'fault')}"
        text += f", {counted(counts['interruptions'], 'interruption')}"
    note(db, attempt["sweep_id"], now, "ended", text, run["name"])
    if attempt["agent_id"] is not None:
        _rate(db, attempt["agent_id"], outcome, cell["failures"] == 0, now)
    sweep_states.conclude(db, attempt["sweep_id"], now)


def _rate(db: sqlite3.Connection, agent_id: int, outcome: str, first: bool, now: float) -> None:
    """Dismiss an agent on which run after run fails; `first`: at the cell's first fault."""
    agent = sweep_rows.get_agent(db, agent_id)
    if agent is None:
        return
    if outcome == "done":
        update(db, "agents", agent_id, failures=0)
    if outcome in FAULTS and (first or not sweep_rows.has_finished_any(db, agent_id)):
        failures = agent["failures"] + 1
        update(db, "agents", agent_id, failures=failures)
        if failures >= DISMISSAL and agent["state"] == "running":
            update(db, "agents", agent_id, state="dismissed")
            text = f"agent {agent['name']} on {agent['host']} is dismissed: {failures} runs"
            note(db, agent["sweep_id"], now, "agent", f"{text} in a row failed on it")


# --- back from the dead -------------------------------------------------------------------


def _came_back(db: sqlite3.Connection, attempt: AttemptRow, now: float) -> None:
    """A run that was given up lives: take the lease up again, or stop it where the cell has
    gone to another run."""
    run = sweep_rows.run_of(db, attempt)
    if revive(db, attempt, run, now, attempt["agent_id"]):
        return
    last = sweep_rows.last_attempt(db, cell_id=attempt["cell_id"])
    if last and last["run_id"] != run["id"] and attempt["outcome"] in SAME_RUN:
        update(db, "runs", run["id"], stop_requested=1)
        text = f"stop: its cell has gone to {sweep_rows.run_of(db, last)['name']}"
        note(db, attempt["sweep_id"], now, "stop", text, run["name"])


def revive(
    db: sqlite3.Connection, attempt: AttemptRow, run: RunRow, now: float, agent_id: int | None
) -> bool:
    """Open a lease again that was closed too early; false where that is no longer possible."""
    cell = sweep_rows.get_cell(db, attempt["cell_id"])
    possible = (
        cell["state"] == "waiting"
        and attempt["outcome"] in SAME_RUN
        and attempt["agent_id"] == agent_id
        and (agent_id is None or sweep_rows.lease_of_agent(db, agent_id) is None)
        and sweep_rows.sweep_of(db, attempt["sweep_id"])["state"] not in ("FINISHED", "CANCELED")
    )
    if possible:
        sweep_states.agent_came(db, sweep_rows.sweep_of(db, attempt["sweep_id"]), now)
        columns = {"ended_at": None, "outcome": None, "seen_at": attempt["seen_at"] or now}
        update(db, "attempts", attempt["id"], **columns)
        counter = "failures" if attempt["outcome"] == "crashed" else "interruptions"
        columns = {"state": "leased", counter: max(0, cell[counter] - 1)}
        update(db, "cells", cell["id"], **columns)
        note(db, attempt["sweep_id"], now, "lease", "it lives after all", run["name"])
    return possible


def _finished_after_all(
    db: sqlite3.Connection, attempt: AttemptRow, run: RunRow, now: float
) -> None:
    """A run that was given up has finished: its result counts, unless there is one already."""
    cell = sweep_rows.get_cell(db, attempt["cell_id"])
    if cell["state"] in ("done", "dropped"):
        return
    other = sweep_rows.lease_of_cell(db, cell["id"])
    if other:
        update(db, "runs", other["run_id"], stop_requested=1)
        columns = {"ended_at": now, "outcome": "superseded", "stop_reason": "superseded"}
        update(db, "attempts", other["id"], **columns)
        text = f"stop: {run['name']}, an earlier run of its cell, has finished after all"
        note(db, attempt["sweep_id"], now, "stop", text, sweep_rows.run_of(db, other)["name"])
    settle(db, attempt, run, now)


# --- small rules ------------------------------------------------------------------------------


def _outcome(attempt: AttemptRow, run: RunRow) -> str:
    """How a lease ended, from the state of its run."""
    state, code = run["state"], run["exit_code"]
    if state == "finished" or attempt["stop_reason"] == "hyperband":
        return "done"
    if run["stop_requested"]:
        return "interrupted" if attempt["stop_reason"] == "cancel" else "stopped"
    if state == "preempted" or code in INTERRUPTED_CODES:
        return "interrupted"
    if state == "crashed":
        return "crashed" if run["started"] else "unstarted"
    return "failed"


def _next_state(cell: CellRow, outcome: str, faults: int, *, progress: bool) -> Object:
    """Columns of a cell after an attempt."""
    if outcome in ("done", "stopped"):
        return {"state": outcome}
    if outcome in FAULTS:
        failures = min(cell["failures"] + faults, RETRIES + 1)
        state = "failed" if failures > RETRIES else "waiting"
        turn = 0 if outcome == "crashed" else 1
        return {"state": state, "failures": failures, "turn": turn}
    interruptions = 0 if progress else cell["interruptions"] + 1
    state = "failed" if interruptions > INTERRUPTIONS else "waiting"
    return {"state": state, "interruptions": interruptions, "turn": 0}


def _details(run: RunRow) -> str:
    if run["exit_code"] is not None:
        return f" (exit code {run['exit_code']})"
    return "" if run["started"] else " (before wandb.init)"
