"""What is refused of an artifact: contents, manifests, names."""

from __future__ import annotations

from typing import Any

import pytest

from tests.tracker.artifact_world import Writer, md5
from tests.tracker.artifacts.test_uploads import WRONG_NAMES


def test_a_commit_without_all_contents_is_refused(writer: Writer):
    made = writer.create("ds", "d1")
    commit = "mutation($id: ID!) { commitArtifact(input: {artifactID: $id}) { artifact { id } } }"
    assert "no manifest" in writer.site.refused(commit, id=made["id"])
    writer.manifest(made["id"], {"a": {"digest": md5(b"never sent"), "size": 4}})
    assert "'a' has not been uploaded" in writer.site.refused(commit, id=made["id"])
    writer.manifest(made["id"], {"r": {"digest": "etag", "ref": "s3://b/k", "size": 9}})
    version = writer.commit(made["id"])
    assert (version["size"], version["fileCount"], version["versionIndex"]) == (9, 1, 0)
    assert writer.commit(made["id"]) == version  # told twice


def test_a_content_that_differs_from_its_digest_is_refused(writer: Writer):
    made = writer.create("ds", "d1")
    data = writer.site.gql(
        "mutation($i: CreateArtifactFilesInput!) { createArtifactFiles(input: $i) {"
        " files { edges { node { uploadUrl } } } } }",
        i={"artifactFiles": [{"artifactID": made["id"], "name": "a", "md5": md5(b"right")}]},
    )
    url = data["createArtifactFiles"]["files"]["edges"][0]["node"]["uploadUrl"]
    answer = writer.site.http.put(url, content=b"wrong")
    assert answer.status_code == 400
    assert "MD5" in answer.text


@pytest.mark.parametrize(
    "text", [b"", b"[]", b"{}", b'{"contents": []}', b'{"contents": {"a": {}}}', b"\xff"]
)
def test_a_senseless_manifest_is_refused_at_the_commit(writer: Writer, text: bytes):
    made = writer.create("ds", "d1")
    data = writer.site.gql(
        "mutation($i: CreateArtifactManifestInput!) { createArtifactManifest(input: $i) {"
        " artifactManifest { file { uploadUrl } } } }",
        i={
            "artifactID": made["id"],
            "name": "m",
            "digest": "",
            "entityName": "local",
            "projectName": "p",
            "runName": "r1",
        },
    )
    url = data["createArtifactManifest"]["artifactManifest"]["file"]["uploadUrl"]
    assert writer.site.http.put(url, content=text).status_code == 200
    commit = "mutation($id: ID!) { commitArtifact(input: {artifactID: $id}) { artifact { id } } }"
    assert "manifest" in writer.site.refused(commit, id=made["id"])


ENTRY = {"digest": "e", "ref": "s3://bucket/key"}


@pytest.mark.parametrize("path", WRONG_NAMES)
def test_a_manifest_whose_entries_lead_elsewhere_is_refused(writer: Writer, path: str):
    """Clients write what they download to the paths of the manifest. References need no upload, so
    that the manifest alone names them.
    """
    commit = "mutation($id: ID!) { commitArtifact(input: {artifactID: $id}) { artifact { id } } }"
    for kind in ("FULL", "INCREMENTAL", "PATCH"):
        made = writer.create("ds", kind)
        writer.manifest(made["id"], {path: ENTRY}, kind)
        assert "entry" in writer.site.refused(commit, id=made["id"])


@pytest.mark.parametrize("size", [-1, 1 << 63, "1", 1.5, [1]])
def test_a_manifest_with_a_senseless_size_is_refused(writer: Writer, size: Any):
    commit = "mutation($id: ID!) { commitArtifact(input: {artifactID: $id}) { artifact { id } } }"
    made = writer.create("ds", "d1")
    writer.manifest(made["id"], {"a": {**ENTRY, "size": size}})
    assert "has the size" in writer.site.refused(commit, id=made["id"])


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "/etc", "..\\up", "nul\0", "line\n", "\x7f", "\ud800", "x" * 513]
)
def test_what_names_something_is_a_name(writer: Writer, name: str):
    """Of every kind; what is refused is not half-done."""
    made = writer.log("ds", {"a": b"1"})
    place = {"entityName": "local", "projectName": "p"}
    artifact = (
        "mutation($i: CreateArtifactInput!) { createArtifact(input: $i) { artifact { id } } }"
    )
    version = {"artifactTypeName": "t", "artifactCollectionNames": ["new"], "digest": "d", **place}
    alias = {"artifactCollectionName": "new", "alias": name}
    tag = "mutation($i: UpdateArtifactInput!) { updateArtifact(input: $i) { artifact { id } } }"
    link = "mutation($i: LinkArtifactInput!) { linkArtifact(input: $i) { versionIndex } }"
    project = "mutation($i: UpsertModelInput!) { upsertModel(input: $i) { inserted } }"
    run = "mutation($i: UpsertBucketInput!) { upsertBucket(input: $i) { inserted } }"
    alias_of = {"artifactCollectionName": "ds", "alias": name, **place}
    kind = "mutation($i: CreateArtifactTypeInput!) { createArtifactType(input: $i) { artifactType {"
    cases: list[tuple[str, Any]] = [
        (artifact, {**version, "artifactTypeName": name}),
        (artifact, {**version, "aliases": [alias]}),
        (artifact, {**version, "tags": [{"tagName": name}]}),
        (kind + " id } } }", {"name": name, **place}),
        (tag, {"artifactID": made["id"], "tagsToAdd": [{"tagName": name}]}),
        (tag, {"artifactID": made["id"], "aliases": [alias_of | {"alias": name}]}),
        (
            "mutation($i: AddAliasesInput!) { addAliases(input: $i) { success } }",
            {"artifactID": made["id"], "aliases": [alias_of]},
        ),
        (
            link,
            {"artifactID": made["id"], "artifactPortfolioName": "f", "aliases": [alias], **place},
        ),
    ]
    if name:  # without, another is taken
        cases += [
            (artifact, {**version, "artifactCollectionNames": [name]}),
            (link, {"artifactID": made["id"], "artifactPortfolioName": name, **place}),
            (project, {"name": name, "entityName": "local"}),
            (project, {"name": "new", "entityName": name}),
            (run, {"name": name, "modelName": "p", "entityName": "local"}),
        ]
    with writer.site.store.read() as db:
        before = list(db.iterdump())
    for query, input in cases:
        assert writer.site.refused(query, i=input), (query, input)
    with writer.site.store.read() as db:
        assert list(db.iterdump()) == before
