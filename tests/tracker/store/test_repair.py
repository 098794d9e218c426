"""Repair saves what can be read, into a folder of its own, and leaves the original as it is."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tracker.worlds import ROOT, Site
from tracker.errors import DamagedError, TrackerError
from tracker.store.database import Store, seal_of
from tracker.store.repair import repair

RUNS, ROWS = 12, 200


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder with runs, history and a file, closed cleanly."""
    site = Site(tmp_path)
    for n in range(RUNS):
        site.start_run(f"r{n}", config=json.dumps({"lr": {"value": n}}))
        site.log(f"r{n}", *({"_step": i, "text": "x" * 40} for i in range(ROWS)))
    url = site.gql(
        'mutation { createRunFiles(input: {entityName: "local", projectName: "p", runName: "r0",'
        ' files: ["a.txt"]}) { files { uploadUrl } } }'
    )["createRunFiles"]["files"][0]["uploadUrl"]
    assert site.http.put(url, content=b"kept").status_code == 200
    site.close()
    (tmp_path / "key").write_text("k" * 48)
    (tmp_path / "key").chmod(0o600)
    return tmp_path


def rows_of(path: Path) -> dict[str, int]:
    """Run -> history rows, all of which must be what was written."""
    store = Store(path)
    with store.read() as db:
        found = {}
        for run_id, name in db.execute("SELECT id, name FROM runs").fetchall():
            texts = db.execute("SELECT line, row FROM history WHERE run_id = ?", (run_id,))
            rows = [(line, json.loads(text)) for line, text in texts]
            assert all(row == {"_step": line, "text": "x" * 40} for line, row in rows)
            found[name] = len(rows)
    store.close()
    return found


def test_repair_of_a_whole_database_saves_all(folder: Path):
    outcome = repair(folder)
    assert outcome.saved["history"] == RUNS * ROWS
    assert not outcome.gaps
    assert not outcome.orphans
    assert rows_of(folder / "recovered" / "tracker.db") == {f"r{n}": ROWS for n in range(RUNS)}
    assert (folder / "recovered" / "key").read_text() == "k" * 48
    blob = next((folder / "recovered" / "blobs").glob("*/*"))
    assert blob.read_bytes() == b"kept"
    for path in (folder / "recovered", folder / "recovered" / "tracker.db", blob.parent):
        assert not path.stat().st_mode & 0o077, path  # its user's alone


@pytest.mark.parametrize("page", [0.35, 0.6, 0.85])
def test_repair_reads_around_a_lost_page(folder: Path, page: float):
    path = folder / "tracker.db"
    data = bytearray(path.read_bytes())
    start = int(len(data) * page) // 4096 * 4096
    data[start : start + 4096] = b"\xff" * 4096
    path.write_bytes(data)
    seal_of(path).unlink()
    with pytest.raises(DamagedError):
        Store(path)
    outcome = repair(folder)
    assert path.read_bytes() == bytes(data)
    saved = rows_of(folder / "recovered" / "tracker.db")
    assert sum(saved.values()) > 0.8 * RUNS * ROWS
    assert outcome.lines()


def test_repair_of_a_database_cut_short_saves_what_is_left(folder: Path):
    path = folder / "tracker.db"
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 3 // 4 // 4096 * 4096])
    seal_of(path).unlink()
    repair(folder)
    # the inner nodes of the tree were behind the cut: its leaves are found one by one
    assert sum(rows_of(folder / "recovered" / "tracker.db").values()) > 0.35 * RUNS * ROWS


