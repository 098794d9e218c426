"""Tracking against a real server: every row once, whatever was killed in between."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from contract.names import EPOCH_METRICS
from fusion.config import RunConfig
from fusion.training.tracking import Tracking, TrackingError, run_id, start
from tests.processes import read_line_by_line, wait_for_line
from tracker import server

READ = """
import json, sys, wandb
run = wandb.Api().run(sys.argv[1])
found = {
    "state": run.state, "config": dict(run.config), "summary": run.summary._json_dict,
    "rows": list(run.scan_history()),
    "artifacts": {a.type: [a.name, a.metadata, sorted(f.name for f in a.files())]
                  for a in run.logged_artifacts()},
}
print(json.dumps(found))
"""


class World:
    """A tracker of its own, and runs that talk to it."""

    def __init__(self, folder: Path, data: Path, checkout: Path):
        self.folder, self.data, self.checkout = folder, data, checkout
        self.server = server.ensure(folder / "tracker")
        self.env = os.environ | {
            "HOME": str(folder),
            "WANDB_BASE_URL": self.server.url,
            "WANDB_API_KEY": self.server.key,
            "WANDB_X_FILE_STREAM_TRANSMIT_INTERVAL": "1",
            "OMP_NUM_THREADS": "1",
        }

    def start(self, output: str, *flags: str, **env: str) -> subprocess.Popen[str]:
        command = [sys.executable, "runner.py", "train", f"--data={self.data}", "--width=0.04"]
        command += ["--batch-size=2", f"--output={self.folder / output}", "--project=p", *flags]
        return read_line_by_line(command, cwd=self.checkout, env=self.env | env)

    def finish(self, process: subprocess.Popen[str], code: int = 0) -> str:
        output, _ = process.communicate()
        assert process.returncode == code, output
        return output

    def id(self, output: str) -> str:
        return json.loads((self.folder / output / "wandb_run.json").read_text())["id"]

    def read(self, path: str) -> dict:
        done = subprocess.run(
            [sys.executable, "-c", READ, path], env=self.env, text=True, capture_output=True
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def world(
    tmp_path_factory: pytest.TempPathFactory, data_root: Path, checkout_copy: Path
) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("world"), data_root, checkout_copy)
    yield world
    server.stop(world.folder / "tracker")


def check_complete(found: dict, folder: Path, epochs: int) -> None:
    """The run on the server is exactly what lies in its folder."""
    assert found["state"] == "finished"
    assert found["config"] == json.loads((folder / "config.json").read_text())
    rows = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows] == list(range(1, epochs + 1))
    assert [{key: row[key] for key in EPOCH_METRICS} for row in found["rows"]] == rows
    summary = json.loads((folder / "summary.json").read_text())
    assert {key: found["summary"][key] for key in summary} == summary
    names = {kind: name for kind, (name, _, _) in found["artifacts"].items()}
    assert {kind: name.rpartition(":")[2] for kind, name in names.items()} == {
        "predictions": "v0",
        "model": "v0",
    }
    _, metadata, files = found["artifacts"]["predictions"]
    assert files == ["predictions.csv"]
    assert metadata == {
        "part": "test",
        "test_hash": summary["provenance"]["test_hash"],
        "best_epoch": summary["best_epoch"],
    }
    assert found["artifacts"]["model"][2] == ["weights.json", "weights.safetensors"]


@pytest.mark.e2e
def test_killed_stopped_continued_and_started_once_more(world: World):
    # SIGKILL in the middle: the server never hears of an end
    process = world.start("a", "--epochs=6")
    wait_for_line(process, "epoch 1/")
    process.send_signal(signal.SIGKILL)
    process.communicate()

    # SIGTERM in the middle: the server hears of everything before the process ends
    process = world.start("a", "--epochs=6")
    wait_for_line(process, "epoch 2/")
    process.send_signal(signal.SIGTERM)
    world.finish(process, 128 + signal.SIGTERM)
    path = f"local/p/{world.id('a')}"
    found = world.read(path)
    epochs = [row["epoch"] for row in found["rows"]]
    assert found["state"] == "failed" and epochs in ([1, 2], [1, 2, 3], [1, 2, 3, 4])

    output = world.finish(world.start("a", "--epochs=6"))
    assert output.startswith(f"W&B server: {world.server.url}")
    check_complete(world.read(path), world.folder / "a", 6)

    files = {p: p.stat().st_mtime_ns for p in (world.folder / "a").glob("*.*") if p.is_file()}
    output = world.finish(world.start("a", "--epochs=6"))
    assert "finished already" in output
    assert files == {p: p.stat().st_mtime_ns for p in files}
    check_complete(world.read(path), world.folder / "a", 6)


@pytest.mark.e2e
def test_offline_then_synced_then_finished_runs_reach_a_server_that_never_saw_them(world: World):
    output = world.finish(world.start("b", "--epochs=2", "--tracking=offline"))
    assert output.startswith("tracking: offline")
    (offline,) = (world.folder / "b" / "wandb").glob("offline-run-*")
    assert not (world.checkout / "wandb").exists()
    done = subprocess.run(
        [sys.executable, "-m", "wandb", "sync", str(offline)],
        env=world.env,
        cwd=world.folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    check_complete(world.read(f"local/p/{world.id('b')}"), world.folder / "b", 2)

    # finished on disk, killed before the server knew: what an agent starts again
    world.finish(world.start("c", "--epochs=2", "--tracking=disabled"))
    assert not (world.folder / "c" / "wandb_run.json").exists()
    world.finish(world.start("c", "--epochs=2"))
    check_complete(world.read(f"local/p/{world.id('c')}"), world.folder / "c", 2)


def test_a_run_keeps_its_id(tmp_path, monkeypatch):
    monkeypatch.delenv("WANDB_RUN_ID", raising=False)
    first = run_id(tmp_path)
    assert first.isalnum() and run_id(tmp_path) == first
    (tmp_path / "other").mkdir()
    assert run_id(tmp_path / "other") != first
    monkeypatch.setenv("WANDB_RUN_ID", "fromagent")
    assert run_id(tmp_path) == "fromagent"


def test_disabled_tracking_writes_and_imports_nothing(tmp_path):
    with start("disabled", RunConfig(), tmp_path, project=None, name=None) as tracking:
        tracking.log({"epoch": 1})
        tracking.publish({}, tmp_path)
    assert tracking.url is None and list(tmp_path.iterdir()) == []


def test_without_wandb_the_message_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(TrackingError, match="--tracking disabled"):
        start("offline", RunConfig(), tmp_path, project=None, name=None)


class Ended:
    """What Tracking needs of a run at its end."""

    sweep_id = "s"

    def __init__(self) -> None:
        self.calls: list = []

    def mark_preempting(self) -> None:
        self.calls.append("preempting")

    def finish(self, exit_code: int) -> None:
        self.calls.append(exit_code)


@pytest.mark.parametrize(
    ("error", "by_server", "calls"),
    [
        (None, False, [0]),
        (SystemExit(143), False, ["preempting", 143]),
        (SystemExit(130), True, [130]),  # stopped for good: nobody shall continue it
        (SystemExit(2), False, [2]),
        (RuntimeError("x"), False, [1]),
    ],
)
def test_the_exit_code_reaches_the_server_and_only_interrupted_runs_are_offered_again(
    error, by_server, calls
):
    run = Ended()
    tracking = Tracking(run)
    tracking.stopped_by_server = by_server
    try:
        with tracking:
            if error:
                raise error
    except (SystemExit, RuntimeError):
        pass
    assert run.calls == calls
