"""What one query may cost: it ends at its limits, with its client and with the server."""

from __future__ import annotations

import json
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.tracker.worlds import ROOT, Site, Tracker
from tracker.api import filters
from tracker.api.engine import MAX_ALIASES
from tracker.runs.keys import run_operand
from tracker.runs.rows import RunQuery
from tracker.server import STOP_SECONDS, find
from tracker.settings import Settings
from tracker.work import Work, weigh

ENDLESS = ("--max-query-values", str(10**18), "--query-seconds", "1e9")


def nested(levels: int) -> str:
    """Every level asks for all runs of every run's project."""
    fields = "config"
    for _ in range(levels):
        fields = f"project {{ runs(first: 1000) {{ edges {{ node {{ {fields} }} }} }} }}"
    return f'{{ project(name: "p", entityName: "local") {{ run(name: "r0") {{ {fields} }} }} }}'


def fill(tracker: Tracker, runs: int = 100) -> None:
    for start in range(0, runs, MAX_ALIASES):
        made = (
            f'r{i}: upsertBucket(input: {{name: "r{i}", modelName: "p", entityName: "local"}})'
            " { inserted }"
            for i in range(start, min(start + MAX_ALIASES, runs))
        )
        tracker.ask(f"mutation {{ {' '.join(made)} }}")


def send(tracker: Tracker, query: str) -> socket.socket:
    """Asks, and does not wait for an answer."""
    body = json.dumps({"query": query})
    host, _, port = tracker.server.url.removeprefix("http://").partition(":")
    sock = socket.create_connection((host, int(port)), timeout=300)
    head = (
        f"POST /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {tracker.server.key}"
        f"\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    sock.sendall((head + body).encode())
    return sock


def computed(tracker: Tracker) -> float:
    """CPU seconds of the server."""
    assert tracker.process
    return sum(psutil.Process(tracker.process.pid).cpu_times()[:2])


def wait_until_it_computes(tracker: Tracker) -> None:
    start, deadline = computed(tracker), time.monotonic() + 300
    while computed(tracker) < start + 1:
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory):
    tracker = Tracker(tmp_path_factory.mktemp("work") / "data")
    fill(tracker)
    yield tracker
    tracker.stop()


def test_nested_lists_are_bounded(filled: Tracker):
    assert filled.process
    answer = httpx.post(
        f"{filled.server.url}/graphql",
        json={"query": nested(4)},
        headers={"Authorization": f"Bearer {filled.server.key}"},
        timeout=300,
    )
    assert answer.status_code == 400  # no 5xx, on which clients would try again
    assert "asks for too much at once (most: 250000 values" in answer.json()["errors"][0]["message"]
    assert psutil.Process(filled.process.pid).memory_info().rss < 300 << 20


def test_what_clients_ask_for_is_not(filled: Tracker):
    data = filled.ask(nested(2))
    edges = data["project"]["run"]["project"]["runs"]["edges"]
    assert len(edges) == len(edges[99]["node"]["project"]["runs"]["edges"]) == 100


def test_a_query_ends_with_its_client(tmp_path: Path):
    tracker = Tracker(tmp_path / "data", *ENDLESS)
    fill(tracker)
    with send(tracker, nested(4)):
        wait_until_it_computes(tracker)
    deadline, before = time.monotonic() + 60, 0.0
    while (now := computed(tracker)) > before + 0.1:
        assert time.monotonic() < deadline, "it still computes"
        before = now
        time.sleep(1)
    assert tracker.stop() == 0


def test_a_query_ends_with_the_server(tmp_path: Path):
    tracker = Tracker(tmp_path / "data", *ENDLESS)
    fill(tracker)
    with send(tracker, nested(4)):
        wait_until_it_computes(tracker)
        assert tracker.stop() == 0
    assert (tmp_path / "data" / "tracker.db.sum").exists()  # the database was closed


def deep(n: int) -> dict[str, Any]:
    """A filter with n conditions about values that lie five levels deep."""
    return {"$or": [{f"config.a.b.c.d.e{i}": {"$gt": i}} for i in range(n)]}


COUNT = (
    'query($f: JSONString) { project(name: "p", entityName: "local") { runCount(filters: $f) } }'
)


