"""Resolvers: what this server is, its one user, and entities, which are names here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphql import GraphQLResolveInfo as Info

from tracker.api import ids
from tracker.documents import Object

# Those that switch the client to a code path that is served here
FEATURES = (
    "LARGE_FILENAMES",
    "ARTIFACT_TAGS",
    "CLIENT_IDS",
    "ARTIFACT_COLLECTION_MEMBERSHIP_FILES",
    "USE_ARTIFACT_WITH_ENTITY_AND_PROJECT_INFORMATION",
    "PROJECT_ARTIFACT_COLLECTION_MEMBERSHIP",
    "ARTIFACT_MEMBERSHIP_IN_LINK_ARTIFACT_RESPONSE",
    "TOTAL_COUNT_IN_FILE_CONNECTION",
    "ARTIFACT_COLLECTIONS_FILTERING_SORTING",
    "MARK_RUN_FILES_UPLOADED",
    "SWEEPS_QUERY_FILTERING",
    "FILESTREAM_GZIP",
    "RUN_SCAN_HISTORY_LIVE_DATA",
    "UPDATE_RUN_STATE",
)


def viewer(_: Any, info: Info) -> Object:
    """The one user."""
    name = info.context.settings.entity
    return {
        "id": ids.encode("User", 1),
        "name": name,
        "username": name,
        "email": f"{name}@localhost",
        "admin": False,  # there is nothing here to administer
        "flags": "{}",
        "entity": name,
        "api_keys": {"edges": []},
        "teams": {"edges": [{"node": entity(None, info, name)}]},
        "organizations": [],
    }


def entity(_: Any, info: Info, name: str | None = None) -> Object:
    """An entity: whatever name a client uses."""
    name = name or info.context.settings.entity
    return {
        "id": ids.encode("Entity", 1),
        "name": name,
        "available": False,
        "read_only": False,
        "read_only_admin": False,
        "is_team": False,
        "entity_type": "user",
        "private_only": False,
        "storage_bytes": 0,
        "code_saving_enabled": True,
        "default_access": "PRIVATE",
        "is_paid": False,
        "members": lambda _info: [member(info)],
        "xxhash_digests_enabled": False,
        "user": lambda _info: viewer(None, info),
    }


def users(_: Any, info: Info, query: str | None = None) -> Object:
    """The one user, where its name or address is what is looked for."""
    user = viewer(None, info)
    found = (query or "").lower() in (user["username"].lower(), user["email"].lower(), "")
    return {"edges": [{"node": user}] if found else []}


def member(info: Info) -> Object:
    """The one user, as every entity's member."""
    user = viewer(None, info)
    named = {key: user[key] for key in ("name", "username", "email")}
    return {
        "id": ids.encode("Member", 1),
        **named,
        "admin": True,  # nobody else could change anything
        "role": "admin",
        "pending": False,
        "account_type": "USER",
    }


def server_info(_: Any, info: Info) -> Object:
    """What clients ask to learn which of their ways are served."""
    return {
        "features": [{"name": name, "is_enabled": True} for name in FEATURES],
        "cli_version_info": {"max_cli_version": "99.0.0", "min_cli_version": "0.13.0"},
    }


RESOLVERS: dict[str, dict[str, Callable[..., Any]]] = {
    "Query": {
        "viewer": viewer,
        "serverInfo": server_info,
        "entity": entity,
        "organization": lambda _, info, name: None,
        "users": users,
    },
}
