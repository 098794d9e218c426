"""The tracker as a process: found, started, stopped; one process per data folder.

A data folder holds `tracker.db` (with its WAL), `blobs/`, `key` (0600), `port`, `lock` (locked and
holding the pid while a server runs), `server.json` (where it listens) and `server.log`. It is its
user's alone.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contract import places
from contract.files import write_atomic
from tracker.errors import DamagedError, TrackerError
from tracker.http.signing import LOGIN_SECONDS, Signer, load_key, read_key
from tracker.store.folder import hold, holder, make, writing

__all__ = [
    "DamagedError",
    "Server",
    "TrackerError",
    "ensure",
    "find",
    "holder",
    "last_url",
    "login_link",
    "serve",
    "stop",
]

MAIN = Path(__file__).resolve().parent / "__main__.py"
UNREADABLE = (OSError, ValueError, KeyError, TypeError)  # no state file, or half of one
START_SECONDS = 60.0  # a large database is checked at the start
STOP_SECONDS = 15.0
LOOPBACK = ("127.0.0.1", "::1", "localhost")
EVERYWHERE = ("0.0.0.0", "::")
WIDE = """\
warning: listening on {host}, not on this machine alone. Whoever has the key can create sweeps, and
warning: a sweep is code that agents run. The key travels unencrypted: use a trusted network, or an
warning: SSH tunnel to a server on 127.0.0.1."""


@dataclass(frozen=True)
class Server:
    url: str
    key: str
    pid: int


def find(data_dir: Path) -> Server | None:
    """The server of this data folder if it runs and is healthy; it has to prove its key first."""
    pid = holder(data_dir)
    if pid is None:
        return None
    try:
        place = json.loads((data_dir / "server.json").read_text())
        if place["pid"] != pid:
            return None
        key = read_key(data_dir / "key")
        if not healthy(place["url"], key):
            return None
        return Server(place["url"], key, pid)
    except UNREADABLE:
        return None


def last_url(data_dir: Path) -> str | None:
    """Where the server of this data folder listens, or listened before it was stopped or killed."""
    try:
        return str(json.loads((data_dir / "server.json").read_text())["url"])
    except UNREADABLE:  # stopped in good order
        port = last_port(data_dir)
        return f"http://127.0.0.1:{port}" if port else None


def last_port(data_dir: Path) -> int | None:
    """The port of last time; None where there was none, or what is there is no port."""
    try:
        port = int((data_dir / "port").read_text())
    except (OSError, ValueError):
        return None
    return port if 0 < port < 1 << 16 else None


def healthy(url: str, key: str, timeout: float = 5.0) -> bool:
    """Whether a server that knows the key answers; the key itself is not shown."""
    challenge = secrets.token_hex(16)
    # no proxy: the address is this machine's
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{url}/healthz?challenge={challenge}", timeout=timeout) as response:
            proof = str(json.loads(response.read(10_000)).get("proof"))
    except (urllib.error.URLError, OSError, ValueError):
        return False
    return secrets.compare_digest(proof, Signer(key).token("health", {"challenge": challenge}, 0))


def ensure(data_dir: Path, port: int | None = None) -> Server:
    """The server of this data folder; started as a process of its own where it is not running."""
    server = find(data_dir)
    if server:
        return server
    make(data_dir)
    command = [sys.executable, "-P", str(MAIN), "--data-dir", str(data_dir.resolve())]
    if port is not None:
        command += ["--port", str(port)]
    log_path = data_dir / "server.log"
    start = log_path.stat().st_size if log_path.exists() else 0
    with log_path.open("ab") as log_file:
        process = subprocess.Popen(
            command,
            cwd=places.CODE,  # no folder of a user's, which it would hold
            stdin=subprocess.DEVNULL,
            stdout=log_file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        server = find(data_dir)
        if server:
            return server
        if process.poll() is not None and holder(data_dir) is None:
            server = find(data_dir)
            if server:
                return server
            raise TrackerError(f"the tracker did not start: {last_words(log_path, start)}")
        time.sleep(0.05)
    raise TrackerError(f"the tracker does not answer; see {log_path}")


def last_words(log_path: Path, start: int) -> str:
    """Why a process ended: the last error in its log from `start` (bytes) on."""
    with log_path.open("rb") as file:
        file.seek(start)
        lines = file.read(100_000).decode(errors="replace").strip().splitlines()
    told = [line for line in lines if line.startswith("error: ")]
    return (told or lines or ["no output"])[-1].removeprefix("error: ")


def stop(data_dir: Path) -> bool:
    """Stops the server of this data folder and waits for its end; false where none runs."""
    pid = holder(data_dir)
    if pid is None:
        return False
    for number, seconds in ((signal.SIGTERM, STOP_SECONDS), (signal.SIGKILL, 5.0)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if holder(data_dir) != pid and not alive(pid):
                return True
            time.sleep(0.02)
    raise TrackerError(f"process {pid} does not end")


def alive(pid: int) -> bool:
    """Whether a process is running; one that only waits to be reaped is not."""
    try:
        os.kill(pid, 0)
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except ProcessLookupError:
        return False
    except OSError:
        return True  # no /proc here


def login_link(data_dir: Path) -> str | None:
    """An address that logs a browser in once, within a quarter of an hour; None: no server."""
    server = find(data_dir)
    if server is None:
        return None
    return make_link(server.url, server.key)


def make_link(url: str, key: str) -> str:
    """An address that logs a browser in once."""
    content = {"nonce": secrets.token_hex(8)}
    token = Signer(key).token("login", content, time.time() + LOGIN_SECONDS)
    return f"{url}/login?key={token}"


def listen(data_dir: Path, host: str, port: int | None) -> socket.socket:
    """A listening socket: on `port`, else on the port of last time, else on any."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    remembered = last_port(data_dir)
    wanted = [port] if port is not None else [remembered, 0] if remembered else [0]
    for candidate in wanted:
        sock = socket.socket(family, socket.SOCK_STREAM)
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
    settings: Any = None,
    show_link: bool = False,
) -> None:
    """Serves in the foreground until SIGTERM or SIGINT. The process is to end when this returns; it
    is ended soon after the signal in any case.

    TrackerError where another process holds the folder, the port is taken or the data are damaged.
    """
    # here: `find` and `ensure` shall not pay for these imports
    import uvicorn

    from tracker.app import make_app
    from tracker.http.protocol import GRACE_SECONDS, BoundedProtocol, EndingServer
    from tracker.settings import Settings
    from tracker.store.blobs import clear_incoming
    from tracker.store.database import Store

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
def ending_signals(runner: Any) -> Iterator[None]:
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
