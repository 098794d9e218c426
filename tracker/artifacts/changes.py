"""Mutations of artifacts that are there: aliases, tags, lineage, links, deletion."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

from graphql import GraphQLResolveInfo as Info

from tracker.api import ids
from tracker.artifacts import collections as collection_rows
from tracker.artifacts import rows as artifact_rows
from tracker.artifacts.collections import LATEST
from tracker.artifacts.tables import ArtifactRow, CollectionRow
from tracker.artifacts.uploads import find_artifact, find_run, read_metadata, set_alias
from tracker.context import Context, Hooks
from tracker.documents import Object
from tracker.errors import RequestError
from tracker.runs import rows as run_rows
from tracker.settings import Settings
from tracker.store import blobs
from tracker.store.rows import delete, update


def make_hooks(settings: Settings) -> Hooks:
    """What becomes of artifacts when a run is deleted."""
    return Hooks(
        outputs_unwanted=(lambda db, run_id, now: artifact_rows.delete_made_by(db, run_id),)
    )


def update_artifact(_: Any, info: Info, input: Object) -> Object:
    """Changes what is given of a version: texts, metadata, tags, aliases. Null means unchanged."""
    context = info.context
    columns = {
        "description": input.get("description"),
        "metadata": read_metadata(input),
        "labels": input.get("labels"),
        "ttl_seconds": input.get("ttlDurationSeconds"),
    }
    changes = {name: value for name, value in columns.items() if value is not None}
    with context.store.write() as db:
        artifact = find_artifact(db, input["artifactID"])
        update(db, "artifacts", artifact["id"], **changes, updated_at=context.now)
        add = [tag["tagName"] for tag in input.get("tagsToAdd") or ()]
        drop = [tag["tagName"] for tag in input.get("tagsToDelete") or ()]
        collection_rows.set_tags(db, "artifact", artifact["id"], add, drop)
        if input.get("aliases") is not None:
            replace_aliases(db, artifact, [alias["alias"] for alias in input["aliases"]])
        return {"artifact": artifact_rows.get_artifact(db, artifact["id"])}


def replace_aliases(db: sqlite3.Connection, artifact: ArtifactRow, aliases: list[str]) -> None:
    """Makes these the aliases of a version in its sequence."""
    sequence = artifact["collection_id"]
    for row in collection_rows.aliases_of(db, artifact["id"], sequence):
        if row["alias"] not in aliases:
            collection_rows.drop_alias(db, sequence, row["alias"], artifact["id"])
    for alias in aliases:
        set_alias(db, sequence, alias, artifact["id"])


def add_aliases(_: Any, info: Info, input: Object) -> Object:
    """Adds aliases to a version, in any collection that it is in."""
    with info.context.store.write() as db:
        artifact = find_artifact(db, input["artifactID"])
        for alias in input["aliases"]:
            collection = named_collection(db, info.context, alias)
            if collection is None or not collection_rows.find_membership(
                db, collection["id"], artifact["id"]
            ):
                raise RequestError(f"this artifact is not in {alias['artifactCollectionName']}")
            set_alias(db, collection["id"], alias["alias"], artifact["id"])
    return {"success": True}


# Whatever is to be deleted may have been deleted before, by another client or by a request whose
# answer was lost: then everything is as it was asked for.


def delete_aliases(_: Any, info: Info, input: Object) -> Object:
    """Takes aliases from a version."""
    number = ids.decode("Artifact", input["artifactID"])
    with info.context.store.write() as db:
        for alias in input["aliases"]:
            collection = named_collection(db, info.context, alias)
            if collection:
                collection_rows.drop_alias(db, collection["id"], alias["alias"], number)
    return {"success": True}


def delete_artifact(_: Any, info: Info, input: Object) -> Object:
    """Deletes a version; one with aliases only where `deleteAliases` says so."""
    context = info.context
    number = ids.decode("Artifact", input["artifactID"])
    with context.store.write() as db:
        artifact = artifact_rows.get_artifact(db, number)
        if artifact is None:
            return {"artifact": {"id": number, "state": "DELETED"}}
        names = [row["alias"] for row in collection_rows.aliases_of(db, artifact["id"])]
        if names and not input.get("deleteAliases"):
            raise RequestError(
                f"the artifact has the aliases {', '.join(names)}: delete it with its aliases"
            )
        remove_artifact(db, artifact)
    blobs.sweep_unused(context.store, context.blobs)
    return {"artifact": {**artifact, "state": "DELETED"}}


def remove_artifact(db: sqlite3.Connection, artifact: ArtifactRow) -> None:
    """`latest` goes to the newest version that is left, in every collection."""
    places = collection_rows.memberships_of(db, artifact["id"])
    delete(db, "artifacts", artifact["id"])
    for place in places:
        move_latest(db, place["collection_id"])


def move_latest(db: sqlite3.Connection, collection_id: int) -> None:
    """Gives `latest` to the newest version that is left, where no version has it."""
    newest = artifact_rows.latest_of(db, collection_id)
    has_latest = any(
        row["alias"] == LATEST for row in collection_rows.collection_aliases(db, collection_id)
    )
    if newest and not has_latest:
        collection_rows.set_alias(db, collection_id, LATEST, newest["id"])


def use_artifact(_: Any, info: Info, input: Object) -> Object:
    """Notes that a run has used a version."""
    context = info.context
    with context.store.write() as db:
        artifact = find_artifact(db, input["artifactID"])
        run = find_run(db, context, input)
        if run is None:
            raise RequestError(f"run {input['runName']} does not exist", status=404)
        artifact_rows.link_run(
            db, artifact["id"], run["id"], "input", context.now, input.get("usedAs")
        )
    return {"artifact": artifact}


def link_artifact(_: Any, info: Info, input: Object) -> Object:
    """Links a version into a portfolio, which is made where it is not there."""
    context = info.context
    with context.store.write() as db:
        artifact = linked_artifact(db, input)
        portfolio = ensure_portfolio(db, context, input, artifact)
        membership = collection_rows.find_membership(db, portfolio["id"], artifact["id"])
        if membership is None:
            index = collection_rows.next_version(db, portfolio["id"])
            collection_rows.add_membership(db, portfolio["id"], artifact["id"], index, context.now)
            collection_rows.set_alias(db, portfolio["id"], LATEST, artifact["id"])
            membership = collection_rows.find_membership(db, portfolio["id"], artifact["id"])
        assert membership
        for alias in input.get("aliases") or ():
            set_alias(db, portfolio["id"], alias["alias"], artifact["id"])
    return {"version_index": membership["version_index"], "artifact_membership": membership}


def linked_artifact(db: sqlite3.Connection, input: Object) -> ArtifactRow:
    """The version to link, by its id or by the id that its client gave it; it must be committed."""
    if input.get("artifactID"):
        artifact = find_artifact(db, input["artifactID"])
    else:
        found = artifact_rows.artifact_by_client_id(db, input.get("clientID") or "")
        if found is None:
            raise RequestError("no such artifact", status=404)
        artifact = found
    if artifact["state"] != "COMMITTED":
        raise RequestError("the artifact is not committed yet")
    return artifact


def ensure_portfolio(
    db: sqlite3.Connection, context: Context, input: Object, artifact: ArtifactRow
) -> CollectionRow:
    """The portfolio to link into, made of the version's type where it is named and not there."""
    if input.get("artifactPortfolioID"):
        number = ids.decode("ArtifactCollection", input["artifactPortfolioID"])
        found = collection_rows.get_collection(db, number)
    else:
        project, _new = run_rows.ensure_project(db, *context.place(input), context.now)
        name = input.get("artifactPortfolioName") or ""
        found = collection_rows.find_collection(db, project["id"], name)
        if found is None and name:
            sequence = collection_rows.get_collection(db, artifact["collection_id"])
            kind = sequence and collection_rows.get_type(db, sequence["type_id"])
            assert kind
            kind = collection_rows.ensure_type(db, project["id"], kind["name"], context.now)
            found = collection_rows.create_collection(
                db, project["id"], kind["id"], "PORTFOLIO", name, context.now
            )
    if found is None or found["kind"] != "PORTFOLIO":
        raise RequestError("the target of a link must be a portfolio, not a logged artifact")
    return found


