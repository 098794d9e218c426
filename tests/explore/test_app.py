"""`runner.py explore` as a person runs it: the App, its pictures, signals, exported tags."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.request import urlopen

import numpy as np
import pytest
from PIL import Image

from analysis.read.snapshot import Snapshot, save
from explore import app, mongod, screenshot
from explore.errors import ExploreError

CHECKOUT = Path(app.__file__).parents[1]
# A software renderer on a machine with other work takes minutes.
Explore = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory, sweep: Callable[..., Snapshot]) -> Path:
    path = tmp_path_factory.mktemp("report") / "snapshot.json.gz"
    save(sweep(), path)
    return path


@pytest.fixture(scope="module")
def folder(program: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shared by the tests of this module, so that the later ones open what is there."""
    return tmp_path_factory.mktemp("folder") / "explore"


@pytest.fixture
def explore(folder: Path, root: Path) -> Iterator[Explore]:
    """explore(arguments): the command on the small data set, as a process."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str | Path) -> subprocess.Popen[str]:
        command = [sys.executable, "runner.py", "explore", str(root), "--folder", str(folder)]
        process = subprocess.Popen(
            [*command, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=CHECKOUT,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def finish(process: subprocess.Popen[str], code: int = 0) -> str:
    output, errors = process.communicate(timeout=800)
    assert process.returncode == code, output + errors
    return output


def gone(folder: Path) -> bool:
    """Whether the database of `folder` ends by itself, now that nobody uses it."""
    deadline = time.monotonic() + 30
    while mongod.running(folder) is not None and time.monotonic() < deadline:
        time.sleep(0.1)
    return mongod.running(folder) is None


def colours(picture: Path) -> np.ndarray:
    """(N, 3) the pixels that are no shade of grey."""
    with Image.open(picture) as image:
        assert image.size == screenshot.SIZE
        pixels = np.asarray(image.convert("RGB"), dtype=int).reshape(-1, 3)
    return pixels[np.ptp(pixels, axis=-1) > 60]


def test_pictures_of_a_contrast(
    browser: str, explore: Explore, folder: Path, snapshot: Path, tmp_path: Path
):
    output = finish(
        explore("--runs", snapshot, "--contrast", "late,concat", "--screenshot", tmp_path)
    )
    assert re.search(r"late − concat: Δ test/accuracy = .* of 16 samples are behind it", output)
    assert output.splitlines()[-1].startswith(f"wrote {tmp_path}")
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "embeddings.png",
        "grid.png",
        "sample.png",
    ]
    for label in app.COLOURS.values():
        shown = tuple(int(label[n : n + 2], 16) for n in (1, 3, 5))
        assert (colours(tmp_path / "grid.png") == shown).all(-1).any(), label
    # The near points of the cloud are yellow in the intensity shading.
    near = colours(tmp_path / "sample.png")
    assert ((near[:, 0] > 180) & (near[:, 1] > 180) & (near[:, 2] < 90)).sum() > 100
    assert len(colours(tmp_path / "embeddings.png")) > 100
    assert gone(folder)


def test_the_app_runs_until_it_is_told_to_stop(explore: Explore, folder: Path):
    with socket.create_server((app.ADDRESS, 0)) as probe:
        port = probe.getsockname()[1]
    process = explore("--no-browser", "--port", str(port))
    assert process.stdout is not None
    lines = iter(process.stdout.readline, "")
    assert any(line.startswith(f"FiftyOne App: http://127.0.0.1:{port}") for line in lines)
    with urlopen(f"http://127.0.0.1:{port}/fiftyone") as answer:
        assert json.load(answer)["version"]
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 128 + signal.SIGTERM
    assert gone(folder)
    with pytest.raises(OSError, match="refused"):
        urlopen(f"http://127.0.0.1:{port}/fiftyone")


def test_tags_are_exported(explore: Explore, folder: Path, root: Path, tmp_path: Path):
    path = tmp_path / "tags.json"
    output = finish(explore("--export-tags", path))
    assert "0 pairs to leave out, 0 to move" in output
    assert output.splitlines()[-1] == f"wrote {path}"
    assert json.loads(path.read_text())["exclude"] == []
    assert gone(folder)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--contrast", "late"], "error: --contrast 'late': name two cells"),
        (["--folder", "/proc/none"], "error: --folder /proc/none cannot be written (No such file"),
        (["--screenshot", "pictures"], "error: --screenshot needs one of the browsers chromium"),
    ],
)
def test_what_cannot_work_is_said_before_any_work(
    program: Path, browser: str, arguments: list[str], message: str, tmp_path: Path
):
    command = [sys.executable, CHECKOUT / "runner.py", "explore", "bind:40:77", *arguments]
    done = subprocess.run(
        [str(word) for word in command],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"PATH": str(tmp_path)},
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(message)
    assert not (CHECKOUT / "data" / "bind-40-77").exists()


def test_a_port_in_use_is_refused():
    with socket.create_server((app.ADDRESS, 0)) as other:
        taken = other.getsockname()[1]
        with pytest.raises(ExploreError, match=rf"--port {taken}: .*choose another"):
            app.reserve(taken)


def test_two_calls_never_choose_the_same_port():
    (first, claim), (second, other) = app.reserve(None), app.reserve(None)
    with claim, other:
        assert first != second
        with pytest.raises(ExploreError, match=rf"--port {first}: .*choose another"):
            app.reserve(first)
    again, claim = app.reserve(first)
    claim.close()
    assert again == first


def test_another_server_on_the_port_is_not_taken_for_ours(database: Path):
    with (
        app.server(None) as started,
        socket.create_server((app.ADDRESS, started.port)),
        pytest.raises(ExploreError, match=f"did not answer on {started.url}"),
    ):
        started.wait()


def test_a_missing_browser_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ExploreError, match="apt-get install chromium"):
        screenshot.find_browser()
