"""JSON and YAML from outside: what would cost far more than it is long is refused in words, and
what is stored leaves pages and filters of the project whole.
"""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from contract import values
from contract.sweepfile import read
from tests.tracker.worlds import Site
from tracker import documents
from tracker.errors import RequestError
from tracker.runs import history

JSON = {"Content-Type": "application/json"}
HUGE = "1" * 4_000  # Python reads no longer ones
NUMBERS = ["1e999", "-1e999", "NaN", HUGE, f"-{HUGE}", str(2**63), str(-(2**63) - 1)]
RUNS = """query($f: JSONString, $a: String) { project(name: "p", entityName: "local") {
  runs(filters: $f, order: "-config.a.value", after: $a) { edges { node { name config } } } } }"""


@pytest.fixture
def world(site: Site):
    """Whatever a test does, the project's pages and filters go on, and nothing is a fault here."""
    site.start_run("good", config='{"a": {"value": 1}}', summaryMetrics='{"a": 1}')
    yield site
    for page in ("/", "/local", "/local/p", "/local/p/runs/good"):
        assert site.http.get(page).status_code == 200, page
    for key in ("config.a", "summary_metrics.a"):
        found = site.gql(RUNS, f=json.dumps({key: 1}))["project"]["runs"]["edges"]
        assert "good" in [edge["node"]["name"] for edge in found]


@pytest.fixture(autouse=True)
def no_faults(caplog: pytest.LogCaptureFixture):
    yield
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


def nested(levels: int, opening: str = '{"a":', closing: str = "}") -> str:
    return opening * levels + "1" + closing * levels


# -------------------------------------------------------------------------------------- the reader


@pytest.mark.parametrize("opening", ['{"a":', "["])
def test_nesting(opening: str):
    closing = "}" if opening != "[" else "]"
    most = documents.MAX_NESTING
    assert documents.read(nested(most, opening, closing), "it")
    for levels in (most + 1, 900, 5_000, 1_000_000):
        with pytest.raises(RequestError, match="it is"):
            documents.read(nested(levels, opening, closing), "it")


def test_what_is_nested_as_deep_as_may_be_can_be_handled():
    value = documents.read(nested(documents.MAX_NESTING), "it")
    assert json.dumps(values.finite(value))
    assert values.canonical(value)
    assert len(dict(history.flatten(value))) == 1


@pytest.mark.parametrize("item", ["[]", "{}", "1", '""'])
def test_the_number_of_values(item: str):
    assert documents.read("[" + ",".join([item] * 400) + "]", "it", 1_000)
    with pytest.raises(RequestError, match="it has more than 1000 values"):
        documents.read("[" + ",".join([item] * 1_001) + "]", "it", 1_000)


@pytest.mark.parametrize("inside", [",[{" * 1_000, '\\",' * 1_000, "\\\\"])
def test_what_stands_in_strings_is_no_value(inside: str):
    assert documents.read(json.dumps([json.loads(f'"{inside}"')] * 2), "it", 10)


@pytest.mark.parametrize(
    "text",
    ['"' + '\\"' * 2_000_000, '"' + "\\" * 4_000_001, '"a' * 1_000_001, "," * 4_000_000],
    ids=lambda text: text[:4],
)
def test_strings_without_an_end_take_no_time(text: str):
    """Reading them again from each of their quotes would take hours."""
    with pytest.raises(RequestError):
        documents.read("," * documents.MAX_VALUES + text, "it")


def test_the_body_has_the_bound(site: Site):
    for path in ("/graphql", "/files/local/p/r/file_stream"):
        body = b'{"query": [' + b"[]," * documents.MAX_VALUES + b"[]]}"
        assert site.http.post(path, content=body, headers=JSON).status_code == 413
        body = b'{"files": ' + b"[" * 500 + b"]" * 500 + b"}"
        answer = site.http.post(path, content=body, headers=JSON)
        assert answer.status_code == 400
        assert "nested deeper" in answer.text


# ------------------------------------------------------------------------------- what gets stored


