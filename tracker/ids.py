"""Opaque storage ids: base64 of `Kind:row`, as the wandb client expects them (`id` fields)."""

from __future__ import annotations

import base64
import binascii
import secrets
import string

from tracker.errors import RequestError

MAX_NAME = 128


def encode(kind: str, row: int) -> str:
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


def check_name(name: str, what: str) -> str:
    """A name as it may stand in an address: W&B refuses more, the client before it sends them."""
    if not name or len(name) > MAX_NAME or any(c == "/" or ord(c) < 32 for c in name):
        raise RequestError(
            f"{what} {name!r:.80}: wanted are 1 to {MAX_NAME} characters, none of them a slash"
        )
    return name
