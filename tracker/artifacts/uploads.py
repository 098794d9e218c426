"""Making artifacts: a version is created PENDING, and its files and manifests are uploaded; then it
is committed (`commits`).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

from graphql import GraphQLResolveInfo as Info

from tracker import documents
from tracker.api import ids
from tracker.api.addresses import put_url
from tracker.artifacts import collections as collection_rows
from tracker.artifacts import rows as artifact_rows
from tracker.artifacts.files import storage_path
from tracker.artifacts.tables import ArtifactRow, CollectionRow, ManifestRow
from tracker.context import Context
from tracker.documents import Object
from tracker.errors import RequestError
from tracker.runs import rows as run_rows
from tracker.runs.tables import RunRow
from tracker.store import blob_rows, blobs
from tracker.store.rows import update


def find_artifact(db: sqlite3.Connection, storage_id: str) -> ArtifactRow:
    """A version by its storage id; RequestError 404 where it is gone."""
    found = artifact_rows.get_artifact(db, ids.decode("Artifact", storage_id))
    if found is None:
        raise RequestError("no such artifact (it may have been deleted)", status=404)
    return found


def find_run(db: sqlite3.Connection, context: Context, input: Object) -> RunRow | None:
    """The run that an input names, None where it names none or there is none."""
    if not input.get("runName"):
        return None
    return run_rows.locate_run(db, *context.place(input), input["runName"])


def set_alias(db: sqlite3.Connection, collection_id: int, alias: str, artifact_id: int) -> None:
    """Give a version an alias, unless that is the number of a version."""
    if alias[:1] == "v" and alias[1:].isdigit():
        return  # a version's number is not an alias that could be moved
    collection_rows.set_alias(db, collection_id, alias, artifact_id)


MANIFEST_NAMES = {
    "FULL": "wandb_manifest.json",
    "INCREMENTAL": "wandb_manifest.incremental.json",
    "PATCH": "wandb_manifest.patch.json",
}
MAX_MANIFEST_BYTES = 512 << 20


def create_type(_: Any, info: Info, input: Object) -> Object:
    """Make an artifact type, where it is not there."""
    context = info.context
    with context.store.write() as db:
        entity, name = context.place(input)
        project, _new = run_rows.ensure_project(db, entity, name, context.now)
        row = collection_rows.ensure_type(db, project["id"], input["name"], context.now)
        if input.get("description"):
            collection_rows.describe_type(db, row["id"], input["description"])
    return {"artifact_type": row}


def create_artifact(_: Any, info: Info, input: Object) -> Object:
    """A new PENDING version, or the one that is there: of the same digest, of the same client id
    (a retry), or of the same distributed id (several writers).
    """
    context = info.context
    with context.store.write() as db:
        sequence = ensure_sequence(db, context, input)
        run = find_run(db, context, input)
        found = existing(db, sequence, input)
        if found is None:
            found = artifact_rows.create_artifact(
                db,
                context.now,
                collection_id=sequence["id"],
                digest=input["digest"],
                description=input.get("description"),
                metadata=read_metadata(input),
                labels=input.get("labels"),
                ttl_seconds=-2
                if input.get("ttlDurationSeconds") is None
                else max(-2, input["ttlDurationSeconds"]),
                history_step=input.get("historyStep"),
                client_id=input.get("clientID"),
                distributed_id=input.get("distributedID"),
                run_id=run and run["id"],
            )
        note_aliases(db, found, sequence, input)
        collection_rows.set_tags(
            db, "artifact", found["id"], [tag["tagName"] for tag in input.get("tags") or ()], []
        )
        if run:
            artifact_rows.link_run(db, found["id"], run["id"], "output", context.now)
        artifact_rows.touch_pending(db, found["id"], context.now)
        return {"artifact": artifact_rows.get_artifact(db, found["id"])}


def read_metadata(input: Object) -> str | None:
    """The input's metadata, None where it has none; RequestError where it is no JSON object."""
    text = input.get("metadata")
    if text is not None and not isinstance(documents.read(text, "metadata"), dict | None):
        raise RequestError("metadata is no JSON object, which pages and filters rely on")
    return text


