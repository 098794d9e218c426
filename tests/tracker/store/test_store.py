"""Transactions, durability settings, schema versions, and damage that is seen and named."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.tracker.old_folder import FOLDERS, restore
from tests.tracker.worlds import ROOT, Tracker
from tracker.errors import DamagedError, TrackerError
from tracker.runs import rows as run_rows
from tracker.store import database as store_module
from tracker.store.database import Store, create, migrate, statements, versions


def names(store: Store) -> list[str]:
    with store.read() as db:
        return [row["name"] for row in run_rows.list_projects(db, None, 0, 100)]


def add(store: Store, name: str, description: str = "") -> None:
    with store.write() as db:
        run_rows.ensure_project(db, "local", name, 1.0)
        db.execute("UPDATE projects SET description = ? WHERE name = ?", (description, name))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database with some content, closed cleanly."""
    path = tmp_path / "tracker.db"
    store = Store(path)
    for i in range(50):
        add(store, f"project {i}")
    store.close()
    return path


@pytest.mark.parametrize(("durable", "level"), [(False, 1), (True, 2)], ids=["normal", "full"])
def test_pragmas(tmp_path: Path, durable: bool, level: int):
    store = Store(tmp_path / "tracker.db", durable=durable)
    for connection in (store.write, store.read):
        with connection() as db:
            assert db.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
            assert db.execute("PRAGMA synchronous").fetchone()[0] == level
            assert db.execute("PRAGMA foreign_keys").fetchone()[0] == 1
    store.close()


def test_a_transaction_is_all_or_nothing(tmp_path: Path):
    store = Store(tmp_path / "tracker.db")
    with pytest.raises(RuntimeError), store.write() as db:
        run_rows.ensure_project(db, "local", "half", 1.0)
        raise RuntimeError
    add(store, "whole")
    assert names(store) == ["whole"]
    store.close()


def test_a_reader_sees_one_state_while_a_writer_goes_on(tmp_path: Path):
    store = Store(tmp_path / "tracker.db")
    add(store, "first")
    with store.read():
        assert names(store) == ["first"]
        writer = threading.Thread(target=add, args=(store, "second"))
        writer.start()
        writer.join()
        assert names(store) == ["first"]
    assert names(store) == ["first", "second"]
    store.close()


def test_writers_take_turns(tmp_path: Path):
    store = Store(tmp_path / "tracker.db")

    def work(worker: int) -> None:
        for i in range(20):
            add(store, f"{worker} {i}")

    workers = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    with store.read() as db:
        assert len(run_rows.list_projects(db, None, 0, 1000)) == 160
    store.close()


def test_write_inside_write_is_a_mistake_of_the_program(tmp_path: Path):
    store = Store(tmp_path / "tracker.db")
    with pytest.raises(RuntimeError, match="pass the connection"), store.write(), store.write():
        pass
    store.close()


# ------------------------------------------------------------------------------------- versions


def test_every_older_version_opens(tmp_path: Path):
    scripts = versions()
    for version in scripts:
        path = tmp_path / f"v{version}" / "tracker.db"
        path.parent.mkdir()
        db = sqlite3.connect(path, isolation_level=None)
        migrate(db, path, {n: scripts[n] for n in scripts if n <= version})
        db.execute(
            "INSERT INTO projects (entity, name, created_at, updated_at) VALUES ('e', 'old', 1, 1)"
        )
        db.close()
        store = Store(path)
        assert names(store) == ["old"]
        with store.read() as read:
            assert read.execute("PRAGMA user_version").fetchone()[0] == max(scripts)
        store.close()


@pytest.mark.parametrize("kept", sorted(FOLDERS.iterdir()), ids=lambda kept: kept.name)
def test_a_folder_of_an_earlier_version_goes_on(kept: Path, tmp_path: Path):
    """What the real client left there is read by it, and what was unfinished is finished."""
    (tmp_path / "data").mkdir()
    restore(kept, tmp_path / "data")
    tracker = Tracker(tmp_path / "data")
    try:
        tracker.client("go_on")
    finally:
        assert tracker.stop() == 0


def test_the_newest_version_is_kept_for_later_ones():
    assert (FOLDERS / f"schema-{max(versions())}").is_dir(), "run `-m tests.tracker.old_folder`"


def test_versions_are_numbered_without_gaps():
    assert list(versions()) == list(range(1, len(versions()) + 1))


def test_a_newer_version_is_refused_and_left_alone(path: Path):
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version=999")
    db.close()
    store_module.seal_of(path).unlink()
    before = path.read_bytes()
    with pytest.raises(TrackerError, match="newer version") as caught:
        Store(path)
    assert "--data-dir" in str(caught.value)
    assert path.read_bytes() == before


