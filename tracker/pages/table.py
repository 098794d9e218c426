"""The table of a project's runs: which, in which order, with which columns, and grouped."""

from __future__ import annotations

import csv
import io
import json
import math
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from contract.values import finite, number
from tracker.api import filters
from tracker.documents import Object
from tracker.errors import RequestError
from tracker.pages import common, words
from tracker.pages.replicates import interval
from tracker.pages.series import EPOCH
from tracker.runs.keys import run_operand
from tracker.runs.rows import RunQuery
from tracker.runs.tables import ProjectRow
from tracker.store.where import Where
from tracker.sweeps import rows as sweep_rows
from tracker.sweeps.states import config_of

RUNS_PER_PAGE = 100
MOST_RUNS = 10_000  # of a group table or a CSV file
MOST_GROUPS = 500
MOST_COLUMNS = 40
SHOWN_CONFIG, SHOWN_RESULTS = 6, 3  # columns that are chosen where nobody has
OFFERED = 300  # columns that can be chosen
ATTRIBUTES = ("sweep", "group", "job_type", "tags", "created_at", "duration", "host", "notes")
DEFAULT_ORDER = "-created_at"


@dataclass(frozen=True)
class View:
    """What an address asks for. `columns`, `groups`: `config.lr`, `summary.loss`, `tags`."""

    text: str = ""
    order: str = DEFAULT_ORDER
    columns: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()

    @classmethod
    def read(cls, query: Any) -> View:
        """Of a request's query; RequestError where it asks for too much."""
        view = cls(
            query.get("q", ""),
            query.get("sort") or DEFAULT_ORDER,
            tuple(dict.fromkeys(query.getlist("col"))),
            tuple(dict.fromkeys(key for key in query.getlist("group") if key)),
        )
        if len(view.columns) + len(view.groups) > MOST_COLUMNS:
            raise RequestError(f"choose at most {MOST_COLUMNS} columns")
        return view


def runs_table(
    db: sqlite3.Connection, project: ProjectRow, view: View, after: list[Any] | None = None
) -> Object:
    """A page of runs, or of groups of them, and what can be chosen. What is wrong with the words
    of the box is said in `problem`, and nothing is found.
    """
    latest = RunQuery(project["id"], order=run_order(DEFAULT_ORDER)).page(db, RUNS_PER_PAGE)
    known = [common.with_values(run) for run in latest]
    results = {key for run in known for key in run["results"]}
    view = replace(view, groups=tuple(words.key_of(key, results) for key in view.groups))
    try:
        query = run_query(project, view, results)
        total = query.count(db)
        runs = query.page(db, RUNS_PER_PAGE + 1, after)
        problem = ""
    except RequestError as error:
        query, total, runs, problem = None, 0, [], str(error)
    page = [common.with_values(run) for run in runs[:RUNS_PER_PAGE]]
    columns = view.columns or default_columns(db, project, page)
    shown = [{**run, "cells": [cell(run, column) for column in columns]} for run in page]
    cells = list(zip(*(run["cells"] for run in shown), strict=True)) or [()] * len(columns)
    return {
        "view": view,
        "problem": problem,
        "total": total,
        "runs": shown,
        "numbers": {c for c, own in zip(columns, cells, strict=True) if is_numeric(own)},
        "more": runs[RUNS_PER_PAGE - 1]["cursor"] if len(runs) > RUNS_PER_PAGE else None,
        "columns": columns,
        "offered": offered(known + page),
        "groups": grouped(db, query, view.groups, columns) if query and view.groups else [],
    }


def is_numeric(values: Iterable[Any]) -> bool:
    return all(value is None or number(value) is not None for value in values)


def run_query(project: ProjectRow, view: View, results: Iterable[str]) -> RunQuery:
    text = words.document(view.text, frozenset(results))
    where: list[Where] = [filters.parse(text, run_operand)] if text else []
    return RunQuery(project["id"], where, run_order(view.order))


def run_order(text: str) -> Any:
    return filters.parse_order(text, run_operand)


def cell(run: Object, column: str) -> Any:
    """The value of a column in a run."""
    head, _, rest = column.partition(".")
    if head == "config":
        return run["values"].get(rest)
    if head in ("summary", "summary_metrics"):
        return run["results"].get(rest)
    if column == "tags":
        return ", ".join(run["tag_list"])
    if column == "duration":
        return (run["ended_at"] or run["heartbeat_at"]) - run["created_at"]
    return run.get({"group": "group_name"}.get(column, column))


