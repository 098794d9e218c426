"""Filters of `project.sweeps`: equalities of name, displayName, state and method."""

from __future__ import annotations

from typing import Any

from tracker import documents
from tracker.errors import RequestError
from tracker.store.rows import Columns

COLUMNS = {
    "name": "name",
    "id": "name",
    "state": "state",
    "method": "method",
    "displayName": "display_name",
    "display_name": "display_name",
}
MAX_LEVELS = 20


def matches(sweep: Columns, text: str | None) -> bool:
    """Whether a sweep meets a filter (JSON: `$and`, `$or`, equality, `$eq`, `$ne`, `$in`)."""
    return _meets(sweep, documents.read(text or "{}", "filters"), 0)


def _meets(sweep: Columns, document: Any, level: int) -> bool:
    if not isinstance(document, dict) or level > MAX_LEVELS:
        raise RequestError(f"filters: expected an object, not {document!r:.80}")
    for key, test in document.items():
        if key in ("$and", "$or") and isinstance(test, list):
            met = (all if key == "$and" else any)(_meets(sweep, part, level + 1) for part in test)
        elif key in COLUMNS:
            met = _compares(sweep[COLUMNS[key]], test, key)
        else:
            raise RequestError(f"filters: {key!r:.80} is not known here")
        if not met:
            return False
    return True


def _compares(value: Any, test: Any, key: str) -> bool:
    if not isinstance(test, dict):
        return value == test
    for operator, wanted in test.items():
        if operator == "$in" and isinstance(wanted, list):
            met = value in wanted
        elif operator in ("$eq", "$ne"):
            met = (value == wanted) == (operator == "$eq")
        else:
            raise RequestError(f"filters: {key}: {operator!r:.80} is not known here")
        if not met:
            return False
    return True
