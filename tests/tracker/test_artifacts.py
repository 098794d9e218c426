"""Artifacts by GraphQL, where it goes beyond what test_clients.py does with the real client."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest

from tests.tracker.test_uploads import WRONG_NAMES
from tests.tracker.worlds import Site
from tracker.app import clear
from tracker.artifacts import manifests
from tracker.store import blobs


def md5(content: bytes) -> str:
    return base64.b64encode(hashlib.md5(content).digest()).decode()


COMMIT = (
    "mutation($id: ID!) { commitArtifact(input: {artifactID: $id}) {"
    " artifact { id state digest versionIndex size fileCount } } }"
)


class Writer:
    """Logs artifacts as the client does."""

    def __init__(self, site: Site) -> None:
        self.site = site
        site.start_run()

    def create(self, name: str, digest: str, **fields: Any) -> dict[str, Any]:
        data = self.site.gql(
            "mutation($i: CreateArtifactInput!) { createArtifact(input: $i) { artifact {"
            " id state artifactSequence { latestArtifact { id } } } } }",
            i={
                "entityName": "local",
                "projectName": "p",
                "runName": "r1",
                "artifactTypeName": fields.pop("type", "dataset"),
                "artifactCollectionNames": [name],
                "digest": digest,
                "enableDigestDeduplication": True,
                **fields,
            },
        )
        return data["createArtifact"]["artifact"]

    def upload(self, artifact: str, files: dict[str, bytes]) -> int:
        """Uploads what the server asks for; returns how many files that were."""
        data = self.site.gql(
            "mutation($i: CreateArtifactFilesInput!) { createArtifactFiles(input: $i) {"
            " files { edges { node { name uploadUrl storagePath artifact { id } } } } } }",
            i={
                "storageLayout": "V2",
                "artifactFiles": [
                    {"artifactID": artifact, "name": name, "md5": md5(content)}
                    for name, content in files.items()
                ],
            },
        )
        asked = 0
        for edge in data["createArtifactFiles"]["files"]["edges"]:
            node = edge["node"]
            assert node["storagePath"].startswith("wandb_artifacts/")
            if node["uploadUrl"]:
                asked += 1
                assert self.site.http.put(node["uploadUrl"], content=files[node["name"]]).is_success
        return asked

    def manifest(
        self, artifact: str, contents: dict[str, Any], kind: str = "FULL", base: str | None = None
    ) -> None:
        data = self.site.gql(
            "mutation($i: CreateArtifactManifestInput!) { createArtifactManifest(input: $i) {"
            " artifactManifest { id file { uploadUrl } } } }",
            i={
                "artifactID": artifact,
                "baseArtifactID": base,
                "name": "wandb_manifest.json",
                "digest": "",
                "entityName": "local",
                "projectName": "p",
                "runName": "r1",
                "type": kind,
            },
        )
        url = data["createArtifactManifest"]["artifactManifest"]["file"]["uploadUrl"]
        text = json.dumps({"version": 1, "storagePolicy": "x", "contents": contents})
        assert self.site.http.put(url, content=text.encode()).status_code == 200

    def commit(self, artifact: str) -> dict[str, Any]:
        data = self.site.gql(COMMIT, id=artifact)
        return data["commitArtifact"]["artifact"]

    def log(self, name: str, files: dict[str, bytes], **fields: Any) -> dict[str, Any]:
        """A whole version."""
        entries = {n: {"digest": md5(c), "size": len(c)} for n, c in files.items()}
        digest = manifests.digest({"contents": entries})
        made = self.create(name, digest, **fields)
        if made["state"] == "COMMITTED":
            return made
        self.upload(made["id"], files)
        self.manifest(made["id"], entries)
        return self.commit(made["id"])

    def aliases(self, name: str) -> list[str] | None:
        data = self.site.gql(
            'query($n: String!) { project(name: "p", entityName: "local") {'
            " artifactCollectionMembership(name: $n) { aliases { alias } } } }",
            n=name,
        )
        found = data["project"]["artifactCollectionMembership"]
        return found and [alias["alias"] for alias in found["aliases"]]


@pytest.fixture
def writer(site: Site) -> Writer:
    return Writer(site)


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


def kept(site: Site) -> tuple[int, int, int, int]:
    """Versions, manifests, rows of their files, and contents on disk."""
    with site.store.read() as db:
        counts = [
            db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in ("artifacts", "manifests", "artifact_files")
        ]
    on_disk = sum(path.is_file() for path in (site.folder / "blobs").glob("??/*"))
    return counts[0], counts[1], counts[2], on_disk


def clear_after(site: Site, seconds: float) -> None:
    site.now += seconds
    clear(site.app.app.state.server)  # type: ignore[attr-defined]


def test_an_upload_that_nobody_commits_is_removed_when_its_grace_is_over(writer: Writer):
    site, grace = writer.site, writer.site.settings.upload_grace
    writer.log("ds", {"a": b"0", "shared": b"both"})
    whole = kept(site)
    made = writer.create("ds", "d1")
    writer.upload(made["id"], {"b": b"1", "shared": b"both"})
    writer.manifest(made["id"], {"b": {"digest": md5(b"1"), "size": 1}})
    site.stream(complete=True, exitcode=1)
    clear_after(site, grace - 1)
    assert kept(site) == (2, 2, 4, whole[3] + 2)
    clear_after(site, 2)
    assert kept(site) == whole
    assert "no such artifact" in site.refused(COMMIT, id=made["id"])
    assert writer.log("ds", {"b": b"1"})["versionIndex"] == 1  # it can be logged again


def test_a_slow_upload_is_not_removed(writer: Writer):
    """Each part that comes keeps it; so does the run that makes it, while it lives."""
    site, grace = writer.site, writer.site.settings.upload_grace
    made = writer.create("ds", "d1")
    clear_after(site, 2 * grace)
    site.stream(complete=True, exitcode=0)
    for i in range(4):
        writer.upload(made["id"], {f"f{i}": str(i).encode()})
        clear_after(site, grace * 0.9)
    contents = {f"f{i}": {"digest": md5(str(i).encode()), "size": 1} for i in range(4)}
    writer.manifest(made["id"], contents)
    clear_after(site, grace * 0.9)
    assert writer.commit(made["id"])["state"] == "COMMITTED"
    clear_after(site, 9 * grace)
    assert kept(site)[:3] == (1, 1, 4)


def test_a_clock_that_was_set_back_does_not_keep_an_upload(writer: Writer):
    site, grace = writer.site, writer.site.settings.upload_grace
    made = writer.create("ds", "d1")
    writer.upload(made["id"], {"b": b"1"})
    site.stream(complete=True, exitcode=1)
    site.tick(-1e7)
    clear_after(site, grace + 1)
    assert kept(site) == (0, 0, 0, 0)


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
