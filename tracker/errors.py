"""What can go wrong for a person (`TrackerError`) and for a client's request (`RequestError`)."""

from __future__ import annotations


class TrackerError(Exception):
    """A fault that a person can mend; the message names the file or flag and the remedy."""

    exit_code = 2


class DamagedError(TrackerError):
    """The database cannot be trusted; nothing was changed."""


class RequestError(Exception):
    """A client's request that cannot be served; `status` is the HTTP status outside GraphQL."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status
