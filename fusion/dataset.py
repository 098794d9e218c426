"""Batches for training, on the device, from a packed copy of a data folder.

A folder is decoded once into two memory-mapped arrays (uint8 RGBA, float32 depth) in its `cache/`,
which all processes share through the page cache. XYZA is derived from depth and angles batch by
batch, on the device: x = d sin(-az) cos(-ze), y = d cos(-az) cos(-ze), z = d sin(-ze), a = 1 where
d < 50.

Standardisation, from the training part alone: RGB by channel over all pixels; XYZ by channel over
the pixels with a return (a = 1). Pixels without return become 0 in XYZ: their 50 is no measurement
and would otherwise set the scale; nothing is lost, since A (left as 0 or 1) says where they are.

Suffixes: B batch, N samples of a part, C channels, H/W pixels.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from fusion import manifest as manifests
from fusion import splits
from fusion.generate import resolve
from fusion.manifest import DataError, Manifest
from fusion.progress import track
from fusion.scenes import MAX_RANGE, SIZE

__all__ = ["Batch", "Data", "DataError", "Part", "load", "resolve"]


class Batch(NamedTuple):
    """Standardised and channels_last, on the device; `index_B` are positions in the part."""

    rgb_B3HW: torch.Tensor
    lidar_B4HW: torch.Tensor  # XYZA
    labels_B: torch.Tensor  # float32: 0 cube, 1 sphere
    index_B: torch.Tensor  # int64


@dataclass(frozen=True)
class Packed:
    """All pairs of a data set in the order of its manifest, memory-mapped."""

    rgb_NHWC: np.ndarray  # uint8 RGBA
    depth_NHW: np.ndarray  # float32, rows = azimuth, columns = zenith


@dataclass(frozen=True)
class Part:
    """Training, validation or test pairs: `rows` of the packed arrays."""

    ids: list[str]
    labels: np.ndarray  # (N,) float32
    rows: np.ndarray  # (N,) int64
    packed: Packed

    @property
    def rgb_NHWC(self) -> np.ndarray:
        """(N, 64, 64, 4) uint8, copied into memory."""
        return self.packed.rgb_NHWC[self.rows]

    @property
    def depth_NHW(self) -> np.ndarray:
        """(N, 64, 64) float32 raw depth, copied into memory."""
        return self.packed.depth_NHW[self.rows]


@dataclass(frozen=True)
class Statistics:
    """Means and standard deviations of the training part: RGB in [0, 1], XYZ in data units."""

    rgb_mean: list[float]
    rgb_std: list[float]
    xyz_mean: list[float]
    xyz_std: list[float]


class Data:
    """The parts of a data set and their batches.

    `hashes`: "data" of all files, "split" of which pair is in which part, "test" of the test pairs
    and their files ("" where there is no test part).
    """

    def __init__(
        self,
        parts: dict[str, Part],
        hashes: dict[str, str],
        statistics: Statistics,
        directions_3HW: np.ndarray,
        flips: list[int] | None,
        device: torch.device,
    ):
        self.parts, self.hashes, self.statistics = parts, hashes, statistics
        self.device = device
        self._flips = flips
        self._tensors: tuple[torch.Tensor, torch.Tensor] | None = None
        mean, std = np.array(statistics.xyz_mean), np.array(statistics.xyz_std)
        # (d * direction - mean) / std = d * scale - shift
        scale_HW3 = np.moveaxis(directions_3HW / std[:, None, None], 0, -1)
        if flips is not None:
            scale_HW3 = np.flip(scale_HW3.swapaxes(0, 1), flips)
        self._scale_HW3 = torch.tensor(scale_HW3.copy(), dtype=torch.float32, device=device)
        self._shift_3 = torch.tensor(mean / std, dtype=torch.float32, device=device)
        mean, std = np.array(statistics.rgb_mean), np.array(statistics.rgb_std)
        self._rgb_scale_3 = torch.tensor(1 / (255 * std), dtype=torch.float32, device=device)
        self._rgb_shift_3 = torch.tensor(mean / std, dtype=torch.float32, device=device)

    def batches(
        self, part: str, batch_size: int, generator: torch.Generator | None = None
    ) -> Iterator[Batch]:
        """Every sample of a part once, the last batch may be smaller; no generator: in order."""
        count = len(self.parts[part].ids)
        if generator is None:
            order = torch.arange(count)
        else:
            order = torch.randperm(count, generator=generator)
        for index in order.split(batch_size):
            yield self._batch(self.parts[part], index)

    def _batch(self, part: Part, index: torch.Tensor) -> Batch:
        rgb, depth = self._on_device(part.packed)
        rows = torch.from_numpy(part.rows)[index].to(self.device)
        labels = torch.from_numpy(part.labels)[index].to(self.device)
        rgb_BHWC = rgb.index_select(0, rows)[..., :3] * self._rgb_scale_3 - self._rgb_shift_3
        lidar_BHWC = self._xyza(depth.index_select(0, rows))
        # (B, H, W, C) in memory, seen as (B, C, H, W): this is what channels_last means
        return Batch(
            rgb_BHWC.permute(0, 3, 1, 2),
            lidar_BHWC.permute(0, 3, 1, 2),
            labels,
            index.to(self.device),
        )

    def _xyza(self, depth_BHW: torch.Tensor) -> torch.Tensor:
        """(B, H, W, 4) standardised, in the image's orientation where the data is aligned."""
        if self._flips is not None:
            depth_BHW = depth_BHW.transpose(1, 2).flip([axis + 1 for axis in self._flips])
        hit_BHW = (depth_BHW < MAX_RANGE).to(torch.float32)
        xyza = torch.empty(*depth_BHW.shape, 4, device=self.device)
        torch.mul(depth_BHW[..., None], self._scale_HW3, out=xyza[..., :3])
        xyza[..., :3].sub_(self._shift_3).mul_(hit_BHW[..., None])
        xyza[..., 3] = hit_BHW
        return xyza

    def _on_device(self, packed: Packed) -> tuple[torch.Tensor, torch.Tensor]:
        """The packed arrays as tensors: mapped files on the CPU, one copy on an accelerator."""
        if self._tensors is None:
            rgb, depth = torch.from_numpy(packed.rgb_NHWC), torch.from_numpy(packed.depth_NHW)
            self._tensors = rgb.to(self.device), depth.to(self.device)
        return self._tensors


