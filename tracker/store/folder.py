"""A data folder: whose it is, and who holds it.

One process holds it at a time, by a lock that goes with the process. Nobody but its user reads it:
the folder is 0700 and its files are 0600, made so, and found otherwise put right.
"""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from contract.locks import lock
from tracker.errors import TrackerError

NEEDED_BYTES = 1 << 20  # a new database with its log takes half of that
FILES = (
    "tracker.db",
    "tracker.db-wal",
    "tracker.db-shm",
    "tracker.db.sum",
    "lock",
    "port",
    "server.json",
    "server.log",
)


def holder(data_dir: Path) -> int | None:
    """The pid that holds the data folder, None where nobody does."""
    try:
        with (data_dir / "lock").open("r+") as file:
            if not lock(file, shared=True, wait=False):
                return int(file.read() or 0) or None
    except (OSError, ValueError):
        pass
    return None


@contextlib.contextmanager
def writing(data_dir: Path) -> Iterator[None]:
    """What fails inside because the folder cannot be written is a TrackerError that says so."""
    try:
        yield
    except TrackerError:
        raise
    except Exception as error:
        # here: who only looks for a server shall not pay for sqlite3
        from tracker.store.passing import passing

        status = passing(error)
        if status is None and not isinstance(error, OSError):
            raise
        reason = getattr(error, "strerror", None) or error
        remedy = "free some space, or name" if status == 507 else "name"
        raise TrackerError(
            f"{data_dir} cannot be written ({reason}): {remedy} another --data-dir"
        ) from error


def make(data_dir: Path) -> None:
    """Makes the data folder; TrackerError where too little can be written there."""
    with writing(data_dir):
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        (data_dir / "lock").touch(mode=0o600)
        with tempfile.TemporaryFile(dir=data_dir) as probe:
            probe.write(bytes(NEEDED_BYTES))
    tighten(data_dir)


def tighten(data_dir: Path) -> None:
    """Takes from others what an earlier version, or a copy, has let them read. The key is not among
    it: one that others could read is refused (`load_key`), for they may have it by now.
    """
    blobs = data_dir / "blobs"
    files = [path for path in (data_dir / name for name in FILES) if not path.is_symlink()]
    for path in [data_dir, blobs, *blobs.glob("*/"), *files]:
        with contextlib.suppress(FileNotFoundError, PermissionError):  # or is somebody else's
            mode = path.stat().st_mode
            shared = mode & stat.S_ISVTX  # a folder like /tmp is not ours to close
            if mode & 0o077 and not shared and (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
                path.chmod(stat.S_IMODE(mode) & ~0o077)


@contextlib.contextmanager
def private() -> Iterator[None]:
    """What this process makes is its user's alone, SQLite's own files and a log included."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


@contextlib.contextmanager
def hold(data_dir: Path) -> Iterator[None]:
    """Holds the data folder; the lock goes with the process, however that ends."""
    make(data_dir)
    with private(), (data_dir / "lock").open("a+") as file:
        for _ in range(20):  # somebody may just be looking who holds it
            if lock(file, wait=False):
                break
            if pid := holder(data_dir):
                raise TrackerError(
                    f"{data_dir} is in use by process {pid}: use that server, name another "
                    f"--data-dir, or stop it: runner.py serve --stop --data-dir {data_dir}"
                )
            time.sleep(0.05)
        else:
            raise TrackerError(f"{data_dir / 'lock'} cannot be locked")
        with writing(data_dir):
            file.seek(0)
            file.truncate()
            file.write(str(os.getpid()))
            file.flush()
        try:
            yield
        finally:
            file.truncate(0)
