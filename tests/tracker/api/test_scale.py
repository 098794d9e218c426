"""A project of ten thousand runs stays usable.

Bounds are several times what it takes, in CPU time, and relative to what this machine needs to read
all runs once.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.tracker.worlds import START, Site
from tracker.api.filters import parse_order
from tracker.runs import rows as run_rows
from tracker.runs.keys import run_operand
from tracker.runs.rows import RunQuery

RUNS = 10_000
LIST = """query($f: JSONString, $o: String, $n: Int, $after: String) {
  project(name: "p", entityName: "local") { runCount(filters: $f)
    runs(filters: $f, order: $o, first: $n, after: $after) {
      edges { cursor node { id name displayName state sweepName group tags createdAt heartbeatAt
        historyLineCount user { name username } %s } }
      pageInfo { endCursor hasNextPage } } } }"""
FULL = "config summaryMetrics systemMetrics historyKeys"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("scale"))
    random.seed(1)
    site.start_run("first")
    with site.store.write() as db:
        for i in range(RUNS - 1):
            config = {f"parameter_{k}": {"value": k * i} for k in range(20)}
            config |= {"seed": {"value": i % 5}, "fusion": {"value": random.choice("abcd")}}
            summary = {f"metric_{k}": random.random() for k in range(20)}
            run_rows.create_run(
                db,
                1,
                f"r{i}",
                "running" if i % 1000 == 0 else "finished",
                START + i,
                display_name=f"run {i}",
                sweep=f"s{i // 100}",
                config=json.dumps(config),
                summary=json.dumps(summary),
                started=1,
            )
    yield site
    site.close()


@pytest.fixture(scope="module")
def reading(world: Site) -> float:
    """CPU seconds to read and parse every run of the project."""
    start = time.process_time()
    with world.store.read() as db:
        for row in db.execute("SELECT * FROM runs"):
            json.loads(row["config"])
            json.loads(row["summary"])
    return time.process_time() - start


@contextmanager
def within(seconds: float) -> Iterator[None]:
    start = time.process_time()
    yield
    took = time.process_time() - start
    assert took < seconds, f"{took:.3f} s of CPU time"


@pytest.mark.parametrize(
    ("filter", "order", "count"),
    [
        ({}, "+created_at", RUNS),
        ({}, "-created_at", RUNS),
        ({"state": "running"}, "+created_at", 11),
        ({"sweep": "s7"}, "+created_at", 100),
        ({"name": {"$in": ["r5", "r77"]}}, "+created_at", 2),
        ({"config.seed": 3}, "-created_at", 2000),
        ({"display_name": {"$regex": "^run 99"}}, "+created_at", 110),
        ({}, "-summary_metrics.metric_3", RUNS),
    ],
    ids=str,
)
def test_a_page_of_runs(world: Site, reading: float, filter: dict, order: str, count: int):
    with within(reading):
        data = world.gql(LIST % FULL, f=json.dumps(filter), o=order, n=50)
    assert data["project"]["runCount"] == count
    assert len(data["project"]["runs"]["edges"]) == min(50, count)


def test_all_runs_page_by_page(world: Site, reading: float):
    names, after = set(), None
    with within(20 * reading):
        while True:
            runs = world.gql(LIST % "", f="{}", o="+created_at", n=1000, after=after)["project"][
                "runs"
            ]
            names |= {edge["node"]["name"] for edge in runs["edges"]}
            after = runs["pageInfo"]["endCursor"]
            if not runs["pageInfo"]["hasNextPage"]:
                break
    assert len(names) == RUNS


@pytest.mark.parametrize("order", ["+created_at", "-created_at", "+name"])
def test_a_page_is_read_not_the_project(world: Site, order: str):
    """In SQLite's own steps, some 50 a run: to sort the project takes a hundred times as many."""
    steps = 0

    def count() -> None:
        nonlocal steps
        steps += 1

    query = RunQuery(1, order=parse_order(order, run_operand))
    with world.store.read() as db:
        place = query.page(db, RUNS)[-51]["cursor"]
        for after in (None, place):
            steps = 0
            db.set_progress_handler(count, 1)
            assert len(query.page(db, 50, after)) == 50
            db.set_progress_handler(None, 1)
            assert 50 < steps < 50 * 100


def test_pages_and_heartbeats(world: Site, reading: float):
    for path in ("/", "/local/p", "/local/p/runs/r77"):
        with within(reading):
            assert world.http.get(path).status_code == 200
    with within(2 * reading):
        for i in range(50):
            world.stream(f"r{i}")
    with within(reading):  # it looks at what is alive, not at every run
        world.tick(1)


def test_state_sweep_and_creation_are_looked_up_not_searched(world: Site):
    with world.store.read() as db:
        for condition, index in (
            ("state = 'running'", "runs_by_state"),
            ("sweep = 's1'", "runs_by_sweep"),
            ("name = 'r1'", "sqlite_autoindex_runs_1"),
        ):
            plan = db.execute(
                f"EXPLAIN QUERY PLAN SELECT * FROM runs WHERE (project_id = 1) AND ({condition})"
            ).fetchall()
            assert index in plan[0]["detail"]
        plan = db.execute(
            "EXPLAIN QUERY PLAN SELECT * FROM runs WHERE state IN ('running', 'preempting')"
            " AND heartbeat_at < 5"
        ).fetchall()
        assert "runs_alive" in plan[0]["detail"]


def test_a_long_history_is_read_in_pages(site: Site, reading: float):
    site.start_run("long")
    for start in range(0, 50_000, 10_000):
        rows = ({"_step": i, "x": i} for i in range(start, start + 10_000))
        with within(4 * reading):
            site.log("long", *rows, offset=start)
    with within(reading):
        run = site.run("history(minStep: 30000, maxStep: 31000)", "long")
    assert run
    assert len(run["history"]) == 1000
    with within(reading):
        assert site.http.get("/local/p/runs/long").status_code == 200
