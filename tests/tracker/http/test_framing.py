"""Where a request ends: in one place."""

from __future__ import annotations

import contextlib
import re
import socket

import pytest

from tests.tracker.worlds import Tracker

BODY = b'{"query": "{ viewer { entity } }"}'


LENGTH = f"Content-Length: {len(BODY)}"


CHUNKED = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)


def answers(tracker: Tracker, *headers: str, body: bytes = BODY, version: str = "1.1") -> list[str]:
    """The statuses that a request gets, and what would be smuggled behind it."""
    host, _, port = tracker.server.url.removeprefix("http://").partition(":")
    head = [
        f"POST /graphql HTTP/{version}",
        "Host: 127.0.0.1",
        f"Authorization: Bearer {tracker.server.key}",
        "Content-Type: application/json",
        *headers,
    ]
    second = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    with socket.create_connection((host, int(port)), timeout=300) as sock:
        sock.sendall("\r\n".join(head).encode() + b"\r\n\r\n" + body + second)
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            while part := sock.recv(10_000):
                answer += part
    return re.findall(r"HTTP/1\.1 (\d+)", answer.decode())


def test_a_request_ends_in_one_place(tracker: Tracker):
    assert answers(tracker, LENGTH) == ["200", "200"]
    assert answers(tracker, "Transfer-Encoding: chunked", body=CHUNKED) == ["200", "200"]
    assert answers(tracker, LENGTH, LENGTH) == ["200", "200"]  # twice the same (RFC 9110, 8.6)


@pytest.mark.parametrize(
    "headers",
    [
        (LENGTH, "Transfer-Encoding: chunked"),
        ("Transfer-Encoding: chunked", LENGTH),
        ("Content-Length: 0", "Transfer-Encoding: chunked"),
        (LENGTH, "transfer-encoding: \tCHUNKED"),
        (LENGTH, "Transfer-Encoding: xchunked"),
        (LENGTH, "Transfer-Encoding : chunked"),
        (LENGTH, " Transfer-Encoding: chunked"),
        ("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
        ("Transfer-Encoding: chunked, identity",),
        ("Transfer-Encoding: identity",),
        (LENGTH, "Content-Length: 0"),
        (f"{LENGTH}, 0",),
        (f"Content-Length: +{len(BODY)}",),
        (f"Content-Length: {len(BODY)}.0",),
        (f"Content-Length: 0x{len(BODY):x}",),
        (f"Content-Length: {len(BODY)} 0",),
        ("Content-Length: -1",),
        ("Content-Length: 3_4",),
        ("Content-Length: " + "9" * 40,),
        ("Content-Length:",),
        ("Content-Length : 0",),
    ],
    ids=str,
)
@pytest.mark.parametrize("body", [BODY, CHUNKED], ids=["plain", "chunked"])
def test_a_request_with_two_ends_is_refused(tracker: Tracker, headers: tuple[str], body: bytes):
    """And nothing that follows it on the connection is taken for a request."""
    assert answers(tracker, *headers, body=body) == ["400"]


def test_chunks_are_not_for_http_1_0(tracker: Tracker):
    chunked = "Transfer-Encoding: chunked"
    assert answers(tracker, chunked, body=CHUNKED, version="1.0") == ["400"]
