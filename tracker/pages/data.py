"""What the pages show, read from the store."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from contract.sweepfile.read import load
from contract.values import number
from tracker.artifacts import collections as collection_rows
from tracker.artifacts import rows as artifact_rows
from tracker.errors import RequestError
from tracker.pages.curves import Chart, chart
from tracker.runs import console, file_rows, history
from tracker.runs import lines as run_lines
from tracker.runs import rows as run_rows
from tracker.runs.keys import of_sweep
from tracker.runs.rows import RunQuery
from tracker.store.rows import Row, select
from tracker.store.where import Order, Where
from tracker.sweeps import rows as sweep_rows

RUNS_PER_PAGE = 100
MAX_CHARTS = 24
CHART_POINTS = 200
CHART_RUNS = 40  # of a sweep
LOG_LINES = 200
MAX_FILES = 500
AXES = ("_step", "_runtime", "_timestamp", "epoch")


def missing(what: str) -> RequestError:
    return RequestError(f"There is no {what} here.", status=404)


def find_project(db: sqlite3.Connection, entity: str, project: str) -> Row:
    found = run_rows.find_project(db, entity, project)
    if found is None:
        raise missing(f"project {entity}/{project}")
    return found


def home(db: sqlite3.Connection, entity: str | None) -> list[Row]:
    """Projects, the one with the latest news first."""
    return run_rows.project_overview(db, entity)


def project(db: sqlite3.Connection, entity: str, name: str, before: list[Any] | None) -> Row:
    row = find_project(db, entity, name)
    query = RunQuery(row["id"], order=Order(descending=True))
    runs = query.page(db, RUNS_PER_PAGE + 1, before)
    return {
        "project": row,
        "runs": [with_values(run) for run in runs[:RUNS_PER_PAGE]],
        "more": runs[RUNS_PER_PAGE - 1]["cursor"] if len(runs) > RUNS_PER_PAGE else None,
        "total": query.count(db),
        "sweeps": [
            {
                **sweep,
                "title": sweep["display_name"]
                or load(sweep["config"]).get("name")
                or sweep["name"],
                "cells": sweep_rows.count_cells(db, sweep["id"]),
            }
            for sweep in sweep_rows.list_sweeps(db, row["id"])
        ],
        "artifacts": select(
            db, "collections", [Where("project_id = ?", [row["id"]])], Order("name"), limit=200
        ),
    }


def with_values(run: Row) -> Row:
    """A run with its config and summary as plain values."""
    config = {
        key: value.get("value") if isinstance(value, dict) and "value" in value else value
        for key, value in json.loads(run["config"]).items()
        if key != "_wandb"
    }
    summary = {k: v for k, v in json.loads(run["summary"]).items() if not k.startswith("_")}
    return {
        **run,
        "values": dict(history.flatten(config)),
        "results": dict(history.flatten(summary)),
        "tag_list": json.loads(run["tags"]),
    }


def run(db: sqlite3.Connection, entity: str, name: str, run_name: str) -> Row:
    project_row = find_project(db, entity, name)
    row = run_rows.find_run(db, project_row["id"], run_name)
    if row is None:
        raise missing(f"run {run_name} in {entity}/{name}")
    return {
        "project": project_row,
        "run": with_values(row),
        "charts": run_charts(db, row),
        "logs": [
            console.read_line(*line) for line in run_lines.last_log_lines(db, row["id"], LOG_LINES)
        ],
        "files": file_rows.list_files(db, row["id"], limit=MAX_FILES),
        "artifacts": select(
            db,
            artifact_rows.RUN_ARTIFACTS,
            [Where("lineage_run = ?", [row["id"]]), Where("state = 'COMMITTED'")],
            Order("lineage_id"),
            limit=MAX_FILES,
        ),
        "collection": lambda artifact: place_of(db, artifact),
    }


def place_of(db: sqlite3.Connection, artifact: Row) -> Row:
    """An artifact's sequence and type, for its name and address."""
    sequence = collection_rows.get_collection(db, artifact["collection_id"])
    kind = sequence and collection_rows.get_type(db, sequence["type_id"])
    assert sequence and kind
    return {"name": sequence["name"], "type": kind["name"]}


