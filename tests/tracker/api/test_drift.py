"""Every GraphQL operation of the installed client is answered, or left out for a stated reason."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import wandb
import yaml
from graphql import GraphQLError, GraphQLObjectType, build_schema, parse, validate

from tests.tracker.operations import in_package
from tests.tracker.worlds import ROOT, Site
from tracker.api.engine import check_bounds

SDL = ROOT / "tracker" / "api" / "schema.graphql"
# the client's own templates: operation -> the texts for its open places, one set per variant
PROJECT = "project { id name entity { id name } }"
INDENT = " " * 16
RUN = "fragment RunFragment on Run { id config historyKeys systemMetrics }"
TEMPLATES: dict[str, list[dict[str, str]]] = {
    "Runs": [{"«fragment_name»": "RunFragment", "«fragment»": RUN}],
    "Run": [{"«fragment_name»": "RunFragment", "«fragment»": RUN}],
    "RunFiles": [{"«FILE_FRAGMENT»": ""}],
    "UpsertBucket": [{"_Server_Settings_": ""}],
    "DeleteRun": [
        {
            "$id: ID!,\n                {}": "$id: ID!",
            "id: $id,\n                    {}": "id: $id",
        },
        {
            "$id: ID!,\n                {}": "$id: ID!, $deleteArtifacts: Boolean",
            "id: $id,\n                    {}": "id: $id, deleteArtifacts: $deleteArtifacts",
        },
    ],
    "RunFullHistory": [
        {"{}(samples": "history(samples"},
        {"{}(samples": "events(samples"},
    ],
    "deleteFiles": [{"[ID!]!{}": "[ID!]!", "{}\n": "\n"}],
    "UpsertSweep": [{"_PROJECT_QUERY_": PROJECT}, {"_PROJECT_QUERY_": ""}],
    "UseArtifact": [
        {
            "«', '.join(query_vars)»": "$artifactID: ID!",
            "«', '.join(query_args)»": 'entityName: "", projectName: "", runName: "",'
            " artifactID: $artifactID, usedAs: null, artifactEntityName: null,"
            " artifactProjectName: null",
            "«vars_str»": "$artifactID: ID!",
            "«args_str»": 'entityName: "", projectName: "", runName: "",'
            " artifactID: $artifactID, usedAs: null, artifactEntityName: null,"
            " artifactProjectName: null",
        }
    ],
    "Viewer": [
        {
            "_CLI_QUERY_": "serverInfo { cliVersionInfo latestLocalVersionInfo {"
            " outOfDate latestVersionString versionOnThisInstanceString } }"
        }
    ],
    "LinkArtifact": [
        {"ID_TYPE": "$artifactID: ID", "ID_VALUE": "artifactID: $artifactID"},
        {"ID_TYPE": "$clientID: ID", "ID_VALUE": "clientID: $clientID"},
    ],
    "CreateArtifact": [
        {
            "_CREATE_ARTIFACT_ADDITIONAL_TYPE_": "$distributedID: String, $clientID: ID!,"
            " $sequenceClientID: ID!, $historyStep: Int64!, $ttlDurationSeconds: Int64!,"
            " $tags: [TagInput!]",
            "_CREATE_ARTIFACT_ADDITIONAL_VALUE_": "distributedID: $distributedID,"
            " clientID: $clientID, sequenceClientID: $sequenceClientID,"
            " enableDigestDeduplication: true, historyStep: $historyStep,"
            " ttlDurationSeconds: $ttlDurationSeconds, tags: $tags",
        }
    ],
    "CreateArtifactFiles": [
        {
            "_MULTIPART_UPLOAD_FIELDS_": "storagePath uploadMultipartUrls {"
            " uploadID uploadUrlParts { partNumber uploadUrl } }"
        }
    ],
    "CreateArtifactManifest": [
        {
            "$includeUpload: Boolean!,\n            {}": "$includeUpload: Boolean!,"
            " $type: ArtifactManifestType",
            "runName: $runName,\n                {}": "runName: $runName, type: $type",
        }
    ],
}
OF_OLD_CLIENTS = {
    "GetAutomations",
    "GetAutomationsByEntity",
    "LaunchAgent",
    "createDefaultResourceConfig",
    "createRunQueue",
    "upsertRunQueue",
}
CONDITIONAL = re.compile(r"«'([^'»]*)' if [^»]* else ''»")
NAME = re.compile(r"\b(?:query|mutation)\s+(\w+)")
OPEN = re.compile(r"«|»|_[A-Z]\w+_\b|\bID_(TYPE|VALUE)\b|\{\s*\}|\{\{")


def packages() -> list[Path]:
    """The installed client, and the oldest supported one where WANDB_OLD_PYTHON names it."""
    found = [Path(wandb.__file__).parent]
    old = os.environ.get("WANDB_OLD_PYTHON")
    if old:
        where = subprocess.run(
            [old, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
            capture_output=True,
            text=True,
            check=True,
        )
        found.append(Path(where.stdout.strip()) / "wandb")
    return found


def name_of(document: str) -> str:
    found = NAME.search(document)
    return found.group(1) if found else "(without a name)"


def variants(document: str) -> Iterator[str]:
    """What the client makes of a template; itself where it is none."""
    document = document.replace("{{", "{").replace("}}", "}") if "{}" in document else document
    choices = TEMPLATES.get(name_of(document), [{}]) if OPEN.search(document) else [{}]
    conditional = CONDITIONAL.search(document)
    if conditional:  # a field that depends on what the server can do
        for text in (conditional.group(1), ""):
            yield from variants(document.replace(conditional.group(0), text))
        return
    for choice in choices:
        text = document
        for place, filling in choice.items():
            text = text.replace(place, filling)
        if "...RunFragment" in text and "fragment RunFragment" not in text:
            text = text.replace("{}", "") + RUN
        yield text


@cache
def operations() -> list[tuple[str, str]]:
    found = [
        (f"{package.parents[3].parent.name}: {place}", text)
        for package in packages()
        for place, document in in_package(package)
        for text in variants(document)
    ]
    return found


@cache
def problems() -> dict[str, list[str]]:
    """Operation -> what is wrong with it for this server, in any of its places and variants."""
    schema = build_schema(SDL.read_text())
    found: dict[str, list[str]] = {}
    for place, text in operations():
        try:
            document = parse(text)
        except GraphQLError as error:
            messages = [f"cannot be read (a new template?): {error}"]
        else:
            check_bounds(document)
            messages = [error.message for error in validate(schema, document, max_errors=1)]
        found.setdefault(name_of(text), []).extend(f"{place}: {m}" for m in messages)
    return found


@cache
def left_out() -> dict[str, str]:
    subjects = yaml.safe_load((ROOT / "tracker" / "api" / "out_of_scope.yaml").read_text())
    return {
        name: subject["reason"] for subject in subjects.values() for name in subject["operations"]
    }


def test_operations_of_the_client_are_in_the_schema_or_left_out_for_a_reason():
    wrong = [text for name, found in problems().items() if name not in left_out() for text in found]
    assert not wrong, "\n".join(wrong)


def test_all_ways_in_which_the_client_keeps_operations_are_seen():
    places = [place for place, _ in operations()]
    assert sum("wandb-core:" in place for place in places) > 35
    assert sum("_generated/" in place for place in places) > 60
    names = {name_of(text) for _, text in operations()}
    assert {"UpsertBucket", "HistoryPage", "Heartbeat", "CommitArtifact", "UseArtifact"} <= names


def test_what_is_left_out_exists_has_a_reason_and_is_not_half_served():
    unseen = set() if os.environ.get("WANDB_OLD_PYTHON") else OF_OLD_CLIENTS
    assert set(left_out()) - set(problems()) <= unseen
    assert all(len(reason) > 30 for reason in left_out().values())
    assert [name for name in left_out() if problems().get(name) == []] == []


def test_an_unknown_operation_is_refused_in_words(site: Site):
    assert "Cannot query field 'allViews'" in site.refused('{ project(name: "p") { allViews } }')
    assert "createTeam" in site.refused("mutation { createTeam(input: {}) { entity { id } } }")


@pytest.mark.parametrize("root", ["Query", "Mutation"])
def test_every_root_field_has_a_resolver(site: Site, root: str):
    schema = site.server.engine.schema
    kind = schema.type_map[root]
    assert isinstance(kind, GraphQLObjectType)
    assert [name for name, field in kind.fields.items() if field.resolve is None] == []
