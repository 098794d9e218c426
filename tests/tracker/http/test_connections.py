"""Clients that are slow, silent or many: what they hold is bounded, and without a key nobody can
keep others out.
"""

from __future__ import annotations

import contextlib
import json
import select
import socket
import time
from pathlib import Path

import httpx
import pytest

from tests.tracker.http.test_limits import padded
from tests.tracker.worlds import Tracker
from tracker.settings import Settings


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
    return socket.create_connection((host, int(port)), timeout=300)


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
        deadline = time.monotonic() + 300
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
        deadline = time.monotonic() + 300
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
        while not answer and time.monotonic() - start < 300:
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
    assert httpx.get(health, timeout=300).status_code == 503  # on which clients try again
    for sock in socks:
        sock.close()
    deadline = time.monotonic() + 300
    while httpx.get(health, timeout=300).status_code != 200:
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
