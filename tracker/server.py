"""The tracker as a process: found, started, stopped; one process per data folder.

A data folder holds `tracker.db` (with its WAL), `blobs/`, `key` (0600), `port`, `lock` (locked and
holding the pid while a server runs), `server.json` (where it listens) and `server.log`. It is its
user's alone. What serves it is in `serving`: who only looks for a server need not load that.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from contract import places
from tracker.errors import DamagedError, TrackerError
from tracker.http.signing import LOGIN_SECONDS, Signer, read_key
from tracker.store.folder import holder, make

__all__ = [
    "DamagedError",
    "Server",
    "TrackerError",
    "ensure",
    "find",
    "holder",
    "last_url",
    "login_link",
    "stop",
]

MAIN = Path(__file__).resolve().parent / "__main__.py"
UNREADABLE = (OSError, ValueError, KeyError, TypeError)  # no state file, or half of one
START_SECONDS = 60.0  # a large database is checked at the start
STOP_SECONDS = 15.0


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
