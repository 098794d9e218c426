"""The layout of a data folder, read and checked file by file.

`ROOT/{cubes,spheres}/{rgb/NAME.png, lidar/NAME.npy, azimuth.npy, zenith.npy}`, the study's own. RGB
and LiDAR are paired by NAME, never by order; "cubes/0007" is a pair id, the label is the index of
the class.
"""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from contract.words import counted
from fusion.data.raycast import SIZE
from fusion.data.scenes import CLASSES

ANGLES = ("azimuth", "zenith")  # rows and columns of a depth map


class DataError(Exception):
    """Data that cannot be used, with the file, the reason and the fix."""

    exit_code = 2


@dataclass(frozen=True)
class Problem:
    """One thing wrong: `file` relative to the root; `pair` is "" where no pair can be left out."""

    file: str
    reason: str
    pair: str = ""


class BadDataError(DataError):
    """Some files are unusable; `problems` lists every one."""

    def __init__(self, root: Path, problems: list[Problem]):
        self.problems = problems
        shown = "".join(f"\n  {p.file}: {p.reason}" for p in problems[:5])
        more = f"\n  … and {len(problems) - 5} more" if len(problems) > 5 else ""
        fix = f"list all with `runner.py data check {root}`"
        if all(p.pair for p in problems):
            fix += f"; leave these pairs out with `runner.py data check {root} --skip-bad`"
        super().__init__(f"{root} has {counted(len(problems), 'bad file')}:{shown}{more}\n{fix}")


def files_of(pair: str) -> tuple[str, str]:
    """Paths of a pair's RGB and LiDAR files, relative to the root."""
    class_name, base = pair.split("/", 1)
    return f"{class_name}/rgb/{base}.png", f"{class_name}/lidar/{base}.npy"


def read_rgb(content: bytes) -> np.ndarray:
    """(64, 64, 4) uint8. Raises ValueError with the reason.

    RGBA only: were RGB files let in, an alpha channel present in one class would be a label.
    """
    try:
        with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
            bits = content[24]  # of the PNG header: Pillow would cut 16 bits to 8 in silence
            if image.mode == "RGBA" and image.size == (SIZE, SIZE) and bits == 8:
                return np.array(image)
            found = f"{image.mode} {image.size[0]}×{image.size[1]} with {bits} bits"
    except UnidentifiedImageError:  # its text holds an address of memory
        raise ValueError(f"not a PNG ({len(content)} bytes)") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f"not a readable PNG ({error})") from None
    raise ValueError(f"{found}, expected RGBA {SIZE}×{SIZE} with 8 bits")


def _read_npy(content: bytes, shape: tuple[int, ...]) -> np.ndarray:
    try:
        array = np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
    except (ValueError, OSError, EOFError, MemoryError) as error:
        if "allow_pickle" in str(error):
            raise ValueError("a pickled array (it could run code when loaded)") from None
        raise ValueError(f"not a readable .npy file ({error})") from None
    if array.shape != shape or array.dtype not in (np.float32, np.float64):
        raise ValueError(f"{array.dtype} {array.shape}, expected float32 or float64 {shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{np.count_nonzero(~np.isfinite(array))} values are NaN or infinite")
    return array.astype(np.float32)


def read_depth(content: bytes) -> np.ndarray:
    """(64, 64) float32, rows = azimuth, columns = zenith. Raises ValueError with the reason."""
    depth = _read_npy(content, (SIZE, SIZE))
    if depth.min() < 0:
        raise ValueError(f"negative depth ({depth.min():g})")
    return depth


def read_angles(root: Path) -> dict[str, np.ndarray]:
    """Azimuth and zenith, float32 (64,) radians. Raises BadDataError, also where classes differ."""
    angles, problems = examine_angles(root)
    if problems:
        raise BadDataError(root, problems)
    return angles


def examine_angles(root: Path) -> tuple[dict[str, np.ndarray], list[Problem]]:
    problems, found = [], {}
    for name in ANGLES:
        for class_name in CLASSES:
            file = f"{class_name}/{name}.npy"
            try:
                values = _read_npy((root / file).read_bytes(), (SIZE,))
                if np.abs(values).max() > 2 * np.pi:
                    raise ValueError("larger than 2 pi: radians expected, these look like degrees")
                if not np.array_equal(found.setdefault(name, values), values):
                    raise ValueError(f"differs from {CLASSES[0]}/{name}.npy: would tell the label")
            except FileNotFoundError:
                problems.append(Problem(file, "missing"))
            except (ValueError, OSError) as error:
                problems.append(Problem(file, str(error)))
    return found, problems


def pair_ids(root: Path) -> list[str]:
    """All pairs of which at least one file is there, in order. Raises DataError without any."""
    if not root.is_dir():
        raise DataError(f"{root}: no such folder")
    for class_name in CLASSES:
        for folder in ("rgb", "lidar"):
            if not (root / class_name / folder).is_dir():
                raise DataError(
                    f"{root}: no folder {class_name}/{folder}; expected is "
                    f"{{cubes,spheres}}/{{rgb,lidar}} (make data with `runner.py data make`)"
                )
    found = {
        f"{class_name}/{file[: -len(suffix)]}"
        for class_name in CLASSES
        for folder, suffix in (("rgb", ".png"), ("lidar", ".npy"))
        for file in os.listdir(root / class_name / folder)  # noqa: PTH208 (iterdir: 10 x slower)
        if file.endswith(suffix) and not file.startswith(".")
    }
    return sorted(found)
