"""Writing files so that nobody ever sees half of one: the only place that does it."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PRIVATE = 0o600


@contextlib.contextmanager
def whole(path: Path, *, mode: int = 0o666) -> Iterator[Path]:
    """Yield a new file beside `path` that takes its place when the block ends.

    It is on the disk before it gets its name, and the name is on the disk before this returns, so a
    crash leaves the old file or the new one. `mode` is subject to the umask. Where the block fails,
    `path` is as it was and nothing is left behind. Missing folders are made. A suffix stays, for
    writers that go by it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}-{secrets.token_hex(8)}{path.suffix}")
    os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode))
    try:
        yield temporary
        _sync(temporary)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync(path.parent)


def write_atomic(path: Path, content: str | bytes, *, mode: int = 0o666) -> None:
    """Replace a file by `content`, as `whole` does."""
    with whole(path, mode=mode) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)


def write_json(path: Path, content: Any) -> None:
    """Write JSON that every reader takes: NaN and Infinity are refused with ValueError."""
    write_atomic(path, json.dumps(content, indent=1, allow_nan=False) + "\n")


def unwritable(folder: Path) -> str:
    """Return why nothing can be written into a folder, be it there or to be made; "" where it can.

    Nothing is left behind.
    """
    place = next(p for p in (folder, *folder.absolute().parents) if p.exists())
    try:
        with tempfile.TemporaryFile(dir=place):
            return ""
    except OSError as error:
        return error.strerror or str(error)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
