"""The states of a run, and what leads from one to another: the one place that decides it.

| event      | what happened                                 | leads to                            |
|------------|-----------------------------------------------|-------------------------------------|
| offered    | a lease was given out                         | pending                             |
| begun      | its client begins it, perhaps once more       | running, where it did not live      |
| heard      | rows or a heartbeat came                      | running, where it waited or crashed |
| warned     | its client says that its machine will go      | preempting; running where it had    |
|            |                                               | crashed; no other end is undone     |
| succeeded  | its client told its end, with exit code 0     | finished                            |
| exited     | its client told its end, with another code    | preempted where it was warned, else |
|            |                                               | killed where it was to stop, else   |
|            |                                               | failed                              |
| silent     | it lived, and nothing was heard for too long  | preempted where it was warned, else |
|            |                                               | crashed                             |
| gone       | its process ended, and no end had been told   | preempted where it was warned, else |
|            |                                               | killed where it was to stop, else   |
|            |                                               | crashed                             |
| given up   | nobody took the offer                         | crashed                             |
| rewound    | its history was cut, for its client to go on  | running                             |
| set back   | somebody wants it to wait (`updateRunState`)  | pending, where it has not finished, |
|            |                                               | was not killed, and does not wait   |
| called off | somebody wants it to count as failed          | failed, where it waits or runs      |

An end that was told (it has an exit code) stays until the run is begun, offered or rewound. That a
run is to stop is a mark (`stop_requested`) and no state: it lives until it has stopped. Besides, a
client that begins a run may name its state; and a run that is deleted has none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

ALIVE = ("running", "preempting")
ENDED = ("finished", "failed", "crashed", "killed", "preempted")
STATES = ("pending", *ALIVE, *ENDED)
Event = Literal[
    "offered",
    "begun",
    "heard",
    "warned",
    "succeeded",
    "exited",
    "silent",
    "gone",
    "given up",
    "rewound",
    "set back",
    "called off",
]
# event -> state before -> state after; what is not there stays as it is
STEPS: dict[Event, dict[str, str]] = {
    "offered": dict.fromkeys(STATES, "pending"),
    "begun": dict.fromkeys(("pending", *ENDED), "running"),
    "heard": dict.fromkeys(("pending", "crashed"), "running"),
    "warned": {**dict.fromkeys(("pending", "running"), "preempting"), "crashed": "running"},
    "succeeded": dict.fromkeys(STATES, "finished"),
    "exited": dict.fromkeys(STATES, "failed"),
    "silent": dict.fromkeys(ALIVE, "crashed"),
    "gone": dict.fromkeys(("pending", *ALIVE), "crashed"),
    "given up": {"pending": "crashed"},
    "rewound": dict.fromkeys(STATES, "running"),
    "set back": dict.fromkeys(("running", "failed", "crashed", "preempted"), "pending"),
    "called off": dict.fromkeys(("pending", "running"), "failed"),
}


def next_state(run: Mapping[str, Any], event: Event) -> str:
    """Return the state of a run after an event; its own where the event changes nothing.

    `run` needs `state`, `exit_code`, `preempting` (it was warned) and `stop_requested`.
    """
    before = run["state"]
    if event in ("succeeded", "exited") and has_told_end(run):
        return before
    after = STEPS[event].get(before)
    if after is None:
        return before
    if event in ("exited", "silent", "gone") and run["preempting"]:
        return "preempted"
    return "killed" if event in ("exited", "gone") and run["stop_requested"] else after


def has_told_end(run: Mapping[str, Any]) -> bool:
    """Whether the run has ended, and its client itself has said so."""
    return run["state"] in ENDED and run["exit_code"] is not None
