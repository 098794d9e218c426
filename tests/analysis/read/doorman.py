"""A proxy before a W&B server that lets nobody write, and is overloaded now and then."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Doorman(ThreadingHTTPServer):
    """asked: bodies of queries; refused: how many were told to come again; every: which are."""

    daemon_threads = True

    def __init__(self, url: str, every: int) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.behind, self.every = url.rstrip("/"), every
        self.asked: list[bytes] = []
        self.refused = 0
        self.writes: list[bytes] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Doorman

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.asked.append(body)
        if self.command not in ("GET", "HEAD", "POST") or b"mutation" in body:
            self.server.writes.append(body)
            return self.answer(403, b'{"errors": [{"message": "this key may only read"}]}')
        if self.server.every and len(self.server.asked) % self.server.every == 0:
            self.server.refused += 1
            return self.answer(429, b'{"error": "rate limit exceeded"}')
        kept = {n: v for n, v in self.headers.items() if n.lower() not in ("host", "connection")}
        asked = urllib.request.Request(
            self.server.behind + self.path, body or None, kept, method=self.command
        )
        try:
            with urllib.request.urlopen(asked) as found:
                content = found.read()
                self.answer(found.status, content, found.headers.get("Content-Encoding"))
        except urllib.error.HTTPError as error:
            self.answer(error.code, error.read())

    do_POST = do_PUT = do_DELETE = do_PATCH = do_GET

    def answer(self, code: int, body: bytes, encoding: str | None = None) -> None:
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if encoding:
            self.send_header("Content-Encoding", encoding)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def doorman(url: str, every: int = 0) -> Iterator[Doorman]:
    """A doorman before `url`; every so many requests one is refused with 429."""
    server = Doorman(url, every)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