def test_repair_reads_what_only_the_log_holds(folder: Path, tmp_path_factory):
    """A database that was not closed: its last transactions stand in the write-ahead log."""
    store = Store(folder / "tracker.db")
    with store.write() as db:
        db.execute("UPDATE runs SET notes = 'only in the log'")
        db.execute("DELETE FROM history WHERE run_id = 1 AND line >= 150")
    crashed = tmp_path_factory.mktemp("crashed")
    for name in ("tracker.db", "tracker.db-wal"):
        shutil.copy(folder / name, crashed / name)
    store.close()
    data = bytearray((crashed / "tracker.db").read_bytes())
    data[-4096:] = b"\xff" * 4096
    (crashed / "tracker.db").write_bytes(data)
    before = {path.name: path.read_bytes() for path in crashed.iterdir()}
    repair(crashed)
    assert before == {path.name: path.read_bytes() for path in crashed.iterdir() if path.is_file()}
    saved = rows_of(crashed / "recovered" / "tracker.db")
    assert saved["r0"] == 150
    assert sum(saved.values()) > 0.8 * RUNS * ROWS


def test_repair_survives_a_lost_header_line(folder: Path):
    path = folder / "tracker.db"
    data = bytes(16) + path.read_bytes()[16:]
    path.write_bytes(data)
    repair(folder)
    assert path.read_bytes() == data
    assert rows_of(folder / "recovered" / "tracker.db") == {f"r{n}": ROWS for n in range(RUNS)}


def test_repair_leaves_no_half_of_a_character(folder: Path):
    """Which an older version has stored: a filter that meets one fails."""
    db = sqlite3.connect(folder / "tracker.db")
    db.execute("""UPDATE runs SET config = '{"lr": {"value": "a\\ud800"}}' WHERE name = 'r1'""")
    db.execute("UPDATE runs SET notes = CAST(x'62eda080' AS TEXT) WHERE name = 'r2'")
    db.commit()
    db.close()
    assert repair(folder).saved["runs"] == RUNS
    store = Store(folder / "recovered" / "tracker.db")
    with store.read() as found:
        rows = found.execute("SELECT config, notes FROM runs WHERE name IN ('r1', 'r2')").fetchall()
    store.close()
    assert json.loads(rows[0]["config"]) == {"lr": {"value": "a\ufffd"}}
    assert set(rows[1]["notes"]) == {"b", "\ufffd"}


def test_repair_brings_nothing_back_that_was_deleted(folder: Path):
    """Not even from pages that are free, and fit a table some of whose pages are lost."""
    db = sqlite3.connect(folder / "tracker.db")
    db.execute("PRAGMA foreign_keys=ON")
    db.execute("DELETE FROM runs WHERE name != 'r11'")
    db.commit()
    assert db.execute("PRAGMA freelist_count").fetchone()[0] > 20
    (root,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'history'").fetchone()
    db.close()
    path = folder / "tracker.db"
    data = bytearray(path.read_bytes())
    data[(root - 1) * 4096 : root * 4096] = bytes(4096)
    path.write_bytes(data)
    outcome = repair(folder)
    assert outcome.gaps == {"history": 1}
    assert rows_of(folder / "recovered" / "tracker.db").keys() == {"r11"}
    assert "history" not in outcome.orphans


def test_repair_says_when_nothing_can_be_read(folder: Path):
    path = folder / "tracker.db"
    path.write_bytes(b"\x13" * 50_000)
    with pytest.raises(TrackerError, match="nothing can be read"):
        repair(folder)
    assert not (folder / "recovered").exists()


def test_repair_does_not_write_over_an_earlier_one(folder: Path):
    repair(folder)
    with pytest.raises(TrackerError, match="exists already"):
        repair(folder)


def test_the_command_repairs_and_says_how_to_go_on(folder: Path):
    seal_of(folder / "tracker.db").write_text("not the checksum")
    command = [sys.executable, "runner.py", "serve", "--data-dir", str(folder)]
    refused = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert refused.returncode == 2
    assert "is damaged" in refused.stderr
    assert "--repair" in refused.stderr
    done = subprocess.run([*command, "--repair"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"history: {RUNS * ROWS} rows" in done.stdout
    assert f"--data-dir {folder / 'recovered'}" in done.stdout
