"""Summary, events and console lines of one writer and of several."""

from __future__ import annotations

import json

from tests.tracker.runs.rows import HISTORY, rows
from tests.tracker.worlds import Site


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
