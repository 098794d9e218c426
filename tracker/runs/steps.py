"""History rows have their place by `_step`, and not by the line at which a client puts them: one
that syncs an offline segment, perhaps for the second time, knows nothing of the lines.

| the row's step is …    | the row …                                                               |
|------------------------|-------------------------------------------------------------------------|
| behind the last        | is appended                                                             |
| not there, before that | is put in between                                                       |
| there, the rows equal  | is known                                                                |
| there, they differ     | replaces the stored row and all behind it, where its client began the   |
|                        | run anew or rewound it, and the stored row is not the later one; else   |
|                        | it is left out                                                          |
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence

from contract.values import finite
from tracker import documents
from tracker.runs import history
from tracker.runs import lines as run_lines
from tracker.runs.tables import RunRow
from tracker.store.rows import update


def add_history(
    db: sqlite3.Connection, run: RunRow, offset: int, lines: list[str]
) -> tuple[bool, bool]:
    """Stores what is new of a chunk; whether there was any, and whether it stands elsewhere than
    behind the rows that were there."""
    sent = numbered(db, run, offset, lines)
    stored = stored_rows(db, run, sent)
    fresh, cut = place(sent, stored, may_replace=bool(run["begun_anew"]))
    if not fresh:
        return False, False
    if cut is None and fresh[0][0] > run["last_step"]:
        append(db, run, fresh)
        return True, False
    if cut is not None:
        run_lines.drop_steps(db, run["id"], cut - 1)
        # behind the one that replaced nothing is left to be replaced: only a stranger could
        update(db, "runs", run["id"], begun_anew=0)
    first = fresh[0][0]
    behind = run_lines.rows_between(db, run["id"], first + 1, run["last_step"])
    kept = run_lines.drop_steps(db, run["id"], first)
    merged = sorted([*fresh, *behind], key=lambda row: row[0])
    run_lines.write_history(db, run["id"], kept, merged)
    refresh_history(db, run["id"])
    return True, True


def contradicts(db: sqlite3.Connection, run: RunRow, offset: int, lines: list[str]) -> bool:
    """Whether a chunk says something else than the rows that are stored, rather than going on
    behind them."""
    if run["begun_anew"]:
        return False
    sent = numbered(db, run, offset, lines)
    there = run_lines.stored_lines(db, "history", run["id"], offset, len(lines))
    if not all(same_row(*pair) for pair in zip(there, lines, strict=False)):
        return True
    stored = stored_rows(db, run, sent)
    return not all(
        step > run["last_step"] or any(same_row(old, text) for old in stored.get(step, ()))
        for step, text in sent
    )


def numbered(
    db: sqlite3.Connection, run: RunRow, offset: int, lines: list[str]
) -> list[tuple[int, str]]:
    """(step, text) of a chunk's rows. One without `_step`, which no real client sends, comes behind
    the last, unless it repeats its line."""
    rows, last, there = [], run["last_step"], None
    for i, text in enumerate(lines):
        step = json.loads(json_object(text, "history")).get("_step")
        if not isinstance(step, int) or isinstance(step, bool) or abs(step) > documents.LARGEST:
            if there is None:
                there = run_lines.stored_lines(db, "history", run["id"], offset, len(lines))
            if i < len(there) and same_row(there[i], text):
                continue
            step = last + 1
        last = max(last, step)
        rows.append((step, text))
    return rows


def stored_rows(
    db: sqlite3.Connection, run: RunRow, sent: Sequence[tuple[int, str]]
) -> dict[int, list[str]]:
    """What is stored at the steps from the lowest to the highest sent."""
    steps = [step for step, _ in sent if step <= run["last_step"]]
    found: dict[int, list[str]] = {}
    if steps:
        for step, text in run_lines.rows_between(db, run["id"], min(steps), max(steps)):
            found.setdefault(step, []).append(text)
    return found


def place(
    sent: Sequence[tuple[int, str]], stored: Mapping[int, list[str]], may_replace: bool
) -> tuple[list[tuple[int, str]], int | None]:
    """The rows to store, in the order of their steps, and the step from which on the stored ones
    go; None where they all stay."""
    fresh: dict[int, str] = {}
    cut: int | None = None
    for step, text in sent:
        there = [fresh[step]] if step in fresh else []
        if cut is None or step < cut:
            there += stored.get(step, ())
        if not there:
            fresh[step] = text
        elif any(same_row(old, text) for old in there):
            continue
        elif may_replace and not later(there[-1], text):
            cut, may_replace = step, False
            fresh = {key: row for key, row in fresh.items() if key < step} | {step: text}
    return sorted(fresh.items()), cut


def append(db: sqlite3.Connection, run: RunRow, fresh: Sequence[tuple[int, str]]) -> None:
    run_lines.write_history(db, run["id"], run["history_lines"], fresh)
    keys, last_step = json.loads(run["history_keys"]), fresh[-1][0]
    rows = [json.loads(text) for _, text in fresh]
    update(
        db,
        "runs",
        run["id"],
        history_lines=run["history_lines"] + len(fresh),
        last_step=last_step,
        history_keys=json.dumps(history.merge_keys(keys, rows, last_step)),
    )


def refresh_history(db: sqlite3.Connection, run_id: int) -> None:
    """Counts again what the run's columns say of its history rows."""
    keys: history.Keys = {}
    last_step, n = -1, 0
    for line, step, text in run_lines.history_with_lines(db, run_id):
        last_step, n = max(last_step, step), line + 1
        history.merge_keys(keys, [json.loads(text)], last_step)
    update(db, "runs", run_id, history_lines=n, last_step=last_step, history_keys=json.dumps(keys))


def same_row(stored: str, sent: str) -> bool:
    """Whether two lines say the same: clients do not keep the order of keys, nor one way to write
    a number."""
    return stored == sent or finite(json.loads(stored)) == finite(json.loads(sent))


def later(one: str, other: str) -> bool:
    """Whether a row was logged after another one, as their clients' clocks say: of two segments
    that overlap, the later one holds in whichever order they are synced."""
    times = [json.loads(text).get("_timestamp") for text in (one, other)]
    return all(isinstance(time, (int, float)) for time in times) and times[0] > times[1]


def json_object(line: str, name: str) -> str:
    documents.read_object(line, name)
    return line
