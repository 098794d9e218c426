"""Saves what can be read of a damaged database into a data folder of its own.

The damaged files are only copied, never opened in place. Rows are read in the order of their key;
behind rows that cannot be read the search goes on, from the other side too, and at last page by
page (salvage.py).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tracker.errors import TrackerError
from tracker.store import salvage
from tracker.store.database import PAGE_BYTES, create
from tracker.store.folder import private

MAGIC = b"SQLite format 3\0"
BATCH = 500
LINES = ("events", "logs")
MAX_JUMP = 1 << 40  # in rows, when looking for the end of an unreadable stretch

Key = tuple[Any, ...]


@dataclass
class Outcome:
    """Per table: rows that were saved; unreadable stretches; rows whose owner is lost."""

    folder: Path
    saved: dict[str, int] = field(default_factory=dict)
    gaps: dict[str, int] = field(default_factory=dict)
    orphans: dict[str, int] = field(default_factory=dict)

    def lines(self) -> list[str]:
        told = []
        for table, n in self.saved.items():
            notes = [f"{n} rows"]
            if self.gaps.get(table):
                notes.append(f"{self.gaps[table]} unreadable stretches")
            if self.orphans.get(table):
                notes.append(f"{self.orphans[table]} rows without their owner left out")
            told.append(f"{table}: {', '.join(notes)}")
        return told


def repair(data_dir: Path) -> Outcome:
    """Writes `DATA_DIR/recovered`, a whole data folder; what was there stays as it is."""
    source, target = data_dir / "tracker.db", data_dir / "recovered"
    if not source.exists():
        raise TrackerError(f"{source} does not exist: nothing to repair")
    if target.exists():
        raise TrackerError(f"{target} exists already: move it away first")
    with private(), tempfile.TemporaryDirectory(dir=data_dir) as scratch:
        for name in ("tracker.db", "tracker.db-wal"):
            if (data_dir / name).exists():
                shutil.copyfile(data_dir / name, Path(scratch) / name)
        damaged = open_damaged(Path(scratch) / "tracker.db", source)
        made = Path(scratch) / "recovered"
        made.mkdir()
        outcome = Outcome(target)
        with contextlib.closing(damaged):
            pages = salvage.read_pages(Path(scratch) / "tracker.db", PAGE_BYTES)
            copy_rows(damaged, pages, made / "tracker.db", outcome)
        for name in ("key", "port"):
            if (data_dir / name).exists():
                shutil.copy(data_dir / name, made / name)
        share_blobs(data_dir / "blobs", made / "blobs")
        made.rename(target)
    return outcome


def open_damaged(path: Path, source: Path) -> sqlite3.Connection:
    with path.open("r+b") as file:
        if file.read(16) != MAGIC:  # a lost header line need not be a lost database
            file.seek(0)
            file.write(MAGIC)
    db = sqlite3.connect(path, isolation_level=None)
    try:
        db.execute("PRAGMA writable_schema=ON")  # do not refuse to open over the schema
        db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.DatabaseError as error:
        db.close()
        raise TrackerError(
            f"{source} is damaged at its beginning ({error}): nothing can be read of it. "
            "The uploaded files are whole, in blobs/"
        ) from error
    return db


def copy_rows(
    damaged: sqlite3.Connection, pages: dict[int, bytes], path: Path, outcome: Outcome
) -> None:
    create(path)
    db = sqlite3.connect(path, isolation_level=None)
    with contextlib.closing(db):
        db.execute("BEGIN")
        for (table,) in db.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
            " ORDER BY rowid"
        ).fetchall():
            copy_table(damaged, pages, db, table, outcome)
        db.execute("COMMIT")
        drop_orphans(db, outcome)
        db.execute("VACUUM")


def columns_of(db: sqlite3.Connection, table: str) -> dict[str, int]:
    """Column -> its place in the primary key, from 1 (0: not part of it)."""
    try:
        return {row[1]: row[5] for row in db.execute(f"PRAGMA table_info({table})")}
    except sqlite3.DatabaseError:
        return {}


def copy_table(
    damaged: sqlite3.Connection,
    pages: dict[int, bytes],
    db: sqlite3.Connection,
    table: str,
    outcome: Outcome,
) -> None:
    there, wanted = columns_of(damaged, table), columns_of(db, table)
    names = [name for name in wanted if name in there]
    key = sorted((name for name in wanted if wanted[name]), key=lambda name: wanted[name])
    outcome.saved[table] = 0
    if not names or any(name not in names for name in key):
        return
    insert = (
        f"INSERT OR IGNORE INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"
    )
    reader = Reader(damaged, table, names, key)
    for row in reader.rows():
        with contextlib.suppress(sqlite3.Error):  # a row that breaks a rule of the schema
            outcome.saved[table] += db.execute(insert, row).rowcount
    if reader.gaps:
        outcome.gaps[table] = reader.gaps
        outcome.saved[table] += copy_from_pages(pages, db, table, insert, names)


def copy_from_pages(
    pages: dict[int, bytes], db: sqlite3.Connection, table: str, insert: str, names: list[str]
) -> int:
    """Adds rows that fit the table, from whichever page; returns how many were new."""
    kinds = [row[2] for row in db.execute(f"PRAGMA table_info({table})")]
    needed = [bool(row[3]) for row in db.execute(f"PRAGMA table_info({table})")]
    has_rowid = (
        "WITHOUT ROWID"
        not in db.execute("SELECT sql FROM sqlite_master WHERE name = ?", (table,))
        .fetchone()[0]
        .upper()
    )
    if len(kinds) != len(names):
        return 0  # of another version: which column is which is not known
    added = 0
    for rowid, values in salvage.records(pages, PAGE_BYTES):
        if (rowid is not None) != has_rowid or len(values) != len(kinds):
            continue
        row = (rowid, *values[1:]) if has_rowid else values
        if fits(row, kinds, needed) and not (table in LINES and is_other(table, row)):
            with contextlib.suppress(sqlite3.Error):
                added += db.execute(insert, row).rowcount
    return added


def fits(row: Key, kinds: list[str], needed: list[bool]) -> bool:
    types = {"INTEGER": int, "REAL": (int, float), "TEXT": str}
    return all(
        isinstance(value, types[kind]) if value is not None else not need
        for value, kind, need in zip(row, kinds, needed, strict=True)
    )


def is_other(table: str, row: Key) -> bool:
    """Events and console lines look alike: events are JSON objects of the client."""
    return str(row[2]).startswith('{"') != (table == "events")


class Reader:
    """Reads a table in the order of its key, around what cannot be read."""

    def __init__(
        self, db: sqlite3.Connection, table: str, names: list[str], key: list[str]
    ) -> None:
        self.db, self.table, self.names, self.key = db, table, names, key
        self.places = [names.index(name) for name in key]
        self.gaps = 0

    def batch(self, after: Key | None, before: Key | None, descending: bool) -> list[Key]:
        keys, marks = ", ".join(self.key), ", ".join("?" * len(self.key))
        tests, values = ["1"], []
        for sign, place in ((">", after), ("<", before)):
            if place is not None:
                tests.append(f"({keys}) {sign} ({marks})")
                values += place
        direction = "DESC" if descending else "ASC"
        order = ", ".join(f"{name} {direction}" for name in self.key)
        cursor = self.db.execute(
            f"SELECT {', '.join(self.names)} FROM {self.table} NOT INDEXED"
            f" WHERE {' AND '.join(tests)} ORDER BY {order} LIMIT {BATCH}",
            values,
        )
        rows = []
        with contextlib.suppress(sqlite3.DatabaseError):
            for row in cursor:
                rows.append(row)
            return rows
        if rows:
            return rows  # the error comes again, at the beginning of the next batch
        raise sqlite3.DatabaseError

    def place(self, row: Key) -> Key:
        return tuple(row[i] for i in self.places)

    def stretch(self, after: Key | None, before: Key | None, descending: bool) -> Iterator[Key]:
        """Rows up to the first that cannot be read; returns whether the end was reached."""
        while True:
            try:
                rows = self.batch(after, before, descending)
            except sqlite3.DatabaseError:
                return False
            yield from rows
            if not rows:
                return True
            if descending:
                before = self.place(rows[-1])
            else:
                after = self.place(rows[-1])

    def rows(self) -> Iterator[Key]:
        last: Key | None = None
        while True:
            stretch = self.stretch(last, None, descending=False)
            while True:
                try:
                    row = next(stretch)
                except StopIteration as end:
                    whole = end.value
                    break
                last = self.place(row)
                yield row
            if whole:
                return
            self.gaps += 1
            behind = self.beyond(last)
            yield from self.stretch(last, behind, descending=True)
            if behind is None:
                return
            last = behind

    def beyond(self, last: Key | None) -> Key | None:
        """A key behind an unreadable stretch, from which reading goes on; None: there is none."""
        start = last if last is not None else (0,) * len(self.key)
        if not all(isinstance(part, int) for part in start):
            return None
        for position in reversed(range(len(start))):
            jump = 1
            while jump <= MAX_JUMP:
                tail = (-1,) * (len(start) - position - 1)
                place = (*start[:position], start[position] + jump, *tail)
                with contextlib.suppress(sqlite3.DatabaseError):
                    if self.batch(place, None, False):
                        return place
                    break  # nothing there: the stretch reaches to the end
                jump *= 2
        return None


def drop_orphans(db: sqlite3.Connection, outcome: Outcome) -> None:
    """Removes rows whose owner is lost, and their own dependents, until none is left."""
    while True:
        found = db.execute("PRAGMA foreign_key_check").fetchall()
        if not found:
            return
        for table, parent in sorted({(row[0], row[2]) for row in found}):
            for reference in db.execute(f"PRAGMA foreign_key_list({table})").fetchall():
                if reference[2] != parent:
                    continue
                column, target = reference[3], reference[4] or "id"
                lost = db.execute(
                    f"DELETE FROM {table} WHERE {column} IS NOT NULL"
                    f" AND {column} NOT IN (SELECT {target} FROM {parent})"
                ).rowcount
                if lost:
                    outcome.orphans[table] = outcome.orphans.get(table, 0) + lost
                    outcome.saved[table] -= lost


def share_blobs(source: Path, target: Path) -> None:
    """The contents, by hard links where the file system has them."""
    for path in source.glob("[0-9a-f][0-9a-f]/*"):
        place = target / path.parent.name / path.name
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(path, place)
        except OSError:
            shutil.copyfile(path, place)
