"""What a run has logged besides numbers: pictures, tables, histograms, point clouds, files."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Any

from contract.values import number
from tracker.documents import Object
from tracker.errors import RequestError
from tracker.pages import common, series
from tracker.runs.file_rows import find_file
from tracker.runs.tables import FileRow, RunRow

PICTURES = ("image-file", "images/separated", "images")
KINDS = {"table-file": "table", "histogram": "histogram", "object3D-file": "cloud"}
PLAIN = ("number", "string", "boolean", "nil", "list", "map")
MOST_KEYS = 60
NEWEST = 12  # values of a key that are shown, each with its step
MOST_STEPS = 120  # of a histogram over steps
MOST_TABLE_BYTES = 16 << 20
ROWS_PER_PAGE = 100
MOST_TABLE_COLUMNS = 100


def media_keys(run: RunRow) -> list[str]:
    keys = json.loads(run["history_keys"]).get("keys", {})
    return sorted(
        key
        for key, entry in keys.items()
        if not key.startswith("_") and any(c["type"] not in PLAIN for c in entry["typeCounts"])
    )


def media(db: sqlite3.Connection, run: RunRow) -> list[Object]:
    """Per key: `kind` (pictures, table, histogram, cloud, file), `items` (the newest first), and
    the `total` of its values.
    """
    keys = media_keys(run)[:MOST_KEYS]
    if not keys:
        return []
    found: dict[str, list[tuple[Any, Object]]] = {key: [] for key in keys}
    for step, *values in series.read_rows(db, "history", run["id"], [series.STEP, *keys]):
        for key, value in zip(keys, values, strict=True):
            read = as_media(value)
            if read:
                found[key].append((step, read))
    return [shown(key, values) for key, values in found.items() if values]


def as_media(value: Any) -> Object | None:
    if isinstance(value, str) and value.startswith("{"):
        try:
            value = json.loads(value)
        except ValueError:
            return None
    return value if isinstance(value, dict) and isinstance(value.get("_type"), str) else None


def shown(key: str, values: Sequence[tuple[Any, Object]]) -> Object:
    kind = values[-1][1]["_type"]
    if kind == "histogram":
        return {"key": key, "kind": "histogram", "total": len(values), "items": histograms(values)}
    pictures = kind in PICTURES
    items = [
        item
        for step, value in reversed(values[-NEWEST:])
        for item in (pictures_of(step, value) if pictures else [file_of(step, value)])
    ]
    name = "pictures" if pictures else KINDS.get(kind, "file")
    return {"key": key, "kind": name, "total": len(values), "items": items[: 2 * NEWEST]}


def pictures_of(step: Any, value: Object) -> list[Object]:
    paths = value.get("filenames") or [value.get("path")]
    captions = value.get("captions") or [value.get("caption")]
    captions = [*(captions if isinstance(captions, list) else []), *[None] * len(paths)]
    return [
        {"step": step, "path": path, "caption": caption or "", "name": path.rpartition("/")[2]}
        for path, caption in zip(paths, captions, strict=False)
        if isinstance(path, str)
    ]


def file_of(step: Any, value: Object) -> Object:
    path = value["path"] if isinstance(value.get("path"), str) else ""
    size = f"{value['nrows']} rows" if isinstance(value.get("nrows"), int) else ""
    return {"step": step, "path": path, "name": path.rpartition("/")[2] or value["_type"],
            "caption": size}  # fmt: skip


def histograms(values: Sequence[tuple[Any, Object]]) -> list[Object]:
    """Evenly spaced ones of many, each with `step`, `edges` (one more than counts) and `counts`."""
    stride = -(-len(values) // MOST_STEPS)
    found = []
    for step, value in values[::stride]:
        counts, edges = value.get("values"), value.get("bins")
        packed = value.get("packedBins")
        if isinstance(packed, dict) and isinstance(counts, list):
            low, width = number(packed.get("min")) or 0.0, number(packed.get("size")) or 1.0
            edges = [low + width * i for i in range(len(counts) + 1)]
        if isinstance(counts, list) and isinstance(edges, list) and len(edges) == len(counts) + 1:
            found.append({"step": step, "edges": edges, "counts": counts})
    return found


def find(db: sqlite3.Connection, run: RunRow, path: str) -> FileRow:
    row = find_file(db, run["id"], path)
    if row is None:
        raise common.missing(f"file {path:.200} of run {run['name']}")
    return row


def read_table(content: bytes, sort: str, first: int) -> Object:
    """A page of a table as the client stores it; `sort`: `+2` or `-2`, the place of a column."""
    try:
        document = json.loads(content)
        columns, data = document["columns"], document["data"]
        rows = [row for row in data if isinstance(row, list)]
        columns = [str(column) for column in columns]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise RequestError("this file is no table") from None
    place = int(sort[1:5]) if sort[1:].isdecimal() else -1
    if 0 <= place < len(columns):
        rows.sort(key=lambda row: rank(row, place), reverse=sort[0] == "-")
    first = max(0, min(first, max(0, len(rows) - 1) // ROWS_PER_PAGE * ROWS_PER_PAGE))
    page = [row[:MOST_TABLE_COLUMNS] for row in rows[first : first + ROWS_PER_PAGE]]
    return {
        "columns": columns[:MOST_TABLE_COLUMNS],
        "cut": max(0, len(columns) - MOST_TABLE_COLUMNS),
        "rows": page,
        "total": len(rows),
        "first": first,
        "size": ROWS_PER_PAGE,
        "sort": sort if 0 <= place < len(columns) else "",
    }


def rank(row: list[Any], place: int) -> tuple[Any, ...]:
    """Numbers before texts before nothing."""
    value = row[place] if place < len(row) else None
    read = number(value)
    if read is not None and read == read:
        return 0, read, ""
    return (2, 0.0, "") if value is None else (1, 0.0, str(value))
