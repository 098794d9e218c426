"""Runs with several writers at once (wandb's mode="shared"): each counts its own lines and steps.

A writer's line gets the next free place of the run when it first comes, and keeps it, so that a
retry changes nothing here either. Steps are given in the order of arrival.
"""

from __future__ import annotations

import json
import re
import sqlite3
from typing import Any

from tracker.runs import history
from tracker.runs import lines as run_lines
from tracker.runs.console import PLAIN
from tracker.runs.tables import RunRow
from tracker.store.rows import Columns, update

LABEL = re.compile(r"\[(?P<label>[^\]]+)\] (?P<rest>.*)", re.DOTALL)


def add_history(
    db: sqlite3.Connection, run: RunRow, writer: str, offset: int, rows: list[dict[str, Any]]
) -> bool:
    """Appends a writer's rows; true where there was anything new."""
    fresh, step, line = [], run["last_step"], run["history_lines"]
    for i, row in enumerate(rows):
        place = run_lines.shared_place(db, run["id"], writer, "history", offset + i)
        if place is not None:
            continue
        step += 1
        row = {**row, "_step": step}
        run_lines.set_shared_place(db, run["id"], writer, "history", offset + i, line)
        run_lines.write_history(db, run["id"], line, [(step, json.dumps(row))])
        fresh.append(row)
        line += 1
    if fresh:
        keys = history.merge_keys(json.loads(run["history_keys"]), fresh, step)
        update(
            db, "runs", run["id"], history_lines=line, last_step=step, history_keys=json.dumps(keys)
        )
    return bool(fresh)


def add_lines(
    db: sqlite3.Connection, run: Columns, writer: str, kind: str, offset: int, lines: list[str]
) -> None:
    """Adds or rewrites a writer's `events` or `logs`."""
    column = run_lines.TABLES[kind]
    count = run[column]
    placed = []
    for i, text in enumerate(lines):
        place = run_lines.shared_place(db, run["id"], writer, kind, offset + i)
        if place is None:
            place, count = count, count + 1
            run_lines.set_shared_place(db, run["id"], writer, kind, offset + i, place)
        placed.append((place, labelled(text) if kind == "logs" else text))
    run_lines.write_lines(db, kind, run["id"], placed)
    update(db, "runs", run["id"], **{column: count})


def labelled(text: str) -> str:
    """A console line of a writer, which names itself in brackets, in the structured form."""
    found = PLAIN.match(text)
    named = LABEL.match(found["text"]) if found else None
    if not found or not named:
        return text
    values = {
        "level": "error" if found["error"] else "",
        "ts": found["time"],
        "label": named["label"],
        "content": named["rest"],
    }
    return json.dumps(values)