def run_charts(db: sqlite3.Connection, row: Row) -> list[tuple[str, Chart]]:
    keys = json.loads(row["history_keys"]).get("keys", {})
    numeric = [
        key
        for key, entry in keys.items()
        if key not in AXES and any(c["type"] == "number" for c in entry["typeCounts"])
    ]
    rows = sampled(db, row)
    axis = axis_of(row)
    found = ((key, chart([points(rows, axis, key)], axis)) for key in sorted(numeric)[:MAX_CHARTS])
    return [(key, drawn) for key, drawn in found if drawn]


def sampled(db: sqlite3.Connection, row: Row) -> list[Row]:
    texts = run_lines.thinned_history(db, row["id"], row["history_lines"], CHART_POINTS)
    return [json.loads(text) for text in texts]


def points(rows: list[Row], axis: str, key: str) -> list[tuple[float, float]]:
    found = []
    for row in rows:
        x, y = (number(history.lookup(row, name)) for name in (axis, key))
        if x is not None and y is not None:
            found.append((x, y))
    return found


def sweep(db: sqlite3.Connection, entity: str, name: str, sweep_name: str) -> Row:
    project_row = find_project(db, entity, name)
    row = sweep_rows.find_sweep(db, project_row["id"], sweep_name)
    if row is None:
        raise missing(f"sweep {sweep_name} in {entity}/{name}")
    query = RunQuery(project_row["id"], [of_sweep(sweep_name)])
    runs = [with_values(run) for run in query.page(db, RUNS_PER_PAGE * 10)]
    axes = [
        key
        for key in dict.fromkeys(key for run in runs for key in run["values"])
        if len({json.dumps(run["values"].get(key)) for run in runs}) > 1
    ]
    config = load(row["config"])
    metric = config["metric"].get("name") if isinstance(config.get("metric"), dict) else None
    return {
        "project": project_row,
        "sweep": {**row, "title": row["display_name"] or config.get("name") or row["name"]},
        "runs": runs,
        "total": query.count(db),
        "axes": axes[:8],
        "metric": metric,
        "cells": sweep_rows.count_cells(db, row["id"]),
        "agents": sweep_rows.list_agents(db, row["id"]),
        "chart": metric and sweep_chart(db, runs[-CHART_RUNS:], metric),
    }


def sweep_chart(db: sqlite3.Connection, runs: list[Row], metric: str) -> Chart | None:
    axis = axis_of(runs[0]) if runs else "_step"
    return chart([points(sampled(db, run), axis, metric) for run in runs], axis)


def axis_of(run: Row) -> str:
    keys = json.loads(run["history_keys"]).get("keys", {})
    return "epoch" if "epoch" in keys else "_step"


def artifact(db: sqlite3.Connection, entity: str, name: str, collection: str, alias: str) -> Row:
    project_row = find_project(db, entity, name)
    row = collection_rows.find_collection(db, project_row["id"], collection)
    member = row and collection_rows.resolve_alias(db, row["id"], alias)
    version = member and artifact_rows.get_artifact(db, member["artifact_id"])
    if row is None or member is None or version is None:
        raise missing(f"artifact {collection}:{alias} in {entity}/{name}")
    maker = version["run_id"] and run_rows.get_run(db, version["run_id"])
    kind = collection_rows.get_type(db, row["type_id"])
    return {
        "project": project_row,
        "collection": row,
        "kind": kind and kind["name"],
        "version": {**version, "values": json.loads(version["metadata"] or "{}")},
        "index": member["version_index"],
        "aliases": collection_rows.aliases_of(db, version["id"], row["id"]),
        "files": artifact_rows.list_artifact_files(db, version["id"], limit=MAX_FILES),
        "maker": maker,
        "users": artifact_rows.users_of(db, version["id"]),
    }
