"""The server in the foreground: where it listens, what it says, and how it ends."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import uvicorn

from contract.files import write_atomic
from tracker.app import make_app
from tracker.errors import TrackerError
from tracker.http.protocol import GRACE_SECONDS, BoundedProtocol, EndingServer
from tracker.http.signing import load_key
from tracker.server import last_port, make_link
from tracker.settings import Settings
from tracker.store.blobs import clear_incoming
from tracker.store.database import Store
from tracker.store.folder import hold, writing

LOOPBACK = ("127.0.0.1", "::1", "localhost")
EVERYWHERE = ("0.0.0.0", "::")
WIDE = """\
warning: listening on {host}, not on this machine alone. Whoever has the key can create sweeps, and
warning: a sweep is code that agents run. The key travels unencrypted: use a trusted network, or an
warning: SSH tunnel to a server on 127.0.0.1."""


def listen(data_dir: Path, host: str, port: int | None) -> socket.socket:
    """A listening socket: on `port`, else on the port of last time, else on any."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    remembered = last_port(data_dir)
    wanted = [port] if port is not None else [remembered, 0] if remembered else [0]
    for candidate in wanted:
        # Named, for else asyncio leaves Nagle's algorithm on in every connection, and an answer
        # on a kept one waits 40 ms for an acknowledgement
        sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((host, candidate))
            sock.listen(1024)
        except (OSError, OverflowError) as error:
            sock.close()
            if candidate == wanted[-1]:
                raise TrackerError(
                    f"cannot listen on {host} port {candidate}: {error}; name another --port"
                ) from error
            continue
        write_atomic(data_dir / "port", str(sock.getsockname()[1]))
        return sock
    raise AssertionError("unreachable")


def address(host: str, port: int) -> str:
    """What this machine's clients are to use."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{host}:{port}"


def outward(host: str, port: int) -> str:
    """What other machines' clients are to use, where a server listens on all addresses (`host`).

    This machine's address on the way to the rest of the world; its name where there is no way. No
    packet is sent: to connect a datagram socket only chooses the way.
    """
    family, elsewhere = (
        (socket.AF_INET6, "2001:db8::1") if ":" in host else (socket.AF_INET, "192.0.2.1")
    )
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.connect((elsewhere, 9))
            return address(sock.getsockname()[0], port)
    except OSError:
        return address(socket.gethostname(), port)


def serve(
    data_dir: Path,
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    durable: bool = False,
    allow_hosts: tuple[str, ...] = (),
    settings: Settings | None = None,
    show_link: bool = False,
) -> None:
    """Serves in the foreground until SIGTERM or SIGINT. The process is to end when this returns; it
    is ended soon after the signal in any case.

    TrackerError where another process holds the folder, the port is taken or the data are damaged.
    """
    settings = settings or Settings()
    with hold(data_dir), contextlib.ExitStack() as stack:
        with writing(data_dir):
            key = load_key(data_dir / "key")
            store = Store(data_dir / "tracker.db", durable=durable)
            stack.callback(store.close)
            clear_incoming(data_dir / "blobs")
            sock = stack.enter_context(listen(data_dir, host, port))
            url = address(host, sock.getsockname()[1])
            place = {"pid": os.getpid(), "url": url, "started_at": time.time()}
            write_atomic(data_dir / "server.json", json.dumps(place))
            stack.callback((data_dir / "server.json").unlink, missing_ok=True)
        names = frozenset(name.lower() for name in (host, *allow_hosts, socket.gethostname()))
        app = make_app(store, key, data_dir / "blobs", settings=settings, hosts=names)
        BoundedProtocol.header_seconds = settings.header_seconds
        BoundedProtocol.send_seconds = settings.body_seconds
        BoundedProtocol.max_connections = settings.max_connections
        config = uvicorn.Config(
            app,
            http=BoundedProtocol,
            loop="asyncio",
            ws="none",
            lifespan="on",
            access_log=False,
            log_level="error",  # its warnings are about requests: whoever likes could fill the disk
            server_header=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
            proxy_headers=False,
        )
        print(f"tracker: {url} (data in {data_dir}, process {os.getpid()})", flush=True)
        if show_link:
            print(f"pages: {make_link(url, key)}", flush=True)
        if host in EVERYWHERE:
            print(f"for other machines: {outward(host, sock.getsockname()[1])}", flush=True)
        if host not in LOOPBACK:
            print(WIDE.format(host=host), flush=True)
        logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
        runner = EndingServer(config)
        with ending_signals(runner):
            runner.run(sockets=[sock])


@contextlib.contextmanager
def ending_signals(runner: EndingServer) -> Iterator[None]:
    """SIGTERM and SIGINT end `runner`. uvicorn raises a signal anew when it has shut down; without
    a handler here, that would kill the process before the database is closed. SIGUSR1, by which a
    scheduler warns all of a job, is for its runs: they need this server to say that they stopped.
    """

    def end(*_: object) -> None:
        runner.should_exit = True

    numbers = (signal.SIGTERM, signal.SIGINT)
    before = {number: signal.signal(number, end) for number in numbers}
    before[signal.SIGUSR1] = signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
