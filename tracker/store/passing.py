"""Which errors of the machine may pass with time."""

from __future__ import annotations

import errno
import sqlite3

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# SQLite calls a disk that refuses to write by either name
SQLITE_FULL = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)
SQLITE_PASSING = (
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CORRUPT,  # until it is repaired: what clients hold until then is not lost
    sqlite3.SQLITE_NOTADB,
)


def passing(error: BaseException | None) -> int | None:
    """The HTTP status for an error that may pass with time: 5xx, on which clients try again without
    end. 507: the disk is full, 503: something is busy, or a person has to repair it. None for every
    other error, which would be the same again.
    """
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        return 507 if code in SQLITE_FULL else 503 if code in SQLITE_PASSING else None
    if isinstance(error, OSError) and not isinstance(error, FileNotFoundError):
        return 507 if error.errno in FULL else 503
    return None
