"""Reading from the real tracker: paging, resumed, killed, deleted and bare runs, sparse keys."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from wandb.sdk.artifacts.artifact_manifest_entry import ArtifactManifestEntry

from analysis import report as reports
from analysis.grid import cells
from analysis.read import ask, snapshot
from analysis.read.ask import FetchError
from analysis.read.fetch import parse_predictions
from analysis.read.find import find
from analysis.read.snapshot import Snapshot
from tracker import server

POPULATE = Path(__file__).with_name("clients") / "populate.py"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A tracker with the runs of populate.py, and this process pointed at it."""
    folder = tmp_path_factory.mktemp("world")
    running = server.ensure(folder / "tracker")
    before = dict(os.environ)
    os.environ |= {
        "WANDB_BASE_URL": running.url,
        "WANDB_API_KEY": running.key,
        "WANDB_DIR": str(folder),
        "WANDB_CACHE_DIR": str(folder / "cache"),
        "WANDB_CONFIG_DIR": str(folder / "config"),
    }
    try:
        yield populate(folder) | {"folder": str(folder)}
    finally:
        os.environ.clear()
        os.environ |= before
        server.stop(folder / "tracker")


def populate(folder: Path, *arguments: str) -> dict[str, str]:
    done = subprocess.run(
        [sys.executable, str(POPULATE), str(folder), *arguments],
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return {} if arguments else json.loads(done.stdout.strip().splitlines()[-1])


@pytest.fixture(scope="module")
def taken(world: dict[str, str]) -> snapshot.Snapshot:
    return find(world["sweep"]).read()


def by_id(taken: snapshot.Snapshot) -> dict[str, snapshot.Run]:
    return {run.id: run for run in taken.runs}


def test_the_sweep_is_found_by_id_by_project_and_by_full_path(world: dict[str, str]) -> None:
    infos = [
        find(path.format(**world)).info
        for path in ("{sweep}", "awkward/{sweep}", "local/awkward/{sweep}")
    ]
    assert infos[0] == infos[1] == infos[2]
    assert infos[0]["name"] == "awkward runs" and infos[0]["config"]["method"] == "grid"


@pytest.mark.parametrize("path", ["nothing", "awkward/nothing", "a/b/c/d", "local/none/{sweep}"])
def test_a_sweep_that_is_not_there(world: dict[str, str], path: str) -> None:
    with pytest.raises(FetchError, match="SWEEP"):
        find(path.format(**world))


def test_predictions_are_downloaded_one_after_the_other(
    world: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client's threads share the target of a download."""
    real = ArtifactManifestEntry.download
    at_once: list[int] = []
    running = []

    def slow(*arguments: Any, **options: Any) -> Any:
        running.append(1)
        at_once.append(len(running))
        time.sleep(0.1)
        try:
            return real(*arguments, **options)
        finally:
            running.pop()

    monkeypatch.setattr(ArtifactManifestEntry, "download", slow)
    find(world["sweep"]).read()
    assert len(at_once) > 1 and set(at_once) == {1}


def test_deleted_runs_are_gone_and_all_others_there(world, taken) -> None:
    assert set(by_id(taken)) == {
        world[name] for name in ("plain", "long", "killed", "resumed", "failed", "bare")
    }


def test_states_of_the_grid(world, taken) -> None:
    runs = by_id(taken)
    assert runs[world["failed"]].state == "failed"
    # the client's service may outlive a killed run and report a clean end
    assert runs[world["killed"]].state in ("running", "crashed", "finished")
    counts = cells.arrange(taken).counts()
    assert (counts["expected"], counts["done"], counts["missing"]) == (6, 2, 0)
    assert counts["failed"] + counts["running"] == 4
    states = {run.id: run.state for run in cells.without_interrupted(taken.runs)}
    assert states[world["bare"]] == states[world["long"]] == "interrupted"


def test_long_histories_are_read_in_full_over_many_pages(world, taken) -> None:
    history = by_id(taken)[world["long"]].history
    assert history["val/loss"].size == 2500
    assert int(np.isfinite(history["rare"]).sum()) == 25
    losses = np.delete(history["val/loss"], 7)
    np.testing.assert_allclose(losses, 1 / np.delete(np.arange(1.0, 2501), 7))
    assert math.isnan(history["val/loss"][7])
    source = replace(find(world["sweep"]), scan_rows=300)
    again = by_id(source.read())[world["long"]].history
    np.testing.assert_array_equal(again["val/loss"], history["val/loss"])


def test_histories_beyond_the_limit_are_thinned_evenly(world) -> None:
    source = replace(find(world["sweep"]), max_values=3000)
    history = by_id(source.read())[world["long"]].history
    steps = history["_step"]
    assert steps.size == 834 and steps[-1] == 2499
    assert set(np.diff(steps)[:-1]) == {3.0}


def test_a_resumed_run_has_both_parts_and_its_last_predictions(world, taken) -> None:
    run = by_id(taken)[world["resumed"]]
    assert run.finished
    assert run.history["epoch"].tolist() == [1.0, 1.0, 2.0, 3.0]
    assert run.predictions is not None


def test_predictions_are_sorted_and_share_their_examples(world, taken) -> None:
    plain, long = (by_id(taken)[world[name]].predictions for name in ("plain", "long"))
    assert plain is not None and long is not None
    assert plain.part == "test" and plain.examples is long.examples
    assert plain.examples.pairs[:2] == ("cubes/0000", "cubes/0001")
    np.testing.assert_array_equal(plain.logits, long.logits)
    assert by_id(taken)[world["bare"]].predictions is None


def test_config_summary_and_provenance(world, taken) -> None:
    run = by_id(taken)[world["plain"]]
    assert run.config == {"fusion": "late", "seed": 0, "learning_rate": 0.001, "epochs": 3}
    assert run.summary["test/loss"] == 0.3 and run.summary["diverged"] is False
    assert run.provenance == {"commit": "abc"}
    assert not [name for name in run.summary if name.startswith(("_", "provenance"))]


def read_again(before: Snapshot, after: Snapshot) -> set[str]:
    """The runs whose history is not the very one of the earlier snapshot."""
    old = by_id(before)
    return {run.id for run in after.runs if run.history is not old[run.id].history}


def test_finished_runs_are_not_read_twice(world, taken) -> None:
    again = find(world["sweep"]).read(taken)
    unfinished = {run.id for run in taken.runs if not run.finished}
    assert read_again(taken, again) == unfinished and world["failed"] in unfinished
    assert by_id(again)[world["plain"]].predictions is by_id(taken)[world["plain"]].predictions
    populate(Path(world["folder"]), world["sweep"], world["plain"])
    grown = find(world["sweep"]).read(again)
    read = read_again(again, grown)
    assert world["plain"] in read and world["long"] not in read
    assert by_id(grown)[world["plain"]].history["epoch"].tolist() == [1.0, 2.0, 3.0, 4.0]


def test_the_report_of_the_server_and_of_its_snapshot_are_the_same_bytes(world, tmp_path) -> None:
    online = reports.report(f"awkward/{world['sweep']}", tmp_path / "on")
    offline = reports.report(None, tmp_path / "off", offline=tmp_path / "on" / "snapshot.json.gz")
    for path in online.parent.iterdir():
        assert offline.with_name(path.name).read_bytes() == path.read_bytes(), path.name


def test_a_failing_call_is_repeated_a_bounded_number_of_times() -> None:
    calls: list[int] = []

    def flaky(until: int) -> int:
        calls.append(1)
        if len(calls) < until:
            raise OSError("connection reset")
        return len(calls)

    assert ask.attempt(lambda: flaky(3), "reading", wait=0.001) == 3
    calls.clear()
    with pytest.raises(FetchError, match="reading failed 4 times: connection reset"):
        ask.attempt(lambda: flaky(99), "reading", wait=0.001)
    assert len(calls) == 4
    calls.clear()

    def busy() -> int:
        calls.append(1)
        if len(calls) < 8:
            raise OSError("429 Too Many Requests")
        return len(calls)

    assert ask.attempt(busy, "reading", wait=0.001) == 8


def test_terms_of_examples_are_read_in_the_order_of_their_ids(world, taken) -> None:
    terms = by_id(taken)[world["plain"]].terms
    assert terms is not None and terms.examples.pairs == ("a", "b")
    assert {name: column.tolist() for name, column in terms.columns.items()} == {
        "test/loss": [0.2, 0.4]
    }
    assert by_id(taken)[world["bare"]].terms is None


@pytest.mark.parametrize(
    "text",
    ["", "pair,label\na,1\n", "pair,label,logit\na,1,x\n", "pair,label,logit\na,2,0.1\n",
     "pair,label,logit\na,1,0.1\na,1,0.2\n", "pair,label,logit\na,1\n"],
)  # fmt: skip
def test_a_malformed_predictions_file_is_no_predictions(tmp_path: Path, text: str) -> None:
    path = tmp_path / "predictions.csv"
    path.write_text(text)
    assert parse_predictions(path, "test", {}) is None
