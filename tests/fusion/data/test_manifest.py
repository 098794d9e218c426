"""The manifest: what is there, its hashes, and what changed."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from contract import places
from fusion.data import layout, manifest, splits
from fusion.data.dataset import DataError
from tests.fusion.data.folders import ids_of, load, study_loader


def test_manifest_says_what_is_there(data_root):
    written = json.loads((data_root / "manifest.json").read_text())
    assert written["schema"] == 1
    assert written["generator"]["profile"] == "fusion" and written["generator"]["pairs"] == 60
    assert len(written["data_hash"]) == 64 and written["quarantined_count"] == 0
    ids = [row["id"] for row in written["pairs"]]
    assert ids == ids_of(30)
    for scheme in splits.SCHEMES:
        for part, rows in splits.assign(ids, scheme).items():
            assert {written["pairs"][row][scheme] for row in rows} == {part}
    assert Counter(row["corruption"] for row in written["pairs"]) == {
        "none": 24, "rgb": 18, "lidar": 18,
    }  # fmt: skip


def test_hashes_name_the_content_not_the_place(data_root, data, copy):
    again = load(copy)
    assert again.hashes == data.hashes
    assert [p.ids for p in again.parts.values()] == [p.ids for p in data.parts.values()]
    # another test image: another test set, the same split
    rgb_file, _ = layout.files_of(data.parts["test"].ids[0])
    Image.new("RGBA", (64, 64)).save(copy / rgb_file)
    manifest.index(copy)
    changed = load(copy).hashes
    assert changed["split"] == data.hashes["split"]
    assert changed["data"] != data.hashes["data"] and changed["test"] != data.hashes["test"]
    # another training image: the same test set
    rgb_file, _ = layout.files_of(data.parts["train"].ids[0])
    Image.new("RGBA", (64, 64)).save(copy / rgb_file)
    manifest.index(copy)
    assert load(copy).hashes["test"] == changed["test"]


def test_check_keeps_what_the_generator_knew(data_root, tmp_path):
    root = tmp_path / "data"
    shutil.copytree(data_root, root)
    before = manifest.read(root)
    assert manifest.index(root) == before
    Image.new("RGBA", (64, 64)).save(root / "cubes/rgb/0003.png")
    after = manifest.index(root)
    assert after.generator == {}  # no longer what the generator made
    corruption = {p.id: p.corruption for p in after.pairs}
    assert corruption["cubes/0003"] == "" and corruption["cubes/0004"] != ""


def test_files_that_were_only_touched_are_taken(copy):
    before = load(copy).hashes
    for path in copy.rglob("*.png"):
        os.utime(path, (1, 1))
    assert load(copy).hashes == before


@pytest.mark.parametrize("change", ["edit", "remove", "add", "angle"])
def test_changed_files_are_named(copy, change):
    load(copy)
    if change == "edit":  # the same size, so that only time or content tell
        path = copy / "spheres/lidar/0007.npy"
        np.save(path, np.load(path) + 1)
        named = "spheres/lidar/0007.npy"
    elif change == "remove":
        (copy / "cubes/rgb/0002.png").unlink()
        named = "cubes/rgb/0002.png"
    elif change == "add":
        for folder, end in (("rgb", "png"), ("lidar", "npy")):
            shutil.copy(copy / f"cubes/{folder}/0001.{end}", copy / f"cubes/{folder}/9000.{end}")
        named = "cubes/9000"
    else:
        for class_name in layout.CLASSES:
            path = copy / class_name / "zenith.npy"
            np.save(path, np.load(path) * 1.1)
        named = "zenith.npy"
    with pytest.raises(DataError, match=f"(?s){named}.*data check"):
        load(copy)
    if change != "remove":
        manifest.index(copy)
        load(copy)


def test_a_damaged_manifest_is_refused(copy):
    load(copy)
    path = copy / "manifest.json"
    text = path.read_text()
    for bad in (text[:200], text.replace('"label": 0', '"label": 1', 1), '{"schema": 99}', "[]"):
        path.write_text(bad)
        with pytest.raises(DataError, match=r"manifest\.json"):
            load(copy)


@pytest.fixture
def shared(data_root: Path) -> Iterator[Path]:
    """A folder that any user may read, with a copy of the tiny data set that none may write."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        shutil.copytree(
            data_root, folder / "data", ignore=shutil.ignore_patterns("cache", "manifest.json")
        )
        (folder / "data").chmod(0o555)
        (folder / "home").mkdir()
        (folder / "home").chmod(0o777)
        yield folder


@contextmanager
def without_privileges() -> Iterator[None]:
    """Nothing is read-only for root, who is somebody else meanwhile."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(before)


def test_a_folder_that_cannot_be_written(shared, monkeypatch, caplog):
    root, home = shared / "data", shared / "home"
    monkeypatch.setenv(places.HOME, str(home))
    expected = study_loader(root)
    before = sorted(root.rglob("*"))
    with without_privileges():
        data = load(root)
        assert load(root).hashes == data.hashes
    assert sorted(root.rglob("*")) == before
    assert sum(len(p.ids) for p in data.parts.values()) == len(expected)
    assert "cannot be written" in caplog.text and str(home) in caplog.text
    assert len(list((home / "data" / ".cache").glob("*/manifest.json"))) == 1
