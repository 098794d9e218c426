"""The FiftyOne dataset in a real database, against manifest, predictions and views as arrays."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.read.snapshot import Snapshot
from explore import curation, dataset, embeddings, fields, media, pairs, prepare, views
from explore.contrast import contrast
from explore.errors import ExploreError
from explore.lazy import load
from explore.pairs import LABELS, DataSet
from explore.predictions import Arm, Predictions, collect
from fusion.data import manifest

Sweep = Callable[..., Snapshot]


def untracked(items: Any, label: str, total: int) -> Any:
    """Progress that nobody sees."""
    return items


@pytest.fixture(scope="module")
def built(database: Path, data: DataSet) -> Any:
    return dataset.open_or_build(data, database, untracked)


@pytest.fixture(scope="module")
def predictions(data: DataSet, sweep: Sweep) -> Predictions:
    return collect(sweep(), data)


@pytest.fixture(scope="module")
def filled(built: Any, database: Path, data: DataSet, predictions: Predictions) -> Any:
    """The dataset with predictions and views."""
    return prepare.prepare(data, database, untracked, predictions=predictions).dataset


@pytest.fixture
def copy(database: Path, data: DataSet, tmp_path: Path) -> Iterator[DataSet]:
    """The same data under another name, for tests that change its dataset."""
    other = replace(data, root=tmp_path / "other-name")
    other.root.symlink_to(data.root)
    yield other
    fo = load("fiftyone")
    if fo.dataset_exists(other.name):
        fo.delete_dataset(other.name)


def values(found: Any, field: str) -> dict[str, Any]:
    pairs, column = found.select_group_slices("rgb").values(["pair", field])
    return dict(zip(pairs, column, strict=True))


def test_every_pair_is_a_group_of_an_image_and_a_scene(built: Any, data: DataSet):
    assert built.media_type == "group"
    assert built.group_media_types == {"rgb": "image", "lidar": "3d"}
    assert list(dataset.sample_ids(built)) == [pair.id for pair in data.pairs]
    for pair, group in zip(data.pairs[:10], built.iter_groups(), strict=False):
        rgb, lidar = group["rgb"], group["lidar"]
        assert rgb.pair == lidar.pair == pair.id
        assert Path(rgb.filepath) == data.root / pair.files[0]
        assert Path(rgb.filepath).is_file()
        assert Path(lidar.filepath).is_file()
        assert Path(lidar.orthographic_projection_metadata.filepath).is_file()
        assert lidar.group.id == rgb.group.id
        scene = load("fiftyone").Scene.from_fo3d(lidar.filepath)
        assert scene.camera.up == "Z"
        (cloud,) = scene.children
        assert (Path(lidar.filepath).parent / cloud.pcd_path).is_file()
        assert cloud.default_material.shading_mode == "intensity"


def test_fields_are_the_manifests(built: Any, data: DataSet):
    for field, expected in {
        "ground_truth.label": [LABELS[p.label] for p in data.pairs],
        "split": [p.parts["default"] for p in data.pairs],
        "split_study": [p.parts["study"] for p in data.pairs],
        "tags": [[p.parts["default"]] for p in data.pairs],
        "corruption": [p.corruption for p in data.pairs],
        "profile": ["fusion"] * len(data.pairs),
    }.items():
        assert values(built, field) == dict(zip([p.id for p in data.pairs], expected, strict=True))


def test_stored_samples_are_those_that_fiftyone_would_store(built: Any):
    """Bulk writes fill FiftyOne's own templates; its objects must come back from them."""
    fo = load("fiftyone")
    original = built.first()
    names = [name for name in original.field_names if name not in ("id", "group")]
    skipped = {"created_at", "last_modified_at"}
    same = fo.Sample(**{n: original[n] for n in names if n not in skipped})
    scratch = fo.Dataset()
    scratch.add_sample(same)
    stored, again = original.to_dict(), scratch.first().to_dict()
    assert {k for k, v in again.items() if v is not None} - {"_dataset_id"} <= set(stored)
    for name in ("filepath", "tags", "metadata", "ground_truth", "pair", "split"):
        assert stored[name] == again[name]
    assert built.first()._doc.to_mongo().keys() >= scratch.first()._doc.to_mongo().keys() - {
        "group"
    }
    fo.delete_dataset(scratch.name)


