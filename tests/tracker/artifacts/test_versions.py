"""Artifacts by GraphQL, where it goes beyond what test_clients.py does with the real client."""

from __future__ import annotations

from typing import Any

import pytest

from tests.tracker.artifact_world import Writer, md5
from tracker.artifacts import manifests


def test_versions_count_up_and_latest_moves(writer: Writer):
    for i in range(3):
        version = writer.log("ds", {"a": str(i).encode()})
        assert (version["versionIndex"], version["state"]) == (i, "COMMITTED")
    assert writer.aliases("ds:latest") == ["latest"]
    assert writer.aliases("ds") == ["latest"]
    assert writer.aliases("ds:v2") == ["latest"]
    assert writer.aliases("ds:v0") == []
    assert writer.aliases("ds:v3") is None
    assert writer.aliases("none") is None


def test_equal_content_is_the_same_version_and_takes_new_aliases(writer: Writer):
    first = writer.log("ds", {"a": b"0"})
    second = writer.log("ds", {"a": b"1"})
    again = writer.log(
        "ds", {"a": b"0"}, aliases=[{"artifactCollectionName": "ds", "alias": "best"}]
    )
    assert again["id"] == first["id"] != second["id"]
    assert writer.aliases("ds:best") == ["best"]
    # but another name is another artifact
    assert writer.log("other", {"a": b"0"})["id"] != first["id"]


def test_contents_that_are_there_are_not_asked_for(writer: Writer):
    writer.log("ds", {"a": b"same", "b": b"old"})
    made = writer.create("ds", "d1")
    assert writer.upload(made["id"], {"a": b"same", "b": b"new"}) == 1


def test_what_was_promised_to_be_there_stays_until_the_commit(writer: Writer):
    first = writer.log("ds", {"a": b"same"})
    made = writer.create("ds", "d1")
    assert writer.upload(made["id"], {"a": b"same"}) == 0
    writer.site.gql(
        "mutation($id: ID!) { deleteArtifact(input: {artifactID: $id, deleteAliases: true})"
        " { artifact { id } } }",
        id=first["id"],
    )
    writer.manifest(made["id"], {"a": {"digest": md5(b"same"), "size": 4}})
    assert writer.commit(made["id"])["state"] == "COMMITTED"


def test_references_are_listed_with_the_files(writer: Writer):
    """The client downloads what is listed, references too, each from where it leads."""
    made = writer.create("ds", "0")
    writer.upload(made["id"], {"a": b"0"})
    entries = {"a": {"digest": md5(b"0"), "size": 1}, "r": {"digest": "e", "ref": "s3://b/k"}}
    writer.manifest(made["id"], entries)
    writer.commit(made["id"])
    data = writer.site.gql(
        "query($id: ID!) { artifact(id: $id) { commitHash fileCount files(first: 10) {"
        " totalCount edges { node { name directUrl } } } } }",
        id=made["id"],
    )["artifact"]
    assert (data["fileCount"], data["files"]["totalCount"]) == (2, 2)
    nodes = [edge["node"] for edge in data["files"]["edges"]]
    assert [(node["name"], bool(node["directUrl"])) for node in nodes] == [
        ("a", True),
        ("r", False),
    ]
    assert len(data["commitHash"]) == 20  # wandb's artifact.commit_hash fails without


def increment(writer: Writer, name: str, content: bytes, base: str | None = None) -> dict[str, Any]:
    made = writer.create("inc", manifests.digest({"contents": {name: {"digest": md5(content)}}}))
    if made["state"] == "COMMITTED":
        return made
    writer.upload(made["id"], {name: content})
    entry = {name: {"digest": md5(content), "size": len(content)}}
    writer.manifest(made["id"], entry, "INCREMENTAL", base)
    return writer.commit(made["id"])


def names_of(writer: Writer, artifact: str) -> list[str]:
    data = writer.site.gql(
        "query($id: ID!) { artifact(id: $id) { files { edges { node { name } } }"
        " currentManifest { file { directUrl } } } }",
        id=artifact,
    )["artifact"]
    manifest = writer.site.http.get(data["currentManifest"]["file"]["directUrl"]).json()
    names = sorted(edge["node"]["name"] for edge in data["files"]["edges"])
    assert sorted(manifest["contents"]) == names
    return names


def test_increments_grow_over_the_latest_version(writer: Writer):
    first = increment(writer, "a", b"1")
    second = increment(writer, "b", b"2")
    assert names_of(writer, second["id"]) == ["a", "b"]
    # over a base of its own
    third = increment(writer, "c", b"3", base=first["id"])
    assert names_of(writer, third["id"]) == ["a", "c"]
    # the increment of the first version again is no step back to it
    again = increment(writer, "a", b"1")
    assert names_of(writer, again["id"]) == ["a", "c"]
    assert again["versionIndex"] == 3
    contents = {"a": {"digest": md5(b"1")}, "b": {"digest": md5(b"2")}}
    assert second["digest"] == manifests.digest({"contents": contents})


