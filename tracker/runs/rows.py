"""Rows of projects and runs. Every function takes the connection of the transaction at hand."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tracker.api import ids
from tracker.documents import Object
from tracker.runs.states import ALIVE
from tracker.runs.tables import LeaseRow, ProjectRow, RunRow
from tracker.store.rows import count, insert, many, one, placed, select
from tracker.store.where import Order, Where, join


def find_project(db: sqlite3.Connection, entity: str, name: str) -> ProjectRow | None:
    return one(db, "SELECT * FROM projects WHERE entity = ? AND name = ?", entity, name)


def get_project(db: sqlite3.Connection, project_id: int) -> ProjectRow | None:
    return one(db, "SELECT * FROM projects WHERE id = ?", project_id)


def ensure_project(
    db: sqlite3.Connection, entity: str, name: str, now: float
) -> tuple[ProjectRow, bool]:
    """The project and whether it was made just now."""
    found = find_project(db, entity, name)
    if found:
        return found, False
    ids.check_name(entity, "entity")
    ids.check_name(name, "project")
    db.execute(
        "INSERT INTO projects (entity, name, created_at, updated_at) VALUES (?, ?, ?, ?)",
        (entity, name, now, now),
    )
    made = find_project(db, entity, name)
    assert made
    return made, True


def describe_project(db: sqlite3.Connection, project_id: int, text: str, now: float) -> None:
    db.execute(
        "UPDATE projects SET description = ?, updated_at = ? WHERE id = ?", (text, now, project_id)
    )


def list_projects(
    db: sqlite3.Connection, entity: str | None, after: int, limit: int
) -> list[ProjectRow]:
    """Oldest first; `after` is a project id."""
    return many(
        db,
        "SELECT * FROM projects WHERE id > ? AND (?2 IS NULL OR entity = ?2) ORDER BY id LIMIT ?3",
        after,
        entity,
        limit,
    )


def project_overview(db: sqlite3.Connection, entity: str | None) -> list[Object]:
    """Projects with `runs`, `running` and `active_at`, the latest activity first."""
    return many(
        db,
        "SELECT projects.*, count(runs.id) AS runs,"
        f" coalesce(sum(state IN {ALIVE}), 0) AS running,"
        " coalesce(max(heartbeat_at), projects.created_at) AS active_at"
        " FROM projects LEFT JOIN runs ON runs.project_id = projects.id"
        " WHERE ?1 IS NULL OR entity = ?1 GROUP BY projects.id ORDER BY active_at DESC LIMIT 500",
        entity,
    )


def find_run(db: sqlite3.Connection, project_id: int, name: str) -> RunRow | None:
    return one(db, "SELECT * FROM runs WHERE project_id = ? AND name = ?", project_id, name)


def get_run(db: sqlite3.Connection, run_id: int) -> RunRow | None:
    return one(db, "SELECT * FROM runs WHERE id = ?", run_id)


def locate_run(db: sqlite3.Connection, entity: str, project: str, name: str) -> RunRow | None:
    """A run by its names; None where there is none."""
    return one(
        db,
        "SELECT runs.* FROM runs JOIN projects ON projects.id = project_id"
        " WHERE entity = ? AND projects.name = ? AND runs.name = ?",
        entity,
        project,
        name,
    )


def create_run(
    db: sqlite3.Connection, project_id: int, name: str, state: str, now: float, **columns: Any
) -> int:
    """Adds a run and returns its id; `columns` are columns of the table `runs`."""
    values = {
        "project_id": project_id,
        "name": name,
        "state": state,
        "created_at": now,
        "updated_at": now,
        "heartbeat_at": now,
        **columns,
    }
    return insert(db, "runs", **values)


def sent_last(db: sqlite3.Connection, run_id: int, writer: str) -> dict[str, str | None]:
    """Column of `runs` -> what the writer sent last of it, where that is not what is stored."""
    rows = db.execute(
        "SELECT field, value FROM sent WHERE run_id = ? AND writer = ?", (run_id, writer)
    )
    return {row[0]: row[1] for row in rows}


def remember_sent(
    db: sqlite3.Connection, run_id: int, writer: str, field: str, value: str | None
) -> None:
    """Keep what a writer sent of a field, which is not what is stored."""
    db.execute(
        "INSERT OR REPLACE INTO sent (run_id, writer, field, value) VALUES (?, ?, ?, ?)",
        (run_id, writer, field, value),
    )


def forget_sent(db: sqlite3.Connection, run_id: int, field: str | None = None) -> None:
    """Of one field, or of all: what is stored counts as sent by the run's one process."""
    db.execute(
        "DELETE FROM sent WHERE run_id = ? AND writer = '' AND (?2 IS NULL OR field = ?2)",
        (run_id, field),
    )


def leases_of_run(db: sqlite3.Connection, run_id: int) -> list[LeaseRow]:
    """Every attempt by which a run was given out, oldest first; none for a run outside sweeps."""
    return many(db, "SELECT * FROM attempts WHERE run_id = ? AND number > 0 ORDER BY id", run_id)


def silent_runs(db: sqlite3.Connection, before: float) -> list[RunRow]:
    """Runs that count as alive but have not been heard of since `before`."""
    return many(
        db,
        f"SELECT * FROM runs WHERE state IN {ALIVE} AND heartbeat_at < ?",
        before,
    )


@dataclass(frozen=True)
class RunQuery:
    """Which runs, and in which order; `where` may be given in parts that must all hold."""

    project_id: int
    where: list[Where] = field(default_factory=list)
    order: Order = field(default_factory=Order)

    @property
    def _conditions(self) -> list[Where]:
        return [Where("project_id = ?", [self.project_id]), *self.where]

    def count(self, db: sqlite3.Connection) -> int:
        """How many runs there are, on all pages together."""
        return count(db, "runs", self._conditions)

    def picked(
        self, db: sqlite3.Connection, parts: Sequence[Where], limit: int
    ) -> list[tuple[Any, ...]]:
        """Values of SQL expressions over at most `limit` runs, in no order that is promised."""
        found = join(self._conditions, "AND")
        sql = ", ".join(f"({part.sql})" for part in parts)
        values = [value for part in parts for value in part.values]
        rows = db.execute(
            f"SELECT {sql} FROM runs WHERE {found.sql} LIMIT ?", [*values, *found.values, limit]
        )
        return [tuple(row) for row in rows]

    def page(self, db: sqlite3.Connection, limit: int, after: list[Any] | None = None) -> list[Any]:
        """At most `limit` runs behind the place `after`; each has its place in `cursor`."""
        if self.order.present:  # along an index, as far as the page goes
            return select(db, "runs", self._conditions, self.order, after, limit)
        return self._sort(db, limit, after)

    def _sort(self, db: sqlite3.Connection, limit: int, after: list[Any] | None) -> list[Any]:
        """By a value inside a document: it is looked up once for every run, and only that value is
        sorted, not the run.
        """
        order = replace(self.order, value="order_value", values=[])
        found = join(self._conditions, "AND")
        behind = order.behind(after) if after else Where("1")
        rows = db.execute(
            f"WITH valued AS MATERIALIZED (SELECT id, {self.order.value} AS order_value"
            f" FROM runs WHERE {found.sql}), page AS (SELECT * FROM valued WHERE {behind.sql}"
            f" ORDER BY {order.sql} LIMIT ?)"
            f" SELECT runs.*, order_value FROM page JOIN runs USING (id) ORDER BY {order.sql}",
            [*self.order.values, *found.values, *behind.values, limit],
        )
        return [placed(row) for row in rows]
