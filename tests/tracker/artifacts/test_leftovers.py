"""What nobody will ask for again is removed by the running server: at its start and later."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.tracker.worlds import Tracker

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

WRITE = """mutation($f: [String!]!) { upsertBucket(input: {name: "r1", modelName: "p"}) {
    inserted } createRunFiles(input: {entityName: "local", projectName: "p", runName: "r1",
    files: $f}) { files { uploadUrl } } }"""


def has(tracker: Tracker, content: bytes) -> bool:
    digest = hashlib.sha256(content).hexdigest()
    return (tracker.folder / "blobs" / digest[:2] / digest).exists()


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def test_what_a_real_client_never_commits_is_gone_after_a_start(own_tracker: Tracker):
    own_tracker.client("uncommitted")
    assert has(own_tracker, b"never committed")
    own_tracker.kill()
    own_tracker.start()  # within its grace it stays
    assert has(own_tracker, b"never committed")
    own_tracker.kill()
    own_tracker.command += ["--upload-grace", "0"]
    own_tracker.start()
    wait_until(lambda: not has(own_tracker, b"never committed"))
    versions = "artifactCollection(name: $n) { artifacts { totalCount } }"
    query = f'query($n: String!) {{ project(name: "p", entityName: "local") {{ {versions} }} }}'
    assert own_tracker.ask(query, n="shared")["project"]["artifactCollection"] == {
        "artifacts": {"totalCount": 0}
    }


def test_the_old_content_of_a_file_goes_while_the_server_runs(tmp_path: Path):
    tracker = Tracker(tmp_path / "data", "--clear-seconds", "0.1")
    try:
        for content in (b"old", b"new"):
            made = tracker.ask(WRITE, f=["a.txt"])["createRunFiles"]["files"][0]
            assert httpx.put(made["uploadUrl"], content=content, timeout=60).status_code == 200
        wait_until(lambda: not has(tracker, b"old"))
        assert has(tracker, b"new")
    finally:
        assert tracker.stop() == 0
