"""The data set as its manifest describes it: what every part of exploring starts from."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from analysis.explore.errors import ExploreError

SCHEMA = 1  # of the manifest; the same number as where it is written
LABELS = ("cube", "sphere")  # by the label's number
SCHEMES = ("default", "study")  # ways to divide the pairs into parts


@dataclass(frozen=True)
class Pair:
    """`parts`: scheme -> part; `corruption` is "" where unknown; `rgb`, `lidar` are file hashes."""

    id: str
    label: int
    rgb: str
    lidar: str
    corruption: str
    parts: dict[str, str]

    @property
    def files(self) -> tuple[str, str]:
        """RGB and LiDAR, relative to the root."""
        class_name, base = self.id.split("/", 1)
        return f"{class_name}/rgb/{base}.png", f"{class_name}/lidar/{base}.npy"


@dataclass(frozen=True)
class DataSet:
    """`digest` is the sha256 of the whole manifest, `data_hash` that of what a model can see."""

    root: Path
    data_hash: str
    digest: str
    pairs: tuple[Pair, ...]
    generator: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def labels(self) -> dict[str, int]:
        """Pair id -> label."""
        return {pair.id: pair.label for pair in self.pairs}

    @cached_property
    def files_hash(self) -> str:
        """Of the files of all pairs, however they are split."""
        digest = hashlib.sha256()
        for pair in self.pairs:
            digest.update(f"{pair.id} {pair.rgb} {pair.lidar}\n".encode())
        return digest.hexdigest()

    @property
    def name(self) -> str:
        """Name of the FiftyOne dataset: the folder's, and a mark that tells equal names apart."""
        mark = hashlib.sha256(str(self.root).encode()).hexdigest()[:6]
        return f"{self.root.name}-{mark}"

    @property
    def profile(self) -> str:
        """The generator's profile; "" for data that was not generated."""
        return str(self.generator.get("profile", ""))


def read(root: Path, manifest: Path | None = None) -> DataSet:
    """The data set in `root`. `manifest`: its file, where it does not lie in the root.

    Raises ExploreError where there is no manifest of this schema.
    """
    path = manifest or root / "manifest.json"
    try:
        content = path.read_bytes()
        raw = json.loads(content)
        if raw["schema"] != SCHEMA:
            raise ExploreError(f"{path}: schema {raw['schema']!r}, this version reads {SCHEMA}")
        pairs = tuple(_pair(row) for row in raw["pairs"])
        return DataSet(
            root=root.resolve(),
            data_hash=raw["data_hash"],
            digest=hashlib.sha256(content).hexdigest(),
            pairs=pairs,
            generator=raw["generator"],
        )
    except FileNotFoundError:
        raise ExploreError(f"{root} has no manifest; run `runner.py data check {root}`") from None
    except (ValueError, KeyError, TypeError) as error:
        raise ExploreError(
            f"{path} cannot be read ({error!r}); run `runner.py data check {root}`"
        ) from None


def _pair(row: dict[str, Any]) -> Pair:
    parts = {scheme: row[scheme] for scheme in SCHEMES}
    return Pair(row["id"], row["label"], row["rgb"], row["lidar"], row["corruption"], parts)