def ensure_sequence(db: sqlite3.Connection, context: Context, input: Object) -> CollectionRow:
    """The sequence that a version is logged to, made where it is not there."""
    project, _new = run_rows.ensure_project(db, *context.place(input), context.now)
    names = [input.get("artifactCollectionName"), *(input.get("artifactCollectionNames") or ())]
    name = next((name for name in names if name), None)
    if not name:
        raise RequestError("an artifact needs a collection name")
    kind = collection_rows.ensure_type(db, project["id"], input["artifactTypeName"], context.now)
    found = collection_rows.find_collection(db, project["id"], name)
    if found is None:
        return collection_rows.create_collection(
            db, project["id"], kind["id"], "SEQUENCE", name, context.now
        )
    if found["kind"] != "SEQUENCE":
        raise RequestError(f"{name} is a portfolio: versions are linked to it, not logged")
    if found["type_id"] != kind["id"]:
        have = collection_rows.get_type(db, found["type_id"])
        raise RequestError(
            f"artifact {name} has the type {have and have['name']!r}, not {kind['name']!r}"
        )
    return found


def existing(db: sqlite3.Connection, sequence: CollectionRow, input: Object) -> ArtifactRow | None:
    """The version that a creation means, where it was made before."""
    if input.get("clientID"):
        found = artifact_rows.artifact_by_client_id(db, input["clientID"])
        if found:
            return found
    if input.get("distributedID"):
        return artifact_rows.pending_of_group(db, sequence["id"], input["distributedID"])
    if input.get("enableDigestDeduplication"):
        return artifact_rows.committed_with_digest(db, sequence["id"], input["digest"])
    return None


def note_aliases(
    db: sqlite3.Connection, artifact: ArtifactRow, sequence: CollectionRow, input: Object
) -> None:
    """Aliases of a version take effect when it is committed."""
    aliases = [
        alias["alias"]
        for alias in input.get("aliases") or ()
        if alias["artifactCollectionName"] == sequence["name"]
    ]
    if artifact["state"] == "COMMITTED":
        for alias in aliases:
            set_alias(db, sequence["id"], alias, artifact["id"])
        return
    for alias in aliases:
        ids.check_name(alias, "alias", most=ids.MAX_ARTIFACT_NAME)
    waiting = list(dict.fromkeys([*artifact_rows.waiting_aliases(artifact), *aliases]))
    artifact_rows.wait_with_aliases(db, artifact["id"], waiting)


def manifest_node(context: Context, row: ManifestRow) -> Object:
    name = MANIFEST_NAMES[row["type"]]
    return {
        "id": ids.encode("ArtifactManifest", row["id"]),
        "digest": row["digest"],
        "type": row["type"],
        "file": {
            "id": ids.encode("ArtifactManifest", row["id"]),
            "name": name,
            "display_name": name,
            "direct_url": "",
            "size_bytes": 0,
            "upload_url": put_url(context, {"manifest": row["id"]}),
            "upload_headers": [],
        },
    }


def create_manifest(_: Any, info: Info, input: Object) -> Object:
    context = info.context
    base = input.get("baseArtifactID")
    with context.store.write() as db:
        artifact = find_artifact(db, input["artifactID"])
        manifest_id = artifact_rows.create_manifest(
            db,
            artifact["id"],
            input.get("type") or "FULL",
            ids.decode("Artifact", base) if base else None,
            input["digest"],
            context.now,
        )
        artifact_rows.touch_pending(db, artifact["id"], context.now)
        row = artifact_rows.get_manifest(db, manifest_id)
    assert row
    return {"artifact_manifest": manifest_node(context, row)}


