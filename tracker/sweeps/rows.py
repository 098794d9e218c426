"""Rows of sweeps, agents, cells and attempts. Every function takes the connection of the
transaction at hand; `leases` says when which is called.
"""

from __future__ import annotations

import json
import sqlite3

from contract.sweepfile.space import Cell
from tracker.documents import Object
from tracker.runs.states import ALIVE
from tracker.runs.tables import RunRow
from tracker.store.rows import many, one
from tracker.store.where import Where
from tracker.sweeps.tables import (
    AgentRow,
    AttemptRow,
    CellRow,
    DecisionRow,
    SweepRow,
)

FAULTS = ("failed", "crashed", "unstarted")  # outcomes that count against a cell
SAME_RUN = ("interrupted", "crashed", "lost")  # outcomes after which the run itself goes on
# a cell whose next attempt would be a run of its own
NEEDS_RUN = (
    "coalesce((SELECT outcome FROM attempts WHERE cell_id = cells.id ORDER BY id DESC LIMIT 1), '')"
    f" NOT IN {SAME_RUN}"
)


# --- sweeps -----------------------------------------------------------------------------------


def get_sweep(db: sqlite3.Connection, sweep_id: int) -> SweepRow | None:
    return one(db, "SELECT * FROM sweeps WHERE id = ?", sweep_id)


def sweep_of(db: sqlite3.Connection, sweep_id: int) -> SweepRow:
    """The sweep of an agent, a cell or an attempt, none of which outlives it."""
    sweep = get_sweep(db, sweep_id)
    assert sweep
    return sweep


def find_sweep(db: sqlite3.Connection, project_id: int, name: str) -> SweepRow | None:
    return one(db, "SELECT * FROM sweeps WHERE project_id = ? AND name = ?", project_id, name)


def list_sweeps(db: sqlite3.Connection, project_id: int) -> list[SweepRow]:
    """Newest first, as W&B lists them."""
    return many(db, "SELECT * FROM sweeps WHERE project_id = ? ORDER BY id DESC", project_id)


def last_heartbeat(db: sqlite3.Connection, sweep_id: int) -> float | None:
    """When an agent of the sweep was heard of last; None where it has had none."""
    sql = "SELECT max(heartbeat_at) FROM agents WHERE sweep_id = ?"
    return db.execute(sql, (sweep_id,)).fetchone()[0]


def running_sweeps(db: sqlite3.Connection) -> list[SweepRow]:
    return many(db, "SELECT * FROM sweeps WHERE state = 'RUNNING'")


# --- agents -----------------------------------------------------------------------------------


def get_agent(db: sqlite3.Connection, agent_id: int) -> AgentRow | None:
    return one(db, "SELECT * FROM agents WHERE id = ?", agent_id)


def list_agents(db: sqlite3.Connection, sweep_id: int) -> list[AgentRow]:
    return many(db, "SELECT * FROM agents WHERE sweep_id = ? ORDER BY id", sweep_id)


def live_agents(db: sqlite3.Connection, sweep_id: int, since: float) -> list[int]:
    """Agents that take runs and were heard of since then."""
    rows = db.execute(
        "SELECT id FROM agents WHERE sweep_id = ? AND state = 'running' AND heartbeat_at >= ?",
        (sweep_id, since),
    )
    return [row[0] for row in rows]


def count_outcomes(db: sqlite3.Connection, sweep_id: int) -> dict[int, dict[str, int]]:
    """Agent -> outcome -> how many of its attempts ended so; open ones have the outcome ""."""
    found: dict[int, dict[str, int]] = {}
    for agent, outcome, n in db.execute(
        "SELECT agent_id, coalesce(outcome, ''), count(*) FROM attempts"
        " WHERE sweep_id = ? AND agent_id IS NOT NULL GROUP BY 1, 2",
        (sweep_id,),
    ):
        found.setdefault(agent, {})[outcome] = n
    return found


def has_finished_any(db: sqlite3.Connection, agent_id: int) -> bool:
    """Whether an attempt on this agent was done."""
    sql = "SELECT 1 FROM attempts WHERE agent_id = ? AND outcome = 'done' LIMIT 1"
    return db.execute(sql, (agent_id,)).fetchone() is not None


def any_dismissed(db: sqlite3.Connection, sweep_id: int) -> bool:
    """Whether an agent of the sweep was sent away."""
    sql = "SELECT 1 FROM agents WHERE sweep_id = ? AND state = 'dismissed' LIMIT 1"
    return db.execute(sql, (sweep_id,)).fetchone() is not None


# --- cells ------------------------------------------------------------------------------------


def get_cell(db: sqlite3.Connection, cell_id: int) -> CellRow:
    found = one(db, "SELECT * FROM cells WHERE id = ?", cell_id)
    assert found
    return found


