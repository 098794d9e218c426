"""Saved views on where arms fail. Each stays grouped, and states its definition in the App."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from functools import reduce
from operator import and_, or_
from typing import Any

from analysis.grid import plan
from explore import fields
from explore.contrast import Contrast, contrast
from explore.errors import ExploreError
from explore.lazy import Dataset, View, load
from explore.predictions import Arm, Predictions

MISLABELLED_FROM = 0.75  # of mistakenness: on average, runs are sure (p > 0.8) of the other label
UNIMODAL = ("rgb", "lidar")


def save_all(dataset: Dataset, predictions: Predictions) -> None:
    """Save the views that these predictions give."""
    for name, view, text in _views(dataset, predictions):
        _save(dataset, name, view, text)
    snapshot, grid = predictions.snapshot, predictions.grid
    pairs = plan.cell_pairs(plan.plan(plan.known_for(snapshot), grid, snapshot.choices), grid)
    arms = {id(arm.cell): arm.label for arm in predictions.arms}
    wanted = [(arms[id(a)], arms[id(b)]) for a, b in pairs if id(a) in arms and id(b) in arms]
    wanted += [(arms[id(arm.cell)], arm.label) for arm in predictions.others]
    for a, b in wanted:
        with suppress(ExploreError):  # no seed in common: the report has no difference either
            save_contrast(dataset, predictions, contrast(predictions, a, b))


def predicted(dataset: Dataset) -> View:
    """The samples that runs have predicted."""
    return dataset.match(load("fiftyone").ViewField("arms_right").exists())


def save_contrast(dataset: Dataset, predictions: Predictions, found: Contrast) -> View:
    """Save, and return, the view of the samples behind a contrast, largest share first."""
    F = load("fiftyone").ViewField

    name = fields.write_contrast(dataset, predictions, found)
    view = dataset.match(F(name).abs() > 1e-12).sort_by(F(name).abs(), reverse=True)
    what = found.metric.split("/")[-1]
    title = found.label + ("" if what == "accuracy" else f" ({what})")
    _save(dataset, title, view, found.sentence)
    return view


def _save(dataset: Dataset, name: str, view: View, text: str) -> None:
    fields.record(dataset, "views", [name])
    dataset.save_view(name, view, description=text, overwrite=True)


def _views(dataset: Dataset, predictions: Predictions) -> Iterator[tuple[str, View, str]]:
    F = load("fiftyone").ViewField

    for arm in predictions.all_arms:
        wrong = F(f"{arm.field}.seeds_right") < F(f"{arm.field}.seeds")
        view = dataset.match(_shown(arm) & wrong).sort_by(f"{arm.field}.seeds_right")
        yield f"errors: {arm.label}", view, "At least one seed is wrong; fewest right first."
    hard = dataset.match(F("arms_right") == 0).sort_by("hardness", reverse=True)
    yield "hard for all", hard, "In no arm is a majority of seeds right; most uncertain first."
    swapped = dataset.match(F("mistakenness") > MISLABELLED_FROM)
    yield (
        "mislabelled candidates",
        swapped.sort_by("mistakenness", reverse=True),
        f"Runs are sure of the other label (mean mistakenness above {MISLABELLED_FROM}).",
    )
    single = [predictions.unimodal(name) for name in UNIMODAL]
    fused = [arm for arm in predictions.arms if arm not in [*single[0], *single[1]]]
    if all(single) and fused:
        neither = reduce(and_, [~_majority(arm) for arms in single for arm in arms])
        some = reduce(or_, [_majority(arm) for arm in fused])
        yield (
            "right only with both modalities",
            dataset.match(F("arms_right").exists() & neither & some).sort_by("arms_right"),
            "No unimodal arm has a majority of seeds right, at least one fusion has.",
        )


def _shown(arm: Arm) -> Any:
    F = load("fiftyone").ViewField

    return F(f"{arm.field}.seeds").exists()


def _majority(arm: Arm) -> Any:
    F = load("fiftyone").ViewField

    return F(f"{arm.field}.seeds_right") * 2 > F(f"{arm.field}.seeds")
