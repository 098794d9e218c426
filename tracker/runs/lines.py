"""Rows that arrive line by line: history, system events, console. A line is known by (run, line),
so that writing it twice is writing it once.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

TABLES = {"history": "history_lines", "events": "event_lines", "logs": "log_lines"}


def stored_lines(db: sqlite3.Connection, table: str, run_id: int, start: int, n: int) -> list[str]:
    """Texts of lines start … start + n - 1, as far as they are there."""
    assert table in TABLES
    column = "text" if table == "logs" else "row"
    rows = db.execute(
        f"SELECT {column} FROM {table} WHERE run_id = ? AND line >= ? AND line < ? ORDER BY line",
        (run_id, start, start + n),
    )
    return [row[0] for row in rows]


def drop_lines(db: sqlite3.Connection, table: str, run_id: int, start: int) -> None:
    """Forgets every line from `start` on."""
    assert table in TABLES
    db.execute(f"DELETE FROM {table} WHERE run_id = ? AND line >= ?", (run_id, start))


def drop_steps(db: sqlite3.Connection, run_id: int, last_step: int) -> int:
    """Forgets every history row behind `last_step`; how many are left, on lines without gaps."""
    db.execute("DELETE FROM history WHERE run_id = ? AND step > ?", (run_id, last_step))
    lines = "SELECT count(*), coalesce(max(line), -1) + 1 FROM history WHERE run_id = ?"
    n, end = db.execute(lines, (run_id,)).fetchone()
    if n < end:
        kept = [(step, text) for _, step, text in history_with_lines(db, run_id)]
        drop_lines(db, "history", run_id, 0)
        write_history(db, run_id, 0, kept)
    return n


def rows_between(
    db: sqlite3.Connection, run_id: int, first_step: int, last_step: int
) -> list[tuple[int, str]]:
    """(step, JSON text) of the rows with first_step <= step <= last_step, in step order."""
    return db.execute(
        "SELECT step, row FROM history WHERE run_id = ? AND step BETWEEN ? AND ?"
        " ORDER BY step, line",
        (run_id, first_step, last_step),
    ).fetchall()


def copy_history(db: sqlite3.Connection, source: int, target: int, last_step: int) -> None:
    """Gives run `target` the rows of run `source` up to `last_step`."""
    db.execute(
        "INSERT INTO history (run_id, line, step, row)"
        " SELECT ?, row_number() OVER (ORDER BY line) - 1, step, row FROM history"
        " WHERE run_id = ? AND step <= ?",
        (target, source, last_step),
    )


def write_history(
    db: sqlite3.Connection, run_id: int, start: int, rows: Sequence[tuple[int, str]]
) -> None:
    """`rows`: (step, JSON text)."""
    db.executemany(
        "INSERT OR REPLACE INTO history (run_id, line, step, row) VALUES (?, ?, ?, ?)",
        [(run_id, start + i, step, text) for i, (step, text) in enumerate(rows)],
    )


def write_lines(
    db: sqlite3.Connection, table: str, run_id: int, lines: Iterable[tuple[int, str]]
) -> None:
    """`lines`: (line number, text) of `events` or `logs`."""
    column = {"events": "row", "logs": "text"}[table]
    db.executemany(
        f"INSERT OR REPLACE INTO {table} (run_id, line, {column}) VALUES (?, ?, ?)",
        [(run_id, line, text) for line, text in lines],
    )


def history_rows(
    db: sqlite3.Connection, run_id: int, first_step: int, last_step: int, limit: int = -1
) -> list[str]:
    """JSON texts of the rows with first_step <= step <= last_step, in step order."""
    rows = db.execute(
        "SELECT row FROM history WHERE run_id = ? AND step BETWEEN ? AND ?"
        " ORDER BY step, line LIMIT ?",
        (run_id, first_step, last_step, limit),
    )
    return [row[0] for row in rows]


def history_with_lines(db: sqlite3.Connection, run_id: int) -> Iterable[tuple[int, int, str]]:
    """(line, step, JSON text) of every row, in line order."""
    return db.execute(
        "SELECT line, step, row FROM history WHERE run_id = ? ORDER BY line", (run_id,)
    )


def row_texts(db: sqlite3.Connection, table: str, run_id: int) -> Iterable[str]:
    """JSON texts of all rows of `history` or `events`, in the order of their lines."""
    assert table in ("history", "events")
    rows = db.execute(f"SELECT row FROM {table} WHERE run_id = ? ORDER BY line", (run_id,))
    return (row[0] for row in rows)


def picked_values(
    db: sqlite3.Connection, table: str, run_id: int, keys: Sequence[Sequence[str]]
) -> Iterable[Sequence[Any]]:
    """Of every row the value of each key, which stands at the first of its JSON paths that the row
    has; the numbers that JSON lacks come as W&B's words, what is no plain value as JSON.
    """
    assert table in ("history", "events")
    # SQLite's JSON has no NaN and Infinity, which clients write: `plain` turns them into texts.
    # With a LIMIT, the text is made once for a row, not once for each key of it.
    odd = "row GLOB '*NaN*' OR row GLOB '*Infinity*'"
    picked = (f"coalesce({', '.join(['json_extract(text, ?)'] * len(k))}, NULL)" for k in keys)
    return db.execute(
        f"SELECT {', '.join(picked)} FROM (SELECT CASE WHEN {odd} THEN plain(row) ELSE row END"
        f" AS text FROM {table} WHERE run_id = ? ORDER BY line LIMIT -1)",
        [*(path for paths in keys for path in paths), run_id],
    )


def event_rows(db: sqlite3.Connection, run_id: int) -> list[str]:
    rows = db.execute("SELECT row FROM events WHERE run_id = ? ORDER BY line", (run_id,))
    return [row[0] for row in rows]


def tail(db: sqlite3.Connection, table: str, run_id: int, n: int) -> list[str]:
    """The last n lines, oldest first."""
    assert table in ("history", "events")
    rows = db.execute(
        f"SELECT row FROM {table} WHERE run_id = ? ORDER BY line DESC LIMIT ?", (run_id, n)
    )
    return [row[0] for row in rows][::-1]


def log_lines(db: sqlite3.Connection, run_id: int, after: int, limit: int) -> list[tuple[int, str]]:
    """(line number, text) of at most `limit` console lines behind line `after`."""
    rows = db.execute(
        "SELECT line, text FROM logs WHERE run_id = ? AND line > ? ORDER BY line LIMIT ?",
        (run_id, after, limit),
    )
    return [(row[0], row[1]) for row in rows]


def last_log_lines(db: sqlite3.Connection, run_id: int, n: int) -> list[tuple[int, str]]:
    rows = db.execute(
        "SELECT line, text FROM logs WHERE run_id = ? ORDER BY line DESC LIMIT ?", (run_id, n)
    )
    return [(row[0], row[1]) for row in rows][::-1]


def line_count(db: sqlite3.Connection, table: str, run_id: int) -> int:
    """The number of the line behind the last one."""
    assert table in TABLES
    return db.execute(
        f"SELECT coalesce(max(line), -1) + 1 FROM {table} WHERE run_id = ?", (run_id,)
    ).fetchone()[0]


def shared_place(
    db: sqlite3.Connection, run_id: int, writer: str, kind: str, line: int
) -> int | None:
    """The line of the run that holds a line of one of its writers."""
    found = db.execute(
        "SELECT target FROM shared_lines WHERE run_id = ? AND writer = ? AND kind = ? AND line = ?",
        (run_id, writer, kind, line),
    ).fetchone()
    return found and found[0]


def set_shared_place(
    db: sqlite3.Connection, run_id: int, writer: str, kind: str, line: int, target: int
) -> None:
    db.execute(
        "INSERT INTO shared_lines (run_id, writer, kind, line, target) VALUES (?, ?, ?, ?, ?)",
        (run_id, writer, kind, line, target),
    )