def is_seen(db: sqlite3.Connection, sweep_id: int, key: str) -> bool:
    """Whether a cell was handed out and still belongs to the sweep."""
    sql = "SELECT 1 FROM cells WHERE sweep_id = ? AND key = ? AND state != 'dropped'"
    return db.execute(sql, (sweep_id, key)).fetchone() is not None


def any_waiting_since(db: sqlite3.Connection, sweep_id: int, outcome: str) -> bool:
    """Whether a cell waits whose last attempt ended so."""
    sql = (
        "SELECT 1 FROM cells WHERE sweep_id = ? AND state = 'waiting' AND ? ="
        " (SELECT outcome FROM attempts WHERE cell_id = cells.id ORDER BY id DESC LIMIT 1) LIMIT 1"
    )
    return db.execute(sql, (sweep_id, outcome)).fetchone() is not None


def add_cell(db: sqlite3.Connection, sweep_id: int, cell: Cell, state: str) -> int:
    """Add a cell; one that was dropped before is the same cell again."""
    db.execute(
        "INSERT INTO cells (sweep_id, key, args, state) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (sweep_id, key) DO UPDATE SET state = excluded.state, args = excluded.args,"
        " failures = 0, interruptions = 0",
        (sweep_id, cell.key, json.dumps(cell.args), state),
    )
    sql = "SELECT id FROM cells WHERE sweep_id = ? AND key = ?"
    return db.execute(sql, (sweep_id, cell.key)).fetchone()[0]


def fail_waiting_for_run(db: sqlite3.Connection, sweep_id: int) -> int:
    """Cells that wait for a run of their own wait no more; returns how many there were."""
    return db.execute(
        "UPDATE cells SET state = 'failed'"
        f" WHERE sweep_id = ? AND state = 'waiting' AND {NEEDS_RUN}",
        (sweep_id,),
    ).rowcount


def waiting_cell(
    db: sqlite3.Connection, sweep_id: int, turn: int, agent_id: int, live_since: float
) -> CellRow | None:
    """Oldest waiting cell of that turn for this agent.

    A cell that failed on it is left to other live agents, while there are any on which it has not.
    """
    failed_on = f"SELECT 1 FROM attempts WHERE cell_id = cells.id AND outcome IN {FAULTS} AND"
    return one(
        db,
        "SELECT * FROM cells WHERE sweep_id = ?1 AND state = 'waiting' AND turn = ?2 AND ("
        f" NOT EXISTS ({failed_on} agent_id = ?3) OR NOT EXISTS ("
        "  SELECT 1 FROM agents AS other WHERE other.sweep_id = ?1 AND other.id != ?3"
        "  AND other.state = 'running' AND other.heartbeat_at >= ?4"
        f" AND NOT EXISTS ({failed_on} agent_id = other.id))) ORDER BY id LIMIT 1",
        sweep_id,
        turn,
        agent_id,
        live_since,
    )


def any_cell(db: sqlite3.Connection, sweep_id: int, *states: str, besides: int = 0) -> bool:
    """Whether a cell other than `besides` is in one of the states."""
    marks = ", ".join("?" * len(states))
    sql = f"SELECT 1 FROM cells WHERE sweep_id = ? AND state IN ({marks}) AND id != ? LIMIT 1"
    return db.execute(sql, (sweep_id, *states, besides)).fetchone() is not None


def cells_in(db: sqlite3.Connection, sweep_id: int, *states: str) -> list[CellRow]:
    marks = ", ".join("?" * len(states))
    sql = f"SELECT * FROM cells WHERE sweep_id = ? AND state IN ({marks}) ORDER BY id"
    return many(db, sql, sweep_id, *states)


def count_cells(db: sqlite3.Connection, sweep_id: int) -> dict[str, int]:
    """Cells by state; those never handed out are not among them."""
    sql = "SELECT state, count(*) FROM cells WHERE sweep_id = ? GROUP BY state"
    return dict(db.execute(sql, (sweep_id,)).fetchall())


def cells_with_attempts(db: sqlite3.Connection, sweep_id: int, limit: int) -> list[Object]:
    """Cells that belong to the sweep, in the order in which they were handed out, with their number
    of `attempts`, and `run_id`, `run` (its name) and `outcome` of the last of them.
    """
    return many(
        db,
        "SELECT cells.*, runs.name AS run, last.run_id, last.outcome,"
        " (SELECT count(*) FROM attempts WHERE cell_id = cells.id) AS attempts FROM cells"
        " LEFT JOIN attempts AS last ON last.id ="
        "  (SELECT max(id) FROM attempts WHERE cell_id = cells.id)"
        " LEFT JOIN runs ON runs.id = last.run_id"
        " WHERE cells.sweep_id = ? AND cells.state != 'dropped' ORDER BY cells.id LIMIT ?",
        sweep_id,
        limit,
    )


