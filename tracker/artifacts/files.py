"""Resolvers for the files of artifacts and for manifests."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Any

from graphql import GraphQLResolveInfo as Info

from tracker.api import ids, paging
from tracker.api.addresses import get_url
from tracker.artifacts import rows as artifact_rows
from tracker.artifacts.tables import ArtifactRow, ListedFileRow
from tracker.context import Context
from tracker.documents import Object
from tracker.http.downloads import media_type
from tracker.store.rows import Columns


def file_node(context: Context, row: ListedFileRow) -> Object:
    """Also of a reference: the client takes what it downloads from this list, and finds a reference
    by its manifest. To an address given here it would send its key.
    """
    url = get_url(context, row["hash"], row["name"]) if row["hash"] else ""
    return {
        "id": ids.encode("ArtifactFile", row["id"]),
        "name": row["name"],
        "display_name": row["name"],
        "url": lambda _info, upload=None: url,
        "direct_url": url,
        "size_bytes": row["size"],
        "storage_path": storage_path(row["artifact_id"], row["digest"]),
        "mimetype": media_type(row["name"]),
        "updated_at": row["updated_at"],
        "digest": row["digest"],
        "md5": row["digest"],
        "place": row["id"],
    }


def storage_path(artifact_id: int, digest: str) -> str:
    """What the client takes for the place of a file in the object store."""
    try:
        name = base64.b64decode(digest).hex()
    except binascii.Error:
        name = "0"
    return f"wandb_artifacts/{artifact_id}/{name}"


def artifact_files(
    source: Columns,
    info: Info,
    names: list[str] | None = None,
    first: int | None = None,
    after: str | None = None,
    **_: Any,
) -> Object:
    """Files of a version (`id`) or of a membership (`artifact_id`)."""
    artifact_id, limit = source.get("artifact_id", source["id"]), paging.bound(first)
    place = paging.read_cursor(after) or [0]
    with info.context.store.read() as db:
        rows = artifact_rows.list_artifact_files(db, artifact_id, names, int(place[0]), limit + 1)
        total = artifact_rows.count_artifact_files(db, artifact_id, names)
    nodes = [file_node(info.context, row) for row in rows]
    return paging.connection(nodes, limit, lambda node: [node["place"]]) | {"total_count": total}


def files_by_entries(
    source: Columns, info: Info, entries: list[Object] | None = None, **_: Any
) -> Object:
    names = [entry["name"] for entry in entries or () if entry.get("name")]
    return artifact_files(source, info, names, first=paging.MAX_PAGE)


def current_manifest(source: ArtifactRow, info: Info) -> Object | None:
    """The manifest of a committed version; None before its commit."""
    if source["manifest_hash"] is None:
        return None
    url = get_url(info.context, source["manifest_hash"], "wandb_manifest.json")
    return {
        "id": ids.encode("Artifact", source["id"]),
        "digest": source["digest"],
        "type": "FULL",
        "file": {
            "id": ids.encode("Artifact", source["id"]),
            "name": "wandb_manifest.json",
            "display_name": "wandb_manifest.json",
            "direct_url": url,
            "url": lambda _info, upload=None: url,
            "size_bytes": 0,
        },
    }


RESOLVERS: dict[str, dict[str, Callable[..., Any]]] = {
    "ArtifactCollectionMembership": {"files": artifact_files},
    "Artifact": {
        "currentManifest": current_manifest,
        "files": artifact_files,
        "filesByManifestEntries": files_by_entries,
    },
}
