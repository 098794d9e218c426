"""Maps and neighbours: PCA of pictures and of arms' embeddings at once, t-SNE and UMAP on request.

Suffixes: N samples, D embedding.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable

import numpy as np
import scipy.linalg

from explore.errors import ExploreError
from explore.lazy import Dataset, load

METHODS = ("pca", "tsne", "umap")
NEIGHBOUR_DIMS = 50  # principal components that similarity compares
PICTURES = "pictures"


def principal(embedding_ND: np.ndarray, dims: int) -> np.ndarray:
    """(N, dims) float32 coordinates on the first principal components, largest variance first.

    The sign of a component is fixed by its largest loading; where the data has fewer components,
    the rest are zero.
    """
    centred_ND = embedding_ND - embedding_ND.mean(0, dtype=np.float64)
    axes_DK = _axes(centred_ND, min(dims, *centred_ND.shape))
    largest = np.abs(axes_DK).argmax(0)
    axes_DK = axes_DK * np.sign(axes_DK[largest, np.arange(axes_DK.shape[1])])
    found = (centred_ND @ axes_DK).astype(np.float32)
    return np.pad(found, ((0, 0), (0, dims - found.shape[1])))


def _axes(centred_ND: np.ndarray, count: int) -> np.ndarray:
    """(D, count) principal axes, by the smaller of the two ways."""
    samples, size = centred_ND.shape
    if samples <= size:
        return np.linalg.svd(centred_ND, full_matrices=False)[2][:count].T
    scatter_DD = centred_ND.T @ centred_ND
    _, axes_DK = scipy.linalg.eigh(scatter_DD, subset_by_index=[size - count, size - 1])
    return axes_DK[:, ::-1]


def check_method(method: str) -> None:
    """Raise ExploreError where a method is unknown or its package is missing."""
    if method not in METHODS:
        raise ExploreError(f"--embed {method!r} is not one of {', '.join(METHODS)}")
    if method == "umap" and importlib.util.find_spec("umap") is None:
        raise ExploreError(
            f"--embed umap needs one more package: {sys.executable} -m pip install umap-learn"
        )


def keys(name: str, method: str) -> list[str]:
    """Brain keys of a map and of a similarity index."""
    return [f"{method}_{name}", f"similar_{name}"]


def add(
    dataset: Dataset,
    name: str,
    ids: list[str],
    embedding: Callable[[], np.ndarray],
    method: str = "pca",
) -> None:
    """Add a map and a similarity index where they are not there.

    ids: of rgb samples (N); embedding: called only where needed, gives (N, D).
    """
    plot, neighbours = keys(name, method)
    if dataset.has_brain_run(plot) and dataset.has_brain_run(neighbours):
        return
    fob = load("fiftyone.brain")
    view = dataset.select_group_slices("rgb").select(ids, ordered=True)
    reduced = principal(embedding(), NEIGHBOUR_DIMS)
    if not dataset.has_brain_run(plot):
        if method == "pca":
            points = dict(zip(ids, reduced[:, :2], strict=True))
            fob.compute_visualization(view, points=points, brain_key=plot, method="manual")
        else:
            options = {"embeddings": reduced, "seed": 0, "verbose": False}
            fob.compute_visualization(view, brain_key=plot, method=method, **options)
    if not dataset.has_brain_run(neighbours):
        fob.compute_similarity(view, embeddings=reduced, brain_key=neighbours, backend="sklearn")
