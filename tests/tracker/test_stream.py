"""file_stream: exact rows whatever is repeated, and the states that a run goes through."""

from __future__ import annotations

import errno
import json
import sqlite3
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.tracker.worlds import Site
from tracker.api import ids
from tracker.store.clocks import Watch

HISTORY = "wandb-history.jsonl"


def rows(site: Site, name: str = "r1") -> list[dict[str, Any]]:
    run = site.run("history(minStep: 0, maxStep: 1000000)", name)
    assert run
    return [json.loads(text) for text in run["history"]]


def numbered(start: int, stop: int, **extra: Any) -> list[dict[str, Any]]:
    return [{"_step": i, "x": i * 10, **extra} for i in range(start, stop)]


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


# -------------------------------------------------------------------------------- summary, console


def test_summary_events_and_console(site: Site):
    site.start_run()
    site.stream(
        files={
            "wandb-summary.json": {"offset": 0, "content": ['{"loss": 1}']},
            "wandb-events.jsonl": {
                "offset": 0,
                "content": ['{"system.cpu": 1, "_timestamp": 5}', '{"system.gpu": 2}'],
            },
            "output.log": {
                "offset": 0,
                "content": ["2026-01-01T00:00:00.5 10%", "ERROR 2026-01-01T00:00:01.5 oh"],
            },
        }
    )
    site.stream(files={"output.log": {"offset": 0, "content": ["2026-01-01T00:00:02.5 100%"]}})
    site.stream(files={"wandb-summary.json": {"offset": 0, "content": ['{"loss": 2}']}})
    run = site.run(
        "summaryMetrics systemMetrics eventsLineCount events logLineCount"
        " logLines(first: 10) { edges { node { number line level timestamp } } }"
    )
    assert run
    assert json.loads(run["summaryMetrics"]) == {"loss": 2}
    assert json.loads(run["systemMetrics"]) == {"system.cpu": 1, "system.gpu": 2}
    assert (run["eventsLineCount"], len(run["events"]), run["logLineCount"]) == (2, 2, 2)
    nodes = [edge["node"] for edge in run["logLines"]["edges"]]
    assert [(n["number"], n["line"], n["level"]) for n in nodes] == [
        (0, "100%", ""),  # a progress bar wrote its line again
        (1, "oh", "error"),
    ]


def test_console_lines_page_and_tail(site: Site):
    site.start_run()
    lines = [f"line {i}" for i in range(25)]
    site.stream(files={"output.log": {"offset": 0, "content": lines}})
    found, after = [], None
    while True:
        run = site.run(
            f"logLines(first: 10, after: {json.dumps(after)})"
            " { edges { node { line } } pageInfo { hasNextPage endCursor } }"
        )
        assert run
        found += [edge["node"]["line"] for edge in run["logLines"]["edges"]]
        after = run["logLines"]["pageInfo"]["endCursor"]
        if not run["logLines"]["pageInfo"]["hasNextPage"]:
            break
    assert found == lines
    run = site.run("logLines(last: 3) { edges { node { line } } }")
    assert run
    assert [edge["node"]["line"] for edge in run["logLines"]["edges"]] == lines[-3:]


def test_structured_console_lines(site: Site):
    site.start_run()
    line = json.dumps(
        {"level": "error", "ts": "2026-01-01T00:00:00", "label": "w0", "content": "x"}
    )
    site.stream(files={"output.log": {"offset": 0, "content": [line, '{"no": "line"}']}})
    run = site.run("logLines { edges { node { line level label timestamp } } }")
    assert run
    first, second = (edge["node"] for edge in run["logLines"]["edges"])
    assert first == {
        "line": "x",
        "level": "error",
        "label": "w0",
        "timestamp": "2026-01-01T00:00:00",
    }
    assert second["line"] == '{"no": "line"}'


# ------------------------------------------------------------------------------- several writers


def test_several_writers_each_count_their_own_lines(site: Site):
    """wandb's mode="shared": nobody's rows take the place of another's."""
    site.start_run()
    for start in (0, 2):
        for writer in ("w0", "w1"):
            lines = [json.dumps({"_step": i, writer: i}) for i in (start, start + 1)]
            body = {
                "files": {
                    HISTORY: {"offset": start, "content": lines},
                    "wandb-summary.json": {"offset": 0, "content": [json.dumps({writer: start})]},
                    "wandb-events.jsonl": {
                        "offset": start,
                        "content": [json.dumps({f"system.{writer}": start})],
                    },
                    "output.log": {
                        "offset": 0,
                        "content": [f"2026-01-01T00:00:0{start} [{writer}] at {start}"],
                    },
                }
            }
            for _ in range(2):  # told twice
                headers = {"X-WANDB-Async-Client-Id": writer}
                answer = site.http.post("/files/local/p/r1/file_stream", json=body, headers=headers)
                assert answer.status_code == 200
    found = rows(site)
    assert [row["_step"] for row in found] == list(range(8))
    for writer in ("w0", "w1"):
        assert [row[writer] for row in found if writer in row] == [0, 1, 2, 3]
    run = site.run(
        "summaryMetrics systemMetrics historyLineCount eventsLineCount"
        " logLines { edges { node { line label } } }"
    )
    assert run
    assert json.loads(run["summaryMetrics"]) == {"w0": 2, "w1": 2}
    assert json.loads(run["systemMetrics"]) == {"system.w0": 2, "system.w1": 2}
    assert (run["historyLineCount"], run["eventsLineCount"]) == (8, 4)
    nodes = [edge["node"] for edge in run["logLines"]["edges"]]
    assert nodes == [{"line": "at 2", "label": "w0"}, {"line": "at 2", "label": "w1"}]


