"""The data set as its manifest describes it: what every part of exploring starts from."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from explore.errors import ExploreError
from fusion.data import layout
from fusion.data.curation import PARTS
from fusion.data.manifest import SCHEMA
from fusion.data.scenes import CLASSES
from fusion.data.splits import SCHEMES

LABELS = tuple(name.removesuffix("s") for name in CLASSES)  # by the label's number
# Tags of the App that curate the data; a pair that is tagged "to-val" moves to that part.
EXCLUDE_TAG = "exclude"
MOVE_TAGS = {f"to-{part}": part for part in PARTS}


@dataclass(frozen=True)
class Pair:
    """`parts`: scheme -> part, or "excluded"; `corruption` is "" where unknown."""

    id: str
    label: int
    corruption: str
    parts: dict[str, str]

    @property
    def files(self) -> tuple[str, str]:
        """RGB and LiDAR, relative to the root."""
        return layout.files_of(self.id)


@dataclass(frozen=True)
class DataSet:
    """`pairs` holds those too that a curation leaves out; no model sees them.

    Hashes: `data_hash` of all files, however they are split, `digest` of the whole manifest.
    """

    root: Path
    data_hash: str
    digest: str
    pairs: tuple[Pair, ...]
    generator: dict[str, Any] = field(default_factory=dict)
    curation: dict[str, Any] = field(
        default_factory=dict
    )  # {"exclude": [pair], "move": {pair: part}}

    @cached_property
    def labels(self) -> dict[str, int]:
        """Pair id -> label."""
        return {pair.id: pair.label for pair in self.pairs}

    @property
    def curation_tags(self) -> dict[str, list[str]]:
        """Pair id -> the tags that say what the manifest's curation does with it."""
        tags = {pair: [EXCLUDE_TAG] for pair in self.curation.get("exclude", [])}
        moved = self.curation.get("move", {})
        return tags | {pair: [f"to-{part}"] for pair, part in moved.items() if pair not in tags}

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
        return DataSet(
            root=root.resolve(),
            data_hash=raw["data_hash"],
            digest=hashlib.sha256(content).hexdigest(),
            pairs=tuple(_pair(row) for row in raw["pairs"]),
            curation=raw.get("curation") or {},
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
    return Pair(row["id"], row["label"], row["corruption"], parts)