def load(data: str, *, split: str, train_pairs: int, align: bool, device: torch.device) -> Data:
    """Find or make the data, check it against its manifest, pack it once, split it.

    data: a folder, or PROFILE:PAIRS[:SEED]. split: "default" (train, val, test 70/10/20) or "study"
    (train, val 80/20). train_pairs: 0 = all, else that many of the training part, stratified; a
    larger number holds a smaller one. align: bring the depth map into the image's orientation.
    Raises DataError.
    """
    root = resolve(data)
    if split not in splits.SCHEMES:
        raise DataError(f"--split {split!r} is not one of {', '.join(splits.SCHEMES)}")
    manifest = manifests.current(root)
    packed = pack(root, manifest)
    rows = _rows(manifest, split, train_pairs)
    parts = {name: _part(manifest, packed, positions) for name, positions in rows.items()}
    hashes = _hashes(manifest, split, rows)
    angles = manifests.read_angles(root)
    directions = ray_directions(angles["azimuth"], angles["zenith"])
    statistics = _statistics(root, manifest, parts["train"], directions, hashes["split"])
    flips = alignment(angles["azimuth"], angles["zenith"]) if align else None
    return Data(parts, hashes, statistics, directions, flips, device)


def _rows(manifest: Manifest, split: str, train_pairs: int) -> dict[str, list[int]]:
    ids = [p.id for p in manifest.pairs]
    rows = splits.assign(ids, split)
    for name, positions in rows.items():
        labels = {manifest.pairs[position].label for position in positions}
        if len(labels) < 2:
            raise DataError(
                f"{len(ids)} pairs are too few: the {name} part of split {split!r} would not hold "
                f"both classes; use more data (20 pairs at least)"
            )
    if train_pairs:
        available = len(rows["train"])
        if not 2 <= train_pairs <= available:
            raise DataError(
                f"--train-pairs {train_pairs}: the training part holds {available} pairs; "
                f"allowed are 2 to {available}, or 0 for all"
            )
        rows["train"] = splits.first(ids, rows["train"], train_pairs)
    return rows


def _part(manifest: Manifest, packed: Packed, rows: list[int]) -> Part:
    pairs = [manifest.pairs[row] for row in rows]
    labels = np.array([p.label for p in pairs], np.float32)
    return Part([p.id for p in pairs], labels, np.array(rows, np.int64), packed)


def _hashes(manifest: Manifest, split: str, rows: dict[str, list[int]]) -> dict[str, str]:
    of_split, of_test = hashlib.sha256(split.encode()), hashlib.sha256()
    for name, positions in rows.items():
        for row in positions:
            of_split.update(f"{name} {manifest.pairs[row].id}\n".encode())
    for row in rows.get("test", []):
        p = manifest.pairs[row]
        of_test.update(f"{p.id} {p.rgb} {p.lidar}\n".encode())
    test = of_test.hexdigest() if "test" in rows else ""
    return {"data": manifest.data_hash, "split": of_split.hexdigest(), "test": test}


