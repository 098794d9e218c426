"""Rows of what a sweep's metric has been in its runs."""

from __future__ import annotations

import sqlite3

from tracker.documents import Object
from tracker.store.rows import many, one
from tracker.sweeps.tables import RungRow, ScoreRow


def get_score(db: sqlite3.Connection, sweep_id: int, run_id: int) -> ScoreRow | None:
    return one(db, "SELECT * FROM scores WHERE sweep_id = ? AND run_id = ?", sweep_id, run_id)


def put_score(db: sqlite3.Connection, score: ScoreRow) -> None:
    """Set what is known of the sweep's metric in a run."""
    db.execute(
        "INSERT OR REPLACE INTO scores (sweep_id, run_id, lines, count, best, latest)"
        " VALUES (:sweep_id, :run_id, :lines, :count, :best, :latest)",
        score,
    )


def forget_score(db: sqlite3.Connection, sweep_id: int, run_id: int) -> None:
    """Forget what is known of the metric in a run: its history is read anew."""
    db.execute("DELETE FROM scores WHERE sweep_id = ? AND run_id = ?", (sweep_id, run_id))
    db.execute("DELETE FROM rungs WHERE sweep_id = ? AND run_id = ?", (sweep_id, run_id))


def put_rung(db: sqlite3.Connection, sweep_id: int, rung: int, run_id: int, value: float) -> None:
    db.execute("INSERT OR REPLACE INTO rungs VALUES (?, ?, ?, ?)", (sweep_id, rung, run_id, value))


def last_rung(db: sqlite3.Connection, sweep_id: int, run_id: int) -> RungRow | None:
    """The highest rung that a run has reached; None before its first."""
    sql = "SELECT * FROM rungs WHERE sweep_id = ? AND run_id = ? ORDER BY rung DESC LIMIT 1"
    return one(db, sql, sweep_id, run_id)


def rung_values(db: sqlite3.Connection, sweep_id: int, rung: int) -> list[float]:
    sql = "SELECT value FROM rungs WHERE sweep_id = ? AND rung = ?"
    return [row[0] for row in db.execute(sql, (sweep_id, rung))]


def rungs_of(db: sqlite3.Connection, sweep_id: int) -> list[Object]:
    """Hyperband's rungs: `rung`, how many runs (`n`) have passed it, `low` and `high` of them."""
    return many(
        db,
        "SELECT rung, count(*) AS n, min(value) AS low, max(value) AS high FROM rungs"
        " WHERE sweep_id = ? GROUP BY rung ORDER BY rung",
        sweep_id,
    )


def observed_cells(db: sqlite3.Connection, sweep_id: int, limit: int) -> list[Object]:
    """Newest cells first: args, state, and best and latest of the run of their last attempt."""
    return many(
        db,
        "SELECT cells.args, cells.state, scores.best, scores.latest FROM cells"
        " LEFT JOIN scores ON scores.sweep_id = cells.sweep_id AND scores.run_id = ("
        "  SELECT run_id FROM attempts WHERE cell_id = cells.id ORDER BY id DESC LIMIT 1)"
        " WHERE cells.sweep_id = ? AND cells.state != 'dropped' ORDER BY cells.id DESC LIMIT ?",
        sweep_id,
        limit,
    )


def best_score(db: sqlite3.Connection, sweep_id: int, *, highest: bool) -> float | None:
    """The best value over all runs; None where none was logged."""
    word = "max" if highest else "min"
    sql = f"SELECT {word}(best) FROM scores WHERE sweep_id = ?"
    return db.execute(sql, (sweep_id,)).fetchone()[0]
