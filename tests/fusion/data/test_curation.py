"""Pairs that a person left out or moved: in no part, in another part, and on record."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner

from cli.data import command
from fusion.data import curation, manifest
from fusion.data.dataset import Data, load
from fusion.data.layout import DataError
from fusion.training.provenance import provenance

CPU = torch.device("cpu")


@pytest.fixture
def root(data_root: Path, tmp_path: Path) -> Path:
    return shutil.copytree(data_root, tmp_path / "copy")


@pytest.fixture
def file(root: Path, tmp_path: Path):
    """file(exclude, move): a curation file for `root`."""
    known = manifest.current(root)

    def write(
        exclude: list[str], move: dict[str, str], other: dict[str, Any] | None = None
    ) -> Path:
        path = tmp_path / "tags.json"
        content = {
            "schema": curation.SCHEMA,
            "data_hash": known.data_hash,
            "exclude": exclude,
            "move": move,
        }
        path.write_text(json.dumps(content | (other or {})))
        return path

    return write


def read(root: Path, split: str = "default") -> Data:
    return load(str(root), split=split, train_pairs=0, align=False, device=CPU)


def ids(data: Data) -> dict[str, list[str]]:
    return {part: list(of.ids) for part, of in data.parts.items()}


def test_pairs_leave_and_move_and_all_others_stay(root: Path, file):
    before = read(root)
    parts = ids(before)
    gone, moved = parts["test"][0], parts["train"][0]
    twin = {"cubes": "spheres", "spheres": "cubes"}[moved.split("/")[0]] + "/" + moved.split("/")[1]
    path = file([gone], {moved: "val"})
    found = manifest.curate(root, path)
    assert found.curation is not None
    assert found.curation.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()

    after = read(root)
    assert ids(after) == {
        "train": [pair for pair in parts["train"] if pair not in (moved, twin)],
        "val": [*parts["val"], *sorted([moved, twin])],
        "test": parts["test"][1:],
    }
    assert after.hashes["data"] == before.hashes["data"]
    for name in ("split", "test", "curation"):
        assert after.hashes[name] != before.hashes[name]
    assert provenance(CPU, after.hashes)["curation_hash"] == found.curation.sha256
    assert provenance(CPU, before.hashes)["curation_hash"] == ""
    # What was computed from the training part is computed anew.
    assert after.statistics != before.statistics


def test_a_part_that_a_scheme_lacks_moves_nothing(root: Path, file):
    before = ids(read(root, "study"))
    pair = before["train"][0]
    manifest.curate(root, file([], {pair: "test"}))
    assert ids(read(root, "study")) == before
    assert pair in ids(read(root))["test"]


def test_the_manifest_tells_readers(root: Path, file):
    gone = ids(read(root))["val"][0]
    manifest.curate(root, file([gone], {}))
    raw = json.loads((root / "manifest.json").read_text())
    row = next(row for row in raw["pairs"] if row["id"] == gone)
    assert row["default"] == row["study"] == curation.EXCLUDED
    assert raw["curation"]["exclude"] == [gone]
    assert manifest.read(root) == manifest.current(root)


def test_an_empty_file_undoes_it(root: Path, file):
    before = ids(read(root))
    manifest.curate(root, file([before["test"][0]], {before["val"][0]: "test"}))
    assert ids(read(root)) != before
    manifest.curate(root, file([], {}))
    assert ids(read(root)) == before
    assert manifest.current(root).curation is None


def test_a_check_keeps_it_and_other_files_drop_it(root: Path, file, caplog):
    gone = ids(read(root))["test"][0]
    manifest.curate(root, file([gone], {}))
    assert manifest.index(root).curation is not None
    other = root / "cubes" / "lidar" / "0000.npy"
    shutil.copy(root / "cubes" / "lidar" / "0001.npy", other)
    assert manifest.index(root).curation is None
    assert "the curation is dropped" in caplog.text


@pytest.mark.parametrize(
    ("exclude", "move", "other", "reason"),
    [
        ([], {}, {"data_hash": "f" * 64}, "made on other data"),
        ([], {}, {"schema": "fusion-runner/curation/9"}, "this version reads"),
        (["cubes/none"], {}, {}, "no pair cubes/none in this data"),
        ([], {"cubes/0000": "tset"}, {}, "no part 'tset'; the parts are train, val, test"),
        ([], {"cubes/0000": "val", "spheres/0000": "test"}, {}, "moved to different parts"),
        ([], {}, {"move": 3}, "is no curation file"),
    ],
)
def test_files_that_do_not_fit_are_refused(root: Path, file, exclude, move, other, reason: str):
    before = (root / "manifest.json").read_bytes()
    with pytest.raises(DataError, match=reason):
        manifest.curate(root, file(exclude, move, other))
    assert (root / "manifest.json").read_bytes() == before


def test_an_excluded_twin_does_not_move(root: Path, file):
    found = manifest.curate(root, file(["cubes/0000"], {"spheres/0000": "val"}))
    assert found.curation is not None
    assert found.curation.move == {"spheres/0000": "val"}


def test_commands_say_what_was_taken_up(root: Path, file):
    gone = ids(read(root))["test"][0]
    path = file([gone], {})
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    done = CliRunner().invoke(command, ["curate", str(root), str(path)])
    assert done.exit_code == 0
    assert f"1 pair left out, 0 moved (curation {digest})" in done.output
    info = CliRunner().invoke(command, ["info", str(root)]).output
    assert f"(curation {digest})" in info
    assert "test 11" in info