def ray_directions(azimuth: np.ndarray, zenith: np.ndarray) -> np.ndarray:
    """(3, 64, 64) float64 unit vectors of the LiDAR's rays: XYZ = depth times these."""
    a, e = -azimuth.astype(np.float64)[:, None], -zenith.astype(np.float64)[None, :]
    return np.stack(np.broadcast_arrays(np.sin(a) * np.cos(e), np.cos(a) * np.cos(e), np.sin(e)))


def alignment(azimuth: np.ndarray, zenith: np.ndarray) -> list[int]:
    """Axes to flip after transposing a depth map, so that rows go down and columns to the right.

    x = d sin(-az): ascending azimuths go left. z = d sin(-ze): ascending zeniths go down.
    """
    flips = [0] if zenith[0] > zenith[-1] else []
    return flips + ([1] if azimuth[0] < azimuth[-1] else [])


def pack(root: Path, manifest: Manifest) -> Packed:
    """Decode all pairs once into `cache/HASH/`; later, and in other processes, map those files."""
    cache = manifests.store(root) / "cache"
    folder = cache / manifest.data_hash[:16]
    if not folder.is_dir():
        with manifests.lock(root):
            if not folder.is_dir():
                _write_packed(root, manifest, folder)
    # "c": a view that is never written back, which torch takes without complaint
    return Packed(*(np.load(folder / f"{n}.npy", mmap_mode="c") for n in ("rgb", "depth")))


def _write_packed(root: Path, manifest: Manifest, folder: Path) -> None:
    temporary = folder.with_name(f".{folder.name}.making")
    shutil.rmtree(temporary, ignore_errors=True)  # left by a process that was killed
    temporary.mkdir()
    count = len(manifest.pairs)
    new = np.lib.format.open_memmap
    rgb = new(temporary / "rgb.npy", "w+", np.uint8, (count, SIZE, SIZE, 4))
    depth = new(temporary / "depth.npy", "w+", np.float32, (count, SIZE, SIZE))
    for row, pair in enumerate(track(manifest.pairs, f"packing {root}")):
        rgb_file, lidar_file = manifests.files_of(pair.id)
        try:
            rgb[row] = manifests.read_rgb((root / rgb_file).read_bytes())
            depth[row] = manifests.read_depth((root / lidar_file).read_bytes())
        except (OSError, ValueError) as error:
            shutil.rmtree(temporary)
            raise DataError(f"{root}: pair {pair.id}: {error}") from None
    rgb.flush()
    depth.flush()
    temporary.rename(folder)


def _statistics(
    root: Path, manifest: Manifest, train: Part, directions_3HW: np.ndarray, key: str
) -> Statistics:
    """Computed once per training part, then read from the cache."""
    folder = manifests.store(root) / "cache" / manifest.data_hash[:16]
    path = folder / f"statistics-{key[:16]}.json"
    if path.exists():
        return Statistics(**json.loads(path.read_text()))
    statistics = measure(train, directions_3HW)
    manifests.write_atomic(path, json.dumps(vars(statistics)))
    return statistics


def measure(train: Part, directions_3HW: np.ndarray) -> Statistics:
    """Means and standard deviations in float64, a few rows at a time."""
    counts = np.zeros((3, 256))
    pixels, total, squares = 0, np.zeros(3), np.zeros(3)
    for rows in np.array_split(train.rows, -(-len(train.rows) // 64)):
        rgb, depth = train.packed.rgb_NHWC[rows], train.packed.depth_NHW[rows].astype(np.float64)
        counts += [np.bincount(rgb[..., c].ravel(), minlength=256) for c in range(3)]
        hit = depth < MAX_RANGE
        depth = np.where(hit, depth, 0)
        pixels += int(hit.sum())
        total += directions_3HW.reshape(3, -1) @ depth.sum(0).ravel()
        squares += (directions_3HW**2).reshape(3, -1) @ (depth**2).sum(0).ravel()
    level = np.arange(256) / 255
    rgb_mean = counts @ level / counts.sum(1)
    rgb_std = np.sqrt(np.maximum(counts @ level**2 / counts.sum(1) - rgb_mean**2, 0))
    xyz_mean = total / max(pixels, 1)
    xyz_std = np.sqrt(np.maximum(squares / max(pixels, 1) - xyz_mean**2, 0))
    # a channel that never varies carries nothing: do not divide by (almost) zero
    return Statistics(
        rgb_mean.tolist(),
        np.where(rgb_std > 1e-6, rgb_std, 1.0).tolist(),
        xyz_mean.tolist(),
        np.where(xyz_std > 1e-6, xyz_std, 1.0).tolist(),
    )