@pytest.mark.parametrize("levels", [documents.MAX_NESTING, documents.MAX_NESTING + 1, 900, 5_000])
def test_deep_documents_hurt_nobody(world: Site, levels: int):
    fits = levels <= documents.MAX_NESTING
    for field in ("config", "summaryMetrics"):
        upsert = "mutation($i: UpsertBucketInput!) { upsertBucket(input: $i) { inserted } }"
        run = {"name": field, "modelName": "p", "entityName": "local", field: nested(levels)}
        assert world.post(upsert, {"i": run}).status_code == (200 if fits else 400)
    for name, line in (
        ("wandb-history.jsonl", nested(levels)),
        ("wandb-events.jsonl", nested(levels)),
        ("wandb-summary.json", nested(levels)),
        ("output.log", '{"content": ' + nested(levels) + "}"),
    ):
        files = {name: {"offset": 0, "content": [line]}}
        answer = world.http.post("/files/local/p/good/file_stream", json={"files": files})
        assert answer.status_code == (200 if fits or name == "output.log" else 400), name
        if name == "wandb-summary.json":
            world.start_run("good", summaryMetrics='{"a": 1}')
    assert world.run('history sampledHistory(specs: ["{}"]) events', "good")
    answer = world.post(RUNS, {"f": '{"config.a": ' + nested(levels, "[", "]") + "}"})
    assert answer.status_code == (200 if levels < documents.MAX_NESTING else 400)


@pytest.mark.parametrize("number", NUMBERS, ids=lambda text: text[:6])
def test_numbers_that_no_column_holds_hurt_nobody(world: Site, number: str):
    for i, field in enumerate(("config", "summaryMetrics")):
        world.start_run(f"n{i}", **{field: '{"x": {"value": ' + number + "}}"})
    rows = ['{"_step": 0, "x": ' + number + "}", '{"_step": ' + number + ', "x": 1}']
    files = {"wandb-history.jsonl": {"offset": 0, "content": rows}}
    answer = world.http.post("/files/local/p/good/file_stream", json={"files": files})
    assert answer.status_code == 200  # a client that is refused sends nothing any more
    assert (world.run("historyLineCount", "good") or {})["historyLineCount"] == 2


@pytest.mark.parametrize("number", [*NUMBERS, '"x"', "[]"], ids=lambda text: text[:6])
def test_numbers_to_ask_with_are_served_or_refused(world: Site, number: str):
    for test in (number, '{"$gt": ' + number + "}", '{"$in": [' + number + "]}"):
        for key in ("config.a", "createdAt"):
            assert world.post(RUNS, {"f": f'{{"{key}": {test}}}'}).status_code in (200, 400)
    cursor = base64.urlsafe_b64encode(f"[{number}, {number}]".encode()).decode()
    assert world.post(RUNS, {"a": cursor}).status_code == 400
    assert world.http.get(f"/local/p?after={cursor}").status_code == 400
    one = base64.urlsafe_b64encode(f"[{number}]".encode()).decode()
    query = "query($a: String) { projects(after: $a) { edges { node { id } } } }"
    assert world.post(query, {"a": one}).status_code == 400
    spec = f'{{"minStep": {number}, "maxStep": {number}, "samples": {number}}}'
    query = (
        'query($s: [JSONString!]!, $m: Int64) { project(name: "p", entityName: "local") {'
        ' run(name: "good") { sampledHistory(specs: $s) history(minStep: $m, maxStep: $m) } } }'
    )
    assert world.post(query, {"s": [spec], "m": number}).status_code == 400


def test_an_infinite_member_of_a_list_is_found(world: Site):
    world.start_run("inf", config='{"x": {"value": Infinity}}')
    found = world.gql(RUNS, f='{"config.x": {"$in": [1, Infinity, NaN]}}')["project"]["runs"]
    assert [edge["node"]["name"] for edge in found["edges"]] == ["inf"]


def test_metadata_is_json(world: Site):
    create = "mutation($i: CreateArtifactInput!) { createArtifact(input: $i) { artifact { id } } }"
    artifact: dict[str, Any] = {
        "entityName": "local",
        "projectName": "p",
        "artifactTypeName": "t",
        "artifactCollectionName": "c",
        "digest": "d",
        "digestAlgorithm": "MANIFEST_MD5",
    }
    assert world.post(create, {"i": {**artifact, "metadata": '{"a": 1}'}}).status_code == 200
    for metadata in ("{", nested(5_000)):
        assert "metadata is" in world.refused(create, i={**artifact, "metadata": metadata})


# ------------------------------------------------------------------------------------------- sweeps


def test_a_sweep_s_config_is_bounded(world: Site):
    mutation = "mutation($i: UpsertSweepInput!) { upsertSweep(input: $i) { sweep { id } } }"
    config = "method: grid\nparameters: {a: {value: 1}}\n#"
    sweep = {"projectName": "p", "entityName": "local"}
    assert world.gql(mutation, i={**sweep, "config": config})
    assert "longer than" in world.refused(mutation, i={**sweep, "config": config + "x" * 250_000})


@pytest.mark.parametrize("end", ["x", "e", "e+", ".x"])
def test_digits_are_read_in_linear_time(end: str):
    """Patterns with one way to match; with two, the time was the square of their number."""
    text = "1" * 1_000_000 + end
    assert read.load(f"a: {text}")["a"] == text
    assert values.canonical(text) == text
