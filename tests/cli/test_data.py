"""`runner.py data` as a person types it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from subprocess import CompletedProcess

import pytest


@pytest.fixture(scope="session")
def data(runner: Callable[..., CompletedProcess[str]]) -> Callable[..., CompletedProcess[str]]:
    return partial(runner, "data")


@pytest.fixture
def root(tmp_path: Path, data: Callable[..., CompletedProcess[str]]) -> Path:
    path = tmp_path / "made"
    done = data("make", path, "--profile", "fusion", "--pairs", 40, "--seed", 1)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"made {path}: 40 pairs, profile fusion, data hash ")
    return path


def test_make_info_check(root, data):
    written = json.loads((root / "manifest.json").read_text())
    info = data("info", root)
    assert info.returncode == 0, info.stderr
    lines = dict(line.split(maxsplit=1) for line in info.stdout.splitlines())
    assert written["data_hash"] in info.stdout
    assert lines["pairs"] == "40 (20 cubes, 20 spheres)"
    assert lines["corruption"] == "12 lidar, 16 none, 12 rgb"
    assert "profile fusion, pairs 40, seed 1" in lines["origin"]
    assert "test 8 (4 cubes, 4 spheres)" in info.stdout

    check = data("check", root)
    assert check.returncode == 0, check.stderr
    assert f"wrote {root / 'manifest.json'}: 40 pairs, 0 left out" in check.stdout
    assert json.loads((root / "manifest.json").read_text()) == written


def test_check_lists_bad_files_and_leaves_pairs_out_on_request(root, data):
    (root / "cubes/rgb/0002.png").write_bytes(b"no image")
    (root / "spheres/lidar/0003.npy").unlink()
    check = data("check", root)
    assert check.returncode == 2
    listed = check.stdout.splitlines()
    assert listed[0].startswith("cubes/rgb/0002.png: not a PNG (8 bytes)")
    assert listed[1].startswith("spheres/lidar/0003.npy: missing") and len(listed) == 2
    assert check.stderr.startswith(f"error: 2 bad files in {root}; mend them, or leave 2 pairs out")
    assert "--skip-bad" in check.stderr and "Traceback" not in check.stderr

    check = data("check", root, "--skip-bad")
    assert check.returncode == 0, check.stderr
    assert check.stdout.count("left out: ") == 2 and "38 pairs, 2 left out" in check.stdout
    assert "left out       2" in data("info", root).stdout


def test_bad_angles_are_not_to_be_skipped(root, data):
    (root / "cubes/azimuth.npy").unlink()
    check = data("check", root, "--skip-bad")
    assert check.returncode == 2 and "cubes/azimuth.npy: missing" in check.stdout
    assert "angle files must be mended" in check.stderr


def test_errors_are_one_line(root, data, tmp_path):
    for words, named in (
        (("make", root), "not empty"),
        (("make", tmp_path / "new", "--pairs", 7), "pairs 7"),
        (("make", tmp_path / "new", "--profile", "study2"), "study2"),
        (("check", tmp_path / "gone"), "gone"),
        (("info", tmp_path / "gone"), "gone"),
    ):
        done = data(*words)
        assert done.returncode == 2 and done.stdout == ""
        assert named in done.stderr and done.stderr.count("\n") == 1
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("command", ["info", "check", "curate"])
@pytest.mark.parametrize("what", ["stranger", "damaged", "touched"])
def test_what_is_refused_leaves_the_folder_as_it_was(tmp_path, root, data, command, what):
    folder = {"stranger": tmp_path / "docs"}.get(what, root)
    folder.mkdir(exist_ok=True)
    for file in ("manifest.json", "cache/fingerprint"):
        (folder / file).unlink(missing_ok=True)
    if what == "damaged":
        (root / "cubes/rgb/0002.png").write_bytes(b"no image")
    if what == "touched":  # made known, then changed
        assert data("check", root).returncode == 0
        (root / "cubes/rgb/0002.png").write_bytes((root / "cubes/rgb/0003.png").read_bytes())
        shutil.rmtree(root / "cache")
    if (what, command) == ("touched", "check"):
        pytest.skip("`data check` accepts changed files")
    (tmp_path / "tags.json").write_text("{}")
    before = {p: p.stat().st_mtime_ns for p in [tmp_path, *tmp_path.rglob("*")]}
    done = data(command, folder, *([tmp_path / "tags.json"] if command == "curate" else []))
    assert done.returncode == 2 and done.stderr.startswith("error: "), done.stderr
    named = {"stranger": "no folder cubes/rgb", "damaged": "bad file", "touched": "changed since"}
    assert named[what] in done.stderr
    assert {p: p.stat().st_mtime_ns for p in [tmp_path, *tmp_path.rglob("*")]} == before


def test_a_wrong_curation_file_leaves_the_folder_as_it_was(tmp_path, root, data):
    (root / "manifest.json").unlink()
    (tmp_path / "tags.json").write_text("{}")
    before = sorted(root.rglob("*"))
    done = data("curate", root, tmp_path / "tags.json")
    assert done.returncode == 2 and "no curation file" in done.stderr
    assert sorted(root.rglob("*")) == before
