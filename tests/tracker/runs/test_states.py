"""Every event in every state of a run."""

from __future__ import annotations

from typing import get_args

import pytest

from tests.tracker.worlds import ROOT
from tracker.runs.states import ALIVE, ENDED, STATES, Event, has_told_end, next_state

# Of a run without marks: what each event makes of pending, running, preempting, finished, failed,
# crashed, killed, preempted; "." where it stays.
TABLE = {
    "offered": "pending pending pending pending pending pending pending pending",
    "begun": "running . . running running running running running",
    "heard": "running . . . . running . .",
    "warned": "preempting preempting . . . running . .",
    "succeeded": "finished finished finished . finished finished finished finished",
    "exited": "failed failed failed failed . failed failed failed",
    "silent": ". crashed crashed . . . . .",
    "gone": "crashed crashed crashed . . . . .",
    "given up": "crashed . . . . . . .",
    "rewound": "running . running running running running running running",
    "set back": ". pending . . pending pending . pending",
    "called off": "failed failed . . . . . .",
}
EVENTS = get_args(Event)
PAIRS = [(event, state) for event in EVENTS for state in STATES]


def run(state: str, **marks: int | None) -> dict[str, int | str | None]:
    return {"state": state, "exit_code": None, "preempting": 0, "stop_requested": 0, **marks}


def test_the_table_is_whole():
    assert sorted(STATES) == sorted({*ALIVE, *ENDED, "pending"})
    assert [len(row.split()) for row in TABLE.values()] == [len(STATES)] * len(EVENTS)
    assert list(TABLE) == list(EVENTS)


@pytest.mark.parametrize(("event", "state"), PAIRS)
def test_without_marks(event: Event, state: str):
    after = TABLE[event].split()[STATES.index(state)]
    assert next_state(run(state), event) == (state if after == "." else after)


@pytest.mark.parametrize(("event", "state"), PAIRS)
def test_with_marks(event: Event, state: str):
    """They tell how an end is called, and nothing else; an end that was told stays."""
    plain = next_state(run(state), event)
    warned = next_state(run(state, preempting=1), event)
    stopped = next_state(run(state, stop_requested=1), event)
    both = next_state(run(state, preempting=1, stop_requested=1), event)
    told = next_state(run(state, exit_code=1), event)
    unhappy = event == "exited" or (event in ("silent", "gone") and plain != state)
    assert warned == both == ("preempted" if unhappy else plain)
    assert stopped == ("killed" if unhappy and event != "silent" else plain)
    ends = event in ("succeeded", "exited")
    assert told == (state if ends and state in ENDED else plain)


def test_an_end_is_told_with_an_exit_code():
    assert has_told_end(run("failed", exit_code=0))
    assert not has_told_end(run("failed"))
    assert not has_told_end(run("running", exit_code=0))


def test_nowhere_else_is_a_state_decided():
    """No other file of the tracker writes a state of a run by its name."""
    words = [f'state="{state}"' for state in STATES] + [f'"state": "{state}"' for state in STATES]
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in sorted((ROOT / "tracker").rglob("*.py"))
        if path.name != "states.py"
        for line in path.read_text().splitlines()
        if any(word in line for word in words)
    ]
    assert found == [
        'tracker/sweeps/leases.py: update(db, "agents", agent["id"], state="finished")',
    ]
