"""Rows of the files of runs."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from tracker.documents import Object
from tracker.runs.tables import FileRow
from tracker.store import patterns
from tracker.store.rows import many, one

FILE = (
    "SELECT files.*, blobs.size, blobs.md5 FROM files JOIN blobs ON blobs.hash = files.hash"
    " WHERE run_id = ?"
)


def put_file(db: sqlite3.Connection, run_id: int, name: str, hash: str, now: float) -> None:
    """Set the content of a run's file."""
    db.execute(
        "INSERT INTO files (run_id, name, hash, updated_at) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (run_id, name) DO UPDATE SET hash = excluded.hash,"
        " updated_at = excluded.updated_at",
        (run_id, name, hash, now),
    )


def find_file(db: sqlite3.Connection, run_id: int, name: str) -> FileRow | None:
    return one(db, f"{FILE} AND name = ?", run_id, name)


def list_files(
    db: sqlite3.Connection,
    run_id: int,
    *,
    names: list[str] | None = None,
    pattern: str | None = None,
    after: int = 0,
    limit: int = -1,
) -> list[FileRow]:
    """Files of a run in the order of their ids; `pattern` as in LIKE."""
    test, values = narrowed(names, pattern)
    return many(
        db,
        f"{FILE} AND files.id > ?{test} ORDER BY files.id LIMIT ?",
        run_id,
        after,
        *values,
        limit,
    )


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


def disk_use(db: sqlite3.Connection, project_id: int) -> Object:
    """How many contents (`n`) the files of a project's runs have, and their bytes (`size`)."""
    return one(
        db,
        "SELECT count(*) AS n, coalesce(sum(size), 0) AS size FROM blobs WHERE hash IN ("
        " SELECT hash FROM files JOIN runs ON runs.id = run_id WHERE project_id = ?)",
        project_id,
    )
