"""file_stream: exact rows whatever is repeated, and the states that a run goes through."""

from __future__ import annotations

import errno
import json
import sqlite3
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.tracker.runs.rows import HISTORY, numbered, rows
from tests.tracker.worlds import Site
from tracker.api import ids


def test_rows_come_back_as_they_were_sent(site: Site):
    site.start_run()
    sent = [{"_step": 0, "loss": 0.1, "s": "é\u2028"}, {"_step": 5, "n": {"a": [1, None, True]}}]
    site.log("r1", *sent)
    assert rows(site) == sent
    run = site.run("historyLineCount historyKeys historyTail")
    assert run
    assert run["historyLineCount"] == 2
    assert run["historyKeys"]["lastStep"] == 5
    assert set(run["historyKeys"]["keys"]) == {"_step", "loss", "s", "n.a"}
    assert json.loads(json.loads(run["historyTail"])[0]) == sent[1]


def test_a_repeated_chunk_changes_nothing(site: Site):
    site.start_run()
    for _ in range(3):
        site.log("r1", *numbered(0, 4))
    site.log("r1", *numbered(4, 6), offset=4)
    site.log("r1", *numbered(2, 6), offset=2)
    assert rows(site) == numbered(0, 6)
    run = site.run("historyLineCount historyKeys")
    assert run
    assert run["historyLineCount"] == 6
    assert run["historyKeys"]["keys"]["x"]["typeCounts"] == [{"type": "number", "count": 6}]


def test_a_run_begun_anew_replaces_its_history(site: Site):
    site.start_run()
    site.log("r1", *numbered(0, 9))
    assert site.start_run()["bucket"]["historyLineCount"] == 9
    site.log("r1", *numbered(0, 2, new=1), offset=9)
    assert rows(site) == numbered(0, 2, new=1)
    run = site.run("historyLineCount historyKeys historyTail")
    assert run
    assert run["historyLineCount"] == 2
    assert run["historyKeys"]["lastStep"] == 1
    assert [json.loads(row) for row in json.loads(run["historyTail"])][-1]["_step"] == 1
    site.log("r1", *numbered(2, 4, new=1), offset=11)
    site.log("r1", *numbered(2, 4, other=1), offset=2)  # somebody else, late
    assert rows(site) == numbered(0, 4, new=1)


def test_rows_that_differ_are_left_out_unless_the_run_was_begun_anew(site: Site):
    site.start_run()
    site.log("r1", *numbered(0, 4))
    site.log("r1", *numbered(2, 6, new=1), offset=2)
    assert rows(site) == [*numbered(0, 4), *numbered(4, 6, new=1)]


def test_a_change_of_the_config_does_not_begin_a_run_anew(site: Site):
    site.start_run(host="h", jobProgram="train.py", config="{}")
    site.log("r1", *numbered(0, 4))
    site.start_run(config='{"lr": {"value": 1}}')
    site.log("r1", *numbered(0, 4, new=1))
    assert rows(site) == numbered(0, 4)
    site.start_run(host="h", jobProgram="train.py", config="{}")
    site.log("r1", *numbered(0, 4, new=1))
    assert rows(site) == numbered(0, 4, new=1)


def test_a_rewound_run_replaces_what_another_client_sent_meanwhile(site: Site):
    site.start_run()
    site.log("r1", *numbered(0, 9))
    site.gql(
        'mutation { rewindRun(input: {runName: "r1", entityName: "local", projectName: "p",'
        ' metricName: "_step", metricValue: 3}) { rewoundRun { historyLineCount } } }'
    )
    site.log("r1", *numbered(4, 6), offset=4)  # was on its way
    site.log("r1", *numbered(4, 5, new=1), offset=4)
    assert rows(site) == [*numbered(0, 4), *numbered(4, 5, new=1)]
    assert site.run("historyLineCount") == {"historyLineCount": 5}


SEGMENTS = {  # a run that was killed at step 5 and goes on from a checkpoint of step 3
    "first": [{"_step": i, "x": i, "_timestamp": 100 + i} for i in range(6)],
    "second": [{"_step": i, "x": i + 0.5, "_timestamp": 200 + i} for i in range(4, 9)],
}


@pytest.mark.parametrize("asks", [False, True])
@pytest.mark.parametrize(
    "order", [("first", "second"), ("second", "first"), ("first", "second", "first", "second")]
)
def test_of_segments_that_overlap_the_later_one_holds(
    site: Site, order: tuple[str, ...], asks: bool
):
    """Whatever line their clients begin at: 0, or behind all rows that are there."""
    for name in order:
        offset = site.start_run()["bucket"]["historyLineCount"] if asks else 0
        site.start_run()
        site.log("r1", *SEGMENTS[name], offset=offset)
        site.stream(complete=True, exitcode=0)
    assert rows(site) == [*SEGMENTS["first"][:4], *SEGMENTS["second"]]
    run = site.run("historyLineCount historyKeys")
    assert run
    assert run["historyLineCount"] == 9
    assert run["historyKeys"]["keys"]["x"]["typeCounts"] == [{"type": "number", "count": 9}]


