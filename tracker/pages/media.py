"""What a run has logged besides numbers: pictures, tables, histograms, point clouds, files."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

from contract.values import number
from tracker.documents import Object
from tracker.errors import RequestError
from tracker.pages import common, series
from tracker.runs.file_rows import find_file, list_files
from tracker.runs.tables import FileRow, RunRow
from tracker.store import blobs

KINDS = {
    "image-file": "pictures", "images/separated": "pictures", "images": "pictures",
    "table-file": "table", "histogram": "histogram",
    "object3D-file": "cloud", "object3D": "cloud",
}  # fmt: skip
LISTS = ("objects", "html", "videos", "audio")  # where a value that is several holds them
PLAIN = ("number", "string", "boolean", "nil", "list", "map")
CLOUD = ".pts.json"  # the only form of Object3D that is points
MOST_KEYS = 60
NEWEST = 12  # values of a key that are shown, each with its step
MOST_STEPS = 120  # of a histogram over steps
MOST_TABLE_BYTES = 16 << 20
MOST_SHOWN_BYTES = 1 << 20  # of a table whose first rows stand on the page of its run
SHOWN_ROWS = 8
ROWS_PER_PAGE = 100
MOST_TABLE_COLUMNS = 100


def media_keys(run: RunRow) -> list[str]:
    keys = json.loads(run["history_keys"]).get("keys", {})
    return sorted(
        key
        for key, entry in keys.items()
        if not key.startswith("_") and any(c["type"] not in PLAIN for c in entry["typeCounts"])
    )


def media(db: sqlite3.Connection, run: RunRow, folder: Path) -> list[Object]:
    """Per key: `kind` (pictures, table, histogram, cloud, file), `items` (the newest first), and
    the `total` of its values. `folder`: of the stored contents. A row may come before its files.
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
    entries = [shown(key, values) for key, values in found.items() if values]
    items = [i for entry in entries if entry["kind"] != "histogram" for i in entry["items"]]
    paths = [item["path"] for item in items if item["path"]]
    files = {file["name"]: file for file in list_files(db, run["id"], names=paths)} if paths else {}
    for item in items:
        item["is_stored"] = item["path"] in files
    for entry in entries:
        there = [item for item in entry["items"] if item.get("is_stored")]
        if entry["kind"] == "cloud":
            entry["shown"] = next((i for i in there if i["path"].endswith(CLOUD)), None)
        elif entry["kind"] == "table":
            entry["shown"] = there and first_rows(files[there[0]["path"]], folder)
    return entries


def as_media(value: Any) -> Object | None:
    if isinstance(value, str) and value.startswith("{"):
        try:
            value = json.loads(value)
        except ValueError:
            return None
    return value if isinstance(value, dict) and isinstance(value.get("_type"), str) else None


def shown(key: str, values: Sequence[tuple[Any, Object]]) -> Object:
    kind = KINDS.get(values[-1][1]["_type"], "file")
    entry = {"key": key, "kind": kind, "total": len(values)}
    if kind == "histogram":
        return {**entry, "items": histograms(values)}
    items = [item for step, value in reversed(values[-NEWEST:]) for item in files_of(step, value)]
    return {**entry, "items": items[: 2 * NEWEST]}


def files_of(step: Any, value: Object) -> list[Object]:
    """The files of a value, which may be one or several: `path` ("": it names none), `name`,
    `caption`, and `note` on what is in it.
    """
    members = next((value[key] for key in LISTS if isinstance(value.get(key), list)), None)
    names = value.get("filenames")
    if members is not None:
        paths = [member.get("path") for member in members if isinstance(member, dict)]
    else:
        paths = names if isinstance(names, list) else [value.get("path")]
    captions = value.get("captions")
    captions = captions if isinstance(captions, list) else [value.get("caption")]
    note = f"{value['nrows']} rows" if isinstance(value.get("nrows"), int) else ""
    found = []
    for path, caption in zip_longest(paths, captions[: len(paths)]):
        path = path if isinstance(path, str) else ""
        name = path.rpartition("/")[2] or value["_type"]
        found.append(
            {"step": step, "path": path, "name": name, "caption": caption or "", "note": note}
        )
    return found


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


def first_rows(file: FileRow, folder: Path) -> Object | None:
    """The first rows of a table; None where it is too large for that, damaged, or no table."""
    if file["size"] > MOST_SHOWN_BYTES:
        return None
    try:
        content = blobs.path_of(folder, file["hash"]).read_bytes()
        return read_table(content, "", 0, SHOWN_ROWS)
    except (OSError, RequestError):
        return None


def read_table(content: bytes, sort: str, first: int, size: int = ROWS_PER_PAGE) -> Object:
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
    first = max(0, min(first, max(0, len(rows) - 1) // size * size))
    page = [row[:MOST_TABLE_COLUMNS] for row in rows[first : first + size]]
    return {
        "columns": columns[:MOST_TABLE_COLUMNS],
        "cut": max(0, len(columns) - MOST_TABLE_COLUMNS),
        "rows": page,
        "total": len(rows),
        "first": first,
        "size": size,
        "sort": sort if 0 <= place < len(columns) else "",
    }


def rank(row: list[Any], place: int) -> tuple[Any, ...]:
    """Numbers before texts before nothing."""
    value = row[place] if place < len(row) else None
    read = number(value)
    if read is not None and read == read:
        return 0, read, ""
    return (2, 0.0, "") if value is None else (1, 0.0, str(value))
