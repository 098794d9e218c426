"""`python -m tests.tracker.old_folder`: keeps a data folder of this version to test later ones.

Writes `folders/schema-N/`: the database as SQL, and its blobs. Until the first release the newest
one may be made anew when its schema changes; afterwards a change is a new file in
`tracker/store/migrations`, and the folders of earlier versions stay as they are.
"""

from __future__ import annotations

import shutil
import socket
import sqlite3
import tempfile
from pathlib import Path

from tests.tracker.worlds import Tracker

IDENTITY = ("user_version", "application_id")  # what SQLite's dump leaves out
FOLDERS = Path(__file__).parent / "folders"


def restore(kept: Path, folder: Path) -> None:
    """Makes a data folder of one that was kept."""
    shutil.copytree(kept / "blobs", folder / "blobs")
    db = sqlite3.connect(folder / "tracker.db")
    db.executescript((kept / "tracker.sql").read_text())
    db.close()


def keep(database: Path) -> Path:
    """Keeps the folder of a database that no server has open."""
    db = sqlite3.connect(database)
    pragmas = {name: db.execute(f"PRAGMA {name}").fetchone()[0] for name in IDENTITY}
    kept = FOLDERS / f"schema-{pragmas['user_version']}"
    shutil.rmtree(kept, ignore_errors=True)
    shutil.copytree(database.parent / "blobs", kept / "blobs")
    lines = [*db.iterdump(), *(f"PRAGMA {name}={value};" for name, value in pragmas.items())]
    text = "\n".join(lines).replace(f"'{socket.gethostname()}'", "'machine'")
    (kept / "tracker.sql").write_text(text + "\n")
    db.close()
    return kept


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        tracker = Tracker(Path(scratch) / "data")
        print(tracker.client("fill"))
        assert tracker.stop() == 0
        print(keep(tracker.folder / "tracker.db"))


if __name__ == "__main__":
    main()
