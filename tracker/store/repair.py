"""Saves what can be read of a damaged database into a data folder of its own.

It is for who has no backup: SQLite's check only finds damage, and its recovery is no part of
Python's sqlite3. The damaged files are only copied, never opened in place. Where each table lies is
asked of SQLite; its rows are read page by page (salvage.py).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tracker.documents import cleaned
from tracker.errors import TrackerError
from tracker.store.database import PAGE_BYTES, create
from tracker.store.folder import private
from tracker.store.salvage import Pages, free_pages, read_pages, records, tree

MAGIC = b"SQLite format 3\0"
LINES = ("events", "logs")
TYPES: dict[str, tuple[type, ...]] = {"INTEGER": (int,), "REAL": (int, float), "TEXT": (str,)}

Key = tuple[Any, ...]
Kinds = dict[str, tuple[tuple[type, ...], bool]]  # column -> types of its values, never NULL


@dataclass
class Outcome:
    """Per table: rows saved; pages and rows that cannot be read; rows whose owner is lost."""

    folder: Path
    saved: dict[str, int] = field(default_factory=dict)
    gaps: dict[str, int] = field(default_factory=dict)
    orphans: dict[str, int] = field(default_factory=dict)

    def lines(self) -> list[str]:
        told = []
        for table, n in self.saved.items():
            notes = [f"{n} rows"]
            if self.gaps.get(table):
                notes.append(f"{self.gaps[table]} unreadable places")
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
            pages = read_pages(Path(scratch) / "tracker.db", PAGE_BYTES)
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
        tables_of(db)
    except sqlite3.DatabaseError as error:
        db.close()
        raise TrackerError(
            f"{source} is damaged at its beginning ({error}): nothing can be read of it. "
            "The uploaded files are whole, in blobs/"
        ) from error
    return db


@dataclass(frozen=True)
class Table:
    """A table of the damaged database."""

    name: str
    root: int  # the number of the page where its tree begins
    columns: list[str]
    has_rowid: bool
    key: int | None  # which column is the rowid, and not in the record

    def row(self, rowid: int | None, values: Key) -> Key:
        """The values of its first columns, as many as were there when the row was written."""
        if self.key is None or rowid is None:
            return values
        return (*values[: self.key], rowid, *values[self.key + 1 :])


def tables_of(db: sqlite3.Connection) -> list[Table]:
    """Tables in the order in which they were made."""
    found = []
    for name, root, sql in db.execute(
        "SELECT name, rootpage, sql FROM sqlite_master WHERE type = 'table'"
        " AND name NOT LIKE 'sqlite_%' ORDER BY rowid"
    ).fetchall():
        columns = db.execute(f"PRAGMA table_info({name})").fetchall()
        has_rowid = "WITHOUT ROWID" not in sql.upper()
        keys = [i for i, column in enumerate(columns) if column[5] and column[2] == "INTEGER"]
        key = keys[0] if has_rowid and keys else None
        found.append(Table(name, root, [column[1] for column in columns], has_rowid, key))
    return found


def copy_rows(damaged: sqlite3.Connection, pages: Pages, path: Path, outcome: Outcome) -> None:
    """Make a database of the rows that stand on the pages of each table. Where some of a table's
    pages are lost, pages that belong to nothing are searched for rows that fit it."""
    tables, held = tables_of(damaged), free_pages(pages)
    for (root,) in damaged.execute("SELECT rootpage FROM sqlite_master WHERE rootpage > 0"):
        held.update(tree(pages, root)[0])
    stray = [number for number in pages if number not in held]
    create(path)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("BEGIN")
        for table in tables:
            wanted = db.execute(f"PRAGMA table_info({table.name})").fetchall()
            kinds = {column[1]: (TYPES[column[2]], bool(column[3])) for column in wanted}
            numbers, lost = tree(pages, table.root)
            saved, broken = copy_pages(db, pages, numbers, table, kinds)
            if lost + broken:
                outcome.gaps[table.name] = lost + broken
                saved += copy_pages(db, pages, stray, table, kinds)[0]
            outcome.saved[table.name] = saved
        db.execute("COMMIT")
        drop_orphans(db, outcome)
        db.execute("VACUUM")


def copy_pages(
    db: sqlite3.Connection, pages: Pages, numbers: Iterable[int], table: Table, kinds: Kinds
) -> tuple[int, int]:
    """Add the rows of some pages that fit the table; returns how many were new, and how many cells
    could not be read."""
    saved = broken = 0
    for found in (found for number in numbers for found in records(pages, number)):
        if found is None:
            broken += 1
            continue
        if (found[0] is not None) != table.has_rowid or len(found[1]) > len(table.columns):
            continue
        row = dict(zip(table.columns, table.row(*found), strict=False))
        row = {name: whole_text(table, row[name]) for name in row if name in kinds}
        if fits(row, kinds) and not (table.name in LINES and is_other(table.name, row)):
            sql = f"INSERT OR IGNORE INTO {table.name} ({', '.join(row)}) VALUES"
            with contextlib.suppress(sqlite3.Error):  # a row that breaks a rule of the schema
                marks = ", ".join("?" * len(row))
                saved += db.execute(f"{sql} ({marks})", list(row.values())).rowcount
    return saved, broken


def whole_text(table: Table, value: Any) -> Any:
    """A value without halves of characters, which JSON can name. Console lines stay as they are."""
    return cleaned(value) if isinstance(value, str) and table.name != "logs" else value


def fits(row: dict[str, Any], kinds: Kinds) -> bool:
    return bool(row) and all(
        isinstance(value, kinds[name][0]) if value is not None else not kinds[name][1]
        for name, value in row.items()
    )


def is_other(table: str, row: dict[str, Any]) -> bool:
    """Events and console lines look alike: events are JSON objects of the client."""
    text = str(row.get("row" if table == "events" else "text"))
    return text.startswith('{"') != (table == "events")


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
