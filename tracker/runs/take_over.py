"""Take-overs: a run goes on under another lease while its former process may live on, frozen or cut
off, and come back. What that process still says must not touch what its successor has written.

A client that is answered 4xx never sends again while its program goes on, so the former process is
answered 200 with `stopped`, which interrupts it, and nothing is stored. Agents of ours name the
lease with every request of a process (LEASE_HEADER). Stock ones name nothing: of them the one is
believed that goes on behind the stored rows, and an end is put off until the lease ends.
"""

from __future__ import annotations

import sqlite3

from tracker.runs import rows as run_rows
from tracker.runs.tables import RunRow
from tracker.store.rows import update

LEASE_HEADER = "x-tracker-lease"  # the value is what the command `run` or `resume` gave as `lease`

FREE = "free"  # nobody else can be writing: no lease, or one that took over from no living process
HOLDER = "holder"  # says that it is the process of the last lease
UNSURE = "unsure"  # says nothing, and another process may live
FORMER = "former"  # not the process of the last lease


def standing(db: sqlite3.Connection, run: RunRow, lease: str) -> str:
    """Who writes to a run; `lease` is what the request named, "" where it named none."""
    leases = run_rows.leases_of_run(db, run["id"])
    if lease and lease in [str(row["id"]) for row in leases]:  # a run's program may begin others
        return HOLDER if lease == str(leases[-1]["id"]) else FORMER
    if all(row["process_gone"] for row in leases[:-1]):
        return FREE
    begun = run["state"] != "pending" or leases[-1]["ended_at"] is not None
    return UNSURE if begun else FORMER


def put_off_end(db: sqlite3.Connection, run: RunRow, exit_code: int) -> bool:
    """Keep an end that anybody may have told until the lease ends; false where it has ended.

    Success is kept over a failure told within the same few seconds.
    """
    last = run_rows.leases_of_run(db, run["id"])[-1]
    if last["ended_at"] is not None:
        return False
    if last["told_end"] != 0:
        update(db, "attempts", last["id"], told_end=exit_code)
    return True


def wrote_on(db: sqlite3.Connection, run: RunRow) -> None:
    """Rows came from a client of which nothing more is known: the next ones replace none, and an
    end told before was another's."""
    last = run_rows.leases_of_run(db, run["id"])[-1]
    update(db, "attempts", last["id"], told_end=None)
    update(db, "runs", run["id"], begun_anew=0)
