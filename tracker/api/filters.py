"""W&B's filters (a Mongo-like JSON document) and orders, as SQL; `operands` says over what.

Only the structure of the SQL depends on the filter; names and values are always parameters.
"""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

from contract.values import number
from tracker import documents
from tracker.api.operands import Operand, Resolve
from tracker.errors import RequestError
from tracker.store import patterns
from tracker.store.where import Order, Where, join, negate

MAX_CONDITIONS = 500
MAX_READINGS = 5_000  # of one row; a value that lies deep in a document takes a score of them
MAX_LEVELS = 20

COMPARISONS = {"$gt": ">", "$gte": ">=", "$lt": "<", "$lte": "<="}


def parse(text: str | None, operand: Resolve) -> Where:
    """The condition that a `filters` argument states; RequestError says what is not understood.

    `operand` tells what a key stands for.
    """
    if not text:
        return Where("1")
    document = documents.read(text, "filters")
    if not document:
        return Where("1")
    return Parser(operand).condition(document, 0)


class Parser:
    """Walks one filter document; the budgets bound the size of the SQL and what a row costs."""

    def __init__(self, operand: Resolve) -> None:
        self.operand = operand
        self.budget, self.readings = MAX_CONDITIONS, MAX_READINGS

    def spend(self, n: int = 1) -> None:
        self.budget -= n
        if self.budget < 0:
            raise RequestError(f"filters: more than {MAX_CONDITIONS} conditions")

    def condition(self, document: Any, level: int) -> Where:
        if not isinstance(document, dict):
            raise RequestError(f"filters: expected an object, not {document!r:.80}")
        if level > MAX_LEVELS:
            raise RequestError(f"filters: nested deeper than {MAX_LEVELS} levels")
        return join([self.entry(key, value, level) for key, value in document.items()], "AND")

    def entry(self, key: str, value: Any, level: int) -> Where:
        self.spend()
        if key in ("$and", "$or", "$nor"):
            if not isinstance(value, list):
                raise RequestError(f"filters: {key} wants a list")
            members = [self.condition(member, level + 1) for member in value]
            joined = join(members, "AND" if key == "$and" else "OR")
            return negate(joined) if key == "$nor" else joined
        if key == "$not":
            return negate(self.condition(value, level + 1))
        if key.startswith("$"):
            raise RequestError(f"filters: operator {key} is not known here")
        return self.field(self.operand(key), value, level + 1)

    def field(self, target: Operand, test: Any, level: int) -> Where:
        if not (isinstance(test, dict) and any(key.startswith("$") for key in test)):
            return self.pay(equals(target, test))
        if level > MAX_LEVELS:
            raise RequestError(f"filters: nested deeper than {MAX_LEVELS} levels")
        parts = []
        for operator, value in test.items():
            self.spend()
            if operator == "$not":
                parts.append(negate(self.field(target, value, level + 1)))
            else:
                parts.append(self.pay(compare(target, operator, value)))
        return join(parts, "AND")

    def pay(self, part: Where) -> Where:
        """The condition, if the budget allows for it: every reading has a parameter, its path."""
        self.readings -= len(part.values)
        if self.readings < 0:
            raise RequestError(
                f"filters: more than {MAX_READINGS} readings of each row: use fewer conditions, or"
                " keys of fewer levels"
            )
        return part


def compare(target: Operand, operator: str, value: Any) -> Where:
    """What one operator of W&B's says of an operand; RequestError where it is not known."""
    if operator == "$eq":
        return equals(target, value)
    if operator == "$ne":
        return negate(equals(target, value))
    if operator in ("$in", "$nin", "$all"):
        if not isinstance(value, list):
            raise RequestError(f"filters: {operator} wants a list")
        if operator == "$all":
            return join([equals(target, member) for member in value[:MAX_CONDITIONS]], "AND")
        return is_in(target, value) if operator == "$in" else negate(is_in(target, value))
    if operator in COMPARISONS:
        read = scalar(target.read(value))
        # SQLite orders every number before every text: compare like with like only
        kind = "typeof({0}) = 'text'" if isinstance(read, str) else "typeof({0}) != 'text'"
        test = f"{{0}} {COMPARISONS[operator]} ? AND {kind}"
        return match(target, test, [read], 2)
    if operator == "$exists":
        return exists(target) if value else negate(exists(target))
    if operator in ("$regex", "$contains"):
        if not isinstance(value, str):
            raise RequestError(f"filters: {operator} wants a text")
        if operator == "$contains":
            return match(target, "contains(CAST({0} AS TEXT), ?)", [value], 1)
        return match(target, "({0}) REGEXP ?", [check_regex(value)], 1)
    raise RequestError(f"filters: operator {operator} is not known here")


def is_in(target: Operand, members: list[Any]) -> Where:
    """One of many; plain values are one parameter, whatever their number."""
    plain = [target.read(m) for m in members if is_plain(m)]
    others = [m for m in members if not is_plain(m)]
    test = "{0} IN (SELECT value FROM json_each(?))"
    matches = [match(target, test, [json.dumps(plain)], 1)] if plain else []
    return join(matches + [equals(target, m) for m in others[:MAX_CONDITIONS]], "OR")


def is_plain(value: Any) -> bool:
    """Whether JSON can hold the value as SQLite reads it."""
    return isinstance(value, (str, int)) or (isinstance(value, float) and math.isfinite(value))


def exists(target: Operand) -> Where:
    """Whether the run has it; in a document, a key whose value is null is there."""
    if target.exists:
        return target.exists
    if target.is_list:  # none of whose members need be there
        return Where(f"({target.sql}) IS NOT NULL", target.values)
    return match(target, "{0} IS NOT NULL", [], 1)


def equals(target: Operand, value: Any) -> Where:
    """Whether the operand, or a member of it, is a value; None means missing or null."""
    if value is None:  # or where the key is missing
        return negate(exists(replace(target, exists=None)))
    value = target.read(value)
    if isinstance(value, (list, dict)):
        text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
        return Where(f"({target.sql}) = json(?)", [*target.values, text])
    return match(target, "{0} = ?", [scalar(value)], 1)


def match(target: Operand, test: str, values: list[Any], uses: int) -> Where:
    """`test` about the operand, which it names as {0} `uses` times before its own values."""
    if target.is_list:
        inner = test.format("item.value")
        sql = f"EXISTS (SELECT 1 FROM json_each({target.sql}) AS item WHERE {inner})"
        return Where(sql, [*target.values, *values])
    own = target.values if uses == 2 else []  # {0} op ? AND typeof({0}): behind the value
    found = Where(test.format(f"({target.sql})"), [*target.values, *values, *own])
    return join([found, Where(target.also(test), values)], "OR") if target.also else found


def scalar(value: Any) -> Any:
    if isinstance(value, bool):
        return int(value)  # as json_extract gives it
    if isinstance(value, (int, float, str)):
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            return number(value)
        return value
    raise RequestError(f"filters: cannot compare with {value!r:.80}")


def check_regex(pattern: str) -> str:
    try:
        return patterns.check(pattern)
    except RequestError as error:
        raise RequestError(f"filters: $regex: {error}") from None


def parse_order(text: str | None, operand: Resolve, default: str = "+created_at") -> Order:
    """`+created_at` (default), `-summary_metrics.loss`, `config.lr.value`.

    NaN and the infinities count as missing: a run that diverged is the best one in no order.
    """
    text = (text or default).strip()
    key = text.lstrip("+-")
    target = operand(key)
    sql = target.sql if target.present else f"nullif(nullif({target.sql}, 9e999), -9e999)"
    return Order(sql, target.values, text.startswith("-"), target.present)