def update_manifest(_: Any, info: Info, input: Object) -> Object:
    context = info.context
    manifest_id = ids.decode("ArtifactManifest", input["artifactManifestID"])
    changes: dict[str, Any] = {}
    if input.get("digest") is not None:
        changes["digest"] = input["digest"]
    if input.get("baseArtifactID"):
        changes["base_artifact_id"] = ids.decode("Artifact", input["baseArtifactID"])
    with context.store.write() as db:
        if changes:
            update(db, "manifests", manifest_id, **changes)
        row = artifact_rows.get_manifest(db, manifest_id)
    if row is None:
        raise RequestError("no such manifest", status=404)
    return {"artifact_manifest": manifest_node(context, row)}


def create_files(_: Any, info: Info, input: Object) -> Object:
    """Where to put the files of a version; no address for contents that are there already."""
    context, nodes = info.context, []
    with context.store.write() as db:
        for spec in input["artifactFiles"]:
            artifact = find_artifact(db, spec["artifactID"])
            name = ids.check_path(spec["name"], "file name")
            blob = blob_rows.blob_by_md5(db, spec["md5"])
            target = {"artifact": artifact["id"], "name": name, "md5": spec["md5"]}
            artifact_rows.touch_pending(db, artifact["id"], context.now)
            if blob:  # held from now on, so that it cannot go before the commit
                artifact_rows.put_artifact_file(
                    db, artifact["id"], name, spec["md5"], blob["size"], blob["hash"]
                )
            nodes.append(
                {
                    "id": ids.encode("Artifact", artifact["id"]),
                    "name": name,
                    "display_name": name,
                    "direct_url": "",
                    "size_bytes": 0,
                    "storage_path": storage_path(artifact["id"], spec["md5"]),
                    "upload_url": None if blob else put_url(context, target),
                    "upload_headers": [],
                    "artifact": artifact,
                }
            )
    edges = [{"node": node, "cursor": ""} for node in nodes]
    page = {"has_next_page": False, "end_cursor": None}
    return {"files": {"edges": edges, "page_info": page, "total_count": len(nodes)}}


def store_upload(context: Context, target: dict[str, Any], upload: blobs.Upload) -> None:
    """Completes a PUT to the address of an artifact's file or manifest."""
    if "md5" in target and upload.md5 != target["md5"]:
        raise RequestError(
            f"{target['name']}: MD5 of what came is {upload.md5}, not {target['md5']}"
        )
    if "manifest" in target and upload.size > MAX_MANIFEST_BYTES:
        raise RequestError("the manifest is too large", status=413)
    with context.store.write() as db:
        if "manifest" in target:
            manifest = artifact_rows.get_manifest(db, target["manifest"])
            if manifest is None:
                raise RequestError("the artifact of this manifest was deleted", status=404)
            hash = upload.keep(db, context.now)
            update(db, "manifests", target["manifest"], hash=hash)
            artifact_rows.touch_pending(db, manifest["artifact_id"], context.now)
            return
        if artifact_rows.get_artifact(db, target["artifact"]) is None:
            raise RequestError("the artifact of this file was deleted", status=404)
        hash = upload.keep(db, context.now)
        artifact_rows.put_artifact_file(
            db, target["artifact"], target["name"], target["md5"], upload.size, hash
        )
        artifact_rows.touch_pending(db, target["artifact"], context.now)


def complete_multipart(_: Any, info: Info, input: Object) -> Object:
    raise RequestError("uploads in parts are not offered here: PUT the file to its uploadUrl")


RESOLVERS: dict[str, dict[str, Callable[..., Any]]] = {
    "Mutation": {
        "createArtifactType": create_type,
        "createArtifact": create_artifact,
        "createArtifactManifest": create_manifest,
        "updateArtifactManifest": update_manifest,
        "createArtifactFiles": create_files,
        "completeMultipartUploadArtifact": complete_multipart,
    },
}
