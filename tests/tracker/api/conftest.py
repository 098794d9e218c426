"""Runs to filter."""

from __future__ import annotations

import json

import pytest

from tests.tracker.api.test_filters import RUNS
from tests.tracker.worlds import START, Site


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory):
    site = Site(tmp_path_factory.mktemp("filters"))
    for i, (name, run) in enumerate(RUNS.items()):
        site.now = START + i * 3600
        site.start_run(
            name,
            displayName=name.upper(),
            config=json.dumps({key: {"value": value} for key, value in run["config"].items()}),
            summaryMetrics=json.dumps({"loss": run["loss"]} if "loss" in run else {}),
            tags=["first", "odd"] if name == "a" else ["odd"] if name in "ce" else [],
            groupName="g1" if name in "ab" else None,
            notes="50% off" if name == "b" else None,
        )
    site.stream("b", complete=True, exitcode=0)
    site.stream("c", complete=True, exitcode=1)
    yield site
    site.close()
