"""Everything the App shows, made where it is not there yet."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from explore import app, dataset, embeddings, fields, views
from explore.contrast import Contrast
from explore.dataset import Track
from explore.lazy import Dataset, View
from explore.pairs import DataSet
from explore.predictions import Arm, Predictions

# Pair ids (N), and what an arm's network makes of them (N, D)
Embedding = tuple[list[str], np.ndarray]
# For the arms that lack one; what it returns, by field, leaves out arms without weights at hand.
Embed = Callable[[Predictions, Sequence[Arm]], Mapping[str, Embedding]]


@dataclass(frozen=True)
class Prepared:
    """A dataset that can be opened. view: what to show first; None is everything.

    brain_key, map_view: the map to show, and the samples that are on it.
    """

    dataset: Dataset
    view: View | None
    brain_key: str
    map_view: View | None


def prepare(
    data: DataSet,
    folder: Path,
    track: Track,
    *,
    predictions: Predictions | None = None,
    contrast: Contrast | None = None,
    embed: Embed = lambda predictions, arms: {},
    method: str = "pca",
    rebuild: bool = False,
) -> Prepared:
    """Build or open the dataset of `data`, with predictions, views, maps and neighbours.

    embed: gives the embeddings of arms; called only where they are not there. method: of the maps.
    rebuild: make everything anew; tags are kept.
    """
    embeddings.check_method(method)
    found = dataset.open_or_build(data, folder, track, rebuild)
    ids = dataset.sample_ids(found)
    embeddings.add(
        found,
        embeddings.PICTURES,
        list(ids.values()),
        lambda: dataset.pictures(data, folder),
        method,
    )
    shown: list[str] = []
    if predictions is not None:
        _add_predictions(found, predictions, track)
        _add_maps(found, predictions, ids, embed, method)
        shown = app.default_labels(predictions)
    view = None
    if predictions is not None and contrast is not None:
        view = views.save_contrast(found, predictions, contrast)
        shown = [*_arms_of(contrast, predictions), fields.contrast_field(contrast)]
    app.arrange(found, predictions, shown)
    maps = [f"{method}_{name}" for name in [*shown, embeddings.PICTURES]]
    brain_key = next(key for key in maps if found.has_brain_run(key))
    return Prepared(found, view, brain_key, views.predicted(found) if shown else None)


def _arms_of(contrast: Contrast, predictions: Predictions) -> list[str]:
    """Fields of the contrasted arms, or of the first arms where groups of arms are contrasted."""
    two = [arm.field for arm in predictions.all_arms if arm.label in (contrast.a, contrast.b)]
    return two if len(two) == 2 else app.default_labels(predictions)


def _add_predictions(found: Dataset, predictions: Predictions, track: Track) -> None:
    if fields.holds(found, predictions):
        return
    fields.clear(found)
    fields.write(found, predictions, track)
    views.save_all(found, predictions)
    # Last, so that a call that was interrupted is repeated as a whole.
    fields.seal(found, predictions)


def _add_maps(
    found: Dataset, predictions: Predictions, ids: dict[str, str], embed: Embed, method: str
) -> None:
    missing = [
        arm
        for arm in predictions.arms
        if not all(found.has_brain_run(key) for key in embeddings.keys(arm.field, method))
    ]
    if not missing:
        return
    for name, (pairs, matrix_ND) in embed(predictions, missing).items():
        where = [ids[pair] for pair in pairs]
        fields.record(found, "brain", embeddings.keys(name, method))
        embeddings.add(found, name, where, lambda m=matrix_ND: m, method)