def unlink_artifact(_: Any, info: Info, input: Object) -> Object:
    """Takes a version out of a portfolio; its sequence keeps it."""
    artifact = ids.decode("Artifact", input["artifactID"])
    number = ids.decode("ArtifactCollection", input["artifactPortfolioID"])
    with info.context.store.write() as db:
        portfolio = collection_rows.get_collection(db, number)
        if portfolio is None:
            return {"success": True}
        if portfolio["kind"] != "PORTFOLIO":
            raise RequestError("a version cannot be unlinked from the sequence it was logged to")
        collection_rows.drop_membership(db, portfolio["id"], artifact)
        move_latest(db, portfolio["id"])
    return {"success": True}


def find_collection(db: sqlite3.Connection, storage_id: str) -> CollectionRow:
    found = collection_rows.get_collection(db, ids.decode("ArtifactCollection", storage_id))
    if found is None:
        raise RequestError("no such artifact collection", status=404)
    return found


def update_collection(key: str) -> Any:
    def resolve(_: Any, info: Info, input: Object) -> Object:
        context = info.context
        columns = {"name": input.get("name"), "description": input.get("description")}
        changes = {name: value for name, value in columns.items() if value is not None}
        if "name" in changes:
            ids.check_name(changes["name"], "artifact", most=ids.MAX_ARTIFACT_NAME)
        with context.store.write() as db:
            row = find_collection(db, input[key])
            other = "name" in changes and collection_rows.find_collection(
                db, row["project_id"], changes["name"]
            )
            if other and other["id"] != row["id"]:
                raise RequestError(f"there is a collection {changes['name']} already")
            update(db, "collections", row["id"], **changes, updated_at=context.now)
            return {"artifact_collection": collection_rows.get_collection(db, row["id"])}

    return resolve


