"""Rows of artifact versions: contents, manifests, lineage."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from tracker.artifacts.tables import ArtifactFileRow, ArtifactRow, ListedFileRow, ManifestRow
from tracker.documents import Object
from tracker.runs.states import ALIVE
from tracker.runs.tables import RunRow
from tracker.store.rows import insert, many, one

# A version as it stands in a collection; `membership_index` may differ from its own index
VERSIONS = (
    "(SELECT artifacts.*, memberships.collection_id AS member_of,"
    " memberships.version_index AS membership_index,"
    " memberships.id AS membership_id, memberships.created_at AS linked_at"
    " FROM memberships JOIN artifacts ON artifacts.id = memberships.artifact_id) AS version"
)
# What a run has logged or used
RUN_ARTIFACTS = (
    "(SELECT artifacts.*, artifact_runs.run_id AS lineage_run, artifact_runs.role AS role,"
    " artifact_runs.id AS lineage_id"
    " FROM artifact_runs JOIN artifacts ON artifacts.id = artifact_runs.artifact_id) AS linked"
)
# the second parameter is a JSON list of names, or NULL for all
NAMED = "(?2 IS NULL OR artifact_files.name IN (SELECT value FROM json_each(?2)))"


def create_artifact(db: sqlite3.Connection, now: float, **columns: Any) -> ArtifactRow:
    """Add a PENDING version."""
    artifact_id = insert(db, "artifacts", **columns, created_at=now, updated_at=now)
    made = get_artifact(db, artifact_id)
    assert made
    return made


def get_artifact(db: sqlite3.Connection, artifact_id: int) -> ArtifactRow | None:
    return one(db, "SELECT * FROM artifacts WHERE id = ?", artifact_id)


def artifact_by_client_id(db: sqlite3.Connection, client_id: str) -> ArtifactRow | None:
    return one(db, "SELECT * FROM artifacts WHERE client_id = ?", client_id)


def committed_with_digest(
    db: sqlite3.Connection, collection_id: int, digest: str
) -> ArtifactRow | None:
    """A version of the same content, all of which is there. Where versions are increments, a
    client's digest is that of its increment: then only the latest version can be the same.
    """
    return one(
        db,
        "SELECT * FROM artifacts WHERE collection_id = ?1 AND digest = ?2 AND state = 'COMMITTED'"
        " AND (version_index + 1 = (SELECT next_version FROM collections WHERE id = ?1)"
        " OR NOT EXISTS (SELECT 1 FROM manifests JOIN artifacts AS other"
        " ON other.id = manifests.artifact_id"
        " WHERE other.collection_id = ?1 AND type = 'INCREMENTAL'))"
        " AND NOT EXISTS (SELECT 1 FROM blobs JOIN artifact_files USING (hash)"
        " WHERE blobs.damaged AND artifact_id = artifacts.id)"
        " ORDER BY version_index DESC LIMIT 1",
        collection_id,
        digest,
    )


def pending_of_group(db: sqlite3.Connection, collection_id: int, group: str) -> ArtifactRow | None:
    """The version that several writers share until one of them finishes it."""
    return one(
        db,
        "SELECT * FROM artifacts WHERE collection_id = ? AND distributed_id = ?"
        " AND state = 'PENDING' ORDER BY id DESC LIMIT 1",
        collection_id,
        group,
    )


def latest_of(db: sqlite3.Connection, collection_id: int) -> ArtifactRow | None:
    """The version of a collection with the highest number; None where it has none."""
    return one(
        db,
        "SELECT artifacts.* FROM memberships JOIN artifacts ON artifacts.id = artifact_id"
        " WHERE memberships.collection_id = ? ORDER BY memberships.version_index DESC LIMIT 1",
        collection_id,
    )


def link_run(
    db: sqlite3.Connection,
    artifact_id: int,
    run_id: int,
    role: str,
    now: float,
    used_as: str | None = None,
) -> None:
    """Lineage: role `output` (logged by) or `input` (used by)."""
    db.execute(
        "INSERT INTO artifact_runs (artifact_id, run_id, role, used_as, created_at)"
        " VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET used_as = excluded.used_as",
        (artifact_id, run_id, role, used_as, now),
    )


def users_of(db: sqlite3.Connection, artifact_id: int) -> list[RunRow]:
    """Runs that have used it."""
    return many(
        db,
        "SELECT runs.* FROM artifact_runs JOIN runs ON runs.id = run_id"
        " WHERE artifact_id = ? AND role = 'input' ORDER BY artifact_runs.id",
        artifact_id,
    )


def delete_made_by(db: sqlite3.Connection, run_id: int) -> None:
    """Remove every version that a run has logged."""
    db.execute("DELETE FROM artifacts WHERE run_id = ?", (run_id,))


def create_manifest(
    db: sqlite3.Connection,
    artifact_id: int,
    kind: str,
    base_artifact_id: int | None,
    digest: str | None,
    now: float,
) -> int:
    return insert(
        db,
        "manifests",
        artifact_id=artifact_id,
        type=kind,
        base_artifact_id=base_artifact_id,
        digest=digest,
        created_at=now,
    )


def get_manifest(db: sqlite3.Connection, manifest_id: int) -> ManifestRow | None:
    return one(db, "SELECT * FROM manifests WHERE id = ?", manifest_id)


def uploaded_manifests(db: sqlite3.Connection, artifact_id: int) -> list[ManifestRow]:
    """Manifests of a version whose text has come, oldest first."""
    return many(
        db,
        "SELECT * FROM manifests WHERE artifact_id = ? AND hash IS NOT NULL ORDER BY id",
        artifact_id,
    )


def put_artifact_file(
    db: sqlite3.Connection,
    artifact_id: int,
    name: str,
    digest: str,
    size: int,
    hash: str | None,
) -> None:
    """Set an entry of a version; `hash` is None for a reference."""
    db.execute(
        "INSERT OR REPLACE INTO artifact_files (artifact_id, name, digest, size, hash)"
        " VALUES (?, ?, ?, ?, ?)",
        (artifact_id, name, digest, size, hash),
    )


def clear_artifact_files(db: sqlite3.Connection, artifact_id: int) -> None:
    db.execute("DELETE FROM artifact_files WHERE artifact_id = ?", (artifact_id,))


def list_artifact_files(
    db: sqlite3.Connection,
    artifact_id: int,
    names: list[str] | None = None,
    after: int = 0,
    limit: int = -1,
) -> list[ListedFileRow]:
    """Stored files and references (`hash` is None) in the order of the manifest."""
    return many(
        db,
        "SELECT artifact_files.*, artifacts.updated_at FROM artifact_files"
        " JOIN artifacts ON artifacts.id = artifact_id"
        f" WHERE artifact_id = ?1 AND {NAMED} AND artifact_files.id > ?3"
        " ORDER BY artifact_files.id LIMIT ?4",
        artifact_id,
        json.dumps(names) if names else None,
        after,
        limit,
    )


def count_artifact_files(
    db: sqlite3.Connection, artifact_id: int, names: list[str] | None = None
) -> int:
    """How many files `list_artifact_files` has to list."""
    return db.execute(
        f"SELECT count(*) FROM artifact_files WHERE artifact_id = ?1 AND {NAMED}",
        (artifact_id, json.dumps(names) if names else None),
    ).fetchone()[0]


def find_content(db: sqlite3.Connection, entity: str, digest: str) -> ArtifactFileRow | None:
    """An artifact file of an entity by the MD5 of its content (base64)."""
    return one(
        db,
        "SELECT artifact_files.* FROM artifact_files"
        " JOIN artifacts ON artifacts.id = artifact_id"
        " JOIN collections ON collections.id = collection_id"
        " JOIN projects ON projects.id = project_id"
        " WHERE artifact_files.digest = ? AND hash IS NOT NULL AND entity = ? LIMIT 1",
        digest,
        entity,
    )


def touch_pending(db: sqlite3.Connection, artifact_id: int, now: float) -> None:
    """Something came for a version that is not committed yet."""
    db.execute(
        "UPDATE artifacts SET updated_at = ? WHERE id = ? AND state = 'PENDING'",
        (now, artifact_id),
    )


def abandoned(db: sqlite3.Connection, before: float) -> list[int]:
    """Versions that nobody has committed since, and that no living run is making."""
    rows = db.execute(
        "SELECT id FROM artifacts WHERE state = 'PENDING' AND updated_at < ? AND NOT EXISTS ("
        " SELECT 1 FROM artifact_runs JOIN runs ON runs.id = artifact_runs.run_id"
        f" WHERE artifact_id = artifacts.id AND runs.state IN {ALIVE})",
        (before,),
    )
    return [row[0] for row in rows]


def waiting_aliases(artifact: ArtifactRow) -> list[str]:
    """Aliases that a version will get when it is committed."""
    return json.loads(artifact["pending_aliases"])


def wait_with_aliases(db: sqlite3.Connection, artifact_id: int, aliases: list[str]) -> None:
    db.execute(
        "UPDATE artifacts SET pending_aliases = ? WHERE id = ?", (json.dumps(aliases), artifact_id)
    )


def disk_use(db: sqlite3.Connection, project_id: int) -> Object:
    """How many contents (`n`) a project's artifacts have, and their bytes (`size`)."""
    return one(
        db,
        "SELECT count(*) AS n, coalesce(sum(size), 0) AS size FROM blobs WHERE hash IN ("
        " SELECT hash FROM artifact_files JOIN artifacts ON artifacts.id = artifact_id"
        " JOIN collections ON collections.id = collection_id WHERE project_id = ?)",
        project_id,
    )
