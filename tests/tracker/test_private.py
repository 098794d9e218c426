"""A data folder and its key are its user's alone."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from tests.tracker.worlds import Tracker
from tracker.http.signing import load_key
from tracker.server import TrackerError, ensure, stop
from tracker.store.folder import make


def open_to_others(folder: Path) -> list[str]:
    """What somebody else could read of a folder, or in it."""
    return [str(path) for path in (folder, *folder.rglob("*")) if path.stat().st_mode & 0o077]


def put_file(tracker: Tracker) -> None:
    tracker.ask('mutation { upsertBucket(input: {name: "r", modelName: "p"}) { inserted } }')
    made = tracker.ask(
        'mutation { createRunFiles(input: {projectName: "p", runName: "r", files: ["a/b"]}) {'
        " files { uploadUrl } } }"
    )
    url = made["createRunFiles"]["files"][0]["uploadUrl"]
    assert httpx.put(url, content=os.urandom(9), timeout=30).status_code == 200


@pytest.fixture
def usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def test_a_data_folder_is_its_users_alone(tmp_path: Path, usual_umask: None):
    """While the server runs (the log of SQLite, its index, blobs), and when it has stopped."""
    data = tmp_path / "data"
    ensure(data)
    assert open_to_others(data) == []
    stop(data)
    tracker = Tracker(data)
    try:
        put_file(tracker)
        assert {"tracker.db-wal", "tracker.db-shm", "server.log"} <= {
            p.name for p in data.iterdir()
        }
        assert open_to_others(data) == []
    finally:
        assert tracker.stop() == 0
    assert open_to_others(data) == []


def test_a_data_folder_that_others_can_read_is_closed_at_the_start(
    tmp_path: Path, usual_umask: None
):
    data = tmp_path / "data"
    tracker = Tracker(data)
    put_file(tracker)
    tracker.kill()  # the log of SQLite stays
    outside = tmp_path / "elsewhere"
    outside.write_text("a log that is kept elsewhere")
    (data / "port").unlink()
    (data / "server.json").unlink()
    (data / "server.json").symlink_to(outside)
    for path in (data, *data.rglob("*")):
        if path.name != "key" and path.parent.parent.name != "blobs" and not path.is_symlink():
            path.chmod(0o755 if path.is_dir() else 0o644)
    assert str(data / "tracker.db-wal") in open_to_others(data)
    tracker.start()
    try:
        assert open_to_others(data) == []
        assert outside.stat().st_mode & 0o777 == 0o644
    finally:
        assert tracker.stop() == 0


def test_a_folder_that_all_share_is_not_closed(tmp_path: Path):
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o1777)
    make(tmp_path / "shared")
    assert (tmp_path / "shared").stat().st_mode & 0o7777 == 0o1777


def test_the_key_is_random_long_and_ones_own(tmp_path: Path):
    keys = {load_key(tmp_path / str(i)) for i in range(3)}
    assert len(keys) == 3
    assert all(len(key) >= 40 for key in keys)
    assert (tmp_path / "0").stat().st_mode & 0o777 == 0o600
    assert load_key(tmp_path / "0") in keys
    (tmp_path / "0").chmod(0o644)
    with pytest.raises(TrackerError, match="chmod 600"):
        load_key(tmp_path / "0")
    (tmp_path / "1").write_text("short")
    with pytest.raises(TrackerError, match="at least 40"):
        load_key(tmp_path / "1")


def test_the_key_is_in_no_log_and_no_command_line(own_tracker: Tracker):
    key = own_tracker.server.key
    for path in ("/local", "/graphql", f"/storage/{key}", f"/login?key={key}"):
        with contextlib.suppress(AssertionError):
            own_tracker.get(path)
    own_tracker.stop()
    for path in own_tracker.folder.iterdir():
        if path.name != "key":
            assert key.encode() not in path.read_bytes(), path
    command = " ".join(psutil.Process().cmdline())
    assert key not in command
