"""Data that a person's own function reads: `--data package.module:function`.

It returns all that there is to know, so that one file is manifest and reader: a mapping with

    classes   names, two or more
    labels    (N,) the index of the class of each example
    rgb       (N, H, W, C) numbers, or (N, H, W); H and W are multiples of 16
    lidar     (N, H, W, C') the second modality, whatever it is, of the same H and W
    ids       (N,) a name for each example; left out: its position
    parts     (N,) train, val or test; left out: `--split` divides by a hash of the ids

Inputs are standardised by channel with mean and deviation of the training part, and lie on the
device as a whole.

Suffixes: B batch, N examples, C channels, H/W pixels.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch

from contract import outside
from fusion.data import dataset, splits
from fusion.data.dataset import Batch, Data
from fusion.data.layout import DataError
from fusion.data.shape import Shape
from fusion.data.spec import is_outside

KEYS = ("classes", "labels", "rgb", "lidar")
OPTIONAL = ("ids", "parts")
PARTS = ("train", "val", "test")
MULTIPLE = 16  # four blocks halve a map


class Arrays:
    """What a reader returned, checked. ids hold the class, as those of a folder do."""

    def __init__(self, read: Any, flag: str) -> None:
        """Raise DataError that names the key, what it is and what it should be."""
        self.flag = flag
        if not isinstance(read, Mapping):
            raise self.error(f"gives {type(read).__name__}, not a mapping with {', '.join(KEYS)}")
        if lacking := [key for key in KEYS if key not in read]:
            raise self.error(f"lacks {', '.join(lacking)}")
        if unknown := set(read) - {*KEYS, *OPTIONAL}:
            names = ", ".join((*KEYS, *OPTIONAL))
            raise self.error(f"has {', '.join(map(repr, unknown))}; it may have {names}")
        self.classes = [str(name) for name in read["classes"]]
        if len(set(self.classes)) < max(2, len(self.classes)):
            raise self.error(f"classes: two or more names, each once, not {self.classes}")
        self.rgb_NHWC = self.images(read["rgb"], "rgb")
        self.lidar_NHWC = self.images(read["lidar"], "lidar")
        count, height, width, _ = self.rgb_NHWC.shape
        if self.lidar_NHWC.shape[:3] != (count, height, width):
            theirs = self.lidar_NHWC.shape[:3]
            raise self.error(f"lidar is (N, H, W) = {theirs} and rgb {(count, height, width)}")
        self.labels = np.asarray(read["labels"])
        known = np.isin(self.labels, np.arange(len(self.classes)))
        if self.labels.shape != (count,) or not known.all():
            what = f"{count} whole numbers from 0 to {len(self.classes) - 1}"
            raise self.error(f"labels must be {what}, one for each image")
        self.labels = self.labels.astype(np.int64)
        bases = [str(name) for name in read.get("ids", range(count))]
        self.ids = [f"{self.classes[c]}/{b}" for c, b in zip(self.labels, bases, strict=False)]
        if len(bases) != count or len(set(self.ids)) < count:
            raise self.error(f"ids must be {count} names, each once in its class")
        self.given = [str(part) for part in read["parts"]] if "parts" in read else None
        if self.given is not None and (len(self.given) != count or set(self.given) - set(PARTS)):
            raise self.error(f"parts must be {count} words of {', '.join(PARTS)}")

    def error(self, text: str) -> DataError:
        return DataError(f"{self.flag}: {text}")

    def images(self, values: Any, key: str) -> np.ndarray:
        """Return (N, H, W, C) as numbers that fit a float32."""
        images = np.asarray(values)
        images = images[..., None] if images.ndim == 3 else images
        if images.ndim != 4 or not np.issubdtype(images.dtype, np.number) or not images.size:
            raise self.error(
                f"{key} must be numbers (N, H, W, C), not {images.dtype} {images.shape}"
            )
        if images.shape[1] % MULTIPLE or images.shape[2] % MULTIPLE:
            size = f"{images.shape[1]} × {images.shape[2]}"
            raise self.error(f"{key} has {size} pixels; height and width must be multiples of 16")
        if not np.isfinite(images).all():
            raise self.error(f"{key} holds values that are NaN or infinite")
        return images

    @property
    def shape(self) -> Shape:
        _, height, width, rgb = self.rgb_NHWC.shape
        return Shape(rgb, self.lidar_NHWC.shape[3], height, width, len(self.classes))

    def rows(self, split: str, train_pairs: int) -> dict[str, list[int]]:
        """Part -> positions. Raises DataError where a part lacks a class, or there are too few."""
        if self.given is None:
            parts = splits.assign(self.ids, split)
        else:
            parts = {p: [n for n, g in enumerate(self.given) if g == p] for p in PARTS}
            parts = {name: rows for name, rows in parts.items() if rows or name != "test"}
        for name, positions in parts.items():
            lacking = set(range(len(self.classes))) - set(self.labels[positions].tolist())
            if lacking:
                names = ", ".join(self.classes[c] for c in sorted(lacking))
                raise self.error(f"the {name} part would hold no example of {names}; use more data")
        available = len(parts["train"])
        if train_pairs and not 2 <= train_pairs <= available:
            raise DataError(
                f"--train-pairs {train_pairs}: allowed are 2 to {available}, or 0 for all"
            )
        if train_pairs:
            parts["train"] = splits.first(self.ids, parts["train"], train_pairs)
        return parts


class Rows(NamedTuple):
    """A part: the ids of its N examples, labels (N,) float32, and positions (N,) in the arrays."""

    ids: list[str]
    labels: np.ndarray
    rows: np.ndarray


class ArrayData:
    """The parts of arrays and their batches, as `dataset.Data` of a folder."""

    def __init__(self, arrays: Arrays, rows: dict[str, list[int]], device: torch.device) -> None:
        self.shape, self.device = arrays.shape, device
        self.parts = {name: Rows(
            [arrays.ids[row] for row in positions],
            arrays.labels[positions].astype(np.float32),
            np.array(positions, np.int64),
        ) for name, positions in rows.items()}  # fmt: skip
        self.hashes = hashes(arrays, rows)
        train = self.parts["train"].rows
        self._rgb_NHWC = standardised(arrays.rgb_NHWC, train).to(device)
        self._lidar_NHWC = standardised(arrays.lidar_NHWC, train).to(device)

    def batches(self, part: str, batch_size: int) -> Iterator[Batch]:
        """Every example of a part once and in order, the last batch may be smaller."""
        for index_B in torch.arange(len(self.parts[part].ids)).split(batch_size):
            yield self.batch(part, index_B)

    def batch(self, part: str, index_B: torch.Tensor) -> Batch:
        """The examples at these positions (int64, on the CPU) of a part."""
        rows_B = torch.from_numpy(self.parts[part].rows)[index_B].to(self.device)
        return Batch(
            self._rgb_NHWC.index_select(0, rows_B).permute(0, 3, 1, 2),
            self._lidar_NHWC.index_select(0, rows_B).permute(0, 3, 1, 2),
            torch.from_numpy(self.parts[part].labels)[index_B].to(self.device),
            index_B.to(self.device),
        )


def read(data: str) -> Arrays:
    """Return what the function of that name reads. Raises DataError, OutsideError."""
    flag = f"--data {data}"
    function = outside.load(data, "--data")
    if not callable(function):
        raise DataError(f"{flag} is {type(function).__name__}; name a function that takes nothing")
    try:
        found = function()
    except Exception as error:  # whatever their function raises
        raise DataError(f"{flag} raised {type(error).__name__}: {error}") from error
    return Arrays(found, flag)


def load(
    data: str, *, split: str, train_pairs: int, align: bool, device: torch.device
) -> ArrayData:
    """Read, check, divide and standardise; arguments as of `dataset.load`. Raises DataError."""
    arrays = read(data)
    if align:
        raise DataError(f"--align is about the depth maps of a folder, and {arrays.flag} has none")
    return ArrayData(arrays, arrays.rows(split, train_pairs), device)


def any_data(data: str, **options: Any) -> Data | ArrayData:
    """Return the data of a name of any kind; arguments as of `dataset.load`."""
    if is_outside(data):
        return load(data, **options)
    return dataset.load(data, **options)


def standardised(images_NHWC: np.ndarray, train: np.ndarray) -> torch.Tensor:
    """Return float32 with mean 0 and deviation 1 by channel over the training part."""
    known = images_NHWC[train].astype(np.float64)
    mean, deviation = known.mean((0, 1, 2)), known.std((0, 1, 2))
    scale = np.where(deviation > 1e-6, deviation, 1.0)  # what never varies carries nothing
    return torch.from_numpy(((images_NHWC - mean) / scale).astype(np.float32))


def hashes(arrays: Arrays, rows: dict[str, list[int]]) -> dict[str, str]:
    """Return those of `dataset.Data`: of all examples, of the parts, and of the test examples."""
    of_each = []
    for n, name in enumerate(arrays.ids):
        digest = hashlib.sha256(f"{name} {arrays.labels[n]}\n".encode())
        for images in (arrays.rgb_NHWC, arrays.lidar_NHWC):
            digest.update(f"{images.dtype} {images.shape[1:]}\n".encode())
            digest.update(np.ascontiguousarray(images[n]).tobytes())
        of_each.append(digest.hexdigest())
    of_split = "".join(f"{p} {arrays.ids[row]}\n" for p, some in rows.items() for row in some)
    return {
        "data": hashlib.sha256("".join(of_each).encode()).hexdigest(),
        "split": hashlib.sha256(of_split.encode()).hexdigest(),
        "test": hashlib.sha256("".join(of_each[row] for row in rows["test"]).encode()).hexdigest()
        if "test" in rows
        else "",
        "curation": "",
    }
