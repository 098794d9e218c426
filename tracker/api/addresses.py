"""Addresses under which contents are put and got. Whoever has one needs no key."""

from __future__ import annotations

from typing import Any

from tracker.context import Context

ADDRESS_SECONDS = 24 * 3600  # an upload may wait that long in the client's queue


def put_url(context: Context, target: dict[str, Any]) -> str:
    """An address to which the holder may PUT once or more, for a day."""
    token = context.signer.token("put", target, context.now + ADDRESS_SECONDS)
    return f"{context.base_url}/storage/{token}"


def get_url(context: Context, hash: str, name: str) -> str:
    """An address from which the holder may GET one blob, for a day; `name` is what it is called."""
    target = {"hash": hash, "name": name.rpartition("/")[2]}
    token = context.signer.token("get", target, context.now + ADDRESS_SECONDS)
    return f"{context.base_url}/storage/{token}"
