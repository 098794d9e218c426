"""A file system without room, a real one (mounted for the server alone) and the limit on the size
of files: the server says so in words or in numbers on which the client tries again, and nothing is
lost.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.tracker.worlds import CLIENTS, ROOT, SERVER, Tracker
from tracker.server import last_url
from tracker.store.folder import NEEDED_BYTES

DISK_BYTES = 96 << 20  # uploads are refused below 64 MiB of free space


class Disk:
    """A file system of its own, in a mount namespace that other processes reach through /proc."""

    def __init__(self, folder: Path, size: int = DISK_BYTES) -> None:
        folder.mkdir()
        script = f'mount -t tmpfs -o size={size} none "{folder}" && echo mounted && exec cat'
        self.holder = subprocess.Popen(
            ["unshare", "--mount", "--map-root-user", "sh", "-c", script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.holder.stdout
        if self.holder.stdout.readline() != "mounted\n":
            assert self.holder.stderr
            pytest.skip(f"no file system can be mounted here: {self.holder.stderr.read()}")
        self.inner = folder
        self.folder = Path(f"/proc/{self.holder.pid}/root{folder}")
        self.filling = self.folder / "filling"
        target = ("--target", str(self.holder.pid), "--user", "--mount")
        self.enter = ("nsenter", *target, "--preserve-credentials", f"--wd={ROOT}")

    def tracker(self, name: str) -> Tracker:
        command = (*self.enter, *SERVER, str(self.inner / name))
        return Tracker(self.folder / name, command=command)

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return run(*self.enter, *command)

    def fill(self, leave: int = 0) -> None:
        """Takes the room; a server that writes meanwhile may get some of it."""
        with self.filling.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while (status := os.statvfs(self.folder)).f_bavail * status.f_frsize > leave:
                file.write(bytes(status.f_frsize))

    def free(self) -> None:
        self.filling.unlink()

    def end(self) -> None:
        assert self.holder.stdin
        self.holder.stdin.close()
        self.holder.wait(10)


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    made = Disk(tmp_path / "disk")
    yield made
    made.end()


class Limit:
    """The limit on the size of files of a running server stands for its disk."""

    def __init__(self, tracker: Tracker) -> None:
        assert tracker.process
        self.pid = tracker.process.pid
        self.room = resource.prlimit(self.pid, resource.RLIMIT_FSIZE)

    def fill(self) -> None:
        resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (0, self.room[1]))

    def free(self) -> None:
        resource.prlimit(self.pid, resource.RLIMIT_FSIZE, self.room)


@pytest.fixture(params=["file-system", "size-of-files"])
def full(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Tracker, Disk | Limit]]:
    """A server and what takes its room away."""
    if request.param == "file-system":
        disk: Disk | Limit = request.getfixturevalue("disk")
        assert isinstance(disk, Disk)
        tracker = disk.tracker("data")
    else:
        tracker = Tracker(tmp_path / "data")
        disk = Limit(tracker)
    yield tracker, disk
    assert tracker.stop() == 0


def refused(tracker: Tracker, query: str) -> int:
    answer = httpx.post(
        f"{tracker.server.url}/graphql",
        json={"query": query},
        headers={"Authorization": f"Bearer {tracker.server.key}"},
        timeout=30,
    )
    assert answer.json()["errors"][0]["message"]
    return answer.status_code


@pytest.mark.parametrize(
    "mutation",
    [
        'upsertBucket(input: {name: "x", modelName: "p", entityName: "local"}) { inserted }',
        'upsertModel(input: {name: "new", entityName: "local"}) { inserted }',
        'upsertSweep(input: {entityName: "local", projectName: "p", config: "{method: grid,'
        ' parameters: {a: {values: [1]}}}"}) { sweep { id } }',
        'createArtifact(input: {entityName: "local", projectName: "p", artifactTypeName: "t",'
        ' artifactCollectionNames: ["c"], digest: "d", enableDigestDeduplication: true})'
        " { artifact { id } }",
    ],
    ids=lambda mutation: mutation.partition("(")[0],
)
def test_no_room_is_507_whatever_was_to_be_stored(
    full: tuple[Tracker, Disk | Limit], mutation: str
):
    tracker, disk = full
    disk.fill()
    assert refused(tracker, f"mutation {{ {mutation} }}") == 507
    assert tracker.ask("{ viewer { username } }")  # who only reads is served
    disk.free()
    assert tracker.ask(f"mutation {{ {mutation} }}")


def said_in_logs(folder: Path, words: str) -> int:
    """How often the client's own logs say something."""
    logs = folder.glob("wandb/run-*/logs/*.log")
    return sum(path.read_text(errors="replace").count(words) for path in logs)


