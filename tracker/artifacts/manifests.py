"""Artifact manifests, pure: read, merge, digest. A manifest lists what a version holds:
`{"version": 1, "storagePolicy", "storagePolicyConfig", "contents": {path: {"digest", "size",
"birthArtifactID", "ref", "extra"}}}`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from tracker import documents
from tracker.api import ids
from tracker.errors import RequestError

MAX_VALUES = 4_000_000  # of about half a million files

Manifest = dict[str, Any]
Contents = dict[str, dict[str, Any]]


def read(text: bytes) -> Manifest:
    """A manifest from its text; RequestError where an entry leads elsewhere or lacks a digest."""
    manifest = documents.read(text, "the manifest", MAX_VALUES)
    if not isinstance(manifest, dict) or not isinstance(manifest.get("contents"), dict):
        raise RequestError("the manifest has no contents")
    for path, entry in manifest["contents"].items():
        ids.check_path(path, "the manifest's entry")
        if not isinstance(entry, dict) or not isinstance(entry.get("digest"), str):
            raise RequestError(f"the manifest's entry {path!r:.80} has no digest")
        size = entry.get("size") or 0
        if not isinstance(size, int) or not 0 <= size < 1 << 63:
            raise RequestError(f"the manifest's entry {path!r:.80} has the size {size!r:.80}")
    return manifest


def merge(manifests: Iterable[Manifest]) -> Manifest:
    """One manifest of several; a later entry takes the place of an earlier one."""
    merged: Manifest = {}
    for manifest in manifests:
        merged = {**manifest, "contents": {**merged.get("contents", {}), **manifest["contents"]}}
    return merged


def digest(manifest: Manifest) -> str:
    """As the client computes it (hexadecimal MD5 over sorted paths and digests)."""
    md5 = hashlib.md5(b"wandb-artifact-manifest-v1\n", usedforsecurity=False)
    for path, entry in sorted(manifest["contents"].items()):
        md5.update(f"{path}:{entry['digest']}\n".encode())
    return md5.hexdigest()


def write(manifest: Manifest) -> bytes:
    """A manifest as text."""
    return json.dumps(manifest, separators=(",", ":")).encode()
