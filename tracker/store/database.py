"""SQLite: connections, transactions, migrations. Every other SQL stands with its subject.

Durability: WAL. With synchronous=NORMAL (default) a commit survives the death of the process;
with `durable=True` (synchronous=FULL) it also survives the loss of power.
"""

from __future__ import annotations

import hashlib
import json
import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from contract.files import whole, write_atomic
from contract.values import WORDS, finite
from tracker import documents
from tracker.errors import DamagedError, TrackerError
from tracker.store import patterns
from tracker.store.passing import passing

log = logging.getLogger(__name__)

MIGRATIONS = Path(__file__).parent / "migrations"  # NNNN_subject.sql, applied in order
APPLICATION_ID = 0x46555354  # "FUST": tells this database from any other SQLite file
BUSY_SECONDS = 10.0
STEPS_BETWEEN_LOOKS = 1_000  # of SQLite's machine, while reading; each may search a long document
PAGE_BYTES = 4096


class Store:
    """One database file; safe to share between threads.

    `write()` gives the single writing connection inside BEGIN IMMEDIATE … COMMIT, `read()` a
    connection of the calling thread inside a transaction, so that it sees one state. Inside
    `write()` read through the connection at hand: `read()` does not see what is not committed.
    """

    def __init__(self, path: Path, *, durable: bool = False) -> None:
        self.path = path
        self.durable = durable
        self._lock = threading.RLock()
        self._local = threading.local()
        self._readers: list[sqlite3.Connection] = []
        self.ending = threading.Event()  # set: what reads is to end
        self._reads = threading.Condition()
        self._reading = 0
        if check(path):
            create(path)
        seal_of(path).unlink(missing_ok=True)
        self._writer = self._connect()
        try:
            migrate(self._writer, path)
        except BaseException:
            self._writer.close()
            raise

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(
            self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        db.row_factory = sqlite3.Row
        db.execute("PRAGMA journal_mode=WAL")
        db.execute(f"PRAGMA synchronous={'FULL' if self.durable else 'NORMAL'}")
        db.execute("PRAGMA foreign_keys=ON")
        db.create_function("regexp", 2, self._regexp, deterministic=True)
        db.create_function("contains", 2, contains, deterministic=True)
        db.create_function("plain", 1, self._plain, deterministic=True)
        db.create_function("number", 1, number, deterministic=True)
        db.create_function("looked_up", 2, documents.looked_up, deterministic=True)
        db.create_function("kind_of", 2, documents.kind_of, deterministic=True)
        return db

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """All or nothing; committed when the block ends. Not to be nested."""
        with self._lock:
            if self._writer.in_transaction:
                raise RuntimeError("write() inside write(): pass the connection along instead")
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:  # some errors (disk full) have rolled back
                    self._writer.execute("ROLLBACK")
                raise

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """One consistent state; may be nested (the outer state stays)."""
        db: sqlite3.Connection | None = getattr(self._local, "db", None)
        if db is None:
            db = self._local.db = self._connect()
            db.set_progress_handler(self._over, STEPS_BETWEEN_LOOKS)
            with self._lock:
                self._readers.append(db)
        if db.in_transaction:
            yield db
            return
        with self._counted():
            db.execute("BEGIN")
            try:
                yield db
            finally:
                db.execute("COMMIT")

    @contextmanager
    def _counted(self) -> Iterator[None]:
        with self._reads:
            self._reading += 1
        try:
            yield
        finally:
            with self._reads:
                self._reading -= 1
                self._reads.notify_all()

    @contextmanager
    def bounded(self, over: Callable[[], bool]) -> Iterator[None]:
        """What this thread reads inside ends, as an OperationalError, as soon as `over` says so."""
        self._local.over = over
        try:
            yield
        finally:
            self._local.over = None

    def _over(self) -> bool:
        over = getattr(self._local, "over", None)
        return self.ending.is_set() or (over is not None and over())

    def _regexp(self, pattern: str, text: Any) -> bool:
        """`text REGEXP pattern`: anywhere in the text, as W&B's filters have it. Each may take as
        long as all of SQLite's steps between two looks, so here is a look, too.
        """
        self._look()
        return isinstance(text, str) and patterns.found(pattern, text)

    def _plain(self, document: str) -> str:
        """A JSON document without the numbers that JSON lacks; they become texts. Also a look."""
        self._look()
        return json.dumps(finite(json.loads(document)))

    def _look(self) -> None:
        if self._over():
            raise TimeoutError

    def close(self) -> None:
        """Brings the WAL back into the database file, closes every connection and seals the file:
        what changes it from now on is seen at the next opening.
        """
        self.ending.set()
        with self._reads:
            self._reads.wait_for(lambda: self._reading == 0)
        with self._lock:
            for db in self._readers:
                db.close()
            self._readers.clear()
            self._local = threading.local()
            try:
                self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                self._writer.close()
                write_atomic(seal_of(self.path), checksum(self.path))
            except (sqlite3.Error, OSError) as error:
                if passing(error) is None:
                    raise
                # nothing is lost: what is not in the file is in the WAL
                log.error("%s was closed without a seal: %s", self.path, error)
                self._writer.close()


def contains(text: Any, part: str) -> bool:
    """In time linear in the text, which SQLite's instr() is not."""
    return isinstance(text, str) and part in text


def number(value: Any) -> Any:
    """Numbers that JSON lacks, which clients send as text, so that they compare as numbers."""
    return WORDS.get(value, value) if isinstance(value, str) else value


def versions() -> dict[int, Path]:
    """Schema version -> the script that leads to it."""
    return {int(path.name[:4]): path for path in sorted(MIGRATIONS.glob("[0-9]*.sql"))}


def migrate(db: sqlite3.Connection, path: Path, scripts: dict[int, Path] | None = None) -> None:
    """Brings the schema to the newest version, one transaction per step."""
    scripts = versions() if scripts is None else scripts
    db.create_function("cleaned", 1, documents.cleaned, deterministic=True)
    found, newest = db.execute("PRAGMA user_version").fetchone()[0], max(scripts)
    if found > newest:
        raise TrackerError(
            f"{path} was written by a newer version (schema {found}; this one knows {newest}): "
            "update this checkout, or use another --data-dir"
        )
    for version, script in scripts.items():
        if version <= found:
            continue
        db.execute("BEGIN IMMEDIATE")
        try:
            for statement in statements(script.read_text()):
                db.execute(statement)
            db.execute(f"PRAGMA user_version={version}")
            db.execute(f"PRAGMA application_id={APPLICATION_ID}")
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise


def statements(script: str) -> Iterator[str]:
    """Splits a script (sqlite3's own executescript would commit half of a migration)."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    if statement.strip():
        raise ValueError(f"unfinished statement: {statement.strip()[:80]}")


def seal_of(path: Path) -> Path:
    return path.with_name(path.name + ".sum")


def checksum(path: Path) -> str:
    """Of a whole file, as the seal has it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "blake2b").hexdigest()


