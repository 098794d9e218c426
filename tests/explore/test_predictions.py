"""Predictions, contrasts and maps as arrays: no database is needed."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats as scipy_stats
from scipy.special import softmax

from analysis import build, metrics
from analysis.grid import cells, plan
from analysis.judge import compare, terms
from analysis.judge.draft import draft
from analysis.read.snapshot import Snapshot, save
from analysis.show import render
from contract.extras import MissingError, require
from explore import embeddings, lazy, runs
from explore.contrast import METRICS, contrast, parse
from explore.errors import ExploreError
from explore.pairs import DataSet
from explore.predictions import RESERVED, collect, entropy, field_of, match
from fusion.config import DOWNSAMPLES, FUSIONS

Sweep = Callable[..., Snapshot]
TWO_AXES = {"fusion": ["concat", "late"], "downsample": ["maxpool", "strided_append"]}


def test_arms_hold_the_runs_of_their_cells(data: DataSet, sweep: Sweep):
    found = collect(sweep(), data)
    assert [arm.label for arm in found.arms] == ["concat", "late", "rgb", "lidar"]
    assert found.part == "test"
    assert set(found.examples.pairs) == {p.id for p in data.pairs if p.parts["default"] == "test"}
    arm = found.arms[1]
    assert arm.seeds == ("0", "1", "2")
    labels = np.array([data.labels[pair] for pair in found.examples.pairs])
    right = (arm.logits_RN > 0) == labels
    np.testing.assert_array_equal(arm.seeds_right_N, right.sum(0))
    np.testing.assert_array_equal(arm.majority_N, right.mean(0) > 0.5)
    np.testing.assert_allclose(arm.sphere_N, (1 / (1 + np.exp(-arm.logits_RN))).mean(0), rtol=1e-6)
    assert [a.label for a in found.unimodal("rgb")] == ["rgb"]


@pytest.mark.parametrize("axes", [TWO_AXES, dict(reversed(TWO_AXES.items()))])
def test_cells_are_named_as_in_the_report(data: DataSet, sweep: Sweep, axes: dict[str, list[str]]):
    snapshot = sweep(axes, seeds=1)
    grid, _ = build.arrange(snapshot)
    assert [arm.label for arm in collect(snapshot, data).arms] == [c.label for c in grid.cells]


def test_hardness_and_mistakenness_of_two_logits(data: DataSet, sweep: Sweep):
    found = collect(sweep(), data)
    both = np.stack([np.zeros_like(found.logits_RN), found.logits_RN], -1).astype(float)
    expected = scipy_stats.entropy(softmax(both, axis=-1), axis=-1)
    np.testing.assert_allclose(found.hardness_N, expected.mean(0), rtol=1e-6)
    assert found.mistakenness_N.argmax() == 0  # every run is sure of the other label there
    assert np.isfinite(entropy(np.array([-1e4, 0.0, 1e4]))).all()


def test_runs_that_do_not_fit_are_left_out_with_a_reason(data: DataSet, sweep: Sweep):
    snapshot = sweep({"fusion": ["concat", "late"]}, seeds=2)
    first, second, third, _ = snapshot.runs
    first.predictions = None
    second.provenance = {"data_hash": "other"}
    assert third.predictions is not None
    bad = third.predictions.logits.copy()
    bad[0] = np.inf
    third.predictions = replace(third.predictions, logits=bad)
    found = collect(snapshot, data)
    assert [(arm.label, arm.seeds) for arm in found.arms] == [("late", ("1",))]
    assert found.left_out == {
        "without predictions": 1,
        "of other data": 1,
        "with infinite logits": 1,
    }
    with pytest.raises(ExploreError, match=r"some sweep: none of its runs has predictions"):
        collect(snapshot, replace(data, data_hash="third"))


def test_labels_that_the_data_does_not_have_are_refused(data: DataSet, sweep: Sweep):
    changed = replace(data, pairs=tuple(replace(p, label=1 - p.label) for p in data.pairs))
    with pytest.raises(ExploreError, match="with pairs or labels that the data lacks"):
        collect(sweep(), changed)


def test_every_fusion_and_downsample_has_a_field_of_its_own():
    names = [*FUSIONS, *(f"{a} · {b}" for a in FUSIONS for b in DOWNSAMPLES), "width=0.5", "0.5"]
    fields: set[str] = set()
    for name in names:
        fields.add(field_of(name, fields))
    assert len(fields) == len(names)
    assert {"concat", "concat_strided_append", "width_0_5", "cell_0_5"} <= fields
    assert not fields & RESERVED
    assert all(name.isidentifier() for name in fields)
    assert field_of("concat", {"concat"}) == "concat_2"
    assert field_of("hardness", set()) == "cell_hardness"


@pytest.mark.parametrize("metric", METRICS)
def test_a_contrast_is_the_one_that_the_report_states(data: DataSet, sweep: Sweep, metric: str):
    snapshot = sweep()
    grid = cells.arrange(snapshot)
    known = metrics.describe(f"test/{metric}")
    for run in snapshot.runs:
        assert run.predictions is not None and known.per_example is not None
        made = run.predictions
        of_example = known.per_example(made.logits[None], made.examples.labels)
        run.summary[known.name] = float(of_example.mean())
    design = plan.plan(plan.known_for(snapshot), grid, snapshot.choices)
    pair = grid.cells[1], grid.cells[0]
    stated = draft(compare.Data(snapshot, grid, design), [pair], known).estimate.delta
    found = contrast(collect(snapshot, data), "late", "concat", metric)
    assert found.delta == pytest.approx(stated, abs=1e-9)
    assert found.delta_N[found.behind_N].sum() / found.delta_N.size == pytest.approx(found.delta)
    assert f"{found.delta:+.6g}" in found.sentence
    assert design.axis == "fusion"


def test_a_contrast_of_values_takes_every_level_of_the_other_axis(data: DataSet, sweep: Sweep):
    found = collect(sweep(TWO_AXES, seeds=2), data)
    whole = contrast(found, "concat · maxpool", "concat/strided-append")
    assert (whole.label, whole.runs) == ("concat: maxpool − strided_append", 2)
    row = contrast(found, *parse("concat: maxpool − strided_append"))
    np.testing.assert_array_equal(row.delta_N, whole.delta_N)
    both = contrast(found, "maxpool", "downsample=strided_append")
    assert both.runs == 4
    late = contrast(found, "late maxpool", "late strided_append")
    np.testing.assert_allclose(both.delta_N, (whole.delta_N + late.delta_N) / 2)


def test_seeds_are_matched_by_value(data: DataSet, sweep: Sweep):
    snapshot = sweep({"fusion": ["concat", "late"]}, seeds=3)
    snapshot.runs[0].predictions = None  # seed 0 of concat
    found = collect(snapshot, data)
    rows = {arm.label: dict(zip(arm.seeds, arm.right_RN, strict=True)) for arm in found.arms}
    expected = np.mean(
        [rows["concat"][s].astype(float) - rows["late"][s] for s in ("1", "2")], axis=0
    )
    made = contrast(found, "concat", "late")
    assert made.runs == 2
    np.testing.assert_allclose(made.delta_N, expected)


def test_other_classifiers_of_a_run_are_arms_beside_its_own(data: DataSet, sweep: Sweep):
    snapshot = sweep(TWO_AXES, seeds=2)
    for run in snapshot.runs:
        made = run.predictions
        assert made is not None
        others = {"zero_shot": -made.logits, "scratch": np.full_like(made.logits, np.nan)}
        run.predictions = replace(made, others=others)
    found = collect(snapshot, data)
    assert found.arms[0].label == "fine-tuned · maxpool · concat"
    assert found.others[0].label == "zero-shot · maxpool · concat"
    assert len({arm.field for arm in found.all_arms}) == 8
    np.testing.assert_array_equal(found.others[0].logits_RN, -found.arms[0].logits_RN)

    row = "fine-tuned accuracy of maxpool · concat − zero-shot accuracy of maxpool · concat"
    made = contrast(found, *parse(row))
    assert made.label == row
    np.testing.assert_array_equal(made.delta_N, 2 * found.arms[0].right_RN.mean(0) - 1)
    assert contrast(found, "fine-tuned", "zero-shot").runs == 8
    # An axis contrasts each classifier with itself.
    assert contrast(found, "maxpool", "strided_append").runs == 8
    with pytest.raises(ExploreError, match="of one classifier: fine-tuned, zero-shot"):
        contrast(found, "fine", "zero-shot")


def test_every_contrast_of_a_report_is_found_by_its_row(data: DataSet, sweep: Sweep):
    snapshot = sweep(TWO_AXES, seeds=3)
    for run in snapshot.runs:
        assert run.predictions is not None
        right = terms.correctness(run.predictions.logits[None], run.predictions.examples.labels)
        run.summary["test/accuracy"] = float(right.mean())
    made = build.build(snapshot, *build.arrange(snapshot), file="", sha256="")
    found = collect(snapshot, data)
    rows = [c for c in made.contrasts if c.metric == "test/accuracy"]
    assert len(rows) == 2
    for row in rows:
        label = render.View(made).pair(row)
        same = contrast(found, *parse(label))
        assert same.label == label
        assert (same.delta, same.runs) == (pytest.approx(row.delta), row.n)


@pytest.mark.parametrize("text", ["concat", "concat,", "a,b,c", ",", "late: concat"])
def test_a_contrast_names_two_cells(text: str):
    with pytest.raises(ExploreError, match="name two cells, A,B"):
        parse(text)


def test_contrasts_that_cannot_be(data: DataSet, sweep: Sweep):
    found = collect(sweep(TWO_AXES, seeds=1), data)
    with pytest.raises(ExploreError, match="no cell 'contact'; the cells with predictions are"):
        contrast(found, "contact", "late")
    with pytest.raises(ExploreError, match="or all cells of one downsample: maxpool, strided_app"):
        contrast(found, "contact", "late")
    with pytest.raises(ExploreError, match="both name the same cell"):
        contrast(found, "concat maxpool", "concat · maxpool")
    with pytest.raises(ExploreError, match="no run of one has a partner"):
        contrast(found, "concat", "maxpool")
    assert len(match("concat", found)) == 2


@pytest.mark.parametrize("samples", [200, 5])
def test_principal_components_are_those_of_the_singular_values(samples: int):
    rng = np.random.default_rng(0)
    cloud_ND = rng.normal(size=(samples, 6)) * [9, 5, 3, 1, 0.5, 0.1] @ rng.normal(size=(6, 6))
    found = embeddings.principal(cloud_ND, 3)
    u, s, _ = np.linalg.svd(cloud_ND - cloud_ND.mean(0), full_matrices=False)
    np.testing.assert_allclose(np.abs(found), np.abs((u * s)[:, :3]), rtol=1e-3, atol=1e-3)
    np.testing.assert_array_equal(embeddings.principal(cloud_ND, 3), found)
    assert embeddings.principal(cloud_ND[:, :1], 2)[:, 1].tolist() == [0.0] * samples


def test_unknown_and_missing_methods_are_named(monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(ExploreError, match=r"--embed 'mds' is not one of pca, tsne, umap"):
        embeddings.check_method("mds")
    monkeypatch.setitem(sys.modules, "umap", None)  # so the import system says: not there
    with pytest.raises(ExploreError, match="pip install umap-learn"):
        embeddings.check_method("umap")


def test_runs_are_found_on_disk(tmp_path, sweep: Sweep, data: DataSet):
    old, new = sweep(rng=1), sweep(rng=2)
    for number, (name, snapshot) in enumerate({"b": old, "a": new}.items()):
        path = tmp_path / name / "snapshot.json.gz"
        save(snapshot, path)
        os.utime(path, (number, number))
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "snapshot.json.gz").write_bytes(b"damaged")
    assert [s.sweep["id"] for s in runs.reported(tmp_path)] == ["s2", "s1"]
    assert runs.on_disk(str(tmp_path / "a")) == tmp_path / "a" / "snapshot.json.gz"
    assert runs.on_disk("entity/project/id") is None
    (tmp_path / "empty").mkdir()
    with pytest.raises(ExploreError, match=r"has no snapshot\.json\.gz"):
        runs.on_disk(str(tmp_path / "empty"))
    assert runs.data_of(old) == str(data.root)


def test_fiftyone_is_never_imported_before_its_database_is_chosen(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.delenv(lazy.URI, raising=False)
    with pytest.raises(RuntimeError, match="would start a database of its own"):
        lazy.load.__wrapped__("fiftyone")
    with pytest.raises(MissingError, match="the package no_such_package is not installed"):
        require("no_such_package")
    (tmp_path / "fiftyone" / "db" / "bin").mkdir(parents=True)  # what mongod's package brings
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.delitem(sys.modules, "fiftyone", raising=False)
    with pytest.raises(MissingError, match=r"fiftyone is not installed; run `make \.venv/explore`"):
        require("fiftyone")
