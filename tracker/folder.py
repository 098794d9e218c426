"""A data folder and who holds it: one process at a time, by a lock that goes with the process."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from tracker.errors import TrackerError


def holder(data_dir: Path) -> int | None:
    """The pid that holds the data folder, None where nobody does."""
    try:
        with (data_dir / "lock").open("r+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(file.read() or 0) or None
    except (OSError, ValueError):
        pass
    return None


def make(data_dir: Path) -> None:
    """Makes the data folder; TrackerError where nothing can be written there."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        (data_dir / "lock").touch()
    except OSError as error:
        raise TrackerError(
            f"{data_dir} cannot be written ({error.strerror}): name another --data-dir"
        ) from error


@contextlib.contextmanager
def hold(data_dir: Path) -> Iterator[None]:
    """Holds the data folder; the lock goes with the process, however that ends."""
    make(data_dir)
    with (data_dir / "lock").open("a+") as file:
        for _ in range(20):  # somebody may just be looking who holds it
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                pid = holder(data_dir)
                if pid is not None:
                    raise TrackerError(
                        f"{data_dir} is in use by process {pid}: use that server, name another "
                        f"--data-dir, or stop it: runner.py serve --stop --data-dir {data_dir}"
                    ) from None
                time.sleep(0.05)
        else:
            raise TrackerError(f"{data_dir / 'lock'} cannot be locked")
        file.seek(0)
        file.truncate()
        file.write(str(os.getpid()))
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)
