"""Folders as the study reads them, and short ways to load what a test has made."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from fusion.data import dataset
from fusion.data.dataset import Data

CPU = torch.device("cpu")


def load(root: Path, **changes) -> Data:
    arguments = {"split": "default", "train_pairs": 0, "align": False, "device": CPU} | changes
    return dataset.load(str(root), **arguments)


def study_loader(root: Path) -> dict[str, tuple[np.ndarray, np.ndarray, int]]:
    """Pair id -> RGB (3, 64, 64) in [0, 1], XYZA (4, 64, 64), label."""
    found = {}
    for label, class_name in enumerate(("cubes", "spheres")):
        az = np.load(root / class_name / "azimuth.npy")
        ze = np.load(root / class_name / "zenith.npy")
        for path in sorted((root / class_name / "rgb").glob("*.png")):
            rgb = np.asarray(Image.open(path)).transpose(2, 0, 1)[:3] / 255
            d = np.load(root / class_name / "lidar" / f"{path.stem}.npy")
            x = d * np.sin(-az[:, None]) * np.cos(-ze[None, :])
            y = d * np.cos(-az[:, None]) * np.cos(-ze[None, :])
            z = d * np.sin(-ze[None, :])
            a = np.where(d < 50.0, 1.0, 0.0)
            found[f"{class_name}/{path.stem}"] = (rgb, np.stack([x, y, z, a]), label)
    return found


def ids_of(count: int) -> list[str]:
    return [f"{c}/{k:04d}" for c in ("cubes", "spheres") for k in range(count)]