@pytest.mark.e2e
@pytest.mark.timeout(240)
def test_the_real_client_waits_for_room(
    full: tuple[Tracker, Disk | Limit], wandb_python: str, tmp_path: Path
):
    """In `init` and while it goes on; then everything is there."""
    tracker, disk = full
    (tmp_path / "client").mkdir()
    names = {"WANDB_DIR": tmp_path / "client", "WANDB_CACHE_DIR": tmp_path / "cache"}
    names |= {"WANDB_CONFIG_DIR": tmp_path / "config", "WANDB_DATA_DIR": tmp_path / "staging"}
    disk.fill()
    process = subprocess.Popen(
        [wandb_python, str(CLIENTS / "patient.py")],
        env=tracker.environment | {name: str(path) for name, path in names.items()},
        cwd=tmp_path / "client",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def until_refused(before: int) -> int:
        """Waits for two more refusals: the client has tried again."""
        while (count := said_in_logs(tmp_path / "client", "507")) < before + 2:
            assert process.poll() is None
            time.sleep(0.1)
        return count

    count = until_refused(0)
    disk.free()
    assert process.stdin
    assert process.stdout
    assert process.stdout.readline() == "begun\n"
    disk.fill()
    process.stdin.write("\n")
    process.stdin.flush()
    until_refused(count)
    disk.free()
    assert process.wait(120) == 0
    found = tracker.ask(
        '{ project(name: "p", entityName: "local") { run(name: "one") { state historyLineCount'
        " config summaryMetrics history(minStep: 0, maxStep: 1000) outputArtifacts { edges { node"
        " { state files { edges { node { name sizeBytes } } } } } } } } }"
    )["project"]["run"]
    assert (found["state"], found["historyLineCount"]) == ("finished", 200)
    assert [json.loads(row)["n"] for row in found["history"]] == list(range(200))
    config = json.loads(found["config"])
    assert (config["early"]["value"], config["late"]["value"]) == (1, 1)
    assert json.loads(found["summaryMetrics"])["best"] == 0
    artifacts = [edge["node"] for edge in found["outputArtifacts"]["edges"]]
    made = [a for a in artifacts if a["files"]["edges"][0]["node"]["name"] == "a.txt"]
    assert [a["state"] for a in made] == ["COMMITTED"]


# ------------------------------------------------------------------------------------- the start


def is_one_line(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    for word in words:
        assert word in line


@pytest.mark.parametrize("leave", [0, 4096, NEEDED_BYTES // 2])
def test_starting_without_room_is_one_line(disk: Disk, leave: int):
    """In a new folder, and in one that has been used; with room, both start."""
    disk.tracker("used").stop()
    disk.fill(leave)
    for name in ("new", "used"):
        folder = disk.inner / name
        is_one_line(disk.run(*SERVER, str(folder)), str(folder), "No space left on", "free some")
        assert not list((disk.folder / name).glob(".tracker-*"))
    disk.free()
    for name in ("new", "used"):
        assert disk.tracker(name).stop() == 0


def test_a_command_that_needs_the_server_says_the_same(disk: Disk):
    disk.fill()
    for command in (("serve",), ("env", "--tracker", "embedded")):
        folder = ("--data-dir", str(disk.inner / "new"))
        done = disk.run(sys.executable, "runner.py", *command, *folder)
        is_one_line(done, "No space left on device", "free some space")


def test_a_stop_without_room_leaves_what_the_next_start_goes_on_with(disk: Disk):
    """The log of the database cannot be brought into its file then."""
    tracker = disk.tracker("data")
    for n in range(20):
        tracker.ask(
            "mutation($i: UpsertBucketInput!) { upsertBucket(input: $i) { inserted } }",
            i={"name": f"r{n}", "modelName": "p", "entityName": "local"},
        )
    disk.fill()
    assert tracker.stop() == 0
    disk.free()
    tracker.start()
    found = tracker.ask('{ project(name: "p", entityName: "local") { runCount } }')
    assert found["project"]["runCount"] == 20
    tracker.stop()


# ------------------------------------------------------------------------ half-written state files

HALVES = {"empty": b"", "nul": b"\0" * 16, "blank": b"\n"}


@pytest.mark.parametrize(
    ("name", "half"),
    [
        *((name, half) for name in ("port", "server.json", "lock", "key") for half in HALVES),
        ("tracker.db.sum", "empty"),  # it is written whole: anything else in it is damage
    ],
)
def test_a_state_file_that_was_cut_off_stops_no_start(tmp_path: Path, name: str, half: str):
    tracker = Tracker(tmp_path / "data")
    tracker.ask('mutation { upsertModel(input: {name: "p", entityName: "local"}) { inserted } }')
    tracker.stop()
    (tracker.folder / name).write_bytes(HALVES[half])
    tracker.start()
    assert len(tracker.server.key) >= 40
    assert (tracker.folder / "key").stat().st_mode & 0o777 == 0o600
    assert tracker.ask('{ project(name: "p", entityName: "local") { name } }')["project"]
    tracker.stop()


@pytest.mark.parametrize("content", [b"k" * 39, b"\xff" * 40, b"k" * 20 + b"\n" + b"k" * 20])
def test_a_key_that_somebody_may_have_is_not_replaced(tmp_path: Path, content: bytes):
    path = tmp_path / "key"
    path.write_bytes(content)
    path.chmod(0o600)
    is_one_line(run(*SERVER, str(tmp_path)), str(path), "at least 40", "remove it")
    assert path.read_bytes() == content


@pytest.mark.parametrize("content", ["", "[]", "null", '"x"', "{", '{"pid": 1}'])
def test_the_last_address_is_told_as_far_as_it_is_known(tmp_path: Path, content: str):
    (tmp_path / "server.json").write_text(content)
    assert last_url(tmp_path) is None
    for port, url in (("", None), ("x", None), ("99999", None), ("80", "http://127.0.0.1:80")):
        (tmp_path / "port").write_text(port)
        assert last_url(tmp_path) == url
