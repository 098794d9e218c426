"""What a faulty or hostile client can cost is bounded: each limit, and one more."""

from __future__ import annotations

import gzip
import json
import time
from pathlib import Path

import pytest

from tests.tracker.worlds import Site
from tracker.api.engine import MAX_ALIASES, MAX_DEPTH, MAX_FIELDS, MAX_QUERY_CHARS
from tracker.http.bodies import GZIP_SLACK
from tracker.settings import Settings

SMALL = Settings(
    tick_seconds=3600,
    max_json_bytes=10_000,
    max_upload_bytes=5_000,
    max_inflight_bytes=15_000,
    max_gzip_ratio=10,
)
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def small(tmp_path: Path):
    site = Site(tmp_path, SMALL)
    yield site
    site.close()


def padded(size: int) -> bytes:
    body = json.dumps({"query": "{ viewer { id } }", "pad": ""}).encode()
    return body[:-2] + b"x" * (size - len(body)) + body[-2:]


# ----------------------------------------------------------------------------------------- queries


def nested(depth: int) -> str:
    """A valid query of that many levels: a sequence has a latest artifact, which has a sequence."""
    head = 'artifact(id: "x") { ' + "artifactSequence { latestArtifact { " * ((depth - 2) // 2)
    tail = "artifactSequence { id }" if depth % 2 else "id"
    return "{ " + head + tail + " }" * (head.count("{")) + " }"


def test_depth(site: Site):
    assert "levels" not in site.post(nested(MAX_DEPTH), {}).text
    assert f"{MAX_DEPTH + 1} levels" in site.refused(nested(MAX_DEPTH + 1))


def aliased(n: int) -> str:
    return "{" + " ".join(f"a{i}: viewer {{ id }}" for i in range(n)) + "}"


def test_aliases(site: Site):
    assert len(site.gql(aliased(MAX_ALIASES))) == MAX_ALIASES
    assert f"{MAX_ALIASES + 1} aliases" in site.refused(aliased(MAX_ALIASES + 1))


def test_a_thousand_aliases_are_refused_at_once(site: Site):
    start = time.process_time()
    assert "aliases" in site.refused(aliased(1000))
    assert time.process_time() - start < 1


def test_fields(site: Site):
    assert "fields" not in site.post("{ viewer {" + " id" * (MAX_FIELDS - 1) + "} }", {}).text
    assert "fields" in site.refused("{ viewer {" + " id" * MAX_FIELDS + "} }")


def test_fields_in_fragments_are_counted_where_they_are_used(site: Site):
    """Twelve fragments that use each other ten times would be 10^12 fields."""
    parts = [f"fragment f{i} on User {{ {f'...f{i + 1} ' * 10} }}" for i in range(12)]
    start = time.process_time()
    message = site.refused("{ viewer { ...f0 } } fragment f12 on User { id } " + " ".join(parts))
    assert "fields" in message
    assert time.process_time() - start < 1


def test_fields_in_fragments_are_counted_where_they_are_not_used(site: Site):
    """Validating them takes the square of their number."""
    unused = "fragment f on User {" + " id" * (MAX_FIELDS + 1) + "}"
    assert f"{MAX_FIELDS + 1} fields" in site.refused("{ viewer { id } } " + unused)


def test_a_fragment_in_itself_is_refused(site: Site):
    query = "{ viewer { ...a } } fragment a on User { ...b } fragment b on User { ...a }"
    assert "contains itself" in site.refused(query)


def test_the_length_of_a_query(site: Site):
    query = "{ viewer { id } }"
    assert site.gql(query + " " * (MAX_QUERY_CHARS - len(query)))
    assert "longer than" in site.refused(query + " " * (MAX_QUERY_CHARS + 1 - len(query)))


@pytest.mark.parametrize("query", ["{a" * 9_000, "[" * 50_000, "{" * 50_000, "query(" * 10_000])
def test_senseless_nesting_is_refused_in_words(site: Site, query: str):
    start = time.process_time()
    assert site.refused(query)
    assert time.process_time() - start < 2


def test_batches_are_not_served(site: Site):
    answer = site.http.post("/graphql", json=[{"query": "{ viewer { id } }"}] * 2)
    assert answer.status_code == 400
    assert "batches are not served" in answer.text


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"1",
        b'"x"',
        b"{",
        b"{}",
        b'{"query": 1}',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"query": "{ viewer { id } }", "variables": [1]}',
    ],
    ids=lambda body: repr(body[:20]),
)
def test_a_body_that_makes_no_sense_is_refused_in_words(site: Site, body: bytes):
    answer = site.http.post("/graphql", content=body, headers=JSON)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["message"]