def test_a_migration_that_fails_leaves_the_old_version(path: Path, tmp_path: Path):
    broken = tmp_path / "0099_broken.sql"
    broken.write_text("CREATE TABLE extra (id);\nINSERT INTO nowhere VALUES (1);\n")
    db = sqlite3.connect(path, isolation_level=None)
    with pytest.raises(sqlite3.OperationalError):
        migrate(db, path, {**versions(), 99: broken})
    tables = {row[0] for row in db.execute("SELECT name FROM sqlite_master")}
    assert "extra" not in tables
    assert db.execute("PRAGMA user_version").fetchone()[0] == max(versions())
    db.close()


def test_statements_are_split_where_they_end():
    script = "-- a; comment\nCREATE TABLE a (x);\nINSERT INTO a\n VALUES (';');\n"
    assert len(list(statements(script))) == 2
    with pytest.raises(ValueError, match="unfinished"):
        list(statements("CREATE TABLE a (x)"))


# --------------------------------------------------------------------------------------- damage


def test_a_clean_stop_is_opened_again(path: Path):
    store = Store(path)
    assert len(names(store)) == 50
    store.close()


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("pristine") / "tracker.db"
    store = Store(path)
    for i in range(300):
        add(store, f"project {i}")
    store.close()
    return path.read_bytes()


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(place=st.floats(0, 0.999999), flip=st.integers(1, 255))
def test_a_flipped_byte_is_seen_after_a_clean_stop(
    pristine: bytes, tmp_path_factory: pytest.TempPathFactory, place: float, flip: int
):
    path = tmp_path_factory.mktemp("flip") / "tracker.db"
    path.write_bytes(pristine)
    store_module.seal_of(path).write_text(store_module.checksum(path))
    data = bytearray(pristine)
    data[int(place * len(data))] ^= flip
    path.write_bytes(data)
    with pytest.raises(DamagedError, match="is damaged"):
        Store(path)
    assert path.read_bytes() == bytes(data)  # nothing was changed


@pytest.mark.parametrize(
    "harm",
    [
        lambda data: data[: len(data) // 2],
        lambda data: data[:-1],
        lambda data: data[:100],
        lambda data: b"",
        lambda data: bytes(100) + data[100:],
        lambda data: data[:8192] + bytes(4096) + data[12288:],
        lambda data: b"hello, I am no database" * 1000,
    ],
    ids=["half", "a byte short", "header", "empty", "no header", "a page of zeros", "other"],
)
def test_damage_is_seen_after_a_crash_too(path: Path, harm):
    store_module.seal_of(path).unlink()  # as after a crash
    data = harm(path.read_bytes())
    path.write_bytes(data)
    with pytest.raises(DamagedError) as caught:
        Store(path)
    assert str(path) in str(caught.value)
    assert "runner.py serve --repair" in str(caught.value)
    assert path.read_bytes() == data


def test_a_lost_database_is_not_replaced_by_an_empty_one(path: Path):
    (path.parent / "blobs").mkdir()
    path.unlink()
    with pytest.raises(DamagedError, match="the file is gone"):
        Store(path)
    assert not path.exists()


def test_a_database_of_another_program_is_refused(tmp_path: Path):
    path = tmp_path / "tracker.db"
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE notes (text)")
    db.commit()
    db.close()
    with pytest.raises(TrackerError, match="not a tracker database"):
        Store(path)


def test_a_database_is_made_whole_or_not_at_all(tmp_path: Path):
    broken = tmp_path / "0099_broken.sql"
    broken.write_text("CREATE TABLE half (x);\nCREATE TABLE half (x);\n")
    folder = tmp_path / "data"
    with pytest.raises(sqlite3.OperationalError, match="already exists"):
        create(folder / "tracker.db", versions() | {99: broken})
    assert not list(folder.iterdir())
    create(folder / "tracker.db")
    Store(folder / "tracker.db").close()


# ------------------------------------------------------------------------------------ disk full

FULL = """
import resource, sqlite3, sys
from pathlib import Path
from tracker.store.database import Store
from tests.tracker.store.test_store import add, names
path = Path(sys.argv[1])
store = Store(path)
add(store, "before")
resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 300_000,) * 2)
try:
    for i in range(10_000):
        add(store, f"project {i}", "x" * 5_000)
    print("never full")
except sqlite3.OperationalError as error:
    print(f"refused: {error}")
print("intact", names(store)[0] == "before" and len(names(store)) == min(i + 1, 100))
"""


def test_a_full_disk_refuses_and_keeps_what_is_there(tmp_path: Path):
    """The limit on the size of files stands for the disk; a new process has room again."""
    path = tmp_path / "tracker.db"
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert "refused: " in done.stdout, done.stderr
    assert "intact True" in done.stdout, done.stdout
    store = Store(path)
    add(store, "with room again")
    with store.read() as db:
        found = [row["name"] for row in run_rows.list_projects(db, None, 0, 100_000)]
    assert found[0] == "before"
    assert found[-1] == "with room again"
    store.close()


def test_copying_the_closed_file_is_a_backup(path: Path, tmp_path: Path):
    (tmp_path / "copy").mkdir()
    shutil.copy(path, tmp_path / "copy" / "tracker.db")
    store = Store(tmp_path / "copy" / "tracker.db")
    assert len(names(store)) == 50
    store.close()