# ------------------------------------------------------------------------------------------ states


def state(site: Site, name: str = "r1") -> str:
    run = site.run("state", name)
    assert run
    return run["state"]


@pytest.mark.parametrize(
    ("before", "exit_code", "after"),
    [
        ({}, 0, "finished"),
        ({}, 1, "failed"),
        ({}, 255, "failed"),
        ({"preempting": True}, 1, "preempted"),
        ({"preempting": True}, 0, "finished"),
    ],
)
def test_the_end_of_a_run(site: Site, before: dict[str, Any], exit_code: int, after: str):
    site.start_run()
    site.stream(**before)
    assert state(site) == ("preempting" if before else "running")
    for _ in range(2):  # told twice
        site.stream(complete=True, exitcode=exit_code)
        assert state(site) == after


def test_a_run_that_was_asked_to_stop_is_killed(site: Site):
    bucket = site.start_run()["bucket"]
    assert site.stream()["stopped"] is False
    site.gql("mutation($id: ID!) { stopRun(input: {id: $id}) { success } }", id=bucket["id"])
    assert site.stream()["stopped"] is True
    assert site.run("stopped shouldStop") == {"stopped": True, "shouldStop": True}
    assert site.stream(complete=True, exitcode=1)["stopped"] is False
    assert state(site) == "killed"
    # taken up again, it is not stopped again
    site.start_run()
    assert site.run("state stopped") == {"state": "running", "stopped": False}


def test_a_silent_run_is_called_crashed_and_lives_again_when_it_is_heard(site: Site):
    site.start_run("quiet")
    site.start_run("loud")
    site.tick(100)
    site.stream("loud")
    site.tick(100)
    assert (state(site, "quiet"), state(site, "loud")) == ("crashed", "running")
    site.log("quiet", *numbered(0, 1))
    assert state(site, "quiet") == "running"
    site.tick(179)
    assert state(site, "quiet") == "running"
    site.tick(2)
    assert state(site, "quiet") == "crashed"


def test_a_silent_preempting_run_was_preempted(site: Site):
    site.start_run()
    site.stream(preempting=True)
    site.tick(181)
    assert state(site) == "preempted"


def test_after_a_start_nobody_is_called_crashed_before_the_grace_is_over(site: Site):
    site.start_run()
    site.watch = Watch(60)
    site.tick(10_000)  # the server was down meanwhile
    for _ in range(2):
        assert state(site) == "running"
        site.tick(30)
    assert state(site) == "crashed"


@pytest.mark.parametrize("stopped", [True, False])
def test_a_clock_that_was_set_back_does_not_keep_silent_runs_alive(site: Site, stopped: bool):
    site.start_run()
    if stopped:
        site.watch = Watch(0)
    site.tick(-3600)
    site.tick(30)
    assert state(site) == "running"
    for _ in range(3):
        site.tick(60)
    assert state(site) == "crashed"


def test_a_question_of_a_client_does_not_stay_in_the_future(site: Site):
    """Where the run stands was asked by one that went on at once, not by whoever begins it next."""
    site.start_run()
    site.log("r1", *numbered(0, 3))
    site.gql(
        'query($n: String!) { model(name: "p", entityName: "local") {'
        " bucket(name: $n, missingOk: true) { historyLineCount } } }",
        n="r1",
    )
    site.stream(complete=True, exitcode=1)
    site.watch = Watch(0)
    asked = "SELECT resume_asked_at FROM runs"
    with site.store.read() as db:
        assert db.execute(asked).fetchone()[0] == site.now
    site.tick(-3600)
    with site.store.read() as db:
        assert db.execute(asked).fetchone()[0] == site.now


def test_an_ended_run_is_not_crashed_by_time(site: Site):
    site.start_run()
    site.stream(complete=True, exitcode=0)
    site.tick(1e6)
    assert state(site) == "finished"


def test_a_late_row_of_an_ended_run_is_kept_and_changes_no_state(site: Site):
    site.start_run()
    site.stream(complete=True, exitcode=0)
    site.log("r1", *numbered(0, 1))
    assert state(site) == "finished"
    assert rows(site) == numbered(0, 1)