def test_equal_rows_are_known_however_they_are_written(site: Site):
    site.start_run()
    content = ['{"_step": 0, "a": 1.0, "b": NaN}', '{"_step": 1, "a": 1e3}']
    site.stream(files={HISTORY: {"offset": 0, "content": content}})
    content = ['{"b": "NaN", "a": 1, "_step": 0}', '{"a": 1000, "_step": 1}']
    site.start_run()
    site.stream(files={HISTORY: {"offset": 2, "content": content}})
    assert site.run("historyLineCount") == {"historyLineCount": 2}
    assert rows(site)[0]["a"] == 1.0


def test_rows_without_a_step_come_behind_the_last(site: Site):
    site.start_run()
    for _ in range(2):
        site.log("r1", {"_step": 3}, {"x": 1}, {"x": 2})
    site.log("r1", {"x": 3}, offset=3)
    assert rows(site) == [{"_step": 3}, {"x": 1}, {"x": 2}, {"x": 3}]
    run = site.run("historyKeys")
    assert run
    assert run["historyKeys"]["lastStep"] == 6


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    chunks=st.lists(
        st.tuples(st.integers(0, 20), st.integers(1, 9), st.integers(0, 40)), min_size=1
    ),
    gap=st.integers(1, 3),
)
def test_in_whatever_order_segments_are_synced_the_rows_are_exact(
    site: Site, chunks: list[tuple[int, int, int]], gap: int
):
    name = ids.random_name()
    everything = [{"_step": i * gap, "x": i} for i in range(30)]
    sent: dict[int, dict[str, Any]] = {}
    for start, n, offset in chunks:
        site.start_run(name)
        site.log(name, *everything[start : start + n], offset=offset)
        sent |= dict(enumerate(everything[start : start + n], start))
    assert rows(site, name) == [sent[i] for i in sorted(sent)]
    run = site.run("historyLineCount historyTail", name)
    assert run
    assert run["historyLineCount"] == len(sent)
    assert json.loads(json.loads(run["historyTail"])[-1]) == sent[max(sent)]


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(cuts=st.lists(st.integers(0, 30), max_size=8), repeats=st.integers(1, 3))
def test_however_the_client_cuts_and_retries_the_rows_are_exact(
    site: Site, cuts: list[int], repeats: int
):
    name = ids.random_name()
    site.start_run(name)
    everything = numbered(0, 30)
    position = 0
    for cut in [*sorted(cuts), 30]:
        chunk = everything[position:cut]
        for _ in range(repeats):
            site.log(name, *chunk, offset=position)
        position = cut
    assert rows(site, name) == everything


@pytest.mark.parametrize(
    "body",
    [
        [],
        {"files": {HISTORY: []}},
        {"files": {HISTORY: {"offset": -1, "content": ["{}"]}}},
        {"files": {HISTORY: {"offset": "0", "content": ["{}"]}}},
        {"files": {HISTORY: {"offset": 0, "content": "{}"}}},
        {"files": {HISTORY: {"offset": 0, "content": [1]}}},
        {"files": {HISTORY: {"offset": 0, "content": ["no json"]}}},
        {"files": {HISTORY: {"offset": 0, "content": ["[1]"]}}},
        {"files": {"wandb-summary.json": {"offset": 0, "content": ["no json"]}}},
    ],
    ids=str,
)
def test_a_chunk_that_makes_no_sense_is_refused_whole(site: Site, body: Any):
    site.start_run()
    site.log("r1", *numbered(0, 2))
    if isinstance(body, dict):
        body["files"]["output.log"] = {"offset": 0, "content": ["a line"]}
    answer = site.http.post("/files/local/p/r1/file_stream", json=body)
    assert answer.status_code == 400
    assert rows(site) == numbered(0, 2)
    assert site.run("logLineCount") == {"logLineCount": 0}


def test_an_unknown_run_is_said_to_be_unknown(site: Site):
    site.start_run()
    assert site.http.post("/files/local/p/none/file_stream", json={}).status_code == 404


def test_what_may_pass_is_an_answer_on_which_clients_try_again(site: Site):
    """The same from rows and from GraphQL."""
    site.start_run()
    for error, status in (
        (of_sqlite(sqlite3.SQLITE_FULL), 507),
        (of_sqlite(sqlite3.SQLITE_IOERR_WRITE), 507),
        (of_sqlite(sqlite3.SQLITE_BUSY_SNAPSHOT), 503),
        (of_sqlite(sqlite3.SQLITE_CORRUPT), 503),
        (OSError(errno.ENOSPC, "No space left on device"), 507),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), 507),
        (OSError(errno.EMFILE, "Too many open files"), 503),
        (ZeroDivisionError("a mistake"), 400),  # would be repeated for days to no end
        (of_sqlite(sqlite3.SQLITE_ERROR), 400),
        (of_sqlite(sqlite3.SQLITE_CONSTRAINT), 400),
        (FileNotFoundError(errno.ENOENT, "gone"), 400),
    ):
        site.store.error = error
        answer = site.http.post("/files/local/p/r1/file_stream", json={})
        assert answer.status_code == status
        fields = {"name": "r1", "modelName": "p", "entityName": "local"}
        answer = site.post(
            "mutation($i: UpsertBucketInput!) { upsertBucket(input: $i) { inserted } }",
            {"i": fields},
        )
        assert answer.status_code == status
        assert answer.json()["errors"][0]["message"]
    site.store.error = None


def of_sqlite(code: int) -> sqlite3.Error:
    error = sqlite3.OperationalError("by its code")
    error.sqlite_errorcode = code
    return error
