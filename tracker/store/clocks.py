"""The machine's clock, which may jump: what was written down by it, and how long it was silent.

A clock that was set back leaves times in the future. Compared as they are, they would let what is
dead look alive until the clock has caught up, which may take hours or years.
"""

from __future__ import annotations

import sqlite3

CLOCK_JUMP = 60.0  # seconds between two looks that say that this machine slept
# every time in the database that is compared with now
COMPARED = (
    ("runs", "heartbeat_at"),
    ("runs", "resume_asked_at"),
    ("agents", "heartbeat_at"),
    ("sweeps", "updated_at"),
    ("attempts", "stop_asked_at"),
    ("artifacts", "updated_at"),
)


class Watch:
    """Says whether silence counts: not for a while after a start, after this machine slept or after
    its clock was set, because until then clients could not be heard."""

    def __init__(self, grace: float) -> None:
        self.grace = grace  # seconds
        self.last: float | None = None
        self.quiet_until = 0.0

    def hears(self, db: sqlite3.Connection, now: float) -> bool:
        """To be asked every few seconds. After a jump no time in the database is in the future."""
        last, self.last = self.last, now
        if last is None or not -1 <= now - last <= CLOCK_JUMP:
            self.quiet_until = now + self.grace
            set_back(db, now)
        return now >= self.quiet_until


def set_back(db: sqlite3.Connection, now: float) -> None:
    """No time that is compared with now stays in the future."""
    for table, column in COMPARED:
        db.execute(f"UPDATE {table} SET {column} = ?1 WHERE {column} > ?1", (now,))