def test_a_second_call_opens_what_is_there(built: Any, database: Path, data: DataSet):
    folder = dataset.media_folder(data, database)
    written = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    assert len(written) == 3 * len(data.pairs) + 1
    loaded = built.last_loaded_at
    again = dataset.open_or_build(data, database, untracked)
    assert again.info["built"] == built.info["built"]
    assert dataset.sample_ids(again) == dataset.sample_ids(built)
    assert {path: path.stat().st_mtime_ns for path in written} == written
    assert loaded is not None


def test_a_new_manifest_is_built_and_tags_are_kept(database: Path, copy: DataSet):
    found = dataset.open_or_build(copy, database, untracked)
    first, second = copy.pairs[0].id, copy.pairs[1].id
    found.select_group_slices("rgb").match({"pair": first}).tag_samples("exclude")
    found.select_group_slices("lidar").match({"pair": second}).tag_samples(["odd", "to-val"])
    assert dataset.own_tags(found) == {first: ["exclude"], second: ["odd", "to-val"]}

    third = copy.pairs[2].id
    curated = {"exclude": [third], "move": {}}
    changed = replace(copy, digest="changed", curation=curated)
    pictures = dataset.media_folder(copy, database) / media.PICTURES
    before = pictures.stat().st_mtime_ns
    again = dataset.open_or_build(changed, database, untracked)
    assert again.info["built"]["manifest"] == "changed"
    assert dataset.own_tags(again) == {
        first: ["exclude"],
        second: ["odd", "to-val"],
        third: ["exclude"],
    }
    assert pictures.stat().st_mtime_ns == before  # the files are still the same

    other = replace(changed, digest="files", data_hash="other files")
    dataset.open_or_build(other, database, untracked)
    assert not pictures.exists()
    assert dataset.media_folder(other, database).is_dir()


def test_an_interrupted_build_is_not_taken_for_a_whole_one(database: Path, copy: DataSet):
    def interrupted(items: Any, label: str, total: int) -> Iterator[Any]:
        yield from [item for item, _ in zip(items, range(5), strict=False)]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        dataset.open_or_build(copy, database, interrupted)
    found = dataset.open_or_build(copy, database, untracked)
    assert len(dataset.sample_ids(found)) == len(copy.pairs)


def test_predictions_stand_on_their_samples(filled: Any, predictions: Predictions):
    for arm in predictions.arms:
        expected = {
            "label": [LABELS[int(p > 0.5)] for p in arm.sphere_N],
            "confidence": np.maximum(arm.sphere_N, 1 - arm.sphere_N).tolist(),
            "logit": arm.logits_RN.astype(float).mean(0).tolist(),
            "seeds": [3] * arm.labels_N.size,
            "seeds_right": arm.seeds_right_N.tolist(),
        }
        for name, column in expected.items():
            got = values(filled, f"{arm.field}.{name}")
            shown = [got[pair] for pair in predictions.examples.pairs]
            assert shown == (pytest.approx(column, abs=1e-6) if name == "logit" else column)
            assert sum(value is not None for value in got.values()) == len(column)
        for seed, logits in zip(arm.seeds, arm.logits_RN, strict=True):
            got = values(filled, f"{fields.run_field(arm, seed)}.logit")
            assert [got[p] for p in predictions.examples.pairs] == logits.astype(float).tolist()
    one = filled.match({"arms_right": {"$exists": True}}).first()
    assert np.asarray(one.concat.logits).shape == (2,)


