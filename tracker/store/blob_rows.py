"""Rows of stored contents (blobs) and of the files of runs."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from typing import Any

from tracker.runs.rows import Row, one
from tracker.store import patterns

FILE = (
    "SELECT files.*, blobs.size, blobs.md5 FROM files JOIN blobs ON blobs.hash = files.hash"
    " WHERE run_id = ?"
)
# every column that may hold a blob; what none of them holds is garbage
HOLDERS = (
    ("files", "hash"),
    ("artifact_files", "hash"),
    ("artifacts", "manifest_hash"),
    ("manifests", "hash"),
)
UNUSED = " AND ".join(
    f"NOT EXISTS (SELECT 1 FROM {table} WHERE {table}.{column} = blobs.hash)"
    for table, column in HOLDERS
)


def add_blob(db: sqlite3.Connection, hash: str, size: int, md5: str, now: float) -> None:
    """Note a content that has just come, perhaps in the place of a damaged one."""
    db.execute(
        "INSERT INTO blobs (hash, size, md5, created_at) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (hash) DO UPDATE SET damaged = 0",
        (hash, size, md5, now),
    )


def get_blob(db: sqlite3.Connection, hash: str) -> Row | None:
    return one(db, "SELECT * FROM blobs WHERE hash = ?", hash)


def blob_by_md5(db: sqlite3.Connection, md5: str) -> Row | None:
    """A content that is there, as far as is known."""
    return one(db, "SELECT * FROM blobs WHERE md5 = ? AND NOT damaged LIMIT 1", md5)


def mark_blob(db: sqlite3.Connection, hash: str, *, damaged: bool) -> None:
    db.execute("UPDATE blobs SET damaged = ? WHERE hash = ?", (damaged, hash))


def damaged_blobs(db: sqlite3.Connection) -> set[str]:
    return {row[0] for row in db.execute("SELECT hash FROM blobs WHERE damaged")}


def put_file(db: sqlite3.Connection, run_id: int, name: str, hash: str, now: float) -> None:
    db.execute(
        "INSERT INTO files (run_id, name, hash, updated_at) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (run_id, name) DO UPDATE SET hash = excluded.hash,"
        " updated_at = excluded.updated_at",
        (run_id, name, hash, now),
    )


def find_file(db: sqlite3.Connection, run_id: int, name: str) -> Row | None:
    return one(db, f"{FILE} AND name = ?", run_id, name)


def get_file(db: sqlite3.Connection, file_id: int) -> Row | None:
    return one(db, "SELECT * FROM files WHERE id = ?", file_id)


def list_files(
    db: sqlite3.Connection,
    run_id: int,
    *,
    names: list[str] | None = None,
    pattern: str | None = None,
    after: int = 0,
    limit: int = -1,
) -> list[Row]:
    """Files of a run in the order of their ids; `pattern` as in LIKE."""
    test, values = narrowed(names, pattern)
    rows = db.execute(
        f"{FILE} AND files.id > ?{test} ORDER BY files.id LIMIT ?",
        [run_id, after, *values, limit],
    )
    return [dict(row) for row in rows]


def count_files(
    db: sqlite3.Connection,
    run_id: int,
    names: list[str] | None = None,
    pattern: str | None = None,
) -> int:
    """How many files `list_files` has to list."""
    test, values = narrowed(names, pattern)
    sql = f"SELECT count(*) FROM files WHERE run_id = ?{test}"
    return db.execute(sql, [run_id, *values]).fetchone()[0]


def narrowed(names: list[str] | None, pattern: str | None) -> tuple[str, list[Any]]:
    if names:
        return " AND name IN (SELECT value FROM json_each(?))", [json.dumps(names)]
    return (" AND name REGEXP ?", [patterns.of_like(pattern)]) if pattern else ("", [])


def delete_file(db: sqlite3.Connection, file_id: int) -> None:
    db.execute("DELETE FROM files WHERE id = ?", (file_id,))


def unused_blobs(db: sqlite3.Connection) -> list[str]:
    """Hashes that nothing holds."""
    return [row[0] for row in db.execute(f"SELECT hash FROM blobs WHERE {UNUSED}")]


def forget_unused(db: sqlite3.Connection, hashes: Iterable[str]) -> list[str]:
    """Deletes the rows of those that nothing holds; returns which these were."""
    sql = f"DELETE FROM blobs WHERE hash = ? AND {UNUSED}"
    return [hash for hash in hashes if db.execute(sql, (hash,)).rowcount]
