"""Whether files may have changed, told in a moment: from their names, sizes and times."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from fusion.data.scenes import CLASSES


def fingerprint(root: Path) -> str:
    """Of names, sizes and modification times of all files of the layout."""
    digest = hashlib.sha256()
    for line in sorted(_stats(root)):
        digest.update(line.encode(errors="surrogateescape"))
    return digest.hexdigest()


def _stats(root: Path) -> Iterator[str]:
    for folder in [f"{c}{sub}" for c in CLASSES for sub in ("", "/rgb", "/lidar")]:
        if not (root / folder).is_dir():
            continue
        with os.scandir(root / folder) as entries:
            for e in entries:
                if e.name.endswith((".png", ".npy")):
                    try:
                        s = e.stat()
                    except OSError:  # a link that leads nowhere: reading it will say so
                        s = e.stat(follow_symlinks=False)
                    yield f"{folder}/{e.name} {s.st_size} {s.st_mtime_ns}\n"
