"""A client that writes artifacts, for the tests."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

from tests.tracker.worlds import Site
from tracker.artifacts import manifests


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
