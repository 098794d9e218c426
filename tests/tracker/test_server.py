"""The server as a process: found, started once, stopped cleanly, listening where it says."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import psutil
import pytest

from tests.tracker.worlds import ROOT, SERVER, Tracker
from tracker import serving
from tracker.http.signing import load_key
from tracker.server import TrackerError, ensure, find, stop


@pytest.fixture
def folder(tmp_path: Path):
    yield tmp_path / "data"
    stop(tmp_path / "data")


def listens(port: int, host: str = "127.0.0.1") -> bool:
    with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=1):
        return True
    return False


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2])


def test_ensure_starts_it_once_and_stop_ends_it(folder: Path):
    assert find(folder) is None
    first = ensure(folder)
    assert ensure(folder) == first == find(folder)
    assert psutil.Process(first.pid).ppid() in (1, os.getpid())
    assert os.getsid(first.pid) == first.pid  # a session of its own: Ctrl-C here is not for it
    assert stop(folder) is True
    assert find(folder) is None
    assert stop(folder) is False


def test_a_clean_stop_leaves_no_process_and_no_port(tmp_path: Path):
    before = {p.pid for p in psutil.process_iter()}
    tracker = Tracker(tmp_path / "data")
    tracker.ask('mutation { upsertModel(input: {name: "kept"}) { inserted } }')
    with socket.create_connection(("127.0.0.1", port_of(tracker.server.url))):  # an idle client
        assert tracker.stop() == 0
    assert not listens(port_of(tracker.server.url))
    mine = [
        p.info["cmdline"]
        for p in psutil.process_iter(["cmdline"])
        if p.pid not in before and str(tmp_path) in str(p.info["cmdline"])
    ]
    assert mine == []
    left = {path.name for path in (tmp_path / "data").iterdir()}
    assert left == {"key", "lock", "port", "server.log", "tracker.db", "tracker.db.sum"}
    tracker.start()
    data = tracker.ask("{ models { edges { node { name } } } }")
    assert data["models"]["edges"] == [{"node": {"name": "kept"}}]
    tracker.stop()


def test_two_that_ask_at_once_get_one_server(folder: Path):
    found = []
    askers = [threading.Thread(target=lambda: found.append(ensure(folder))) for _ in range(4)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    assert len(found) == 4
    assert len({one.pid for one in found}) == 1


def test_a_second_process_says_who_holds_the_folder(own_tracker: Tracker):
    command = [*SERVER, str(own_tracker.folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 2
    assert f"in use by process {own_tracker.server.pid}" in done.stderr
    assert "Traceback" not in done.stderr
    assert own_tracker.ask("{ viewer { id } }")


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path):
    (tmp_path / "file").write_text("")
    for command in ("tracker --data-dir", "runner serve --data-dir", "runner env --data-dir"):
        module, *words = command.split()
        command = [sys.executable, "-m", module, *words, str(tmp_path / "file" / "data")]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
        assert done.returncode == 2
        assert "cannot be written (Not a directory): name another --data-dir" in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("sweep", "words"),
    [("local/p/nosuch", "Sweep local/p/nosuch not found"), ("a/b/c/d", "write entity/project/id")],
)
def test_an_agent_without_a_sweep_says_so(own_tracker: Tracker, sweep: str, words: str):
    command = [sys.executable, "runner.py", "agent", sweep, "--data-dir", str(own_tracker.folder)]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("WANDB_")}
    done = subprocess.run(
        [*command, "--tracker", "embedded"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: SWEEP '{sweep}'")
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_killed_server_comes_back_on_its_port(folder: Path):
    first = ensure(folder)
    psutil.Process(first.pid).kill()
    while psutil.pid_exists(first.pid) and listens(port_of(first.url)):
        time.sleep(0.01)
    second = ensure(folder)
    assert second.pid != first.pid
    assert (second.url, second.key) == (first.url, first.key)


def test_a_taken_port_is_left_alone(folder: Path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        folder.mkdir()
        (folder / "port").write_text(str(taken))
        assert port_of(ensure(folder).url) != taken  # remembered only: another will do
        stop(folder)
        with pytest.raises(TrackerError, match=f"port {taken}.*--port"):  # asked for: it will not
            ensure(folder, port=taken)


def test_a_port_can_be_asked_for(folder: Path):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        free = probe.getsockname()[1]
    assert port_of(ensure(folder, port=free).url) == free
    stop(folder)
    assert port_of(ensure(folder).url) == free


def test_an_impostor_on_the_port_is_not_taken_for_the_server(own_tracker: Tracker, tmp_path: Path):
    """Another server, with another key, that says it is ours."""
    other = tmp_path / "other"
    other.mkdir()
    load_key(other / "key")
    with (other / "lock").open("w") as lock:
        import fcntl

        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write(str(os.getpid()))
        lock.flush()
        place = {"pid": os.getpid(), "url": own_tracker.server.url}
        (other / "server.json").write_text(json.dumps(place))
        assert find(other) is None


def test_what_goes_wrong_at_the_start_is_told(folder: Path):
    folder.mkdir()
    (folder / "tracker.db").write_bytes(b"x" * 5000)
    with pytest.raises(TrackerError, match="is damaged"):
        ensure(folder)


def listening(pid: int) -> list[tuple[str, int]]:
    found = psutil.Process(pid).net_connections()
    return [(c.laddr.ip, c.laddr.port) for c in found if c.status == psutil.CONN_LISTEN]


def test_it_listens_on_this_machine_alone(own_tracker: Tracker):
    port = port_of(own_tracker.server.url)
    assert listening(own_tracker.server.pid) == [("127.0.0.1", port)]
    assert "warning" not in (own_tracker.folder / "server.log").read_text()


def test_so_does_the_command_of_a_person(folder: Path):
    command = [sys.executable, "runner.py", "serve", "--data-dir", str(folder)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    told = [process.stdout.readline(), process.stdout.readline()]
    server = find(folder)
    assert server
    assert listening(process.pid) == [("127.0.0.1", port_of(server.url))]
    assert told[0].startswith(f"tracker: {server.url} ")
    assert told[1].startswith(f"pages: {server.url}/login?key=")
    process.terminate()
    assert process.wait() == 0
    assert process.stdout.read() == ""


def test_it_says_what_it_means_to_listen_elsewhere(tmp_path: Path):
    tracker = Tracker(tmp_path / "data", "--host", "0.0.0.0")
    told = (tracker.folder / "server.log").read_text()
    assert "warning: listening on 0.0.0.0" in told
    assert "a sweep is code that agents run" in " ".join(told.replace("warning:", "").split())
    assert tracker.server.url.startswith("http://127.0.0.1:")
    (others,) = re.findall(r"^for other machines: (http://\S+)$", told, re.MULTILINE)
    assert "//127." not in others and "//0.0.0.0" not in others
    assert httpx.get(f"{others}/healthz").status_code == 200
    tracker.stop()


START = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])  # as runner.py does
from tracker import server, serving
started = server.ensure(Path("data"))
print(server.login_link(Path("data")), server.stop(Path("data")))
"""


