"""Which pair is in which part."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from fusion.data import generate, splits
from fusion.data.dataset import DataError
from tests.fusion.data.folders import ids_of, load


def chosen(ids: list[str], scheme: str) -> dict[str, set[str]]:
    return {part: {ids[r] for r in rows} for part, rows in splits.assign(ids, scheme).items()}


@pytest.mark.parametrize(
    ("scheme", "shares"),
    [("default", {"train": 1400, "val": 200, "test": 400}), ("study", {"train": 1600, "val": 400})],
)
def test_splits_are_exact_stratified_and_disjoint(scheme, shares):
    ids = ids_of(1000)
    parts = chosen(ids, scheme)
    assert {part: len(members) for part, members in parts.items()} == shares
    assert set.union(*parts.values()) == set(ids) and sum(map(len, parts.values())) == len(ids)
    for members in parts.values():
        bases = Counter(pair.split("/")[1] for pair in members)
        assert set(bases.values()) == {2}  # twins together, so the classes are even


def test_splits_do_not_depend_on_the_order_of_files():
    ids = ids_of(200)
    shuffled = list(np.random.default_rng(0).permutation(ids))
    assert chosen(ids, "default") == chosen(shuffled, "default")


def test_splits_never_change():
    """Frozen: another rule would make results of old and new runs incomparable."""
    test = chosen(ids_of(20), "default")["test"]
    assert test == {
        f"{c}/{k}" for c in ("cubes", "spheres") for k in ("0000", "0007", "0011", "0016")
    }


def test_unrelated_names_are_stratified_too():
    ids = [f"cubes/{k}" for k in range(100)] + [f"spheres/s{k}" for k in range(300)]
    for part, share in (("train", 0.7), ("val", 0.1), ("test", 0.2)):
        members = chosen(ids, "default")[part]
        assert Counter(i.split("/")[0] for i in members) == {
            "cubes": round(100 * share),
            "spheres": round(300 * share),
        }


def test_fewer_training_pairs_are_nested_and_stratified(data_root):
    whole = load(data_root)
    before: list[str] = []
    for count in (2, 10, 20, 42):
        some = load(data_root, train_pairs=count)
        ids = some.parts["train"].ids
        assert len(ids) == count and ids[: len(before)] == before
        assert some.parts["train"].labels.sum() == count // 2
        assert some.parts["test"].ids == whole.parts["test"].ids
        assert some.hashes["test"] == whole.hashes["test"]
        before = ids
    assert set(before) == set(whole.parts["train"].ids)
    for count in (1, 43):
        with pytest.raises(DataError, match=f"--train-pairs {count}.* 2 to 42"):
            load(data_root, train_pairs=count)


def test_study_split_has_no_test_part(data_root):
    data = load(data_root, split="study")
    assert {part: len(p.ids) for part, p in data.parts.items()} == {"train": 48, "val": 12}
    assert data.hashes["test"] == ""
    with pytest.raises(DataError, match=r"halves.*default, study"):
        load(data_root, split="halves")


def test_too_little_data_is_named(tmp_path):
    generate.make(tmp_path / "data", "study", 6, 0)
    with pytest.raises(DataError, match="6 pairs are too few"):
        load(tmp_path / "data")