def test_hardness_and_mistakenness_are_fiftyones(filled: Any, predictions: Predictions):
    """The brain takes seconds for what arrays give at once; one run is compared here."""
    fob = load("fiftyone.brain")
    view = filled.select_group_slices("rgb").match({"arms_right": {"$exists": True}})
    fob.compute_hardness(view, "late_seed1", hardness_field="their_hardness", progress=False)
    fob.compute_mistakenness(
        view,
        "late_seed1",
        "ground_truth",
        mistakenness_field="theirs",
        use_logits=True,
        progress=False,
    )
    late = predictions.arms[1]
    alone = replace(predictions, arms=(replace(late, seeds=("1",), logits_RN=late.logits_RN[1:2]),))
    for name, ours in (("their_hardness", alone.hardness_N), ("theirs", alone.mistakenness_N)):
        got = values(filled, name)
        np.testing.assert_allclose([got[p] for p in predictions.examples.pairs], ours, rtol=1e-5)
    filled.delete_brain_runs()
    filled.delete_sample_fields(["their_hardness", "theirs"], error_level=1)


def test_views_show_the_samples_that_they_name(filled: Any, predictions: Predictions):
    pairs = np.array(predictions.examples.pairs)
    single = np.any([arm.majority_N for arm in predictions.arms if arm.label in views.UNIMODAL], 0)
    fused = np.any([a.majority_N for a in predictions.arms if a.label not in views.UNIMODAL], 0)
    expected = {
        "hard for all": predictions.arms_right_N == 0,
        "mislabelled candidates": predictions.mistakenness_N > views.MISLABELLED_FROM,
        "right only with both modalities": ~single & fused,
        "late − concat": contrast(predictions, "late", "concat").behind_N,
        **{f"errors: {a.label}": a.seeds_right_N < len(a.seeds) for a in predictions.arms},
    }
    assert set(expected) <= set(filled.list_saved_views())
    for name, mask_N in expected.items():
        view = filled.load_saved_view(name)
        assert view.media_type == "group"
        assert set(view.values("pair")) == set(pairs[mask_N]), name
    shares = np.abs(filled.load_saved_view("late − concat").values("late_minus_concat_accuracy"))
    assert (np.diff(shares) <= 0).all()
    assert expected["mislabelled candidates"][0]
    assert expected["right only with both modalities"].any()


def test_a_contrast_opens_on_its_samples(
    built: Any, database: Path, data: DataSet, predictions: Predictions
):
    asked = contrast(predictions, "rgb", "lidar")
    ready = prepare.prepare(data, database, untracked, predictions=predictions, contrast=asked)
    assert ready.view is not None
    expected = np.array(predictions.examples.pairs)[asked.behind_N]
    assert set(ready.view.values("pair")) == set(expected)
    assert sum(ready.view.values("rgb_minus_lidar_accuracy")) / len(
        predictions.examples.pairs
    ) == pytest.approx(asked.delta)
    assert ready.dataset.app_config.active_fields.paths == [
        "ground_truth",
        "rgb",
        "lidar",
        "rgb_minus_lidar_accuracy",
    ]


def test_maps_and_neighbours(built: Any, database: Path, data: DataSet, predictions: Predictions):
    rng = np.random.default_rng(0)
    pairs = list(predictions.examples.pairs)
    matrix_ND = rng.normal(size=(len(pairs), 5)).astype(np.float32)
    asked: list[list[str]] = []

    def embed(given: Predictions, arms: Sequence[Arm]) -> dict[str, Any]:
        asked.append([arm.label for arm in arms])
        return {"late": (pairs, matrix_ND)}

    for _ in range(2):
        ready = prepare.prepare(data, database, untracked, predictions=predictions, embed=embed)
    found = ready.dataset
    assert asked == [["concat", "late", "rgb", "lidar"], ["concat", "rgb", "lidar"]]
    assert ready.brain_key == "pca_late"
    assert {"pca_pictures", "similar_pictures", "similar_late"} <= set(found.list_brain_runs())
    points = found.load_brain_results("pca_late").points
    np.testing.assert_allclose(points, embeddings.principal(matrix_ND, 2), rtol=1e-4, atol=1e-4)
    ids = dataset.sample_ids(found)
    near = found.select_group_slices("rgb").sort_by_similarity(
        ids[pairs[3]], k=3, brain_key="similar_late"
    )
    distance = np.linalg.norm(matrix_ND - matrix_ND[3], axis=1)
    assert set(near.values("pair")) == {pairs[n] for n in distance.argsort()[:3]}

    with load("threadpoolctl").threadpool_limits(1):  # more threads than free cores take minutes
        tsne = prepare.prepare(data, database, untracked, predictions=predictions, method="tsne")
    assert tsne.brain_key == "tsne_pictures"
    assert len(tsne.dataset.load_brain_results("tsne_pictures").points) == len(data.pairs)


