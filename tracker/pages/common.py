"""What every page looks up: the project, run or sweep of an address, and values to show."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from typing import Any

from tracker.documents import Object
from tracker.errors import RequestError
from tracker.runs import history
from tracker.runs import rows as run_rows
from tracker.runs.tables import ProjectRow, RunRow
from tracker.store.rows import Columns
from tracker.sweeps import rows as sweep_rows
from tracker.sweeps.tables import SweepRow

TOGETHER = " × "  # between keys by which runs are grouped together


def missing(what: str) -> RequestError:
    return RequestError(f"There is no {what} here.", status=404)


def find_project(db: sqlite3.Connection, entity: str, project: str) -> ProjectRow:
    found = run_rows.find_project(db, entity, project)
    if found is None:
        raise missing(f"project {entity}/{project}")
    return found


def find_run(db: sqlite3.Connection, project: ProjectRow, name: str) -> RunRow:
    row = run_rows.find_run(db, project["id"], name)
    if row is None:
        raise missing(f"run {name} in {project['entity']}/{project['name']}")
    return row


def find_sweep(db: sqlite3.Connection, project: ProjectRow, name: str) -> SweepRow:
    row = sweep_rows.find_sweep(db, project["id"], name)
    if row is None:
        raise missing(f"sweep {name} in {project['entity']}/{project['name']}")
    return row


def with_values(run: Columns) -> Object:
    """A run with its config (`values`) and summary (`results`) as flat values, and its title."""
    return {
        **run,
        "title": run["display_name"] or run["name"],
        "values": config_values(run["config"]),
        "results": summary_values(run["summary"]),
        "tag_list": json.loads(run["tags"]),
    }


def config_values(text: str) -> dict[str, Any]:
    config = {
        key: value.get("value") if isinstance(value, dict) and "value" in value else value
        for key, value in json.loads(text).items()
        if key != "_wandb"
    }
    return dict(history.flatten(config))


def named(values: Mapping[str, Any], keys: str) -> str:
    """ "a = 1, b = 2": the values by which runs are grouped; `keys` are joined by TOGETHER."""
    return ", ".join(f"{key} = {shown(values.get(key))}" for key in keys.split(TOGETHER))


def shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def summary_values(text: str) -> dict[str, Any]:
    values = json.loads(text)
    return dict(history.flatten({k: v for k, v in values.items() if not k.startswith("_")}))
