"""Snapshots: equal contents are equal bytes, damage is named."""

from __future__ import annotations

import gzip
import json
import math
from pathlib import Path

import numpy as np
import pytest

from analysis.read import snapshot
from analysis.read.snapshot import SnapshotError


def test_a_snapshot_survives_the_disk(sweep, tmp_path: Path) -> None:
    made = sweep({"fusion": ["late", "añd | <b>"]}, seeds=2)
    made.runs[0].history["sparse"] = np.array([math.nan, 1.5, math.inf])
    made.runs[1].summary |= {"test/loss": math.nan, "odd": object}
    made.runs[2].predictions = None
    made.looks = (2, 4)
    path = tmp_path / "snapshot.json.gz"
    first = snapshot.save(made, path)
    again = snapshot.load(path)
    assert again.looks == (2, 4)
    runs = {run.id: run for run in again.runs}
    for run in made.runs:
        other = runs[run.id]
        assert (other.config, other.state, other.provenance) == (
            run.config, run.state, run.provenance,
        )  # fmt: skip
        for key, column in run.history.items():
            np.testing.assert_array_equal(other.history[key], column)
        if run.predictions is None or other.predictions is None:
            assert run.predictions is other.predictions
        else:
            np.testing.assert_array_equal(other.predictions.logits, run.predictions.logits)
            assert other.predictions.examples.pairs == run.predictions.examples.pairs
    assert runs[made.runs[1].id].summary["test/loss"] == "NaN"
    assert snapshot.save(again, tmp_path / "again.json.gz") == first


def test_equal_snapshots_are_equal_bytes_whatever_the_order_of_runs(sweep, tmp_path: Path) -> None:
    made = sweep({"fusion": ["late", "add"]}, seeds=2)
    snapshot.save(made, tmp_path / "a.gz")
    made.runs.reverse()
    snapshot.save(made, tmp_path / "b.gz")
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()


def test_the_example_set_is_stored_once(sweep, tmp_path: Path) -> None:
    snapshot.save(sweep(seeds=3), tmp_path / "s.gz")
    content = json.loads(gzip.decompress((tmp_path / "s.gz").read_bytes()))
    assert len(content["examples"]) == 1
    assert len(content["runs"]) == 24


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"not gzip", "damaged"),
        (gzip.compress(b"{}"), "schema None"),
        (gzip.compress(b'{"schema": "fusion-runner/snapshot/99"}'), "snapshot/99"),
        (gzip.compress(b'{"schema": "fusion-runner/snapshot/1"}'), "damaged"),
        (gzip.compress(b"[1]"), "schema None"),
        (b"", "damaged"),
    ],
    ids=["no gzip", "no schema", "newer schema", "no content", "no mapping", "empty"],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "bad.json.gz"
    path.write_bytes(content)
    with pytest.raises(SnapshotError, match=words):
        snapshot.load(path)


def test_a_missing_file_and_a_truncated_one(sweep, tmp_path: Path) -> None:
    with pytest.raises(SnapshotError, match="does not exist"):
        snapshot.load(tmp_path / "none.gz")
    path = tmp_path / "cut.gz"
    snapshot.save(sweep(seeds=1), path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(SnapshotError, match="damaged"):
        snapshot.load(path)


def mutate(path: Path, change) -> None:
    content = json.loads(gzip.decompress(path.read_bytes()))
    change(content)
    path.write_bytes(gzip.compress(json.dumps(content).encode()))


def test_a_file_that_was_changed_is_refused_unless_its_hash_is_taken_out(sweep, tmp_path) -> None:
    path = tmp_path / "s.gz"
    said = snapshot.save(sweep(seeds=2), path)
    mutate(path, lambda content: None)  # other spaces, other compression: the same content
    assert snapshot.save(snapshot.load(path), tmp_path / "again.gz") == said
    mutate(path, lambda content: content["runs"][0]["summary"].update({"test/loss": 0.0}))
    with pytest.raises(SnapshotError, match="was changed after it was written"):
        snapshot.load(path)
    mutate(path, lambda content: content.pop("sha256"))
    assert {run.summary["test/loss"] for run in snapshot.load(path).runs} > {0}


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c["runs"][0].pop("config"),
        lambda c: c["runs"][0]["predictions"].update(logits="!!"),
        lambda c: c["runs"][0]["predictions"].update(logits=""),
        lambda c: c["runs"][0]["predictions"].update(examples="none"),
        lambda c: c["sweep"]["config"].update(parameters="x"),
        lambda c: c.update(sweep=None),
        lambda c: c.update(runs={"a": 1}),
    ],
)
def test_content_of_the_wrong_shape_is_named(sweep, tmp_path: Path, change) -> None:
    path = tmp_path / "s.gz"
    snapshot.save(sweep(seeds=1), path)
    mutate(path, lambda content: (content.pop("sha256"), change(content)))
    with pytest.raises(SnapshotError, match="is damaged"):
        snapshot.load(path)
