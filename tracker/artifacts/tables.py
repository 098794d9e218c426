"""Rows of artifacts, as types. What may be NULL is None; times are seconds since 1970."""

from __future__ import annotations

from typing import TypedDict


class TypeRow(TypedDict):
    """A type of artifacts, a name within its project."""

    id: int
    project_id: int
    name: str
    description: str | None
    created_at: float


class CollectionRow(TypedDict):
    """A SEQUENCE (versions that runs log) or a PORTFOLIO (links to them)."""

    id: int
    project_id: int
    type_id: int
    kind: str
    name: str
    description: str | None
    next_version: int
    created_at: float
    updated_at: float


class ArtifactRow(TypedDict):
    """A version; it has a number and a manifest once it is COMMITTED."""

    id: int
    collection_id: int
    version_index: int | None
    state: str
    digest: str
    description: str | None
    metadata: str | None
    labels: str | None
    ttl_seconds: int
    history_step: int | None
    size: int
    file_count: int
    client_id: str | None
    distributed_id: str | None
    run_id: int | None
    pending_aliases: str
    manifest_hash: str | None
    created_at: float
    updated_at: float


class MembershipRow(TypedDict):
    """A version's place in a collection."""

    id: int
    collection_id: int
    artifact_id: int
    version_index: int
    created_at: float


class AliasRow(TypedDict):
    """An alias of a version in a collection."""

    id: int
    collection_id: int
    alias: str
    artifact_id: int


class TagRow(TypedDict):
    """A tag of a version or a collection."""

    id: int
    name: str


class ManifestRow(TypedDict):
    """A manifest; `hash` is NULL until it is uploaded."""

    id: int
    artifact_id: int
    type: str
    base_artifact_id: int | None
    digest: str | None
    hash: str | None
    created_at: float


class ArtifactFileRow(TypedDict):
    """An entry of a version; a reference has no `hash`."""

    id: int
    artifact_id: int
    name: str
    digest: str
    size: int
    hash: str | None


class ListedFileRow(ArtifactFileRow):
    """An entry with the time at which its version was changed last."""

    updated_at: float