# --- attempts ---------------------------------------------------------------------------------


def run_of(db: sqlite3.Connection, attempt: AttemptRow) -> RunRow:
    """The run of an attempt, which is deleted with it."""
    run = one(db, "SELECT * FROM runs WHERE id = ?", attempt["run_id"])
    assert run
    return run


def lease_of_agent(db: sqlite3.Connection, agent_id: int) -> AttemptRow | None:
    """The open attempt of an agent; None where it has none."""
    return one(db, "SELECT * FROM attempts WHERE agent_id = ? AND ended_at IS NULL", agent_id)


def lease_of_cell(db: sqlite3.Connection, cell_id: int) -> AttemptRow | None:
    """The open attempt at a cell; None where it has none."""
    return one(db, "SELECT * FROM attempts WHERE cell_id = ? AND ended_at IS NULL", cell_id)


def last_attempt(
    db: sqlite3.Connection, *, cell_id: int | None = None, run_id: int | None = None
) -> AttemptRow | None:
    """Newest attempt at a cell, or with a run; an open one is always the newest."""
    column, value = ("cell_id", cell_id) if run_id is None else ("run_id", run_id)
    return one(db, f"SELECT * FROM attempts WHERE {column} = ? ORDER BY id DESC LIMIT 1", value)


def attempts_before(db: sqlite3.Connection, attempt: AttemptRow) -> list[AttemptRow]:
    """The attempt before this one at its cell, and the one before it of its agent."""
    rows = [
        one(
            db,
            f"SELECT * FROM attempts WHERE {column} = ? AND id < ? ORDER BY id DESC LIMIT 1",
            value,
            attempt["id"],
        )
        for column, value in (("cell_id", attempt["cell_id"]), ("agent_id", attempt["agent_id"]))
    ]
    return [row for row in rows if row]


def leases(db: sqlite3.Connection, sweep_id: int) -> list[AttemptRow]:
    """Open attempts of a sweep."""
    return many(
        db, "SELECT * FROM attempts WHERE sweep_id = ? AND ended_at IS NULL ORDER BY id", sweep_id
    )


def attempted_runs(db: sqlite3.Connection, sweep_id: int) -> list[int]:
    """Ids of all runs that the sweep gave out, or took in."""
    rows = db.execute(
        "SELECT DISTINCT run_id FROM attempts JOIN cells ON cells.id = cell_id"
        " WHERE cells.sweep_id = ?",
        (sweep_id,),
    )
    return [row[0] for row in rows]


def count_runs(db: sqlite3.Connection, sweep_id: int) -> int:
    """Runs that the sweep gave out and that were not deleted; those it took in are not counted."""
    sql = "SELECT count(DISTINCT run_id) FROM attempts WHERE sweep_id = ? AND number > 0"
    return db.execute(sql, (sweep_id,)).fetchone()[0]


def abandoned_leases(db: sqlite3.Connection, before: float) -> list[AttemptRow]:
    """Open attempts whose agent, and whose run while it lives, have been silent since then."""
    return many(
        db,
        "SELECT attempts.* FROM attempts JOIN runs ON runs.id = run_id"
        " LEFT JOIN agents ON agents.id = agent_id WHERE attempts.ended_at IS NULL"
        " AND coalesce(agents.heartbeat_at, 0) < ?1"
        f" AND (runs.state NOT IN {ALIVE} OR runs.heartbeat_at < ?1)",
        before,
    )


# --- conditions on runs -----------------------------------------------------------------------


def taken_in(sweep: SweepRow) -> Where:
    """Runs made before that the sweep has taken in (`wandb sweep -R`)."""
    return Where("id IN (SELECT run_id FROM prior_runs WHERE sweep_id = ?)", [sweep["id"]])


def given_to(agent: AgentRow) -> Where:
    """Runs that an agent has had a lease of."""
    return Where("id IN (SELECT run_id FROM attempts WHERE agent_id = ?)", [agent["id"]])


# --- prior runs, decisions --------------------------------------------------------------------


def add_prior_run(db: sqlite3.Connection, sweep_id: int, run_id: int) -> None:
    db.execute("INSERT OR IGNORE INTO prior_runs VALUES (?, ?)", (sweep_id, run_id))


def decisions(db: sqlite3.Connection, sweep_id: int) -> list[DecisionRow]:
    return many(db, "SELECT * FROM decisions WHERE sweep_id = ? ORDER BY id", sweep_id)


def last_decisions(db: sqlite3.Connection, sweep_id: int, limit: int) -> list[DecisionRow]:
    """The newest first."""
    sql = "SELECT * FROM decisions WHERE sweep_id = ? ORDER BY id DESC LIMIT ?"
    return many(db, sql, sweep_id, limit)
