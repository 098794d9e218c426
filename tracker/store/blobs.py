"""Contents on disk, addressed by their hash: `blobs/ab/ab12…`. Names that clients give never
touch the file system.
"""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from tracker.errors import RequestError
from tracker.store import blob_rows
from tracker.store.database import Store


class Upload:
    """Bytes on their way in; `close()` in any case, `keep()` to make them a blob."""

    def __init__(self, folder: Path, min_free_bytes: int) -> None:
        incoming = folder / "incoming"
        incoming.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(incoming).free < min_free_bytes:
            raise RequestError("the disk is full: nothing was stored", status=507)
        self._folder = folder
        descriptor, path = tempfile.mkstemp(dir=incoming)
        self._path = Path(path)
        self._file: IO[bytes] = os.fdopen(descriptor, "wb")
        self._sha256, self._md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
        self.size = 0

    def write(self, part: bytes) -> None:
        self._file.write(part)
        self._sha256.update(part)
        self._md5.update(part)
        self.size += len(part)

    @property
    def md5(self) -> str:
        """Base64, as W&B writes it."""
        return base64.b64encode(self._md5.digest()).decode()

    def finish(self, *, durable: bool) -> None:
        """All bytes are in the file; with `durable` also on the disk."""
        self._file.flush()
        if durable:
            os.fsync(self._file.fileno())

    def keep(self, db: sqlite3.Connection, now: float) -> str:
        """The blob's hash. Inside the transaction that begins to hold it, so that `sweep_unused`,
        which takes the same lock, cannot remove it in between.
        """
        hash = self._sha256.hexdigest()
        target = path_of(self._folder, hash)
        target.parent.mkdir(parents=True, exist_ok=True)
        self._path.replace(target)
        blob_rows.add_blob(db, hash, self.size, self.md5, now)
        return hash

    def close(self) -> None:
        """Remove what was not kept."""
        self._file.close()
        self._path.unlink(missing_ok=True)


def path_of(folder: Path, hash: str) -> Path:
    """Where a content lies; ValueError where `hash` is none."""
    if len(hash) != 64 or not set(hash) <= set("0123456789abcdef"):
        raise ValueError(f"not a hash: {hash!r}")
    return folder / hash[:2] / hash


def read(folder: Path, hash: str) -> bytes:
    """A small content; RequestError where it is not as it was stored."""
    path = path_of(folder, hash)
    content = path.read_bytes() if path.exists() else b""
    if hashlib.sha256(content).hexdigest() != hash:
        raise RequestError(f"content {hash} is damaged on the server's disk")
    return content


def store_bytes(folder: Path, db: sqlite3.Connection, parts: Iterable[bytes], now: float) -> str:
    """Makes a blob of bytes that the server itself wrote; returns its hash."""
    upload = Upload(folder, 0)
    try:
        for part in parts:
            upload.write(part)
        upload.finish(durable=False)
        return upload.keep(db, now)
    finally:
        upload.close()


def sweep_unused(store: Store, folder: Path) -> int:
    """Removes contents that nothing refers to any more; returns how many.

    The rows go first: what dies in between leaves a file without a row, never a row without one.
    They are looked for without holding up who writes.
    """
    with store.read() as db:
        found = blob_rows.unused_blobs(db)
    if not found:
        return 0
    with store.write() as db:
        unused = blob_rows.forget_unused(db, found)
    removed = 0
    for hash in unused:
        with store.write() as db:  # the same content may just have come again
            if blob_rows.get_blob(db, hash) is None:
                path_of(folder, hash).unlink(missing_ok=True)
                removed += 1
    return removed


def clear_incoming(folder: Path) -> None:
    """Removes what uploads left behind that were cut off by the end of the process."""
    for path in (folder / "incoming").glob("*"):
        path.unlink(missing_ok=True)
