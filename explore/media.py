"""What the App shows of a depth map: a point cloud in a scene, and a colour-mapped thumbnail.

Worker processes import this module, so it needs numpy and Pillow, and of `fusion.data` what needs
no more. A point cloud holds the hits of one LiDAR sweep in the frame of the sensor (x right, y
forward, z up); its intensity is nearness, 1 at the nearest hit and 0 at the farthest, because the
sensor reports no reflectance of its own.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from contract.files import whole
from explore.errors import ExploreError
from explore.pairs import Pair
from fusion.data import layout
from fusion.data.raycast import lidar_rays
from fusion.data.scenes import MAX_RANGE

VERSION = 2  # of the files written: raise it whenever a change here changes them
OBJECT_SIZE = 3.5  # units: a cube's diagonal
CHUNK = 200  # pairs per task of a worker
POOL_FROM = 800  # pairs: below, starting workers costs more than it saves
PIXELS = 16  # edge of the reduced images that the picture embedding is made of
POINTS = np.dtype([("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("intensity", "<f4")])
HEADER = """# .PCD v0.7
VERSION 0.7
FIELDS x y z intensity
SIZE 4 4 4 4
TYPE F F F F
COUNT 1 1 1 1
WIDTH {n}
HEIGHT 1
VIEWPOINT 0 0 0 1 0 0 0
POINTS {n}
DATA binary
"""
PICTURES = "pictures.npy"  # (N, 1024) uint8, what write() returns; last of all files written
SCENE_CLOUD = "CLOUD.pcd"  # stands in the scene's text for the point cloud of a pair


@dataclass(frozen=True)
class Writer:
    """Writes the files of pairs below `folder`.

    `scene` is one of SCENE_CLOUD as FiftyOne saves it; its camera is turned to what is nearest in
    each pair.
    """

    root: Path
    folder: Path
    scene: dict[str, Any]
    rays: np.ndarray  # (3, 64, 64) unit vectors, rows = azimuth, columns = zenith
    colours: np.ndarray  # (256, 3) uint8, from far to near

    def write(self, pairs: Sequence[Pair]) -> np.ndarray:
        """Write the files of some pairs; return their reduced pictures, (N, 1024) uint8.

        A reduced picture is 16 × 16 pixels of red, green, blue and nearness.
        """
        return np.stack([self._write(pair) for pair in pairs])

    def _write(self, pair: Pair) -> np.ndarray:
        rgb_file, lidar_file = (self.root / file for file in pair.files)
        depth_HW = np.load(lidar_file, allow_pickle=False).astype(np.float32)
        hit_HW = depth_HW < MAX_RANGE
        near_HW = nearness(depth_HW, hit_HW)
        scene, thumbnail = files(self.folder, pair.id)
        cloud = scene.with_name(scene.name.replace(".fo3d", ".pcd"))
        xyz_3HW = self.rays * depth_HW
        cloud.write_bytes(point_cloud(xyz_3HW, near_HW, hit_HW))
        camera = {**self.scene["camera"], "lookAt": centre(xyz_3HW, depth_HW)}
        text = json.dumps({**self.scene, "camera": camera})
        scene.write_text(text.replace(SCENE_CLOUD, cloud.name))
        shade_HW = np.where(hit_HW, 32 + 223 * near_HW, 0).astype(np.uint8)
        picture = Image.fromarray(upright(shade_HW))
        picture.putpalette(self.colours.tobytes())
        picture.save(thumbnail, compress_level=1)
        with Image.open(rgb_file) as image:
            rgb = np.asarray(image.convert("RGB").reduce(image.width // PIXELS))
        near = Image.fromarray(upright((255 * near_HW).astype(np.uint8)))
        near = np.asarray(near.reduce(near.width // PIXELS))
        return np.concatenate([rgb.ravel(), near.ravel()])


def files(folder: Path, pair: str) -> tuple[Path, Path]:
    """Scene and thumbnail of a pair."""
    return folder / f"{pair}.fo3d", folder / f"{pair}.png"


def upright(map_HW: np.ndarray) -> np.ndarray:
    """A depth map as a person sees the scene: rows down, columns to the right."""
    return np.ascontiguousarray(map_HW.T[:, ::-1])


def nearness(depth_HW: np.ndarray, hit_HW: np.ndarray) -> np.ndarray:
    """1 at the nearest hit, 0 at the farthest and where nothing returned."""
    if not hit_HW.any():
        return np.zeros_like(depth_HW)
    near, far = depth_HW[hit_HW].min(), depth_HW[hit_HW].max()
    return np.where(hit_HW, (far - depth_HW) / max(far - near, 1e-6), 0)


def centre(xyz_3HW: np.ndarray, depth_HW: np.ndarray) -> list[float]:
    """Of the points that are no farther than an object's size behind the nearest."""
    front_HW = depth_HW <= depth_HW.min() + OBJECT_SIZE
    return [round(float(axis_HW[front_HW].mean()), 3) for axis_HW in xyz_3HW]


def rays(root: Path) -> np.ndarray:
    """(3, 64, 64) unit directions of a root's LiDAR: x right, y forward, z up."""
    angles = layout.read_angles(root)
    return lidar_rays(angles["azimuth"], angles["zenith"]).astype(np.float32)


def point_cloud(xyz_3HW: np.ndarray, near_HW: np.ndarray, hit_HW: np.ndarray) -> bytes:
    """A binary PCD file of the hits."""
    points = np.empty(int(hit_HW.sum()), POINTS)
    for axis, values_HW in zip(POINTS.names or (), [*xyz_3HW, near_HW], strict=True):
        points[axis] = values_HW[hit_HW]
    return HEADER.format(n=len(points)).encode() + points.tobytes()


def write_all(
    writer: Writer, pairs: Sequence[Pair], chunk: int = CHUNK, pool_from: int = POOL_FROM
) -> Iterator[Pair]:
    """Yield all pairs, in order, as soon as their files are there; `chunk` of them at a time.

    Files that an earlier call has written to the same folder are taken as they are. Worker
    processes write `pool_from` pairs and more.
    """
    if (writer.folder / PICTURES).exists():
        yield from pairs
        return
    for class_name in sorted({pair.id.split("/")[0] for pair in pairs}):
        (writer.folder / class_name).mkdir(parents=True, exist_ok=True)
    reduced = []
    chunks = [pairs[start : start + chunk] for start in range(0, len(pairs), chunk)]
    for written, rows in _written(writer, chunks, in_pool=len(pairs) >= pool_from):
        reduced.append(rows)
        yield from written
    with whole(writer.folder / PICTURES) as path:
        np.save(path, np.concatenate(reduced), allow_pickle=False)


def _written(
    writer: Writer, chunks: list[Sequence[Pair]], in_pool: bool
) -> Iterator[tuple[Sequence[Pair], np.ndarray]]:
    try:
        if not in_pool:
            yield from zip(chunks, map(writer.write, chunks), strict=True)
            return
        # Not forked: the caller has the threads of a database client.
        with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
            yield from zip(chunks, pool.map(writer.write, chunks), strict=True)
    except (OSError, ValueError) as error:
        raise ExploreError(
            f"{writer.root}: {error}; check the data with `runner.py data check {writer.root}`"
        ) from error
