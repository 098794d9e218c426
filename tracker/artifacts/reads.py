"""Resolvers that read artifacts: types, collections, versions, lineage."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from graphql import GraphQLResolveInfo as Info

from tracker.api import filters, ids, paging
from tracker.artifacts import collections as collection_rows
from tracker.artifacts import rows as artifact_rows
from tracker.artifacts.keys import collection_key, version_key
from tracker.artifacts.tables import (
    AliasRow,
    ArtifactRow,
    CollectionRow,
    MembershipRow,
    TagRow,
    TypeRow,
)
from tracker.documents import Object
from tracker.runs import reads as runs
from tracker.runs import rows as run_rows
from tracker.runs.tables import ProjectRow
from tracker.store.rows import Columns, count, select
from tracker.store.where import Order, Where, join

# ------------------------------------------------------------------------------------- connections


def collection_connection(info: Info, where: list[Where], **arguments: Any) -> Object:
    """Collections that meet conditions and the query's own filter, in its order."""
    where = [*where, filters.parse(arguments.get("filters"), collection_key)]
    order = filters.parse_order(arguments.get("order"), collection_key, "+id")
    limit = paging.bound(arguments.get("first"))
    place = paging.read_cursor(arguments.get("after"))
    with info.context.store.read() as db:
        rows = select(db, "collections", where, order, place, limit + 1)
        total = count(db, "collections", where)
    return paging.connection(rows, limit, lambda row: row["cursor"]) | {"total_count": total}


def project_collections(source: ProjectRow, info: Info, **arguments: Any) -> Object:
    where = [Where("project_id = ?", [source["id"]])]
    kinds: list[str] | None = arguments.get("collectionTypes")
    if kinds:
        where.append(join([Where("kind = ?", [kind]) for kind in kinds], "OR"))
    return collection_connection(info, where, **arguments)


def type_collections(source: TypeRow, info: Info, **arguments: Any) -> Object:
    return collection_connection(info, [Where("type_id = ?", [source["id"]])], **arguments)


def collection_artifacts(source: CollectionRow, info: Info, **arguments: Any) -> Object:
    """Versions of a collection, newest first unless an order is given."""
    where = [
        Where("member_of = ?", [source["id"]]),
        filters.parse(arguments.get("filters"), version_key),
    ]
    order = filters.parse_order(arguments.get("order"), version_key, "-version_index")
    limit = paging.bound(arguments.get("first"))
    place = paging.read_cursor(arguments.get("after"))
    with info.context.store.read() as db:
        rows = select(db, artifact_rows.VERSIONS, where, order, place, limit + 1)
        total = count(db, artifact_rows.VERSIONS, where)
    answer: Object = paging.connection(rows, limit, lambda row: row["cursor"])
    answer["total_count"] = total
    for edge in answer["edges"]:
        edge["version"] = f"v{edge['node']['membership_index']}"
    return answer


def run_artifacts(role: str) -> Callable[..., Object]:
    def resolve(
        source: Columns, info: Info, first: int | None = None, after: str | None = None
    ) -> Object:
        where = [
            Where("lineage_run = ?", [source["id"]]),
            Where("role = ?", [role]),
            Where("state = 'COMMITTED'"),
        ]
        order, limit = Order("lineage_id"), paging.bound(first)
        table = artifact_rows.RUN_ARTIFACTS
        with info.context.store.read() as db:
            place = paging.read_cursor(after)
            rows = select(db, table, where, order, place, limit + 1)
            total = count(db, table, where)
        return paging.connection(rows, limit, lambda row: row["cursor"]) | {"total_count": total}

    return resolve


def project_types(
    source: ProjectRow, info: Info, first: int | None = None, after: str | None = None, **_: Any
) -> Object:
    limit = paging.bound(first)
    place = paging.read_cursor(after) or [0]
    with info.context.store.read() as db:
        rows = collection_rows.list_types(db, source["id"], int(place[0]), limit + 1)
    return paging.connection(rows, limit, lambda row: [row["id"]])


# ------------------------------------------------------------------------------------------- nodes


def project_type(source: ProjectRow, info: Info, name: str) -> TypeRow | None:
    with info.context.store.read() as db:
        return collection_rows.find_type(db, source["id"], name)


