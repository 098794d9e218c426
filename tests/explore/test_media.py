"""Files that the App shows, against the data they were made from."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from explore import media, pairs
from explore.errors import ExploreError
from explore.pairs import DataSet
from fusion.data.scenes import MAX_RANGE

SCENE = {"camera": {"up": "Z"}, "pcdPath": media.SCENE_CLOUD}


@pytest.fixture
def writer(data: DataSet, tmp_path: Path) -> media.Writer:
    colours = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    return media.Writer(data.root, tmp_path / "media", SCENE, media.rays(data.root), colours)


def read_cloud(path: Path) -> np.ndarray:
    head, body = path.read_bytes().split(b"DATA binary\n")
    points = np.frombuffer(body, media.POINTS)
    assert f"POINTS {len(points)}\n".encode() in head
    return points


def test_manifest_is_read_as_it_was_written(data: DataSet, root: Path):
    from fusion.data import manifest

    written = manifest.read(root)
    assert written is not None
    assert data.data_hash == written.data_hash
    assert [(p.id, p.label, p.corruption) for p in data.pairs] == [
        (p.id, p.label, p.corruption) for p in written.pairs
    ]
    assert data.profile == "fusion"


def test_bad_manifests_name_the_fix(tmp_path: Path):
    with pytest.raises(ExploreError, match=r"has no manifest; run `runner\.py data check"):
        pairs.read(tmp_path)
    (tmp_path / "manifest.json").write_text('{"schema": 99}')
    with pytest.raises(ExploreError, match="schema 99"):
        pairs.read(tmp_path)
    (tmp_path / "manifest.json").write_text('{"schema": 1}')
    with pytest.raises(ExploreError, match="cannot be read"):
        pairs.read(tmp_path)


def test_point_cloud_holds_the_hits_where_they_are(data: DataSet, writer: media.Writer):
    pair = data.pairs[0]
    list(media.write_all(writer, [pair]))
    scene, _ = media.files(writer.folder, pair.id)
    depth_HW = np.load(data.root / pair.files[1])
    hit_HW = depth_HW < MAX_RANGE
    points = read_cloud(scene.parent / json.loads(scene.read_text())["pcdPath"])
    xyz = np.stack([points["x"], points["y"], points["z"]], -1)
    np.testing.assert_allclose(np.linalg.norm(xyz, axis=-1), depth_HW[hit_HW], rtol=1e-5)
    # study.md: x = d sin(-az) cos(-ze), z = d sin(-ze); rows are azimuths, columns zeniths
    azimuth, zenith = (np.load(data.root / "cubes" / f"{n}.npy") for n in ("azimuth", "zenith"))
    row, column = np.argwhere(hit_HW)[100]
    d, a, e = depth_HW[row, column], azimuth[row], zenith[column]
    expected = [np.sin(-a) * np.cos(-e), np.cos(-a) * np.cos(-e), np.sin(-e)]
    np.testing.assert_allclose(xyz[100], d * np.array(expected), rtol=1e-4)
    target = np.array(json.loads(scene.read_text())["camera"]["lookAt"])
    nearest = depth_HW[hit_HW].argmin()
    assert np.linalg.norm(target - xyz[nearest]) < media.OBJECT_SIZE
    assert points["intensity"][nearest] == points["intensity"].max() == 1
    assert points["intensity"].min() == 0


def test_thumbnail_is_upright(data: DataSet, writer: media.Writer):
    """What is high and to the right in the point cloud is so in the thumbnail."""
    pair = data.pairs[0]
    list(media.write_all(writer, [pair]))
    _, thumbnail = media.files(writer.folder, pair.id)
    with Image.open(thumbnail) as image:
        shown = np.asarray(image.convert("L")).astype(int)
    depth_HW = np.load(data.root / pair.files[1])
    xyz_3HW = media.rays(data.root) * depth_HW
    near_HW = np.where(depth_HW < depth_HW.min() + 2, 1, 0)
    target = [np.average(axis, weights=near_HW) for axis in xyz_3HW]
    rows, columns = np.nonzero(shown > np.percentile(shown, 95))
    assert np.sign(columns.mean() - 31.5) == np.sign(target[0])
    assert np.sign(31.5 - rows.mean()) == np.sign(target[2])


def test_processes_write_what_one_process_writes(
    data: DataSet, writer: media.Writer, tmp_path: Path
):
    pairs = list(data.pairs[:40])
    assert list(media.write_all(writer, pairs, chunk=10)) == pairs
    alone = np.load(writer.folder / media.PICTURES)
    assert alone.shape == (40, 4 * media.PIXELS**2)
    other = media.Writer(*{**vars(writer), "folder": tmp_path / "other"}.values())
    assert list(media.write_all(other, pairs, chunk=10, pool_from=1)) == pairs
    np.testing.assert_array_equal(np.load(other.folder / media.PICTURES), alone)
    for pair in pairs:
        for file, same in zip(
            media.files(writer.folder, pair.id), media.files(other.folder, pair.id), strict=True
        ):
            assert file.read_bytes() == same.read_bytes()


def test_only_hits_are_points():
    depth_HW = np.array([[2.0, MAX_RANGE], [4.0, 3.0]])
    hit_HW = depth_HW < MAX_RANGE
    near_HW = media.nearness(depth_HW, hit_HW)
    np.testing.assert_allclose(near_HW, [[1, 0], [0, 0.5]])
    cloud = media.point_cloud(np.stack([depth_HW] * 3), near_HW, hit_HW)
    points = np.frombuffer(cloud.split(b"DATA binary\n")[1], media.POINTS)
    assert points["x"].tolist() == [2.0, 4.0, 3.0]
    assert points["intensity"].tolist() == [1.0, 0.0, 0.5]


def test_nothing_returned_gives_an_empty_cloud():
    nothing = np.zeros((64, 64), bool)
    near = media.nearness(np.full((64, 64), 50.0), nothing)
    assert not near.any()
    assert b"POINTS 0\n" in media.point_cloud(np.zeros((3, 64, 64)), near, nothing)


def test_a_file_that_is_gone_is_named(data: DataSet, writer: media.Writer):
    gone = pairs.Pair("cubes/none", 0, "", {"default": "train", "study": "train"})
    with pytest.raises(ExploreError, match=r"cubes/lidar/none\.npy.*data check"):
        list(media.write_all(writer, [gone]))
