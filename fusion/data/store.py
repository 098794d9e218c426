"""Where what is known of a data folder lies: in it, or elsewhere where it is read-only."""

from __future__ import annotations

import hashlib
import logging
import tempfile
from pathlib import Path

from filelock import FileLock

from contract import places

log = logging.getLogger(__name__)


def store(root: Path) -> Path:
    """Where manifest and cache of a root live: the root itself, unless it cannot be written."""
    try:
        with tempfile.TemporaryFile(dir=root):
            return root
    except OSError:
        key = hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:16]
        return places.data() / ".cache" / key


def lock(root: Path) -> FileLock:
    """One process at a time writes manifest and cache of a root (re-entrant within a process)."""
    folder = store(root)
    if not folder.exists():
        log.warning("%s cannot be written: manifest and cache go to %s", root, folder)
    (folder / "cache").mkdir(parents=True, exist_ok=True)
    return FileLock(folder / "cache" / ".lock", is_singleton=True)
