"""Reading and writing rows of any table. Every function takes the connection of the transaction at
hand; names of tables and columns come from this program alone, never from a client.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any

from tracker.store.where import Order, Where, join

Columns = Mapping[str, Any]  # of any table: for what reads the columns that it is told to


def one(db: sqlite3.Connection, sql: str, *values: Any) -> Any:
    """The first row that a statement finds, None where there is none."""
    found = db.execute(sql, values).fetchone()
    return dict(found) if found else None


def many(db: sqlite3.Connection, sql: str, *values: Any) -> list[Any]:
    """All rows that a statement finds."""
    return [dict(row) for row in db.execute(sql, values)]


def insert(db: sqlite3.Connection, table: str, **columns: Any) -> int:
    """Add a row; returns its id."""
    marks = ", ".join("?" * len(columns))
    cursor = db.execute(
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", list(columns.values())
    )
    assert cursor.lastrowid
    return cursor.lastrowid


def update(db: sqlite3.Connection, table: str, row_id: int, **columns: Any) -> None:
    """Set columns of the row with that id, if there is one."""
    if columns:
        names = ", ".join(f"{name} = ?" for name in columns)
        db.execute(f"UPDATE {table} SET {names} WHERE id = ?", [*columns.values(), row_id])


def delete(db: sqlite3.Connection, table: str, row_id: int) -> None:
    """Remove the row with that id, if there is one, and what the schema removes with it."""
    db.execute(f"DELETE FROM {table} WHERE id = ?", (row_id,))


def select(
    db: sqlite3.Connection,
    source: str,
    where: list[Where],
    order: Order,
    after: list[Any] | None = None,
    limit: int = -1,
) -> list[Any]:
    """Rows of `source` (a FROM clause whose rows have `id`), each with its place in `cursor`."""
    joined = join([*where, order.behind(after)] if after else where, "AND")
    rows = db.execute(
        f"SELECT *, {order.value} AS order_value FROM {source} WHERE {joined.sql}"
        f" ORDER BY {order.sql} LIMIT ?",
        [*order.values, *joined.values, *order.sql_values, limit],
    )
    return [placed(row) for row in rows]


def placed(row: sqlite3.Row) -> dict[str, Any]:
    """A row with its place in its order, which it has as `order_value`, in `cursor`."""
    return {**dict(row), "cursor": [row["order_value"], row["id"]]}


def count(db: sqlite3.Connection, source: str, where: list[Where]) -> int:
    """How many rows `select` finds without a limit."""
    joined = join(where, "AND")
    sql = f"SELECT count(*) FROM {source} WHERE {joined.sql}"
    return db.execute(sql, joined.values).fetchone()[0]
