"""What was acknowledged survives `kill -9` of the server; what is retried is not doubled."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.tracker.worlds import ROOT, Tracker
from tracker.server import find

ROUNDS = 100
SUICIDE = 0.03  # between commit and answer; the other deaths come at any moment


class Mortal:
    """The server of crash_server.py and a raw client that streams numbered rows to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.parent = subprocess.Popen(
            [sys.executable, "-m", "tests.tracker.crash_server", str(folder), str(SUICIDE)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.acknowledged = 0
        self.connection: http.client.HTTPConnection | None = None

    def start(self) -> int:
        assert self.parent.stdin
        assert self.parent.stdout
        print(random.random(), file=self.parent.stdin, flush=True)
        pid = int(self.parent.stdout.readline())
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline:
            server = find(self.folder)
            if server and server.pid == pid:
                self.key = server.key
                self.port = int(server.url.rpartition(":")[2])
                return pid
            time.sleep(0.005)
        raise AssertionError("the server did not come up")

    def wait_for_death(self) -> None:
        assert self.parent.stdout
        assert self.parent.stdout.readline() == "dead\n"
        self.connection = None

    def post(self, path: str, body: dict) -> dict:
        if self.connection is None:
            self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.key}"}
        try:
            self.connection.request("POST", path, json.dumps(body), headers)
            answer = self.connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException):
            self.connection = None
            raise ConnectionError from None
        assert answer.status == 200, text
        return json.loads(text)

    def gql(self, query: str) -> dict:
        return self.post("/graphql", {"query": query})["data"]

    def rows(self) -> list[int]:
        data = self.gql(
            '{ project(name: "p", entityName: "local") { run(name: "r") {'
            " historyLineCount history(minStep: 0, maxStep: 10000000) } } }"
        )
        run = data["project"]["run"]
        numbers = [json.loads(row)["n"] for row in run["history"]]
        assert run["historyLineCount"] == len(numbers)
        return numbers

    def stream_until_death(self) -> None:
        """Chunks of one to five rows; what is not acknowledged is sent again."""
        while True:
            size = random.randint(1, 5)
            numbers = range(self.acknowledged, self.acknowledged + size)
            lines = [json.dumps({"_step": n, "n": n}) for n in numbers]
            chunk = {"offset": self.acknowledged, "content": lines}
            body = {"files": {"wandb-history.jsonl": chunk}}
            try:
                self.post("/files/local/p/r/file_stream", body)
            except ConnectionError:
                return
            self.acknowledged += size

    def close(self) -> None:
        server = find(self.folder)
        if server:
            os.kill(server.pid, signal.SIGKILL)
        assert self.parent.stdin
        self.parent.stdin.close()
        self.parent.wait(10)


def kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):  # it has killed itself
        os.kill(pid, signal.SIGKILL)


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[Mortal]:
    made = Mortal(tmp_path / "data")
    yield made
    made.close()


def test_acknowledged_rows_survive_a_hundred_kills(mortal: Mortal):
    random.seed(7)
    pid = mortal.start()
    mortal.gql(
        'mutation { upsertBucket(input: {name: "r", modelName: "p", entityName: "local"})'
        " { inserted } }"
    )
    lost_answers = 0
    for _ in range(ROUNDS):
        killer = threading.Timer(random.uniform(0, 0.05), kill, (pid,))
        killer.start()
        mortal.stream_until_death()
        killer.cancel()
        mortal.wait_for_death()
        pid = mortal.start()
        numbers = mortal.rows()
        assert numbers == list(range(len(numbers)))  # contiguous, none twice
        assert len(numbers) >= mortal.acknowledged  # nothing that was acknowledged is gone
        lost_answers += len(numbers) > mortal.acknowledged
    assert lost_answers  # some died between commit and answer, and the rows were sent again
    os.kill(pid, signal.SIGTERM)
    mortal.wait_for_death()
    mortal.start()
    assert len(mortal.rows()) >= mortal.acknowledged > ROUNDS


def test_a_full_disk_refuses_and_the_same_server_goes_on_with_room(own_tracker: Tracker):
    """The limit on the size of files stands for the disk; 507 makes clients try again."""
    assert own_tracker.process
    pid, url = own_tracker.process.pid, own_tracker.server.url
    http = httpx.Client(headers={"Authorization": f"Bearer {own_tracker.server.key}"}, timeout=300)
    own_tracker.ask(
        'mutation { upsertBucket(input: {name: "r", modelName: "p", entityName: "local"})'
        " { inserted } }"
    )
    put = own_tracker.ask(
        'mutation { createRunFiles(input: {entityName: "local", projectName: "p", runName: "r",'
        ' files: ["big"]}) { files { uploadUrl } } }'
    )["createRunFiles"]["files"][0]["uploadUrl"]
    stored = 0

    def send() -> int:
        rows = [json.dumps({"_step": stored + i, "x": "x" * 2_000}) for i in range(10)]
        chunk = {"wandb-history.jsonl": {"offset": stored, "content": rows}}
        return http.post(f"{url}/files/local/p/r/file_stream", json={"files": chunk}).status_code

    def steps() -> list[int]:
        data = own_tracker.ask(
            '{ project(name: "p", entityName: "local") { run(name: "r") {'
            " history(minStep: 0, maxStep: 100000) } } }"
        )
        return [json.loads(row)["_step"] for row in data["project"]["run"]["history"]]

    room = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    size = max(path.stat().st_size for path in own_tracker.folder.glob("tracker.db*"))
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size + 200_000, room[1]))
    while (status := send()) == 200 and stored < 1_000:
        stored += 10
    assert status == 507
    assert stored >= 10
    assert http.put(put, content=bytes(size + 300_000)).status_code == 507
    assert steps() == list(range(stored))
    resource.prlimit(pid, resource.RLIMIT_FSIZE, room)
    assert send() == 200
    assert http.put(put, content=bytes(size + 300_000)).status_code == 200
    assert steps() == list(range(stored + 10))
    assert not list((own_tracker.folder / "blobs" / "incoming").iterdir())
    assert own_tracker.stop() == 0
    own_tracker.start()
    assert steps() == list(range(stored + 10))
