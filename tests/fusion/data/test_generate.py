"""Data that is made on demand, and the cache beside it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from contract import places
from fusion.data import dataset, generate, manifest
from fusion.data.dataset import DataError
from tests.fusion.data.folders import load


def test_a_cache_that_was_left_half_is_made_again(copy):
    data = load(copy)
    folder = copy / "cache" / data.hashes["data"][:16]
    half = folder.with_name(f".{folder.name}.making")
    folder.rename(half)
    (half / "depth.npy").unlink()
    assert load(copy).hashes == data.hashes
    assert not half.exists()


def test_a_specification_makes_data_and_finds_it_again(tmp_path, monkeypatch):
    monkeypatch.setenv(places.HOME, str(tmp_path))
    root = dataset.resolve("bind:20")
    assert root == tmp_path / "data" / "bind-20-0"
    stamp = (root / "manifest.json").stat().st_mtime_ns
    assert dataset.resolve("bind:20:0") == root
    assert (root / "manifest.json").stat().st_mtime_ns == stamp
    assert dataset.resolve(str(root)) == root  # a folder is taken as it is


@pytest.mark.parametrize("profile", generate.scenes.PROFILES)
def test_data_of_another_version_is_not_taken_for_this_one(profile, tmp_path, monkeypatch):
    monkeypatch.setenv(places.HOME, str(tmp_path))
    root = dataset.resolve(f"{profile}:20")
    version = generate.scenes.PROFILES[profile].version
    found = manifest.read(root)
    assert found is not None and found.generator["version"] == version
    before = replace(found, generator={**found.generator, "version": version - 1})
    manifest.write(root, before)
    with pytest.raises(DataError, match=f"version {version - 1} of the profile {profile}, this is"):
        dataset.resolve(f"{profile}:20")
    assert dataset.resolve(str(root)) == root


@pytest.mark.parametrize(
    ("data", "named"),
    [("nowhere", 0), ("fusion:", 0), ("fusion:12x", 1), ("fuson:20", 0), ("fusion:21", 1)],
)
def test_data_that_cannot_be_is_named(data, named, tmp_path, monkeypatch):
    monkeypatch.setenv(places.HOME, str(tmp_path))
    with pytest.raises(DataError) as error:
        dataset.resolve(data)
    assert data.split(":")[named] in str(error.value) and error.value.exit_code == 2
