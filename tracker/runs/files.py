"""Resolvers: files of runs."""

from __future__ import annotations

import posixpath
import sqlite3
from collections.abc import Callable
from typing import Any

from graphql import GraphQLResolveInfo as Info

from tracker.api import ids, paging
from tracker.api.addresses import get_url, put_url
from tracker.api.engine import sibling_arguments
from tracker.context import Context
from tracker.documents import Object
from tracker.errors import RequestError
from tracker.http.downloads import media_type
from tracker.runs import file_rows
from tracker.runs import rows as run_rows
from tracker.runs.tables import FileRow, RunRow
from tracker.store import blobs
from tracker.store.rows import delete

BEHIND_ALL = 1 << 62  # places of names that are not there: behind the ids of all files


def run_file(context: Context, row: FileRow) -> Object:
    """A GraphQL File from a row of `files`."""
    url = get_url(context, row["hash"], row["name"])

    def choose_url(_: Info, upload: bool | None = None) -> str:
        return upload_url(context, row["run_id"], row["name"]) if upload else url

    return {
        "id": ids.encode("File", row["id"]),
        "name": row["name"],
        "display_name": row["name"],
        "url": choose_url,
        "direct_url": url,
        "upload_url": lambda _: upload_url(context, row["run_id"], row["name"]),
        "upload_headers": [],
        "size_bytes": row["size"],
        "mimetype": media_type(row["name"]),
        "updated_at": row["updated_at"],
        "digest": row["md5"],
        "md5": row["md5"],
        "place": row["id"],
    }


def missing_file(context: Context, run_id: int, name: str, place: int = 0) -> Object:
    """A name that was asked for and is not there: an open place to upload to, of size 0. The MD5
    is what clients tell it by.
    """
    url = upload_url(context, run_id, name)
    return {
        "id": ids.encode("File", 0),
        "name": name,
        "display_name": name,
        "url": lambda _info, upload=None: url if upload else None,
        "direct_url": "",
        "upload_url": url,
        "upload_headers": [],
        "size_bytes": 0,
        "md5": "0",
        "place": place,
    }


def upload_url(context: Context, run_id: int, name: str) -> str:
    return put_url(context, {"run": run_id, "name": ids.check_path(name, "file name")})


def run_files(
    source: RunRow,
    info: Info,
    names: list[str | None] | None = None,
    pattern: str | None = None,
    first: int | None = None,
    after: str | None = None,
    **_: Any,
) -> Object:
    """Files of a run. A name that is asked for and not there is a place to upload to."""
    context, limit = info.context, paging.bound(first)
    place = int((paging.read_cursor(after) or [0])[0])
    asked = spellings(names)
    with context.store.read() as db:
        rows = file_rows.list_files(
            db, source["id"], names=asked, pattern=pattern, after=place, limit=limit + 1
        )
        absent = missing_names(db, source["id"], names)
        total = file_rows.count_files(db, source["id"], asked, pattern) + len(absent)
    found = [run_file(context, row) for row in rows]
    for number, name in enumerate(absent, BEHIND_ALL):
        if number > place and len(found) <= limit:
            found.append(missing_file(context, source["id"], name, number))
    return paging.connection(found, limit, lambda file: [file["place"]]) | {
        "total_count": total,
        "upload_headers": [],
    }


def spellings(names: list[str | None] | None) -> list[str]:
    """Names that are looked for: `./x` is what some clients ask for where they have saved `x`."""
    asked = [name for name in names or () if name]
    return list(dict.fromkeys([*asked, *map(posixpath.normpath, asked)]))


def missing_names(db: sqlite3.Connection, run_id: int, names: list[str | None] | None) -> list[str]:
    """Names that were asked for and that the run has no file of."""
    asked = spellings(names)
    if not asked:
        return []
    there = {row["name"] for row in file_rows.list_files(db, run_id, names=asked)}
    wanted = dict.fromkeys(name for name in names or () if name)
    return [name for name in wanted if not there & {name, posixpath.normpath(name)}]


def file_count(source: RunRow, info: Info) -> int:
    """Of the files that the query lists beside it, where it lists some of them only."""
    listed = sibling_arguments(info, "files")
    names = listed.get("names")
    with info.context.store.read() as db:
        found = file_rows.count_files(db, source["id"], spellings(names), listed.get("pattern"))
        return found + len(missing_names(db, source["id"], names))


def create_run_files(_: Any, info: Info, input: Object) -> Object:
    """Addresses to which a client uploads the files of a run."""
    context = info.context
    with context.store.read() as db:
        entity, project = context.place(input)
        run = run_rows.locate_run(db, entity, project, input["runName"])
    if run is None:
        raise RequestError(f"run {input['runName']} does not exist", status=404)
    return {
        "run_id": ids.encode("Run", run["id"]),
        "upload_headers": [],
        "files": [missing_file(context, run["id"], name) for name in input["files"]],
    }


def delete_files(_: Any, info: Info, input: Object) -> Object:
    """Deletes files of runs, and contents that nothing else holds."""
    context = info.context
    with context.store.write() as db:
        for file_id in input["files"]:
            delete(db, "files", ids.decode("File", file_id))
    blobs.sweep_unused(context.store, context.blobs)
    return {"success": True}


def store_run_file(context: Context, target: dict[str, Any], upload: blobs.Upload) -> None:
    """Completes a PUT to the address of a run's file."""
    with context.store.write() as db:
        if run_rows.get_run(db, target["run"]) is None:
            raise RequestError("the run of this file was deleted", status=404)
        hash = upload.keep(db, context.now)
        file_rows.put_file(db, target["run"], target["name"], hash, context.now)


RESOLVERS: dict[str, dict[str, Callable[..., Any]]] = {
    "Run": {"files": run_files, "fileCount": file_count},
    "CreateRunFilesPayload": {"runID": lambda source, info: source["run_id"]},
    "Mutation": {
        "createRunFiles": create_run_files,
        "markRunFilesUploaded": lambda _, info, input: {"success": True},
        "deleteFiles": delete_files,
    },
}
