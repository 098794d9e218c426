"""Rows of artifact types and collections: names, memberships, aliases, tags."""

from __future__ import annotations

import sqlite3

from tracker.api.ids import MAX_ARTIFACT_NAME, check_name
from tracker.artifacts.tables import AliasRow, CollectionRow, MembershipRow, TagRow, TypeRow
from tracker.store.rows import many, one

LATEST = "latest"


def ensure_type(db: sqlite3.Connection, project_id: int, name: str, now: float) -> TypeRow:
    """A project's artifact type of that name, made where it is not there."""
    found = find_type(db, project_id, name)
    if found is None:
        check_name(name, "artifact type", most=MAX_ARTIFACT_NAME)
        db.execute(
            "INSERT INTO artifact_types (project_id, name, created_at) VALUES (?, ?, ?)",
            (project_id, name, now),
        )
        found = find_type(db, project_id, name)
    assert found
    return found


def find_type(db: sqlite3.Connection, project_id: int, name: str) -> TypeRow | None:
    return one(
        db, "SELECT * FROM artifact_types WHERE project_id = ? AND name = ?", project_id, name
    )


def get_type(db: sqlite3.Connection, type_id: int) -> TypeRow | None:
    return one(db, "SELECT * FROM artifact_types WHERE id = ?", type_id)


def describe_type(db: sqlite3.Connection, type_id: int, text: str) -> None:
    db.execute("UPDATE artifact_types SET description = ? WHERE id = ?", (text, type_id))


def list_types(db: sqlite3.Connection, project_id: int, after: int, limit: int) -> list[TypeRow]:
    return many(
        db,
        "SELECT * FROM artifact_types WHERE project_id = ? AND id > ? ORDER BY id LIMIT ?",
        project_id,
        after,
        limit,
    )


def create_collection(
    db: sqlite3.Connection, project_id: int, type_id: int, kind: str, name: str, now: float
) -> CollectionRow:
    """Add a collection, a SEQUENCE or a PORTFOLIO; RequestError where its name is none."""
    check_name(name, "artifact", most=MAX_ARTIFACT_NAME)
    db.execute(
        "INSERT INTO collections (project_id, type_id, kind, name, created_at, updated_at)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (project_id, type_id, kind, name, now, now),
    )
    made = find_collection(db, project_id, name)
    assert made
    return made


def find_collection(db: sqlite3.Connection, project_id: int, name: str) -> CollectionRow | None:
    return one(db, "SELECT * FROM collections WHERE project_id = ? AND name = ?", project_id, name)


def get_collection(db: sqlite3.Connection, collection_id: int) -> CollectionRow | None:
    return one(db, "SELECT * FROM collections WHERE id = ?", collection_id)


def next_version(db: sqlite3.Connection, collection_id: int) -> int:
    """A number that no version of the collection has had, deleted ones included."""
    return db.execute(
        "UPDATE collections SET next_version = next_version + 1 WHERE id = ?"
        " RETURNING next_version - 1",
        (collection_id,),
    ).fetchone()[0]


def add_membership(
    db: sqlite3.Connection, collection_id: int, artifact_id: int, index: int, now: float
) -> None:
    db.execute(
        "INSERT INTO memberships (collection_id, artifact_id, version_index, created_at)"
        " VALUES (?, ?, ?, ?)",
        (collection_id, artifact_id, index, now),
    )


def find_membership(
    db: sqlite3.Connection, collection_id: int, artifact_id: int
) -> MembershipRow | None:
    return one(
        db,
        "SELECT * FROM memberships WHERE collection_id = ? AND artifact_id = ?",
        collection_id,
        artifact_id,
    )


def drop_membership(db: sqlite3.Connection, collection_id: int, artifact_id: int) -> None:
    """Take a version, with its aliases, out of a collection."""
    for table in ("aliases", "memberships"):
        db.execute(
            f"DELETE FROM {table} WHERE collection_id = ? AND artifact_id = ?",
            (collection_id, artifact_id),
        )


def memberships_of(db: sqlite3.Connection, artifact_id: int) -> list[MembershipRow]:
    return many(db, "SELECT * FROM memberships WHERE artifact_id = ? ORDER BY id", artifact_id)


def resolve_alias(db: sqlite3.Connection, collection_id: int, alias: str) -> MembershipRow | None:
    """The membership that an alias, or `v3`, or a digest names."""
    if alias[:1] == "v" and alias[1:].isdigit():
        return one(
            db,
            "SELECT * FROM memberships WHERE collection_id = ? AND version_index = ?",
            collection_id,
            int(alias[1:19]),
        )
    return one(
        db,
        "SELECT memberships.* FROM memberships"
        " JOIN artifacts ON artifacts.id = memberships.artifact_id"
        " LEFT JOIN aliases ON aliases.collection_id = memberships.collection_id"
        " AND aliases.artifact_id = memberships.artifact_id AND alias = ?2"
        " WHERE memberships.collection_id = ?1 AND (alias IS NOT NULL OR digest = ?2)"
        " ORDER BY alias IS NULL LIMIT 1",
        collection_id,
        alias,
    )


def set_alias(db: sqlite3.Connection, collection_id: int, alias: str, artifact_id: int) -> None:
    """An alias names one version of a collection: setting it takes it from another."""
    check_name(alias, "alias", most=MAX_ARTIFACT_NAME)
    db.execute(
        "INSERT INTO aliases (collection_id, alias, artifact_id) VALUES (?, ?, ?)"
        " ON CONFLICT (collection_id, alias) DO UPDATE SET artifact_id = excluded.artifact_id",
        (collection_id, alias, artifact_id),
    )


def drop_alias(db: sqlite3.Connection, collection_id: int, alias: str, artifact_id: int) -> None:
    db.execute(
        "DELETE FROM aliases WHERE collection_id = ? AND alias = ? AND artifact_id = ?",
        (collection_id, alias, artifact_id),
    )


def aliases_of(
    db: sqlite3.Connection, artifact_id: int, collection_id: int | None = None
) -> list[AliasRow]:
    """Aliases of a version, in one collection or in all."""
    return many(
        db,
        "SELECT * FROM aliases WHERE artifact_id = ?1 AND (?2 IS NULL OR collection_id = ?2)"
        " ORDER BY id",
        artifact_id,
        collection_id,
    )


def collection_aliases(db: sqlite3.Connection, collection_id: int) -> list[AliasRow]:
    """Aliases of all versions of a collection."""
    return many(db, "SELECT * FROM aliases WHERE collection_id = ? ORDER BY id", collection_id)


def set_tags(
    db: sqlite3.Connection, kind: str, row_id: int, add: list[str], drop: list[str]
) -> None:
    """`kind`: artifact or collection."""
    assert kind in ("artifact", "collection")
    for name in add:
        check_name(name, "tag", most=MAX_ARTIFACT_NAME)
    db.executemany(
        f"INSERT OR IGNORE INTO {kind}_tags ({kind}_id, name) VALUES (?, ?)",
        [(row_id, name) for name in add],
    )
    db.executemany(
        f"DELETE FROM {kind}_tags WHERE {kind}_id = ? AND name = ?",
        [(row_id, name) for name in drop],
    )


def tags_of(db: sqlite3.Connection, kind: str, row_id: int) -> list[TagRow]:
    """Tags of a version or a collection (`kind`)."""
    assert kind in ("artifact", "collection")
    return many(db, f"SELECT * FROM {kind}_tags WHERE {kind}_id = ? ORDER BY id", row_id)
