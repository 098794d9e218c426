"""What one query may cost: values, text, computing time. It ends, wherever it is, when its client
has left or the server ends.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

T = TypeVar("T")

VALUES_BETWEEN_LOOKS = 64
STEPS_BETWEEN_LOOKS = 16  # of a loop over stored rows
ITEM_CHARS = 32  # that a member of a list or an object counts for


class EndedError(BaseException):
    """Ends a query. No Exception: graphql-core would note it and go on with the next field."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class Work:
    """One query's budget. Time is what its thread computes: neither other requests nor a busy disk
    count, so that no change that was stored is answered as if it had failed for being late.
    """

    def __init__(
        self,
        max_values: int = 250_000,
        max_chars: int = 128 << 20,
        max_seconds: float = 10.0,
        ending: threading.Event | None = None,
    ) -> None:
        self.values, self.chars, self.seconds = max_values, max_chars, max_seconds
        self._limits = (max_values, max_chars, max_seconds)
        self._ending = ending or threading.Event()
        self._left = False
        self._start = time.thread_time()

    def begin(self) -> None:
        """To be called by the thread that computes."""
        self._start = time.thread_time()

    def leave(self) -> None:
        """The client has left; may be called by any thread."""
        self._left = True

    def over(self) -> bool:
        """Whether to end; called by the thread that computes."""
        return (
            self._left
            or self._ending.is_set()
            or self.values < 0
            or self.chars < 0
            or time.thread_time() - self._start > self.seconds
        )

    def check(self) -> None:
        """EndedError, in words, where it is over."""
        if not self.over():
            return
        if self._left:
            raise EndedError("the client has left")
        if self._ending.is_set():
            raise EndedError("the server is ending: try again", status=503)
        values, chars, seconds = self._limits
        raise EndedError(
            f"the query asks for too much at once (most: {values} values, {chars} characters,"
            f" {seconds:g} seconds of computing): ask for smaller pages or fewer fields"
        )

    def step(self) -> None:
        """One more value. The clock, which is slow to read, is not looked at every time."""
        self.values -= 1
        if self._left or self.chars < 0 or self.values % VALUES_BETWEEN_LOOKS == 0:
            self.check()

    def looking(self, items: Iterable[T]) -> Iterator[T]:
        """The items; looks now and then whether to end."""
        for i, item in enumerate(items):
            if i % STEPS_BETWEEN_LOOKS == 0:
                self.check()
            yield item


def weigh(value: Any) -> int:
    """About how much an answer grows by a text, a number or JSON, in characters."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict):
        return sum(map(len, value)) + sum(map(weigh, value.values())) + ITEM_CHARS * len(value)
    if isinstance(value, (list, tuple)):
        return sum(map(weigh, value)) + ITEM_CHARS * len(value)
    return 0
