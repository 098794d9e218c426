"""Synthetic sweeps for these tests."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from analysis.read.snapshot import Snapshot
from tests.synthetic import make_snapshot


@pytest.fixture(scope="session")
def sweep() -> Callable[..., Snapshot]:
    """make_snapshot()."""
    return make_snapshot
