"""The unmodified wandb client, in processes of its own, against the server; see clients/.

The matrix: the installed client, and the one of the interpreter that WANDB_OLD_PYTHON names.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.processes import read_line_by_line, wait_for_line
from tests.tracker.worlds import CLIENTS, Tracker

pytestmark = pytest.mark.e2e


@pytest.fixture
def project(request: pytest.FixtureRequest, wandb_python: str) -> str:
    return f"{request.node.originalname.removeprefix('test_')}-{len(wandb_python)}"


@pytest.mark.parametrize("script", ["lifecycle", "queries", "artifacts", "counts"])
def test_client(tracker: Tracker, wandb_python: str, project: str, script: str):
    tracker.client(script, f"{project}-{script}", python=wandb_python)


def test_a_damaged_content(own_tracker: Tracker, wandb_python: str):
    said = own_tracker.client("damage", "damaged", python=wandb_python)
    assert "is damaged on the server's disk" in said
    assert "is damaged or gone" in (own_tracker.folder / "server.log").read_text()


def read(tracker: Tracker, project: str) -> dict:
    data = tracker.ask(
        'query($p: String!) { project(name: $p, entityName: "local") { run(name: "off") {'
        " state historyLineCount summaryMetrics history(minStep: 0, maxStep: 100) logLineCount"
        " outputArtifacts { edges { node { artifactSequence { name } } } } } } }",
        p=project,
    )
    return data["project"]["run"]


def logged(run: dict) -> set[str]:
    return {edge["node"]["artifactSequence"]["name"] for edge in run["outputArtifacts"]["edges"]}


def sync(tracker: Tracker, wandb_python: str, *arguments: str) -> None:
    wandb = str(Path(wandb_python).parent / "wandb")
    subprocess.run(
        [wandb, "sync", *arguments],
        env=tracker.environment,
        check=True,
        capture_output=True,
    )


def test_sync(tracker: Tracker, wandb_python: str, project: str):
    """An offline run is synced, and synced once more: the same rows, none twice."""
    tracker.client("offline", project, python=wandb_python)
    (run,) = (tracker.folder.parent / "wandb").glob("offline-run-*-off")
    for again in ([], ["--include-synced"]):
        sync(tracker, wandb_python, *again, str(run))
        found = read(tracker, project)
        assert found["state"] == "finished"
        assert json.loads(found["summaryMetrics"])["s"] == 2
        assert [json.loads(row)["_step"] for row in found["history"]] == list(range(8))
        assert found["historyLineCount"] == 8
        assert logged(found) == {"run-off-table", "made-offline"}
    run.rename(run.with_name(f"synced-{project}"))


class Segments:
    """A run in parts, each a process of its own."""

    def __init__(self, tracker: Tracker, wandb_python: str, project: str) -> None:
        self.tracker, self.python, self.project = tracker, wandb_python, project

    def make(self, name: str, mode: str, start: int, stop: int) -> str:
        arguments = (self.project, name, mode, str(start), str(stop))
        return self.tracker.client("segment", *arguments, python=self.python).splitlines()[-1]

    def sync(self, folder: str) -> None:
        sync(self.tracker, self.python, "--include-synced", folder)

    def rows(self, name: str) -> list[tuple[int, int]]:
        """(step, value); no row is counted that is not there."""
        data = self.tracker.ask(
            'query($p: String!, $n: String!) { project(name: $p, entityName: "local") {'
            " run(name: $n) { historyLineCount history(minStep: 0, maxStep: 100) } } }",
            p=self.project,
            n=name,
        )
        run = data["project"]["run"]
        rows = [json.loads(row) for row in run["history"]]
        assert run["historyLineCount"] == len(rows)
        return [(row["_step"], row["m"]) for row in rows]


@pytest.fixture
def segments(tracker: Tracker, wandb_python: str, project: str) -> Segments:
    return Segments(tracker, wandb_python, project)


def exact(start: int, stop: int) -> list[tuple[int, int]]:
    return [(step, step) for step in range(start, stop)]


@pytest.mark.parametrize("order", ["abba", "ba"])
def test_offline_segments_are_synced_in_either_order_and_twice(segments: Segments, order: str):
    """0.31 asks where the run stands, and counts its lines from there; older clients do not ask."""
    spans = {"a": (0, 4), "b": (4, 7)}
    folders = {name: segments.make(order, "offline", *span) for name, span in spans.items()}
    synced: set[tuple[int, int]] = set()
    for name in order:
        segments.sync(folders[name])
        synced |= set(exact(*spans[name]))
        assert segments.rows(order) == sorted(synced)


def test_an_online_run_and_its_segments(segments: Segments):
    """Synced onto a run that is there, or onto the run itself: every row stays, none doubles."""
    first = segments.make("mixed", "online", 0, 3)
    segments.make("mixed", "online", 3, 5)
    later = segments.make("mixed", "offline", 5, 8)
    assert segments.rows("mixed") == exact(0, 5)
    for folder in (later, later, first):
        segments.sync(folder)
        assert segments.rows("mixed") == exact(0, 8)


def test_the_clients_own_check_of_a_server(tracker: Tracker, wandb_python: str, tmp_path: Path):
    """`wandb verify`. What it misses is left out on purpose: TLS, and other origins (CORS)."""
    done = subprocess.run(
        [str(Path(wandb_python).parent / "wandb"), "verify"],
        env=tracker.environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    checks = [line.split("..") for line in done.stdout.splitlines() if ".." in line]
    missed = {parts[0] for parts in checks if "\N{WHITE HEAVY CHECK MARK}" not in parts[-1]}
    assert len(checks) == 10, done.stdout
    assert missed == {
        "Checking requests to base url",
        "Checking requests made over signed URLs",
        "Checking CORs configuration of the bucket",
    }


def test_stop(tracker: Tracker):
    """`run.stop()` interrupts a running client and the run ends as killed."""
    process = subprocess.Popen(
        [sys.executable, str(CLIENTS / "stoppable.py"), "stop"],
        env=tracker.environment | {"WANDB_X_FILE_STREAM_TRANSMIT_INTERVAL": "1"},
        cwd=tracker.folder.parent,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    assert process.stdout.readline() == "begun\n"
    query = '{ project(name: "stop", entityName: "local") { run(name: "endless") { id state } } }'
    run = tracker.ask(query)["project"]["run"]
    tracker.ask("mutation($id: ID!) { stopRun(input: {id: $id}) { success } }", id=run["id"])
    assert "interrupted" in process.communicate()[0]
    while tracker.ask(query)["project"]["run"]["state"] == "running":
        time.sleep(0.2)
    assert tracker.ask(query)["project"]["run"]["state"] == "killed"


def test_two_writers_of_one_run(tracker: Tracker):
    """wandb's mode="shared"."""
    writers = [
        subprocess.Popen(
            [sys.executable, str(CLIENTS / "sharing.py"), "shared", name],
            env=tracker.environment,
            cwd=tracker.folder.parent,
        )
        for name in ("w0", "w1")
    ]
    assert [writer.wait() for writer in writers] == [0, 0]
    data = tracker.ask(
        '{ project(name: "shared", entityName: "local") { run(name: "one") {'
        " history(minStep: 0, maxStep: 100) logLines { edges { node { label line } } } } } }"
    )
    rows = [json.loads(row) for row in data["project"]["run"]["history"]]
    assert [row["_step"] for row in rows] == list(range(8))
    for name in ("w0", "w1"):
        assert [row["n"] for row in rows if row["who"] == name] == [0, 1, 2, 3]
    nodes = [edge["node"] for edge in data["project"]["run"]["logLines"]["edges"]]
    assert {(node["label"], node["line"]) for node in nodes} >= {
        ("w0", "I am w0"),
        ("w1", "I am w1"),
    }


LOGGER = """
import sys, wandb
with wandb.init(project="outage", id="long", settings=wandb.Settings(
        x_file_stream_retry_wait_min_seconds=0.2, x_file_stream_retry_wait_max_seconds=0.5)) as run:
    for i in range(40):
        run.log({"i": i})
        print(i, flush=True)
"""


def test_a_client_outlives_its_server(own_tracker: Tracker):
    """Killed in the middle of a run and started again: nothing is lost, nothing doubled."""
    process = read_line_by_line(
        [sys.executable, "-c", LOGGER],
        env=own_tracker.environment | {"WANDB_X_FILE_STREAM_TRANSMIT_INTERVAL": "1"},
        cwd=own_tracker.folder.parent,
    )
    wait_for_line(process, "10\n")
    own_tracker.kill()
    wait_for_line(process, "20\n")
    own_tracker.start()
    output, _ = process.communicate()
    assert process.returncode == 0, output
    data = own_tracker.ask(
        '{ project(name: "outage", entityName: "local") { run(name: "long") { state'
        " history(minStep: 0, maxStep: 1000) } } }"
    )
    run = data["project"]["run"]
    assert run["state"] == "finished"
    assert [json.loads(row)["i"] for row in run["history"]] == list(range(40))
