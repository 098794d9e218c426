"""Predictions as fields of the rgb samples, and the list of all that was made from them.

Per arm a Classification (mean probability over seeds) with `seeds` and `seeds_right`; per run one
with its logit. What is made from predictions is recorded in the dataset, so that the next sweep's
take its place.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from contract.words import identifier
from explore import documents
from explore.contrast import Contrast
from explore.dataset import Track, sample_ids
from explore.lazy import Dataset, Sample, load
from explore.pairs import LABELS
from explore.predictions import Arm, Predictions, sigmoid

VERSION = 3  # of what is written: raise it whenever a change here or in views changes it
SCALARS = ("arms_right", "hardness", "mistakenness")
Column = dict[str, list[Any]]
MADE = "from_predictions"  # key of dataset.info: {"state", "fields", "views", "brain"}


def holds(dataset: Dataset, predictions: Predictions) -> bool:
    """Whether everything made from these predictions is there."""
    return dataset.info.get(MADE, {}).get("state") == _state(predictions)


def seal(dataset: Dataset, predictions: Predictions) -> None:
    """Note that everything made from these predictions is there."""
    dataset.info.setdefault(MADE, {})["state"] = _state(predictions)
    dataset.save()


def _state(predictions: Predictions) -> dict[str, Any]:
    return {"version": VERSION, "predictions": predictions.digest}


def clear(dataset: Dataset) -> None:
    """Remove all that was made from earlier predictions."""
    made = dataset.info.get(MADE, {})
    for name in made.get("views", []):
        if dataset.has_saved_view(name):
            dataset.delete_saved_view(name)
    for key in made.get("brain", []):
        if dataset.has_brain_run(key):
            dataset.delete_brain_run(key)
    fields = [name for name in made.get("fields", []) if dataset.has_sample_field(name)]
    if fields:
        dataset.delete_sample_fields(fields)
    dataset.info.pop(MADE, None)
    dataset.save()


def record(dataset: Dataset, kind: str, names: list[str]) -> None:
    """Note names of fields, views or brain runs, so that clear() finds them."""
    made = dataset.info.setdefault(MADE, {})
    made[kind] = sorted({*made.get(kind, []), *names})
    dataset.save()


def write(dataset: Dataset, predictions: Predictions, track: Track) -> None:
    """Write the predictions of all arms and runs, hardness and mistakenness."""
    ids = sample_ids(dataset)
    columns = _columns(predictions)
    record(dataset, "fields", [*columns, *SCALARS])
    form = documents.templates(dataset, [_example(dataset, predictions)])[0]
    scalars = {
        "arms_right": predictions.arms_right_N.tolist(),
        "hardness": predictions.hardness_N.tolist(),
        "mistakenness": predictions.mistakenness_N.tolist(),
    }

    def rows() -> Iterator[tuple[str, documents.Document]]:
        pairs = predictions.examples.pairs
        for n, pair in enumerate(track(pairs, "writing predictions (samples)", len(pairs))):
            labels = {
                name: documents.fill(form[name], **_classification(values, n))
                for name, values in columns.items()
            }
            yield ids[pair], labels | {name: values[n] for name, values in scalars.items()}

    documents.update(dataset, rows())


def write_contrast(dataset: Dataset, predictions: Predictions, contrast: Contrast) -> str:
    """Write a contrast's share of every sample; return the name of its field."""
    fo = load("fiftyone")

    name = contrast_field(contrast)
    if not dataset.has_sample_field(name):
        record(dataset, "fields", [name])
        dataset.add_sample_field(name, fo.FloatField)
    ids = sample_ids(dataset)
    where = [ids[pair] for pair in predictions.examples.pairs]
    values = ({name: share} for share in contrast.delta_N.tolist())
    documents.update(dataset, zip(where, values, strict=True))
    return name


def contrast_field(contrast: Contrast) -> str:
    """The field of a contrast's shares."""
    what = contrast.metric.split("/")[-1]
    return f"{identifier(contrast.a)}_minus_{identifier(contrast.b)}_{identifier(what)}"


def run_field(arm: Arm, seed: str) -> str:
    """The field of one run."""
    return f"{arm.field}_seed{identifier(seed)}"


def _columns(predictions: Predictions) -> dict[str, Column]:
    """Field -> sphere, logit (and seeds, seeds_right) of every example, for arms, then runs."""
    columns = {
        arm.field: {
            "sphere": arm.sphere_N.tolist(),
            "logit": arm.logits_RN.mean(0).astype(float).tolist(),
            "seeds": [len(arm.seeds)] * arm.labels_N.size,
            "seeds_right": arm.seeds_right_N.tolist(),
        }
        for arm in predictions.all_arms
    }
    for arm in predictions.arms:
        for seed, logits_N in zip(arm.seeds, arm.logits_RN, strict=True):
            columns[run_field(arm, seed)] = {
                "sphere": sigmoid(logits_N).tolist(),
                "logit": logits_N.astype(float).tolist(),
            }
    return columns


def _classification(column: Column, n: int) -> dict[str, Any]:
    """The leaves of example n's label; `logits` is what FiftyOne's brain reads."""
    serialize = load("fiftyone.core.utils").serialize_numpy_array

    sphere, logit = column["sphere"][n], column["logit"][n]
    rest = {name: values[n] for name, values in column.items() if name != "sphere"}
    return {
        "label": LABELS[int(sphere > 0.5)],
        "confidence": max(sphere, 1 - sphere),
        "logits": serialize(np.array([0.0, logit])),
        **rest,
    }


def _example(dataset: Dataset, predictions: Predictions) -> Sample:
    """A sample with every field that predictions give."""
    fo = load("fiftyone")

    logits = np.zeros(2)
    of_arm = {"logit": 0.0, "seeds": 0, "seeds_right": 0}
    example = fo.Sample(
        filepath="/an.png",
        group=fo.Group().element("rgb"),
        arms_right=0,
        hardness=0.0,
        mistakenness=0.0,
    )
    for arm in predictions.all_arms:
        example[arm.field] = fo.Classification(label="", confidence=0.0, logits=logits, **of_arm)
    for arm in predictions.arms:
        for seed in arm.seeds:
            example[run_field(arm, seed)] = fo.Classification(
                label="", confidence=0.0, logits=logits, logit=0.0
            )
    return example
