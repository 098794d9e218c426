"""What a faulty or hostile client can cost is bounded: each limit, and one more."""

from __future__ import annotations

import contextlib
import gzip
import json
import select
import socket
import time
from pathlib import Path

import httpx
import pytest

from tests.tracker.worlds import Site, Tracker
from tracker.bodies import GZIP_SLACK
from tracker.context import Settings
from tracker.query import MAX_ALIASES, MAX_DEPTH, MAX_FIELDS, MAX_QUERY_CHARS

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
    budget = small.app.app.state.server.budget  # type: ignore[attr-defined]
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


# ------------------------------------------------------------------------------------ slow clients


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory):
    """A real server that waits a second for headers and for the next part of a body."""
    tracker = Tracker(
        tmp_path_factory.mktemp("slow") / "data", "--header-seconds", "1", "--body-seconds", "1"
    )
    yield tracker
    tracker.stop()


def connect(tracker: Tracker) -> socket.socket:
    host, _, port = tracker.server.url.removeprefix("http://").partition(":")
    return socket.create_connection((host, int(port)), timeout=10)


def wait_for_end(sock: socket.socket) -> bytes:
    """What comes until the server closes the connection; TimeoutError where it does not."""
    answer = b""
    with contextlib.suppress(ConnectionResetError):
        while part := sock.recv(10_000):
            answer += part
    return answer


HEALTH = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
PAGE = HEALTH.replace(b"healthz", b"")  # which says how to log in
KEYLESS = (
    b"POST /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    b"Content-Length: 1000000000\r\n\r\n"
)
UNFINISHED = {
    "nothing": b"",
    "half the headers": b"POST /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\nX-",
    "a second request that has begun": HEALTH + b"G",
    "a third one": HEALTH + HEALTH + b"GET / HTTP/1.1\r\nX",
    "the body of a request without the key": KEYLESS,
}


@pytest.mark.parametrize("sent", UNFINISHED.values(), ids=UNFINISHED)
def test_headers_have_to_come_in_time(impatient: Tracker, sent: bytes):
    with connect(impatient) as sock:
        sock.sendall(sent)
        wait_for_end(sock)


@pytest.mark.parametrize("sent", UNFINISHED.values(), ids=UNFINISHED)
def test_headers_may_not_drip(impatient: Tracker, sent: bytes):
    """Every byte comes in time, and yet there would be no end."""
    with connect(impatient) as sock:
        sock.sendall(sent)
        sock.settimeout(0.1)
        deadline = time.monotonic() + 20
        with contextlib.suppress(ConnectionError):
            while time.monotonic() < deadline:
                sock.sendall(b"x")
                with contextlib.suppress(TimeoutError):
                    while sock.recv(10_000):
                        pass
                    return
            pytest.fail("the connection is still open")


def test_an_answer_has_to_be_taken(impatient: Tracker):
    """A client that asks and asks, and never reads."""
    with connect(impatient) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        sock.setblocking(False)
        deadline = time.monotonic() + 120
        with pytest.raises(ConnectionError):
            while time.monotonic() < deadline:
                select.select([], [sock], [], 1)
                with contextlib.suppress(BlockingIOError):
                    sock.send(PAGE * 100)


def test_a_body_has_to_come_in_time(impatient: Tracker):
    head = (
        f"POST /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {impatient.server.key}"
        "\r\nContent-Type: application/json\r\nContent-Length: 1000\r\nConnection: close\r\n\r\n"
    )
    with connect(impatient) as sock:
        sock.sendall(head.encode() + b'{"query"')
        answer = wait_for_end(sock)
    assert b"408" in answer.partition(b"\r\n")[0]


def test_a_body_may_not_drip(impatient: Tracker):
    """Every part comes in time, and yet it would take a quarter of an hour."""
    head = (
        f"POST /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {impatient.server.key}"
        "\r\nContent-Type: application/json\r\nContent-Length: 1000\r\nConnection: close\r\n\r\n"
    )
    start = time.monotonic()
    with connect(impatient) as sock:
        sock.sendall(head.encode())
        sock.settimeout(0.3)
        answer = b""
        while not answer and time.monotonic() - start < 15:
            sock.sendall(b" ")
            with contextlib.suppress(TimeoutError):
                answer = sock.recv(1_000)
    assert b"408" in answer.partition(b"\r\n")[0]


