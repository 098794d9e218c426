"""What the page of a run shows, read from the store."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

from tracker.artifacts import collections as collection_rows
from tracker.artifacts import rows as artifact_rows
from tracker.documents import Object
from tracker.pages import common, console, media, notes, series
from tracker.runs import file_rows
from tracker.runs import lines as run_lines
from tracker.store.rows import Columns, select
from tracker.store.where import Order, Where

LAST_LINES = 200  # of the console, on the run's own page
MOST_FILES = 500


def run(db: sqlite3.Connection, entity: str, name: str, run_name: str, folder: Path) -> Object:
    """`folder`: of the stored contents."""
    project = common.find_project(db, entity, name)
    row = common.find_run(db, project, run_name)
    keys = series.numeric_keys(row)
    return {
        "project": project,
        "run": common.with_values(row),
        "sections": series.sections(keys),
        "keys": len(keys),
        "axes": series.axes_of([row]),
        "system": system_keys(db, row),
        "media": media.media(db, row, folder),
        "notes": notes.render(row["notes"]) if row["notes"] else None,
        "lines": console.rendered(run_lines.last_log_lines(db, row["id"], LAST_LINES)),
        "files": file_rows.list_files(db, row["id"], limit=MOST_FILES),
        "file_count": file_rows.count_files(db, row["id"]),
        "artifacts": artifacts(db, row),
    }


def system_keys(db: sqlite3.Connection, row: Columns) -> list[str]:
    """What the client has measured of the machine, named in the last row of it."""
    found = {key for text in run_lines.tail(db, "events", row["id"], 1) for key in json.loads(text)}
    return sorted(key for key in found if not key.startswith("_"))


def artifacts(db: sqlite3.Connection, row: Columns) -> list[Object]:
    """Versions that the run has logged or used, with the name and type of their collection."""
    found = select(
        db,
        artifact_rows.RUN_ARTIFACTS,
        [Where("lineage_run = ?", [row["id"]]), Where("state = 'COMMITTED'")],
        Order("lineage_id"),
        limit=MOST_FILES,
    )
    return [{**item, "place": place_of(db, item)} for item in found]


def place_of(db: sqlite3.Connection, artifact: Columns) -> Object:
    """An artifact's sequence and type, for its name and address."""
    sequence = collection_rows.get_collection(db, artifact["collection_id"])
    kind = sequence and collection_rows.get_type(db, sequence["type_id"])
    assert sequence and kind
    return {"name": sequence["name"], "type": kind["name"]}


def logs(
    db: sqlite3.Connection, entity: str, name: str, run_name: str, first: int | None
) -> Object:
    """A page of the console that begins with line `first`; the last page where that is None."""
    project = common.find_project(db, entity, name)
    row = common.find_run(db, project, run_name)
    size = console.LINES_PER_PAGE
    total = run_lines.line_count(db, "logs", row["id"])
    last = max(0, total - 1) // size * size
    first = last if first is None else max(0, min(first, last))
    lines = run_lines.log_lines(db, row["id"], first - 1, size)
    return {
        "project": project,
        "run": common.with_values(row),
        "lines": console.rendered(lines),
        "first": first,
        "last": last,
        "total": total,
        "size": size,
    }
