"""Locks between processes that several can hold together, and that go with the process, however it
ends. Where one holder at a time is all that is wanted, `filelock.FileLock` does it; its locks for
readers and writers are databases of SQLite, where here a file is locked that says who holds it.
"""

from __future__ import annotations

import fcntl
from typing import IO


def lock(file: IO[str], *, shared: bool = False, wait: bool = True) -> bool:
    """Lock an open file until it is closed; False where others hold it and nobody is to wait.

    shared: together with others that do the same. OSError where the file system has no locks.
    """
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    try:
        fcntl.flock(file, kind if wait else kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
