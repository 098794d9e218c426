"""Opaque storage ids: base64 of `Kind:row`, as the wandb client expects them (`id` fields)."""

from __future__ import annotations

import base64
import binascii
import secrets
import string
from pathlib import PurePosixPath, PureWindowsPath

from tracker.errors import RequestError

MAX_NAME = 128  # characters
MAX_ARTIFACT_NAME = 512  # of those of tables, which hold a key of the history
MAX_NAME_BYTES = 1_024


def encode(kind: str, row: int) -> str:
    """The storage id of a row."""
    return base64.b64encode(f"{kind}:{row}".encode()).decode()


def decode(kind: str, storage_id: str) -> int:
    """Row number of a storage id; an id of another kind is an error, not another row."""
    try:
        found, _, row = base64.b64decode(storage_id, validate=True).decode().partition(":")
        if found == kind:
            return int(row)
    except (binascii.Error, ValueError):
        pass
    raise RequestError(f"{storage_id!r} is not the id of a {kind}", status=404)


def random_name() -> str:
    """A short name as the client gives its runs: 8 lower-case letters and digits."""
    return "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(8))


def check_name(name: str, what: str, *, most: int = MAX_NAME) -> str:
    """The check of whatever a client names: a project, a run, an artifact, an alias, a tag.

    To this server a name is only ever a text in the database, yet it stands in addresses, and
    clients name files and folders after it. `most` is in characters.
    """
    if not 0 < len(name) <= most or "/" in name:
        raise refused(name, what, f"wanted are 1 to {most} characters, none of them a slash")
    return check_parts(name, what)


def check_path(name: str, what: str) -> str:
    """The check of a name with folders: a run's file, an entry of a manifest."""
    path, windows = PurePosixPath(name), PureWindowsPath(name)
    if path == PurePosixPath() or path.anchor or windows.anchor:
        raise refused(name, what, "wanted is the path of a file within its folder")
    return check_parts(name, what)


def check_parts(name: str, what: str) -> str:
    """What holds for every name: it is text that fits, and leads out of no folder."""
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        size = 0
    if not 0 < size <= MAX_NAME_BYTES or any(ord(c) < 32 or ord(c) == 127 for c in name):
        raise refused(name, what, f"empty, longer than {MAX_NAME_BYTES} bytes, or not text")
    if not {".", ".."}.isdisjoint((name, *PureWindowsPath(name).parts)):  # splits at both slashes
        raise refused(name, what, "it leads out of its folder")
    return name


def refused(name: str, what: str, why: str) -> RequestError:
    return RequestError(f"{what} {name!r:.80}: {why}")