def test_other_runs_take_the_place_of_earlier_ones(database: Path, copy: DataSet, sweep: Sweep):
    first = collect(sweep({"fusion": ["concat", "late"]}, seeds=2), copy)
    found = prepare.prepare(copy, database, untracked, predictions=first).dataset
    assert found.has_sample_field("late_seed1")
    second = collect(sweep({"fusion": ["add"]}, seeds=1, part="val", rng=5), copy)
    assert not fields.holds(found, second)
    found = prepare.prepare(copy, database, untracked, predictions=second).dataset
    assert fields.holds(found, second)
    assert not found.has_sample_field("late_seed1")
    assert found.list_saved_views() == ["errors: add", "hard for all", "mislabelled candidates"]
    parts = {pair.id: pair.parts["study"] for pair in copy.pairs}
    assert {parts[pair] for pair in views.predicted(found).values("pair")} == {"val"}


def test_tags_become_a_file(database: Path, copy: DataSet, tmp_path: Path):
    found = dataset.open_or_build(copy, database, untracked)
    a, b, c = (pair.id for pair in copy.pairs[:3])
    view = found.select_group_slices("rgb")
    view.match({"pair": a}).tag_samples(["exclude", "to-val"])
    view.match({"pair": b}).tag_samples("to-test")
    view.match({"pair": c}).tag_samples("exlude")
    tags = curation.collect(found)
    assert (tags.exclude, tags.move, tags.unknown) == ([a], {b: "test"}, {"exlude": 1})
    assert "tags without a meaning: exlude (1)" in tags.sentence
    path = tmp_path / "new" / "tags.json"
    curation.write(tags, copy, path)
    assert json.loads(path.read_text()) == {
        "schema": curation.SCHEMA,
        "data_hash": copy.data_hash,
        "exclude": [a],
        "move": {b: "test"},
    }
    assert [file.name for file in path.parent.iterdir()] == ["tags.json"]
    view.match({"pair": b}).tag_samples("to-train")
    with pytest.raises(ExploreError, match=rf"pair {b} is tagged for several parts"):
        curation.collect(found)


def test_curation_goes_to_the_manifest_and_comes_back(database: Path, root: Path, tmp_path: Path):
    own = shutil.copytree(root, tmp_path / "curated")
    data = pairs.read(own)
    found = dataset.open_or_build(data, database, untracked)
    gone = next(p.id for p in data.pairs if p.parts["default"] == "test")
    moved = next(p.id for p in data.pairs if p.parts["default"] == "train")
    view = found.select_group_slices("rgb")
    view.match({"pair": gone}).tag_samples("exclude")
    view.match({"pair": moved}).tag_samples("to-val")
    first, second = tmp_path / "first.json", tmp_path / "second.json"
    curation.write(curation.collect(found), data, first)

    manifest.curate(own, first)
    found = dataset.open_or_build(pairs.read(own), database, untracked)
    parts = values(found, "split")
    assert (parts[gone], parts[moved]) == ("excluded", "val")
    assert values(found, "tags")[gone] == ["exclude"]
    assert sorted(values(found, "tags")[moved]) == ["to-val", "val"]

    # The twin went along; from then on the file says so too, and taking it up changes nothing.
    curation.write(curation.collect(found), pairs.read(own), second)
    before = manifest.current(own).parts("default")
    assert manifest.curate(own, second).parts("default") == before
    again = dataset.open_or_build(pairs.read(own), database, untracked)
    curation.write(curation.collect(again), data, first)
    assert first.read_bytes() == second.read_bytes()
    load("fiftyone").delete_dataset(data.name)
