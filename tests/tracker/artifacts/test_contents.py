"""Contents that are damaged or looked for."""

from __future__ import annotations

import hashlib

import pytest

from tests.tracker.artifact_world import Writer, md5
from tests.tracker.artifacts.test_versions import increment
from tracker.artifacts import manifests
from tracker.store import blobs


def test_a_damaged_content_is_sent_again_not_referred_to(writer: Writer):
    first = writer.log("ds", {"a": b"content", "b": b"whole"})
    digest = hashlib.md5(b"content").hexdigest()
    (blob,) = (p for p in writer.site.folder.glob("blobs/??/*") if p.read_bytes() == b"content")
    blob.write_bytes(b"c0ntent")
    assert "damaged" in writer.site.http.get(f"/artifacts/local/{digest}").json()["error"]
    again = writer.create("ds", manifests.digest({"contents": {}}))
    assert writer.upload(again["id"], {"b": b"whole"}) == 0
    writer.manifest(again["id"], {"a": {"digest": md5(b"content"), "size": 7}})
    commit = "mutation($id: ID!) { commitArtifact(input: {artifactID: $id}) { artifact { id } } }"
    assert "'a' has not been uploaded" in writer.site.refused(commit, id=again["id"])
    # the same version once more is not the one that is there, and mends it
    second = writer.log("ds", {"a": b"content", "b": b"whole"})
    assert (first["versionIndex"], second["versionIndex"]) == (0, 1)
    assert writer.site.http.get(f"/artifacts/local/{digest}").content == b"content"
    assert writer.commit(again["id"])["versionIndex"] == 2
    assert writer.log("ds", {"a": b"content", "b": b"whole"})["id"] == second["id"]


def test_a_damaged_manifest_is_refused(writer: Writer):
    increment(writer, "a", b"1")
    with writer.site.store.read() as db:
        (hash,) = db.execute("SELECT manifest_hash FROM artifacts").fetchone()
    blobs.path_of(writer.site.folder / "blobs", hash).write_bytes(b'{"contents": {}}')
    with pytest.raises(AssertionError, match="is damaged"):
        increment(writer, "b", b"2")


def test_a_file_is_found_by_its_digest(writer: Writer):
    """The client's way of reading when it has no signed address."""
    writer.log("ds", {"a.txt": b"content"})
    digest = hashlib.md5(b"content").hexdigest()
    for path in (
        f"/artifacts/local/{digest}",
        f"/artifactsV2/default/local/p/ds/x/{digest}/a.txt",
        f"/artifactsV2/default/local/x/{digest}",
    ):
        assert writer.site.http.get(path).content == b"content"
    assert writer.site.http.get(f"/artifacts/other/{digest}").status_code == 404
    assert writer.site.http.get("/artifacts/local/zz").status_code == 404
