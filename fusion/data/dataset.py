"""Batches for training, on the device, from the packed arrays of a data folder.

XYZA is derived from depth and angles batch by batch, on the device: x = d sin(-az) cos(-ze),
y = d cos(-az) cos(-ze), z = d sin(-ze), a = 1 where d < 50.

Standardisation, from the training part alone: RGB by channel over all pixels; XYZ by channel over
the pixels with a return (a = 1). Pixels without return become 0 in XYZ: their 50 is no measurement
and would otherwise set the scale; nothing is lost, since A (left as 0 or 1) says where they are.

Suffixes: B batch, N samples of a part, C channels, H/W pixels.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch

from fusion.data import generate, layout, manifest
from fusion.data.generate import resolve
from fusion.data.layout import DataError
from fusion.data.manifest import Manifest
from fusion.data.packed import Packed, Statistics, pack, statistics
from fusion.data.parts import rows as rows_of
from fusion.data.raycast import lidar_rays
from fusion.data.scenes import MAX_RANGE
from fusion.data.shape import STUDY

__all__ = ["Batch", "Data", "DataError", "Part", "load", "resolve"]


class Batch(NamedTuple):
    """Standardised and channels_last, on the device; `index_B` are positions in the part."""

    rgb_BCHW: torch.Tensor
    lidar_BCHW: torch.Tensor  # XYZA
    labels_B: torch.Tensor  # float32: 0 cube, 1 sphere
    index_B: torch.Tensor  # int64


@dataclass(frozen=True)
class Part:
    """Training, validation or test pairs: `rows` of the packed arrays."""

    ids: list[str]
    labels: np.ndarray  # (N,) float32: 0 cube, 1 sphere
    rows: np.ndarray  # (N,) int64
    packed: Packed

    @property
    def rgb_NHWC(self) -> np.ndarray:
        """(N, 64, 64, 4) uint8 RGBA, copied into memory."""
        return self.packed.rgb_NHWC[self.rows]

    @property
    def depth_NHW(self) -> np.ndarray:
        """(N, 64, 64) float32 raw depth, copied into memory."""
        return self.packed.depth_NHW[self.rows]


class Data:
    """The parts of a data set and their batches.

    `hashes`: "data" of all files, "split" of which pair is in which part, "test" of the test pairs
    and their files ("" where there is no test part), "curation" of the file that was taken up ("").
    """

    shape = STUDY

    def __init__(
        self,
        parts: dict[str, Part],
        hashes: dict[str, str],
        statistics: Statistics,
        directions_3HW: np.ndarray,
        flips: tuple[int, ...] | None,
        device: torch.device,
    ):
        self.parts, self.hashes, self.statistics = parts, hashes, statistics
        self.device = device
        self._flips = flips
        packed = parts["train"].packed
        # mapped files on the CPU, one copy on an accelerator
        self._rgb_NHWC = torch.from_numpy(packed.rgb_NHWC).to(device)
        self._depth_NHW = torch.from_numpy(packed.depth_NHW).to(device)
        # (value - mean) / std = value * scale - shift
        s = statistics
        self._rgb_scale_3 = self._constant(1 / (255 * np.array(s.rgb_std)))
        self._rgb_shift_3 = self._constant(np.divide(s.rgb_mean, s.rgb_std))
        scale_1HW3 = self._constant(directions_3HW.transpose(1, 2, 0)[None] / s.xyz_std)
        self._xyz_scale_1HW3 = self._orient(scale_1HW3)
        self._xyz_shift_3 = self._constant(np.divide(s.xyz_mean, s.xyz_std))

    def batches(
        self, part: str, batch_size: int, generator: torch.Generator | None = None
    ) -> Iterator[Batch]:
        """Every sample of a part once, the last batch may be smaller; no generator: in order."""
        count = len(self.parts[part].ids)
        if generator is None:
            order = torch.arange(count)
        else:
            order = torch.randperm(count, generator=generator)
        for index_B in order.split(batch_size):
            yield self.batch(part, index_B)

    def batch(self, part: str, index_B: torch.Tensor) -> Batch:
        """The samples at these positions (int64, on the CPU) of a part."""
        rows_B = torch.from_numpy(self.parts[part].rows)[index_B].to(self.device)
        rgb_BHWC = self._rgb_NHWC.index_select(0, rows_B)[..., :3]
        rgb_BHWC = rgb_BHWC * self._rgb_scale_3 - self._rgb_shift_3
        lidar_BHWC = self._xyza(self._depth_NHW.index_select(0, rows_B))
        # (B, H, W, C) in memory, seen as (B, C, H, W): this is what channels_last means
        return Batch(
            rgb_BHWC.permute(0, 3, 1, 2),
            lidar_BHWC.permute(0, 3, 1, 2),
            torch.from_numpy(self.parts[part].labels)[index_B].to(self.device),
            index_B.to(self.device),
        )

    def _xyza(self, depth_BHW: torch.Tensor) -> torch.Tensor:
        """(B, H, W, 4) standardised."""
        depth_BHW = self._orient(depth_BHW)
        hit_BHW1 = (depth_BHW < MAX_RANGE).to(torch.float32)[..., None]
        xyz_BHW3 = depth_BHW[..., None] * self._xyz_scale_1HW3 - self._xyz_shift_3
        return torch.cat([xyz_BHW3 * hit_BHW1, hit_BHW1], -1)

    def _orient(self, values_BHW: torch.Tensor) -> torch.Tensor:
        """Bring (B, H, W, …) from the LiDAR's orientation into the image's, where so asked."""
        if self._flips is None:
            return values_BHW
        return values_BHW.transpose(1, 2).flip(self._flips)

    def _constant(self, values: np.ndarray) -> torch.Tensor:
        return torch.tensor(np.ascontiguousarray(values), dtype=torch.float32, device=self.device)


def load(
    data: str,
    *,
    split: str,
    train_pairs: int,
    align: bool,
    device: torch.device,
    curated: bool = True,
) -> Data:
    """Find or make the data, check it against its manifest, pack it once, split it.

    data: a folder, or PROFILE:PAIRS[:SEED]. split: "default" (train, val, test 70/10/20) or "study"
    (train, val 80/20). train_pairs: 0 = all, else that many of the training part, stratified; a
    larger number holds a smaller one. align: bring the depth map into the image's orientation.
    curated: with the changes that a person made to the parts. Raises DataError, and has then made
    and written nothing.
    """
    if (planned := generate.planned(data)) is not None:
        rows_of(planned, split, train_pairs)
    root = resolve(data)
    examined = manifest.examine(root)
    found = examined.manifest if curated else replace(examined.manifest, curation=None)
    rows = rows_of(found, split, train_pairs)
    manifest.keep(examined)
    packed = pack(root, found)
    parts = {name: _part(found, packed, positions) for name, positions in rows.items()}
    hashes = _hashes(found, split, rows)
    angles = layout.read_angles(root)
    directions = lidar_rays(angles["azimuth"], angles["zenith"])
    measured = statistics(packed, parts["train"].rows, directions, hashes["split"])
    flips = _flips(angles["azimuth"], angles["zenith"]) if align else None
    return Data(parts, hashes, measured, directions, flips, device)


def _part(found: Manifest, packed: Packed, rows: list[int]) -> Part:
    pairs = [found.pairs[row] for row in rows]
    labels = np.array([p.label for p in pairs], np.float32)
    return Part([p.id for p in pairs], labels, np.array(rows, np.int64), packed)


def _hashes(found: Manifest, split: str, rows: dict[str, list[int]]) -> dict[str, str]:
    of_split, of_test = hashlib.sha256(split.encode()), hashlib.sha256()
    for name, positions in rows.items():
        for row in positions:
            of_split.update(f"{name} {found.pairs[row].id}\n".encode())
    for row in rows.get("test", []):
        p = found.pairs[row]
        of_test.update(f"{p.id} {p.rgb} {p.lidar}\n".encode())
    test = of_test.hexdigest() if "test" in rows else ""
    return {
        "data": found.data_hash,
        "split": of_split.hexdigest(),
        "test": test,
        "curation": found.curation.sha256 if found.curation else "",
    }


def _flips(azimuth: np.ndarray, zenith: np.ndarray) -> tuple[int, ...]:
    """Axes of (B, H, W) to flip after transposing a depth map: rows go down, columns to the right.

    x = d sin(-az): ascending azimuths go left. z = d sin(-ze): ascending zeniths go down.
    """
    upwards, leftwards = zenith[0] > zenith[-1], azimuth[0] < azimuth[-1]
    return (1,) * bool(upwards) + (2,) * bool(leftwards)
