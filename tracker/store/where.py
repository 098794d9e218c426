"""Conditions and orders as SQL. Names and values are always parameters."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Where:
    sql: str
    values: list[Any] = field(default_factory=list)


def join(parts: list[Where], word: str) -> Where:
    """Conditions joined by AND or OR; of none, AND is true and OR is false."""
    if not parts:
        return Where("1" if word == "AND" else "0")
    return Where(
        f" {word} ".join(f"({part.sql})" for part in parts),
        [value for part in parts for value in part.values],
    )


def negate(part: Where) -> Where:
    """NOT, where unknown (a missing value) counts as not matching."""
    return Where(f"NOT coalesce(({part.sql}), 0)", part.values)


@dataclass(frozen=True)
class Order:
    """An order with a unique place for every run. Either way numbers come before texts, which no
    measure gives on purpose, and a missing value stands last.
    """

    value: str = "created_at"
    values: list[Any] = field(default_factory=list)
    descending: bool = False
    present: bool = True  # `value` is never NULL: an index can be walked

    @property
    def sql(self) -> str:
        """ORDER BY over a query that selects `value` as order_value."""
        direction, this = "DESC" if self.descending else "ASC", f"({self.value})"
        kind = "" if self.present else f"{this} IS NULL, typeof({this}) = 'text', "
        return f"{kind}{this} {direction}, id {direction}"

    @property
    def sql_values(self) -> list[Any]:
        return self.values * (1 if self.present else 3)

    def behind(self, place: list[Any]) -> Where:
        """What comes after the run whose cursor is `place` = [value, id]."""
        value, run_id = place
        sign = "<" if self.descending else ">"
        this = f"({self.value})"
        if self.present:
            return Where(f"({this}, id) {sign} (?, ?)", [*self.values, value, run_id])
        if value is None:
            return Where(f"{this} IS NULL AND id {sign} ?", [*self.values, run_id])
        is_text, own = isinstance(value, str), self.values
        return Where(
            f"{this} IS NULL OR (typeof({this}) = 'text') > ? OR (typeof({this}) = 'text') = ?"
            f" AND ({this} {sign} ? OR {this} = ? AND id {sign} ?)",
            [*own, *own, is_text, *own, is_text, *own, value, *own, value, run_id],
        )
