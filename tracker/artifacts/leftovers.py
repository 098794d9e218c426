"""What nobody will ask for again: uploads that were never committed, contents without a name."""

from __future__ import annotations

from pathlib import Path

from tracker.artifacts import rows as artifact_rows
from tracker.store import blobs
from tracker.store.database import Store
from tracker.store.rows import delete


def clear(store: Store, folder: Path, now: float, grace: float) -> None:
    """Removes versions that were not committed and for which nothing came for `grace` seconds, and
    then every content in `folder` that nothing holds. A run that lives keeps what it began."""
    with store.write() as db:
        for artifact_id in artifact_rows.abandoned(db, now - grace):
            delete(db, "artifacts", artifact_id)
    blobs.sweep_unused(store, folder)
