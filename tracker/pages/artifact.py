"""What the page of an artifact's version shows, read from the store."""

from __future__ import annotations

import json
import sqlite3

from tracker.artifacts import collections as collection_rows
from tracker.artifacts import rows as artifact_rows
from tracker.documents import Object
from tracker.pages import common
from tracker.runs import rows as run_rows

MOST_FILES = 500


def artifact(db: sqlite3.Connection, entity: str, name: str, collection: str, alias: str) -> Object:
    project = common.find_project(db, entity, name)
    row = collection_rows.find_collection(db, project["id"], collection)
    member = row and collection_rows.resolve_alias(db, row["id"], alias)
    version = member and artifact_rows.get_artifact(db, member["artifact_id"])
    if row is None or member is None or version is None:
        raise common.missing(f"artifact {collection}:{alias} in {entity}/{name}")
    maker = version["run_id"] and run_rows.get_run(db, version["run_id"])
    kind = collection_rows.get_type(db, row["type_id"])
    return {
        "project": project,
        "collection": row,
        "kind": kind and kind["name"],
        "version": {**version, "values": json.loads(version["metadata"] or "{}")},
        "index": member["version_index"],
        "aliases": collection_rows.aliases_of(db, version["id"], row["id"]),
        "files": artifact_rows.list_artifact_files(db, version["id"], limit=MOST_FILES),
        "maker": maker,
        "users": artifact_rows.users_of(db, version["id"]),
    }
