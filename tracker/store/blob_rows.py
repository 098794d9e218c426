"""Rows of stored contents (blobs): what is there, damaged, held by nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import TypedDict

from tracker.store.rows import one


class BlobRow(TypedDict):
    """A content; `damaged`: it was found to be another, or gone."""

    hash: str
    size: int
    md5: str
    created_at: float
    damaged: int


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


def get_blob(db: sqlite3.Connection, hash: str) -> BlobRow | None:
    return one(db, "SELECT * FROM blobs WHERE hash = ?", hash)


def blob_by_md5(db: sqlite3.Connection, md5: str) -> BlobRow | None:
    """A content that is there, as far as is known."""
    return one(db, "SELECT * FROM blobs WHERE md5 = ? AND NOT damaged LIMIT 1", md5)


def mark_blob(db: sqlite3.Connection, hash: str, *, damaged: bool) -> None:
    db.execute("UPDATE blobs SET damaged = ? WHERE hash = ?", (damaged, hash))


def damaged_blobs(db: sqlite3.Connection) -> set[str]:
    """Hashes of contents that were found to be damaged."""
    return {row[0] for row in db.execute("SELECT hash FROM blobs WHERE damaged")}


def unused_blobs(db: sqlite3.Connection) -> list[str]:
    """Hashes that nothing holds."""
    return [row[0] for row in db.execute(f"SELECT hash FROM blobs WHERE {UNUSED}")]


def forget_unused(db: sqlite3.Connection, hashes: Iterable[str]) -> list[str]:
    """Deletes the rows of those that nothing holds; returns which these were."""
    sql = f"DELETE FROM blobs WHERE hash = ? AND {UNUSED}"
    return [hash for hash in hashes if db.execute(sql, (hash,)).rowcount]