def test_several_writers_make_one_version(writer: Writer):
    ids = set()
    for name in ("a", "b", "c"):
        made = writer.create("dist", name, distributedID="D", clientID=f"client-{name}")
        ids.add(made["id"])
        writer.upload(made["id"], {name: name.encode()})
        writer.manifest(made["id"], {name: {"digest": md5(name.encode()), "size": 1}}, "PATCH")
    assert len(ids) == 1
    version = writer.commit(ids.pop())
    assert names_of(writer, version["id"]) == ["a", "b", "c"]
    # finished, the group begins a new version
    assert writer.create("dist", "d", distributedID="D")["id"] != version["id"]


def test_a_retried_creation_is_the_same_version(writer: Writer):
    first = writer.create("ds", "d1", clientID="c1")
    assert writer.create("ds", "d1", clientID="c1")["id"] == first["id"]
    data = writer.site.gql('{ clientIDMapping(clientID: "c1") { serverID } }')
    assert data["clientIDMapping"]["serverID"] == first["id"]
    assert writer.site.gql('{ clientIDMapping(clientID: "x") { serverID } }') == {
        "clientIDMapping": None
    }


def test_a_name_has_one_type(writer: Writer):
    writer.log("ds", {"a": b"1"})
    with pytest.raises(AssertionError, match="has the type 'dataset'"):
        writer.create("ds", "x", type="model")


def test_deleting_takes_latest_back_and_numbers_are_not_given_again(writer: Writer):
    for i in range(3):
        last = writer.log("ds", {"a": str(i).encode()})
    delete = (
        "mutation($id: ID!, $all: Boolean) { deleteArtifact(input: {artifactID: $id,"
        " deleteAliases: $all}) { artifact { id } } }"
    )
    assert "aliases latest" in writer.site.refused(delete, id=last["id"], all=False)
    writer.site.gql(delete, id=last["id"], all=True)
    assert writer.aliases("ds:v2") is None
    assert writer.aliases("ds:v1") == ["latest"]
    assert writer.log("ds", {"a": b"new"})["versionIndex"] == 3
    # told twice, as where the first answer was lost
    again = writer.site.gql(delete, id=last["id"], all=True)
    assert again["deleteArtifact"]["artifact"]["id"] == last["id"]
    assert writer.aliases("ds:v3") == ["latest"]


def test_deleting_a_run_may_delete_what_it_made(writer: Writer):
    writer.log("ds", {"a": b"1"})
    run = writer.site.run("id")
    assert run
    delete = (
        "mutation($id: ID!, $all: Boolean) { deleteRun(input: {id: $id, deleteArtifacts: $all})"
        " { clientMutationId } }"
    )
    writer.site.gql(delete, id=run["id"], all=True)
    assert writer.aliases("ds:v0") is None
    assert not list((writer.site.folder / "blobs").glob("??/*"))


def test_collections_are_filtered_ordered_and_paged(writer: Writer):
    for name in ("b", "a", "c"):
        writer.log(name, {"x": name.encode()})
    query = (
        "query($f: JSONString, $o: String, $n: Int, $after: String) {"
        ' project(name: "p", entityName: "local") { artifactType(name: "dataset") {'
        " artifactCollections(filters: $f, order: $o, first: $n, after: $after) { totalCount"
        " edges { node { name } } pageInfo { endCursor hasNextPage } } } } }"
    )

    def names(**variables: Any) -> tuple[list[str], dict[str, Any]]:
        found = writer.site.gql(query, **variables)["project"]["artifactType"]
        edges = found["artifactCollections"]["edges"]
        return [edge["node"]["name"] for edge in edges], found["artifactCollections"]

    assert names(n=9)[0] == ["b", "a", "c"]
    assert names(o="name", n=9)[0] == ["a", "b", "c"]
    assert names(o="-name", n=9)[0] == ["c", "b", "a"]
    assert names(f='{"name": {"$in": ["a", "c"]}}', o="+name", n=9)[0] == ["a", "c"]
    first, page = names(o="name", n=2)
    assert (first, page["totalCount"]) == (["a", "b"], 3)
    assert names(o="name", n=2, after=page["pageInfo"]["endCursor"])[0] == ["c"]
    assert "not known" in writer.site.refused(query, f='{"planet": 1}')


def test_v_and_a_number_is_a_version_not_an_alias(writer: Writer):
    first = writer.log("ds", {"a": b"1"})
    writer.log("ds", {"a": b"2"})
    writer.site.gql(
        "mutation($i: AddAliasesInput!) { addAliases(input: $i) { success } }",
        i={
            "artifactID": first["id"],
            "aliases": [
                {
                    "entityName": "local",
                    "projectName": "p",
                    "artifactCollectionName": "ds",
                    "alias": alias,
                }
                for alias in ("v1", "good")
            ],
        },
    )
    assert writer.aliases("ds:v1") == ["latest"]
    assert writer.aliases("ds:good") == ["good"]
