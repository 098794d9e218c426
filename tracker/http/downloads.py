"""Contents on their way out. What is sent is what was stored, or nothing.

A download whose content turns out wrong is refused before its first byte, with a status on which no
client tries again: they do on 5xx, without end, and older ones on 410. So a content is read twice:
once to compare its hash, then to be sent; in parts, so that none is in memory as a whole.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import logging
import mimetypes
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote
from weakref import WeakValueDictionary

import anyio.to_thread
from starlette.responses import FileResponse

from tracker.errors import RequestError
from tracker.store import blob_rows, blobs
from tracker.store.database import Store

log = logging.getLogger(__name__)

PART_BYTES = 4 << 20
FRESH_SECONDS = 300.0  # a content that was found whole counts as whole, unless its file changes
MAX_FOUND = 10_000
HashOf = Callable[[Path], Awaitable[str | None]]


class Looks:
    """Compares contents with their hashes, each once for all the parts of a download."""

    def __init__(self, store: Store, folder: Path, hash_of: HashOf | None = None) -> None:
        self._store, self._folder, self._hash_of = store, folder, hash_of or read_hash
        self._found: dict[str, tuple[Any, float]] = {}  # hash -> its file's state, and when
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def find(self, hash: str, now: float) -> Path:
        """The place of a content that is as it was stored; RequestError 404 (gone), 400."""
        path = blobs.path_of(self._folder, hash)
        lock = self._locks.setdefault(hash, asyncio.Lock())
        async with lock:  # who asks for another part meanwhile waits for the same look
            state = state_of(path)
            seen, at = self._found.pop(hash, (None, now))
            if state is None or seen != state or not 0 <= now - at < FRESH_SECONDS:
                is_whole = state is not None and await self._hash_of(path) == hash
                await anyio.to_thread.run_sync(self._write_down, hash, is_whole)
                if not is_whole:
                    raise refusal(hash, is_there=state is not None)
                at = now
            self._found[hash] = (state, at)
            if len(self._found) > MAX_FOUND:
                del self._found[next(iter(self._found))]
        return path

    def _write_down(self, hash: str, is_whole: bool) -> None:
        """So that the content is asked for when somebody has it, rather than referred to."""
        with self._store.read() as db:
            blob = blob_rows.get_blob(db, hash)
        if blob is None or bool(blob["damaged"]) is not is_whole:
            return
        if not is_whole:
            log.error("content %s (%d bytes) is damaged or gone", hash, blob["size"])
        with self._store.write() as db:
            blob_rows.mark_blob(db, hash, damaged=not is_whole)


def refusal(hash: str, *, is_there: bool) -> RequestError:
    if not is_there:
        return RequestError("this content is not stored any more", status=404)
    return RequestError(
        f"content {hash} is damaged on the server's disk: restore blobs/{hash[:2]}/{hash} from a "
        "backup, or upload the file again"
    )


def state_of(path: Path) -> Any:
    """What changes when a file is written or replaced; None where there is no file."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


async def read_hash(path: Path) -> str | None:
    """Hash of a file; None where the disk cannot read it. Other requests go on in between."""
    sha256 = hashlib.sha256()

    def read_part(file: IO[bytes]) -> int:
        part = file.read(PART_BYTES)
        sha256.update(part)
        return len(part)

    try:
        with path.open("rb") as file:
            while await anyio.to_thread.run_sync(read_part, file):
                pass
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        return None
    return sha256.hexdigest()


def media_type(name: str) -> str:
    return mimetypes.guess_type(name)[0] or "application/octet-stream"


async def download(looks: Looks, hash: str, name: str, now: float) -> FileResponse:
    """A stored content as a download: it is somebody's file, never a page of this server."""
    return FileResponse(
        await looks.find(hash, now),
        media_type=media_type(name),
        headers={
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}",
            "Content-Security-Policy": "sandbox; default-src 'none'",
        },
    )
