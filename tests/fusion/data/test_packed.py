"""Several processes at once: data is made once and packed once, and all see the same.

No torch here, so that the processes start quickly.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
from pathlib import Path

import pytest

from contract import places
from fusion.data import generate, manifest, packed


def report(data: str, made: str, start, queue) -> None:
    os.environ[places.HOME] = made  # of this process alone
    start.wait()  # all of them are up: now they race
    root = generate.resolve(data)
    found = manifest.current(root)
    arrays = packed.pack(root, found)
    queue.put((found.data_hash, int(arrays.rgb_NHWC.sum()), float(arrays.depth_NHW.sum())))


def race(data: str, made: Path) -> list[tuple[str, int, float]]:
    context = multiprocessing.get_context("spawn")
    queue, start = context.Queue(), context.Barrier(3)
    jobs = [context.Process(target=report, args=(data, str(made), start, queue)) for _ in range(3)]
    for job in jobs:
        job.start()
    found = [queue.get(timeout=120) for _ in jobs]
    for job in jobs:
        job.join()
        assert job.exitcode == 0
    return found


@pytest.fixture
def copy(data_root: Path, tmp_path: Path) -> Path:
    root = tmp_path / "copy"
    shutil.copytree(data_root, root, ignore=shutil.ignore_patterns("cache", "manifest.json"))
    return root


def test_processes_that_read_a_folder_at_once_see_the_same(copy, data_root):
    found = race(str(copy), copy)
    assert len(set(found)) == 1
    expected = manifest.current(data_root).data_hash
    assert found[0][0] == expected
    left = {p.name for p in (copy / "cache").iterdir()}
    assert left == {".lock", "fingerprint", expected[:16]}


def test_processes_that_ask_for_generated_data_at_once_get_the_same(tmp_path):
    found = race("study:40:5", tmp_path)
    assert len(set(found)) == 1
    assert {p.name for p in (tmp_path / "data").iterdir()} == {".study-40-5.lock", "study-40-5"}