def default_columns(
    db: sqlite3.Connection, project: ProjectRow, runs: Sequence[Object]
) -> list[str]:
    """The config values that differ between the runs, and their sweeps' metrics, or where there
    are none the numbers that most of them have logged.
    """
    configs: dict[str, set[str]] = {}
    counts: dict[str, int] = {}
    for run in runs:
        for key, value in run["values"].items():
            configs.setdefault(key, set()).add(json.dumps(value))
        for key, value in run["results"].items():
            counts[key] = counts.get(key, 0) + (number(value) is not None)
    absent = {key: any(key not in run["values"] for run in runs) for key in configs}
    varied = [key for key, values in configs.items() if len(values) + absent[key] > 1]
    metrics = sweep_metrics(db, project, {run["sweep"] for run in runs if run["sweep"]})
    often = sorted((key for key, n in counts.items() if n), key=lambda key: (-counts[key], key))
    often = [key for key in often if key != EPOCH]
    results = [key for key in metrics if key in counts] or often[:SHOWN_RESULTS]
    return [f"config.{key}" for key in varied[:SHOWN_CONFIG]] + [f"summary.{k}" for k in results]


def sweep_metrics(db: sqlite3.Connection, project: ProjectRow, names: Iterable[str]) -> list[str]:
    found = {}
    for name in sorted(names):
        sweep = sweep_rows.find_sweep(db, project["id"], name)
        metric = sweep and config_of(sweep["config"]).metric
        if metric:
            found[metric.name] = None
    return list(found)


def offered(runs: Sequence[Object]) -> list[str]:
    """Object that can be chosen: what these runs have."""
    config = {f"config.{key}" for run in runs for key in run["values"]}
    results = {f"summary.{key}" for run in runs for key in run["results"]}
    return [*ATTRIBUTES, *sorted(results)[:OFFERED], *sorted(config)[:OFFERED]]


# --- groups -----------------------------------------------------------------------------------


def grouped(
    db: sqlite3.Connection, query: RunQuery, keys: Sequence[str], columns: Sequence[str]
) -> list[Object]:
    """Groups of runs with equal values of `keys`: `values`, `n`, and of each of `columns` that is a
    result mean and half the width of its 95 % interval over the runs that have a finite one.
    """
    measured = [column for column in columns if column.startswith("summary")]
    operands = [run_operand(key) for key in (*keys, *measured)]
    rows = query.picked(db, [Where(part.sql, part.values) for part in operands], MOST_RUNS)
    found: dict[tuple[Any, ...], list[list[float]]] = {}
    sizes: dict[tuple[Any, ...], int] = {}
    for row in rows:
        group = row[: len(keys)]
        sizes[group] = sizes.get(group, 0) + 1
        values = found.setdefault(group, [[] for _ in measured])
        for place, value in zip(values, row[len(keys) :], strict=True):
            read = number(value)
            if read is not None and math.isfinite(read):
                place.append(read)
    order = sorted(found, key=lambda group: [rank(value) for value in group])
    return [
        {
            "values": group,
            "n": sizes[group],
            "measures": dict(zip(measured, map(interval, found[group]), strict=True)),
            "words": " ".join(term(key, value) for key, value in zip(keys, group, strict=True)),
        }
        for group in order[:MOST_GROUPS]
    ]


def rank(value: Any) -> tuple[Any, ...]:
    """Numbers before texts before nothing."""
    return value is None, isinstance(value, str), "" if value is None else value


def term(key: str, value: Any) -> str:
    """Words of the box that find the runs of a group."""
    text = "null" if value is None else json.dumps(value) if isinstance(value, str) else str(value)
    return f"{json.dumps(key, ensure_ascii=False)}={text}"


# --- CSV --------------------------------------------------------------------------------------


def csv_text(db: sqlite3.Connection, project: ProjectRow, view: View) -> str:
    """All runs of the view, at most MOST_RUNS, with their id, name, state and the chosen columns;
    without any chosen, with all that they have.
    """
    latest = RunQuery(project["id"], order=run_order(DEFAULT_ORDER)).page(db, RUNS_PER_PAGE)
    known = [common.with_values(run) for run in latest]
    results = {key for run in known for key in run["results"]}
    query = run_query(project, view, results)
    columns = list(view.columns) or offered(known)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["id", "name", "state", *columns])
    for run in map(common.with_values, query.page(db, MOST_RUNS)):
        values = [run["name"], run["title"], run["state"], *(cell(run, c) for c in columns)]
        writer.writerow([safe(value) for value in values])
    return out.getvalue()


def safe(value: Any) -> Any:
    """A text that a spreadsheet would run as a formula, as a text."""
    if isinstance(value, (dict, list)):
        value = json.dumps(finite(value))
    return f"'{value}" if isinstance(value, str) and value[:1] in tuple("=+-@\t\r") else value
