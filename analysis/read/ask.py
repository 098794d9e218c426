"""Asking a W&B server: again where it fails, and without the client's own messages."""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import re
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

ATTEMPTS = 4
FIRST_WAIT = 0.5  # seconds; doubles with each further attempt
LONGEST_WAIT = 30  # seconds
PATIENCE = 6  # further attempts where a server says that it has too much to do
BUSY = re.compile(r"\b(429|502|503)\b|rate limit|too many requests", re.IGNORECASE)
ABSENT = re.compile(r"could not find|not found|does not exist|no such", re.IGNORECASE)
T = TypeVar("T")
log = logging.getLogger(__name__)


class FetchError(Exception):
    """A sweep that cannot be found or read."""

    exit_code = 2


class NoSweepError(FetchError):
    """There is no such sweep on the server."""


def attempt(
    call: Callable[[], T], doing: str, attempts: int = ATTEMPTS, wait: float = FIRST_WAIT
) -> T:
    """call(), again after 0.5, 1 and 2 s where it fails; FetchError after the fourth failure.

    A server that is overloaded gets six tries more, at most 30 s apart. LookupError at once where
    the server says that there is no such thing.
    """
    for number_of_try in itertools.count(1):
        try:
            return call()
        except Exception as error:
            if ABSENT.search(str(error)):
                raise LookupError(str(error)) from error
            log.debug("%s failed: %s", doing, error)
            if number_of_try >= attempts + (PATIENCE if BUSY.search(str(error)) else 0):
                times = f" {number_of_try} times" if number_of_try > 1 else ""
                raise FetchError(f"{doing} failed{times}: {error}") from error
            time.sleep(min(wait * 2 ** (number_of_try - 1), LONGEST_WAIT))
    raise AssertionError("unreachable")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep the client's own messages out of ours."""
    before = os.environ.get("WANDB_SILENT")
    os.environ["WANDB_SILENT"] = "true"
    try:
        yield
    finally:
        if before is None:
            del os.environ["WANDB_SILENT"]
        else:
            os.environ["WANDB_SILENT"] = before
