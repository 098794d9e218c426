"""Connections: `edges {node cursor} pageInfo {endCursor hasNextPage}`, with opaque cursors that
hold the place of a row in its order, so that rows that come or go in between shift nothing.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from typing import Any

from tracker import documents
from tracker.errors import RequestError

DEFAULT_PAGE = 50
MAX_PAGE = 1_000


def bound(first: int | None) -> int:
    """Rows of a page: what was asked for, at most MAX_PAGE."""
    if first is not None and first < 0:
        raise RequestError("`first` must not be negative")
    return min(DEFAULT_PAGE if first is None else first, MAX_PAGE)


def write_cursor(place: Sequence[Any]) -> str:
    """An opaque text for a place in an order."""
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode()


def read_cursor(cursor: str | None) -> list[Any] | None:
    """The place that a cursor holds, None without one; RequestError where it is not ours."""
    if not cursor:
        return None
    try:
        text = base64.b64decode(cursor, altchars=b"-_", validate=True)
        place = documents.read(text, "the cursor")
    except (ValueError, RequestError):
        place = None
    if not (
        isinstance(place, list)
        and place
        and all(map(is_value, place))
        and isinstance(place[-1], int)
    ):
        raise RequestError(f"cursor {cursor!r:.80} was not given by this server")
    return place


def is_value(value: Any) -> bool:
    """Whether a column may hold the value."""
    return not isinstance(value, (list, dict)) and not (
        isinstance(value, int) and abs(value) >= 2**63
    )


def connection(
    rows: Sequence[Any], limit: int, place: Callable[[Any], Sequence[Any]]
) -> dict[str, Any]:
    """A connection over `rows`, of which one more than `limit` was asked for."""
    edges = [{"node": row, "cursor": write_cursor(place(row))} for row in rows[:limit]]
    return {
        "edges": edges,
        "page_info": {
            "has_next_page": len(rows) > limit,
            "end_cursor": edges[-1]["cursor"] if edges else None,
        },
    }
