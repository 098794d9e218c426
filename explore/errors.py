"""What can go wrong by a person's doing or for want of a program."""

from __future__ import annotations


class ExploreError(Exception):
    """Data, predictions or programs that exploring needs are missing or do not fit."""

    exit_code = 2
