"""Rows of login links that have been used."""

from __future__ import annotations

import sqlite3

KEPT_SECONDS = 7 * 24 * 3600.0  # longer than a link is valid: the clock may be set back


def use_link(db: sqlite3.Connection, nonce: str, now: float) -> bool:
    """Whether the link had not been used before; from now on it has."""
    db.execute("DELETE FROM used_links WHERE used_at < ?", (now - KEPT_SECONDS,))
    cursor = db.execute(
        "INSERT OR IGNORE INTO used_links (nonce, used_at) VALUES (?, ?)", (nonce, now)
    )
    return cursor.rowcount == 1