def project_collection(source: ProjectRow, info: Info, name: str) -> CollectionRow | None:
    with info.context.store.read() as db:
        return collection_rows.find_collection(db, source["id"], name)


def type_collection(source: TypeRow, info: Info, name: str) -> CollectionRow | None:
    with info.context.store.read() as db:
        found = collection_rows.find_collection(db, source["project_id"], name)
    return found if found and found["type_id"] == source["id"] else None


def project_membership(source: Columns, info: Info, name: str) -> MembershipRow | None:
    """`collection:alias`, `collection:v3`, or `collection` for its latest version."""
    collection, _, alias = name.partition(":")
    with info.context.store.read() as db:
        found = collection_rows.find_collection(db, source["id"], collection)
        if found is None:
            return None
        return collection_rows.resolve_alias(db, found["id"], alias or collection_rows.LATEST)


def project_artifact(source: Columns, info: Info, name: str, **_: Any) -> ArtifactRow | None:
    membership = project_membership(source, info, name)
    return member(membership, info) if membership else None


def type_artifact(source: TypeRow, info: Info, name: str) -> ArtifactRow | None:
    """As `project_artifact`, of this type alone."""
    found = project_artifact({"id": source["project_id"]}, info, name)
    sequence = found and owner(found, info)
    return found if sequence and sequence["type_id"] == source["id"] else None


def collection_membership(
    source: CollectionRow, info: Info, aliasName: str
) -> MembershipRow | None:
    with info.context.store.read() as db:
        return collection_rows.resolve_alias(db, source["id"], aliasName)


def member(source: MembershipRow, info: Info) -> ArtifactRow | None:
    with info.context.store.read() as db:
        return artifact_rows.get_artifact(db, source["artifact_id"])


def owner(source: Columns, info: Info) -> CollectionRow | None:
    """The collection of a version (its sequence), a membership or an alias."""
    with info.context.store.read() as db:
        return collection_rows.get_collection(db, source["collection_id"])


def commit_hash(source: ArtifactRow, _: Info) -> str | None:
    """A name of the commit: clients want one of every committed version."""
    if source["state"] != "COMMITTED":
        return None
    return hashlib.sha256(f"{source['id']} {source['digest']}".encode()).hexdigest()[:20]


def artifact_by_id(_: Any, info: Info, id: str) -> ArtifactRow | None:
    with info.context.store.read() as db:
        return artifact_rows.get_artifact(db, ids.decode("Artifact", id))


def collection_by_id(_: Any, info: Info, id: str) -> CollectionRow | None:
    with info.context.store.read() as db:
        return collection_rows.get_collection(db, ids.decode("ArtifactCollection", id))


def client_id_mapping(_: Any, info: Info, clientID: str) -> Object | None:
    with info.context.store.read() as db:
        found = artifact_rows.artifact_by_client_id(db, clientID)
    return {"server_id": ids.encode("Artifact", found["id"])} if found else None


def collection_type(source: CollectionRow, info: Info) -> TypeRow | None:
    with info.context.store.read() as db:
        return collection_rows.get_type(db, source["type_id"])


def artifact_type(source: ArtifactRow, info: Info) -> TypeRow | None:
    sequence = owner(source, info)
    return collection_type(sequence, info) if sequence else None


def latest_artifact(source: CollectionRow, info: Info) -> ArtifactRow | None:
    with info.context.store.read() as db:
        return artifact_rows.latest_of(db, source["id"])


def tags(kind: str) -> Callable[..., list[TagRow]]:
    def resolve(source: Columns, info: Info, **_: Any) -> list[TagRow]:
        with info.context.store.read() as db:
            return collection_rows.tags_of(db, kind, source["id"])

    return resolve


def collection_tags(source: CollectionRow, info: Info, **_: Any) -> Object:
    return {"edges": [{"node": tag} for tag in tags("collection")(source, info)]}


def artifact_aliases(source: ArtifactRow, info: Info) -> list[AliasRow]:
    with info.context.store.read() as db:
        return collection_rows.aliases_of(db, source["id"])


def membership_aliases(source: MembershipRow, info: Info) -> list[AliasRow]:
    with info.context.store.read() as db:
        return collection_rows.aliases_of(db, source["artifact_id"], source["collection_id"])


