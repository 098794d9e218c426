"""Servers for the tests; see worlds.py."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tracker.worlds import Site, Tracker


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    made.close()


@pytest.fixture(scope="module")
def tracker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tracker]:
    made = Tracker(tmp_path_factory.mktemp("tracker") / "data")
    yield made
    assert made.stop() == 0
    errors = [
        line for line in (made.folder / "server.log").read_text().splitlines() if " ERROR " in line
    ]
    assert not errors, errors


@pytest.fixture
def own_tracker(tmp_path: Path) -> Iterator[Tracker]:
    made = Tracker(tmp_path / "data")
    yield made
    if made.process and made.process.poll() is None:
        made.stop()


@pytest.fixture(scope="module", params=["installed", "old"])
def wandb_python(request: pytest.FixtureRequest) -> str:
    """Interpreters with the client: this one, and the one named by WANDB_OLD_PYTHON (0.25)."""
    if request.param == "installed":
        return sys.executable
    old = os.environ.get("WANDB_OLD_PYTHON")
    if not old:
        pytest.skip("`make test` sets WANDB_OLD_PYTHON, a Python with the oldest wandb")
    return old