def test_conditions_cost_what_they_read(site: Site):
    """Fifteen ways to read such a path, each twice, and the value compared with."""
    site.start_run(config=json.dumps({"a": {"value": {"b": {"c": {"d": {"e160": 161}}}}}}))
    assert site.gql(COUNT, f=json.dumps(deep(161)))["project"]["runCount"] == 1
    message = site.refused(COUNT, f=json.dumps(deep(162)))
    assert message.startswith("filters: more than 5000 readings of each row")
    listed = {"config.a.b.c.d": {"$all": [None] * 500}}
    assert "readings" in site.refused(COUNT, f=json.dumps(listed))


def test_a_long_document_is_looked_through_once_for_each_operand(site: Site):
    """Whether it holds NaN, which SQLite cannot read. Each time is a look at the budget, too."""
    site.start_run(config='{"a": {"value": NaN}}')
    query = RunQuery(1, [filters.parse(json.dumps(deep(10)), run_operand)])
    looks = []
    with site.store.bounded(lambda: bool(looks.append(1))), site.store.read() as db:
        assert query.count(db) == 0
    assert 10 <= len(looks) < 20
    looks.clear()
    stop = site.store.bounded(lambda: bool(looks.append(1)) or len(looks) == 5)
    with stop, site.store.read() as db, pytest.raises(sqlite3.OperationalError):
        query.count(db)
    assert len(looks) == 5


STUCK = """
import sys, threading
from tracker import handlers
from tracker.__main__ import main
handlers.stream.receive = lambda *_: print("stuck", flush=True) or threading.Event().wait()
sys.argv = ["tracker", "--data-dir", sys.argv[1]]
sys.exit(main())
"""


def test_the_server_ends_even_if_a_request_does_not(tmp_path: Path):
    folder = tmp_path / "data"
    process = subprocess.Popen(
        [sys.executable, "-c", STUCK, str(folder)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    assert process.stdout.readline().startswith("tracker: ")
    server = find(folder)
    while server is None:
        server = find(folder)
    with pytest.raises(httpx.TimeoutException):
        httpx.post(
            f"{server.url}/files/local/p/r/file_stream",
            json={},
            headers={"Authorization": f"Bearer {server.key}"},
            timeout=2,
        )
    assert process.stdout.readline() == "stuck\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(2 * STOP_SECONDS) == 1


def test_the_time_of_a_query(tmp_path: Path):
    site = Site(tmp_path, Settings(tick_seconds=3600, query_seconds=0))
    assert "0 seconds of computing" in site.refused("{ viewer { id } }")
    site.close()


def test_the_text_of_an_answer(tmp_path: Path):
    site = Site(tmp_path, Settings(tick_seconds=3600, max_answer_chars=10_000))
    site.start_run(notes="x" * 6_000)
    assert site.run("notes id")
    assert "10000 characters" in site.refused(
        '{ project(name: "p", entityName: "local") { run(name: "r1") { notes more: notes id } } }'
    )
    site.log("r1", *({"_step": i, "loss": 0.5} for i in range(200)))
    assert site.run("history(samples: 100)")
    text = (
        '{ project(name: "p", entityName: "local") { run(name: "r1") { history project { id } } } }'
    )
    assert "10000 characters" in site.refused(text)
    site.close()


@pytest.mark.parametrize(
    ("value", "weight"),
    [("abc", 3), (1.5, 0), (None, 0), ([1, "a"], 65), ({"ab": [1]}, 66), ([], 0)],
)
def test_weights(value: object, weight: int):
    assert weigh(value) == weight


def test_a_statement_ends_when_the_query_does(site: Site):
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
    work = Work(max_seconds=0.1)
    interrupted = pytest.raises(sqlite3.OperationalError, match="interrupted")
    with site.store.bounded(work.over), site.store.read() as db, interrupted:
        db.execute(endless).fetchall()
    with site.store.read() as db:  # what this thread reads next is another query's
        assert db.execute("SELECT 1").fetchone()[0] == 1
        site.store.ending.set()
        with pytest.raises(sqlite3.OperationalError, match="interrupted"):
            db.execute(endless).fetchall()


def test_a_loop_over_rows_ends_when_the_query_does():
    work = Work()
    rows = work.looking(iter(int, 1))
    next(rows)
    work.leave()
    with pytest.raises(BaseException, match="the client has left"):
        for _ in rows:
            pass
