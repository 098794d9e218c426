"""The writer of the tests of artifacts."""

from __future__ import annotations

import pytest

from tests.tracker.artifact_world import Writer
from tests.tracker.worlds import Site


@pytest.fixture
def writer(site: Site) -> Writer:
    return Writer(site)
