"""The commit of a version gives it its files, number and aliases, in one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

from graphql import GraphQLResolveInfo as Info

from tracker.artifacts import collections as collection_rows
from tracker.artifacts import manifests
from tracker.artifacts import rows as artifact_rows
from tracker.artifacts.collections import LATEST
from tracker.artifacts.tables import ArtifactRow
from tracker.artifacts.uploads import find_artifact, set_alias
from tracker.context import Context
from tracker.documents import Object
from tracker.errors import RequestError
from tracker.store import blob_rows, blobs
from tracker.store.rows import update


def commit_artifact(_: Any, info: Info, input: Object) -> Object:
    """Completes a version; one that is committed stays as it is."""
    context = info.context
    with context.store.write() as db:
        artifact = find_artifact(db, input["artifactID"])
        if artifact["state"] != "COMMITTED":
            commit(db, context, artifact)
        return {"artifact": artifact_rows.get_artifact(db, artifact["id"])}


def commit(db: sqlite3.Connection, context: Context, artifact: ArtifactRow) -> None:
    """Gives a version its files, number and aliases. PENDING -> COMMITTED."""
    manifest, merged = whole_manifest(db, context, artifact)
    size = write_files(db, artifact["id"], manifest["contents"])
    text = manifests.write(manifest)
    index = collection_rows.next_version(db, artifact["collection_id"])
    update(
        db,
        "artifacts",
        artifact["id"],
        state="COMMITTED",
        version_index=index,
        size=size,
        file_count=len(manifest["contents"]),
        digest=manifests.digest(manifest) if merged else artifact["digest"],
        manifest_hash=blobs.store_bytes(context.blobs, db, [text], context.now),
        updated_at=context.now,
    )
    sequence = artifact["collection_id"]
    collection_rows.add_membership(db, sequence, artifact["id"], index, context.now)
    for alias in [*artifact_rows.waiting_aliases(artifact), LATEST]:
        set_alias(db, sequence, alias, artifact["id"])


def whole_manifest(
    db: sqlite3.Connection, context: Context, artifact: ArtifactRow
) -> tuple[manifests.Manifest, bool]:
    """What the version holds, and whether that was put together here: the last FULL manifest; or
    every PATCH of its writers; or the INCREMENTAL one over its base (else over the latest version).
    """
    rows = artifact_rows.uploaded_manifests(db, artifact["id"])
    if not rows:
        raise RequestError("no manifest has been uploaded for this artifact")

    def read(hash: str | None) -> manifests.Manifest:
        assert hash is not None  # of those whose text has come
        return manifests.read(blobs.read(context.blobs, hash))

    full = [row for row in rows if row["type"] == "FULL"]
    if full:
        return read(full[-1]["hash"]), False
    parts = [read(row["hash"]) for row in rows]
    if any(row["type"] == "INCREMENTAL" for row in rows):
        base_id = next((row["base_artifact_id"] for row in rows if row["base_artifact_id"]), None)
        base = (
            artifact_rows.get_artifact(db, base_id)
            if base_id
            else artifact_rows.latest_of(db, artifact["collection_id"])
        )
        if base and base["manifest_hash"]:
            parts.insert(0, read(base["manifest_hash"]))
    return manifests.merge(parts), True


def write_files(db: sqlite3.Connection, artifact_id: int, contents: manifests.Contents) -> int:
    """Makes the version's files those of its manifest; returns their size together."""
    damaged = blob_rows.damaged_blobs(db)
    held = {
        row["digest"]: row["hash"]
        for row in artifact_rows.list_artifact_files(db, artifact_id)
        if row["hash"] and row["hash"] not in damaged
    }
    rows, total = [], 0
    for name, entry in contents.items():
        digest, size = entry["digest"], entry.get("size") or 0
        hash = None
        if not entry.get("ref"):
            blob = blob_rows.blob_by_md5(db, digest)
            hash = held.get(digest) or (blob and blob["hash"])
            if hash is None:
                raise RequestError(f"the content of {name!r} has not been uploaded")
        rows.append((name, digest, size, hash))
        total += size
    artifact_rows.clear_artifact_files(db, artifact_id)
    for row in rows:
        artifact_rows.put_artifact_file(db, artifact_id, *row)
    return total


RESOLVERS: dict[str, dict[str, Callable[..., Any]]] = {
    "Mutation": {"commitArtifact": commit_artifact},
}