def test_pages_are_bounded(site: Site):
    site.start_run()
    query = (
        '{ project(name: "p", entityName: "local") { runs(first: %d) { edges { node { id } } } } }'
    )
    assert len(site.gql(query % 10**9)["project"]["runs"]["edges"]) == 1
    assert "negative" in site.refused(query % -1)


# ------------------------------------------------------------------------------------------ bodies


@pytest.mark.parametrize("path", ["/graphql", "/files/local/p/r1/file_stream"])
def test_the_size_of_a_body(small: Site, path: str):
    small.start_run()
    most = SMALL.max_json_bytes
    assert small.http.post(path, content=padded(most), headers=JSON).status_code == 200
    assert small.http.post(path, content=padded(most + 1), headers=JSON).status_code == 413

    async def without_length():
        yield padded(most + 1)

    assert small.http.post(path, content=without_length(), headers=JSON).status_code == 413


def test_the_size_of_an_upload(small: Site):
    small.start_run()
    query = (
        'mutation { createRunFiles(input: {entityName: "local", projectName: "p", runName: "r1",'
        ' files: ["a"]}) { files { uploadUrl } } }'
    )
    url = small.gql(query)["createRunFiles"]["files"][0]["uploadUrl"]
    most = SMALL.max_upload_bytes
    assert small.http.put(url, content=b"x" * most).status_code == 200
    assert small.http.put(url, content=b"x" * (most + 1)).status_code == 413
    assert not list((small.folder / "blobs" / "incoming").iterdir())  # nothing is left behind


def test_bodies_at_the_same_time_share_a_budget(small: Site):
    budget = small.server.budget
    budget.take(SMALL.max_inflight_bytes - 5_000)
    assert small.http.post("/graphql", content=padded(6_000), headers=JSON).status_code == 429
    assert small.http.post("/graphql", content=padded(4_000), headers=JSON).status_code == 200
    assert budget.used == SMALL.max_inflight_bytes - 5_000  # what was taken was given back


def test_a_compressed_body_is_read(site: Site):
    body = gzip.compress(json.dumps({"query": "{ viewer { entity } }"}).encode())
    answer = site.http.post("/graphql", content=body, headers={**JSON, "Content-Encoding": "gzip"})
    assert answer.json()["data"]["viewer"]["entity"] == "local"


def test_a_compressed_body_may_not_grow_beyond_bounds(tmp_path: Path):
    generous = Settings(tick_seconds=3600, max_gzip_ratio=10)
    site = Site(tmp_path, generous)
    headers = {**JSON, "Content-Encoding": "gzip"}
    bomb = gzip.compress(padded(4 << 20))  # a thousandfold
    answer = site.http.post("/graphql", content=bomb, headers=headers)
    assert answer.status_code == 413
    small = gzip.compress(padded(GZIP_SLACK))  # as much so, but small
    assert site.http.post("/graphql", content=small, headers=headers).status_code == 200
    site.close()


def test_the_size_of_a_body_is_that_after_decompression(small: Site):
    headers = {**JSON, "Content-Encoding": "gzip"}
    body = gzip.compress(padded(SMALL.max_json_bytes + 1))
    assert small.http.post("/graphql", content=body, headers=headers).status_code == 413


@pytest.mark.parametrize(
    ("encoding", "body", "status"),
    [("br", b"x", 415), ("gzip", b"no gzip", 400), ("gzip", gzip.compress(b"{}")[:-4], 400)],
    ids=["unknown", "broken", "cut off"],  # gzip's bytes hold the time; workers must agree on names
)
def test_broken_or_unknown_compression(site: Site, encoding: str, body: bytes, status: int):
    headers = {**JSON, "Content-Encoding": encoding}
    assert site.http.post("/graphql", content=body, headers=headers).status_code == status