def create(path: Path, scripts: dict[int, Path] | None = None) -> None:
    """A new database, which is there whole or not at all."""
    with whole(path) as file, closing(sqlite3.connect(file, isolation_level=None)) as db:
        db.execute(f"PRAGMA page_size={PAGE_BYTES}")
        migrate(db, path, scripts)


def check(path: Path) -> bool:
    """Whether there is no database yet; DamagedError, with the remedy, where one is not whole.

    After a clean stop every byte is checked, otherwise the structure (SQLite's quick_check). The
    file is only read, so that damage is not made worse by the recovery of the WAL.
    """
    wal = path.with_name(path.name + "-wal")
    if not path.exists():
        if (wal.exists() and wal.stat().st_size) or (path.parent / "blobs").exists():
            raise damaged(path, "the file is gone, what belongs to it is still there")
        return True
    if path.stat().st_size == 0:
        raise damaged(path, "the file is empty")
    seal = seal_of(path)
    if seal.exists() and seal.stat().st_size:  # an empty one says nothing
        if seal.read_text(errors="replace") != checksum(path):
            raise damaged(
                path,
                "it is not as the server left it when it stopped; if you changed it on purpose, "
                f"remove {seal}",
            )
        return False
    has_wal = wal.exists() and wal.stat().st_size > 0
    if not has_wal and path.stat().st_size % PAGE_BYTES:  # SQLite would read the rest as zeros
        raise damaged(path, "it ends in the middle of a page")
    try:
        db = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=BUSY_SECONDS)
        try:
            problems = [row[0] for row in db.execute("PRAGMA quick_check(3)")]
            found = db.execute("PRAGMA application_id").fetchone()[0]
        finally:
            db.close()
    except sqlite3.DatabaseError as error:
        if passing(error) == 507:  # no room for what SQLite keeps beside the file
            raise
        raise damaged(path, str(error)) from error
    if problems != ["ok"]:
        raise damaged(path, "; ".join(problems))
    if found != APPLICATION_ID:
        raise TrackerError(f"{path} is not a tracker database: use another --data-dir")
    return False


def damaged(path: Path, reason: str) -> DamagedError:
    return DamagedError(
        f"{path} is damaged ({' '.join(reason.split())[:300]}); nothing was changed. Restore it "
        f"from a backup, or save what can be read with: "
        f"runner.py serve --repair --data-dir {path.parent}"
    )
