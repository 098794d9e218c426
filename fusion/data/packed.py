"""A data folder, decoded once into memory-mapped arrays in its `cache/`.

Two processes may ask at once: one packs, the other waits. What is in the cache is named by the
manifest's hash, appears as a whole, and can be deleted at any time.

Suffixes: N pairs, C channels, H/W pixels.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from contract.files import write_atomic
from fusion.data import layout
from fusion.data.layout import DataError
from fusion.data.manifest import Manifest
from fusion.data.raycast import SIZE
from fusion.data.scenes import MAX_RANGE
from fusion.data.store import lock, store
from fusion.training.progress import track


@dataclass(frozen=True)
class Packed:
    """All pairs of a data set in the order of its manifest, memory-mapped."""

    folder: Path
    rgb_NHWC: np.ndarray  # uint8 RGBA
    depth_NHW: np.ndarray  # float32, rows = azimuth, columns = zenith


@dataclass(frozen=True)
class Statistics:
    """Means and standard deviations of the training part: RGB in [0, 1], XYZ in data units."""

    rgb_mean: list[float]
    rgb_std: list[float]
    xyz_mean: list[float]
    xyz_std: list[float]


def pack(root: Path, found: Manifest) -> Packed:
    """The arrays of a root, made where they are missing. Raises DataError."""
    folder = store(root) / "cache" / found.data_hash[:16]
    if not folder.is_dir():
        with lock(root):
            if not folder.is_dir():
                _write(root, found, folder)
    # "c": a view whose changes are never written back, which torch takes without complaint
    rgb, depth = (np.load(folder / f"{n}.npy", mmap_mode="c") for n in ("rgb", "depth"))
    return Packed(folder, rgb, depth)


def _write(root: Path, found: Manifest, folder: Path) -> None:
    temporary = folder.with_name(f".{folder.name}.making")
    shutil.rmtree(temporary, ignore_errors=True)  # left by a process that was killed
    temporary.mkdir()
    count = len(found.pairs)
    new = np.lib.format.open_memmap
    rgb = new(temporary / "rgb.npy", "w+", np.uint8, (count, SIZE, SIZE, 4))
    depth = new(temporary / "depth.npy", "w+", np.float32, (count, SIZE, SIZE))
    for row, pair in enumerate(track(found.pairs, f"packing {root}")):
        rgb_file, lidar_file = layout.files_of(pair.id)
        try:
            rgb[row] = layout.read_rgb((root / rgb_file).read_bytes())
            depth[row] = layout.read_depth((root / lidar_file).read_bytes())
        except (OSError, ValueError) as error:  # it was good when the manifest was written
            raise DataError(f"{root}: pair {pair.id}: {error}; run `data check` again") from None
    rgb.flush()
    depth.flush()
    temporary.rename(folder)


def statistics(
    packed: Packed, rows: np.ndarray, directions_3HW: np.ndarray, key: str
) -> Statistics:
    """Of the given rows; computed once per `key` (the hash of the split), then read."""
    path = packed.folder / f"statistics-{key[:16]}.json"
    if path.exists():
        return Statistics(**json.loads(path.read_text()))
    measured = measure(packed, rows, directions_3HW)
    write_atomic(path, json.dumps(vars(measured)))
    return measured


def measure(packed: Packed, rows: np.ndarray, directions_3HW: np.ndarray) -> Statistics:
    """In float64: RGB over all pixels, XYZ over the pixels with a return."""
    counts = np.zeros((3, 256))
    pixels, total, squares = 0, np.zeros(3), np.zeros(3)
    directions = directions_3HW.reshape(3, -1)
    for some in np.array_split(rows, -(-len(rows) // 64)):
        rgb, depth = packed.rgb_NHWC[some], packed.depth_NHW[some].astype(np.float64)
        counts += [np.bincount(rgb[..., c].ravel(), minlength=256) for c in range(3)]
        hit = depth < MAX_RANGE
        depth[~hit] = 0
        pixels += int(hit.sum())
        total += directions @ depth.sum(0).ravel()
        squares += directions**2 @ (depth**2).sum(0).ravel()
    level = np.arange(256) / 255
    rgb_mean, rgb_std = moments(counts @ level, counts @ level**2, counts.sum(1))
    xyz_mean, xyz_std = moments(total, squares, max(pixels, 1))
    return Statistics(rgb_mean, rgb_std, xyz_mean, xyz_std)


def moments(total: np.ndarray, squares: np.ndarray, count) -> tuple[list[float], list[float]]:
    """Return means and standard deviations from sums, sums of squares and counts, by channel."""
    mean = total / count
    std = np.sqrt(np.maximum(squares / count - mean**2, 0))
    # a channel that never varies carries nothing: it is not divided by (almost) zero
    return mean.tolist(), np.where(std > 1e-6, std, 1.0).tolist()