@pytest.mark.parametrize("installed", [False, True], ids=["checkout", "in_a_package"])
def test_it_is_ours_whatever_the_current_folder_holds(tmp_path: Path, installed: bool):
    """And whatever PYTHONPATH names, also where our packages lie inside a package."""
    code, folder = ROOT, tmp_path / "folder"
    if installed:
        code = tmp_path / "site-packages" / "fusion_runner"
        for name in ("tracker", "contract"):
            shutil.copytree(ROOT / name, code / name)
    for name in ("tracker", "contract", "analysis"):
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.py").write_text("raise SystemExit('a module of the user')")
    done = subprocess.run(
        [sys.executable, "-P", "-c", START, str(code)],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"http://127.0.0.1:\d+/login\?key=\S+ True\n", done.stdout)
    left = {path.name for path in folder.iterdir()}
    assert left == {"analysis.py", "contract.py", "data", "tracker.py"}


AUDIT = """
import sys
def watch(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"):
        print("OUTBOUND", event, arguments, flush=True)
sys.addaudithook(watch)
from tracker.__main__ import main
sys.argv = ["tracker", "--data-dir", sys.argv[1]]
sys.exit(main())
"""


def test_it_makes_no_outbound_connection(tmp_path: Path):
    folder = tmp_path / "data"
    folder.mkdir()
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", AUDIT, str(folder)], cwd=ROOT, stdout=log, stderr=log
        )
        deadline = time.monotonic() + 300
        while find(folder) is None and time.monotonic() < deadline:
            time.sleep(0.05)
        tracker = Tracker.__new__(Tracker)
        tracker.folder, tracker.server = folder, find(folder)  # type: ignore[assignment]
        tracker.client("touch")
        process.terminate()
        assert process.wait() == 0
    assert "OUTBOUND" not in (folder / "server.log").read_text()


COST = """
import resource, tracker.app, uvicorn
print(sum(resource.getrusage(resource.RUSAGE_SELF)[:2]), resource.getpagesize())
print(open("/proc/self/statm").read().split()[1])
"""


def test_start_up_and_idling_cost_little(own_tracker: Tracker):
    """Two cores are shared with training. What little is, the mere import of its modules tells."""
    command = [sys.executable, "-c", COST]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    seconds, page, pages = map(float, told.split())
    process = psutil.Process(own_tracker.server.pid)
    start = sum(process.cpu_times()[:2])
    assert start < 3 * seconds
    time.sleep(2)
    assert sum(process.cpu_times()[:2]) - start < seconds / 5
    assert process.memory_info().rss < 2 * page * pages


def test_finding_it_imports_no_server():
    """`runner.py` asks for the server before every command."""
    script = (
        "import sys, tracker.server\n"
        "print(sorted({'uvicorn', 'starlette', 'graphql', 'jinja2', 'sqlite3'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:1"),
        ("0.0.0.0", "http://127.0.0.1:1"),
        ("::", "http://[::1]:1"),
        ("::1", "http://[::1]:1"),
        ("10.0.0.7", "http://10.0.0.7:1"),
    ],
)
def test_addresses(host: str, url: str):
    assert serving.address(host, 1) == url