def collection_aliases(source: CollectionRow, info: Info, **_: Any) -> Object:
    with info.context.store.read() as db:
        rows = collection_rows.collection_aliases(db, source["id"])
    return paging.connection(rows, len(rows), lambda row: [row["id"]])


def memberships(source: ArtifactRow, info: Info, **_: Any) -> Object:
    with info.context.store.read() as db:
        rows = collection_rows.memberships_of(db, source["id"])
    return paging.connection(rows, len(rows), lambda row: [row["id"]])


def created_by(source: ArtifactRow, info: Info) -> Object | None:
    """The run that has logged a version; None where there was none, or it was deleted."""
    if source["run_id"] is None:
        return None
    with info.context.store.read() as db:
        run = run_rows.get_run(db, source["run_id"])
    return {**run, "__typename": "Run"} if run else None


def used_by(source: ArtifactRow, info: Info, **_: Any) -> Object:
    """Runs that have used a version."""
    with info.context.store.read() as db:
        rows = artifact_rows.users_of(db, source["id"])
    return paging.connection(rows, len(rows), lambda row: [row["id"]]) | {"total_count": len(rows)}


COLLECTION: dict[str, Callable[..., Any]] = {
    "id": lambda row, info: ids.encode("ArtifactCollection", row["id"]),
    "state": lambda row, info: row.get("state", "READY"),
    "project": runs.run_project,
    "defaultArtifactType": collection_type,
    "tags": collection_tags,
    "aliases": collection_aliases,
    "artifacts": collection_artifacts,
    "artifactMembership": collection_membership,
}

RESOLVERS: dict[str, dict[str, Callable[..., Any]]] = {
    "Query": {
        "artifact": artifact_by_id,
        "artifactCollection": collection_by_id,
        "clientIDMapping": client_id_mapping,
    },
    "Project": {
        "artifactTypes": project_types,
        "artifactType": project_type,
        "artifactCollections": project_collections,
        "artifactCollection": project_collection,
        "artifactCollectionMembership": project_membership,
        "artifact": project_artifact,
    },
    "Run": {
        "outputArtifacts": run_artifacts("output"),
        "inputArtifacts": run_artifacts("input"),
    },
    "Tag": {"id": lambda row, info: ids.encode("Tag", row["id"])},
    "ClientIDMapping": {"serverID": lambda row, info: row["server_id"]},
    "ArtifactType": {
        "id": lambda row, info: ids.encode("ArtifactType", row["id"]),
        "project": runs.run_project,
        "artifactCollections": type_collections,
        "artifactCollection": type_collection,
        "artifact": type_artifact,
    },
    "ArtifactCollection": {
        "__resolve_type__": lambda row, info, kind: (
            "ArtifactSequence" if row["kind"] == "SEQUENCE" else "ArtifactPortfolio"
        )
    },
    "ArtifactSequence": {
        **COLLECTION,
        "latestArtifact": latest_artifact,
        "digestAlgorithm": lambda row, info: "MANIFEST_MD5",
    },
    "ArtifactPortfolio": COLLECTION,
    "ArtifactAlias": {
        "id": lambda row, info: ids.encode("ArtifactAlias", row["id"]),
        "artifactCollection": owner,
        "artifactCollectionName": lambda row, info: (owner(row, info) or {}).get("name"),
    },
    "ArtifactCollectionMembership": {
        "id": lambda row, info: ids.encode("ArtifactMembership", row["id"]),
        "aliases": membership_aliases,
        "artifactCollection": owner,
        "artifact": member,
    },
    "ArtifactCreator": {"__resolve_type__": lambda row, info, kind: row["__typename"]},
    "Artifact": {
        "id": lambda row, info: ids.encode("Artifact", row["id"]),
        "artifactSequence": owner,
        "artifactType": artifact_type,
        "ttlDurationSeconds": lambda row, info: row["ttl_seconds"],
        "ttlIsInherited": lambda row, info: False,
        "commitHash": commit_hash,
        "tags": tags("artifact"),
        "digestAlgorithm": lambda row, info: "MANIFEST_MD5",
        "aliases": artifact_aliases,
        "artifactMemberships": memberships,
        "createdBy": created_by,
        "usedBy": used_by,
    },
}