def move_sequence(_: Any, info: Info, input: Object) -> Object:
    """Gives a sequence another type, which is made where it is not there."""
    context = info.context
    with context.store.write() as db:
        row = find_collection(db, input["artifactSequenceID"])
        kind = collection_rows.ensure_type(
            db, row["project_id"], input["destinationArtifactTypeName"], context.now
        )
        update(db, "collections", row["id"], type_id=kind["id"], updated_at=context.now)
        return {"artifact_collection": collection_rows.get_collection(db, row["id"])}


def delete_collection(key: str, kind: str) -> Any:
    def resolve(_: Any, info: Info, input: Object) -> Object:
        context, number = info.context, ids.decode("ArtifactCollection", input[key])
        with context.store.write() as db:
            row = collection_rows.get_collection(db, number) or {"id": number, "kind": kind}
            delete(db, "collections", number)
        blobs.sweep_unused(context.store, context.blobs)
        return {"artifact_collection": {**row, "state": "DELETED"}}

    return resolve


def named_collection(
    db: sqlite3.Connection, context: Context, input: Object
) -> CollectionRow | None:
    """The collection that an input names; None where there is none."""
    project = run_rows.find_project(db, *context.place(input))
    name = input["artifactCollectionName"]
    return collection_rows.find_collection(db, project["id"], name) if project else None


def add_tags(_: Any, info: Info, input: Object) -> Object:
    names = [tag["tagName"] for tag in input["tags"]]
    with info.context.store.write() as db:
        row = named_collection(db, info.context, input)
        if row is None:
            raise RequestError("no such artifact collection", status=404)
        collection_rows.set_tags(db, "collection", row["id"], names, [])
        found = collection_rows.tags_of(db, "collection", row["id"])
    return {"tags": [tag for tag in found if tag["name"] in names]}


def delete_tags(_: Any, info: Info, input: Object) -> Object:
    names = [tag["tagName"] for tag in input["tags"]]
    with info.context.store.write() as db:
        row = named_collection(db, info.context, input)
        if row:
            collection_rows.set_tags(db, "collection", row["id"], [], names)
    return {"success": True}


RESOLVERS: dict[str, dict[str, Callable[..., Any]]] = {
    "Mutation": {
        "updateArtifact": update_artifact,
        "deleteArtifact": delete_artifact,
        "useArtifact": use_artifact,
        "addAliases": add_aliases,
        "deleteAliases": delete_aliases,
        "linkArtifact": link_artifact,
        "unlinkArtifact": unlink_artifact,
        "updateArtifactSequence": update_collection("artifactSequenceID"),
        "updateArtifactPortfolio": update_collection("artifactPortfolioID"),
        "moveArtifactSequence": move_sequence,
        "deleteArtifactSequence": delete_collection("artifactSequenceID", "SEQUENCE"),
        "deleteArtifactPortfolio": delete_collection("artifactPortfolioID", "PORTFOLIO"),
        "createArtifactCollectionTagAssignments": add_tags,
        "deleteArtifactCollectionTagAssignments": delete_tags,
    },
}