def test_an_answer_may_be_taken_slowly(tmp_path: Path):
    """At 100 kB/s, of which the kernel alone holds enough for longer than the server waits."""
    size = 8_000_000
    tracker = Tracker(tmp_path / "data", "--header-seconds", "2", "--body-seconds", "2")
    run = {"name": "r", "modelName": "p", "entityName": "local", "notes": "x" * size}
    tracker.ask("mutation($i: UpsertBucketInput!) { upsertBucket(input: $i) { inserted } }", i=run)
    query = '{ project(name: "p", entityName: "local") { run(name: "r") { notes } } }'
    body = json.dumps({"query": query})
    head = (
        f"POST /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {tracker.server.key}"
        f"\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    start = time.monotonic()
    with connect(tracker) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 20_000)
        sock.sendall((head + body).encode())
        received = 0
        while time.monotonic() - start < 7:
            received += len(sock.recv(5_000))
            time.sleep(0.05)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1_000_000)
        received += len(wait_for_end(sock))
    assert received > size
    tracker.stop()


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory):
    """A real server that would wait for half an hour."""
    tracker = Tracker(
        tmp_path_factory.mktemp("patient") / "data",
        *("--header-seconds", "1800", "--body-seconds", "1800"),
    )
    yield tracker
    tracker.stop()


@pytest.mark.parametrize("sent", UNFINISHED.values(), ids=UNFINISHED)
def test_without_the_key_nobody_takes_all_the_places(patient: Tracker, sent: bytes):
    socks = []
    for _ in range(Settings.max_connections + 8):
        socks.append(connect(patient))
        socks[-1].sendall(sent)
    assert patient.ask("{ viewer { entity } }") == {"viewer": {"entity": "local"}}
    for sock in socks:
        sock.close()


def test_nor_by_asking_without_reading(patient: Tracker):
    socks = []
    for _ in range(Settings.max_connections + 8):
        socks.append(connect(patient))
        socks[-1].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        socks[-1].setblocking(False)
        with contextlib.suppress(BlockingIOError, ConnectionError):
            socks[-1].send(PAGE * 500)
    assert patient.ask("{ viewer { entity } }") == {"viewer": {"entity": "local"}}
    for sock in socks:
        sock.close()


def test_requests_at_the_same_time_are_bounded(patient: Tracker):
    """With the key, and every one under way."""
    head = (
        f"POST /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {patient.server.key}"
        "\r\nContent-Type: application/json\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n"
    )
    socks = [connect(patient) for _ in range(Settings.max_connections)]
    for sock in socks:
        sock.sendall(head.encode())
        assert b"100 Continue" in sock.recv(1_000)
    health = f"{patient.server.url}/healthz"
    assert httpx.get(health, timeout=30).status_code == 503  # on which clients try again
    for sock in socks:
        sock.close()
    deadline = time.monotonic() + 60
    while httpx.get(health, timeout=30).status_code != 200:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_strangers_do_not_fill_the_log(patient: Tracker):
    log = patient.folder / "server.log"
    before = log.read_text()
    for sent in (
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Basic \xe9\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: \xe9=\xff\r\n\r\n",
        b"GET /login?key=%ED%A0%80.%C3%A9 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET /storage/%C3%A9.%00 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    ):
        with connect(patient) as sock:
            sock.sendall(sent)
            assert b" 40" in sock.recv(1_000)
    assert log.read_text() == before


def test_slow_clients_do_not_keep_others_waiting(impatient: Tracker):
    idle = [connect(impatient) for _ in range(50)]
    assert impatient.ask("{ viewer { entity } }") == {"viewer": {"entity": "local"}}
    for sock in idle:
        sock.close()


def test_memory_stays_bounded(own_tracker: Tracker):
    """Fifty bodies of 10 MB at once, more than may be in memory: refused or served, not hoarded."""
    assert own_tracker.process
    before = memory(own_tracker.process.pid)
    body = padded(10 << 20)
    head = (
        f"POST /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer "
        f"{own_tracker.server.key}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    ).encode()
    socks = [connect(own_tracker) for _ in range(50)]
    for sock in socks:
        sock.setblocking(False)
    left = dict.fromkeys(socks, head + body[:-1])
    deadline = time.monotonic() + 20
    while any(left.values()) and time.monotonic() < deadline:
        for sock, data in left.items():
            try:
                left[sock] = data[sock.send(data[:65536]) :] if data else data
            except BlockingIOError:
                pass
            except (BrokenPipeError, ConnectionResetError):
                left[sock] = b""
    grown = memory(own_tracker.process.pid) - before
    for sock in socks:
        sock.close()
    assert grown < 500 << 20
    assert own_tracker.ask("{ viewer { entity } }") == {"viewer": {"entity": "local"}}


def memory(pid: int) -> int:
    """Resident bytes of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) * 1024
    raise AssertionError
