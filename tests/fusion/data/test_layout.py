"""Bad files and folders: every one is named, before anything is written."""

from __future__ import annotations

import json
import math
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fusion.data import manifest
from fusion.data.dataset import DataError
from fusion.data.layout import BadDataError
from tests.fusion.data.folders import load


class Evil:
    def __reduce__(self):
        return (Path.touch, (Path("/tmp/pickle-was-loaded"),))


def save(root: Path, file: str, array) -> None:
    np.save(root / file, array, allow_pickle=True)


def shorten(root: Path, file: str) -> None:
    content = (root / file).read_bytes()
    (root / file).write_bytes(content[: len(content) // 2])


def link(file: Path, target: str) -> None:
    file.unlink()
    file.symlink_to(target)


def with_nan(root: Path, file: str) -> None:
    depth = np.load(root / file)
    depth[3, 4] = math.nan
    np.save(root / file, depth)


RGB, LIDAR = "cubes/rgb/0004.png", "spheres/lidar/0005.npy"
FAULTS = {
    "png missing": (RGB, lambda r: (r / RGB).unlink(), "missing"),
    "npy missing": (LIDAR, lambda r: (r / LIDAR).unlink(), "missing"),
    "png truncated": (RGB, lambda r: shorten(r, RGB), "not a readable PNG"),
    "png empty": (RGB, lambda r: (r / RGB).write_bytes(b""), r"not a PNG \(0 bytes\)"),
    "jpeg": (RGB, lambda r: Image.new("RGB", (64, 64)).save(r / RGB, "JPEG"), "not a PNG"),
    "link to nowhere": (RGB, lambda r: link(r / RGB, "gone"), "missing"),
    "link to itself": (RGB, lambda r: link(r / RGB, "0004.png"), "symbolic links"),
    "folder": (LIDAR, lambda r: ((r / LIDAR).unlink(), (r / LIDAR).mkdir()), "Is a directory"),
    "png without alpha": (RGB, lambda r: Image.new("RGB", (64, 64)).save(r / RGB), "RGB 64×64"),
    "png size": (RGB, lambda r: Image.new("RGBA", (32, 64)).save(r / RGB), "RGBA 32×64"),
    "png 16 bits": (RGB, lambda r: Image.new("I;16", (64, 64)).save(r / RGB), "16 bits"),
    "npy truncated": (LIDAR, lambda r: shorten(r, LIDAR), "not a readable .npy"),
    "npy text": (LIDAR, lambda r: (r / LIDAR).write_text("depth"), "not a readable .npy"),
    "npy shape": (LIDAR, lambda r: save(r, LIDAR, np.ones((64, 32))), r"\(64, 32\)"),
    "npy integers": (LIDAR, lambda r: save(r, LIDAR, np.ones((64, 64), np.int32)), "int32"),
    "npy float16": (LIDAR, lambda r: save(r, LIDAR, np.ones((64, 64), np.float16)), "float16"),
    "npy nan": (LIDAR, lambda r: with_nan(r, LIDAR), "1 values are NaN"),
    "npy negative": (LIDAR, lambda r: save(r, LIDAR, -np.ones((64, 64))), "negative"),
    "npy pickled": (LIDAR, lambda r: save(r, LIDAR, np.array([Evil()], object)), "pickled"),
    "raw pickle": (
        LIDAR,
        lambda r: (r / LIDAR).write_bytes(pickle.dumps(np.ones((64, 64)))),
        "not a readable .npy",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_bad_files_are_listed_and_their_pairs_can_be_left_out(copy, fault):
    file, damage, reason = FAULTS[fault]
    damage(copy)
    pair = file.replace("/rgb/", "/").replace("/lidar/", "/").rpartition(".")[0]
    with pytest.raises(BadDataError, match=reason) as error:
        manifest.index(copy)
    assert [(p.file, p.pair) for p in error.value.problems] == [(file, pair)]
    # training says the same, and how to go on
    with pytest.raises(DataError, match=f"(?s){file}.*--skip-bad") as error:
        load(copy)
    assert error.value.exit_code == 2

    there = sorted(copy.rglob("*.*"))
    left_out = manifest.index(copy, skip_bad=True)
    assert list(left_out.quarantined) == [pair] and file in left_out.quarantined[pair][0]
    assert sorted(p for p in copy.rglob("*.*") if p in there) == there  # nothing is deleted
    written = json.loads((copy / "manifest.json").read_text())
    assert written["quarantined_count"] == 1
    data = load(copy)
    ids = [i for part in data.parts.values() for i in part.ids]
    assert sorted([*ids, pair]) == sorted(study_ids(copy, pair))
    assert not Path("/tmp/pickle-was-loaded").exists()


def study_ids(root: Path, bad: str) -> set[str]:
    names = {f"{p.parts[-3]}/{p.stem}" for p in root.glob("*/rgb/*.png")}
    return names | {bad}


def test_all_bad_files_are_listed_at_once(copy):
    shorten(copy, "cubes/rgb/0001.png")
    with_nan(copy, "cubes/lidar/0001.npy")
    (copy / "spheres/lidar/0002.npy").unlink()
    with pytest.raises(BadDataError, match="3 bad files") as error:
        manifest.index(copy)
    assert {p.file for p in error.value.problems} == {
        "cubes/rgb/0001.png",
        "cubes/lidar/0001.npy",
        "spheres/lidar/0002.npy",
    }


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda a: a * 1.01, "differs"),
        (lambda a: a[:32], r"\(32,\)"),
        (lambda a: a * 180 / math.pi, "radians"),
        (lambda a: a * math.nan, "NaN"),
    ],
)
def test_bad_angles_cannot_be_skipped(copy, change, reason):
    path = copy / "spheres/azimuth.npy"
    np.save(path, change(np.load(path)))
    for skip_bad in (False, True):
        with pytest.raises(BadDataError, match=reason) as error:
            manifest.index(copy, skip_bad=skip_bad)
        assert [p.file for p in error.value.problems] == ["spheres/azimuth.npy"]
        assert "--skip-bad" not in str(error.value)


def test_folders_of_another_layout_are_named(tmp_path):
    (tmp_path / "cubes" / "rgb").mkdir(parents=True)
    with pytest.raises(DataError, match="cubes/lidar"):
        load(tmp_path)
    with pytest.raises(DataError, match="no such folder"):
        manifest.current(tmp_path / "gone")


def test_other_files_do_not_matter(copy):
    before = load(copy).hashes
    (copy / "README.txt").write_text("course data")
    (copy / "cubes/rgb/Thumbs.db").write_bytes(b"x")
    (copy / "cubes/lidar/.0001.npy.swp").write_bytes(b"x")
    assert load(copy).hashes == before


def test_float64_depth_is_taken(copy):
    for path in copy.glob("*/lidar/*.npy"):
        np.save(path, np.load(path).astype(np.float64))
    assert next(load(copy).batches("train", 4)).lidar_BCHW.dtype == torch.float32
