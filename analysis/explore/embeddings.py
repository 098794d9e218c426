"""Maps and neighbours: PCA of pictures and of arms' embeddings at once, t-SNE and UMAP on request.

Suffixes: N samples, D embedding.
"""

from __future__ import annotations

import importlib.util

import numpy as np

from analysis.explore.errors import ExploreError
from analysis.explore.lazy import Dataset, load

METHODS = ("pca", "tsne", "umap")
NEIGHBOUR_DIMS = 50  # principal components that similarity compares
PICTURES = "pictures"


def principal(embedding_ND: np.ndarray, dims: int) -> np.ndarray:
    """(N, dims) float32 coordinates on the first principal components, largest variance first.

    The sign of a component is fixed by its largest loading; where the data has fewer components,
    the rest are zero.
    """
    centred_ND = embedding_ND.astype(np.float32) - embedding_ND.mean(0, dtype=np.float64)
    centred_ND = centred_ND.astype(np.float32)
    _, axes_DD = np.linalg.eigh((centred_ND.T @ centred_ND).astype(np.float64))
    axes_DK = axes_DD[:, ::-1][:, :dims]
    largest = np.abs(axes_DK).argmax(0)
    axes_DK = axes_DK * np.sign(axes_DK[largest, np.arange(axes_DK.shape[1])])
    found = centred_ND @ axes_DK.astype(np.float32)
    return np.pad(found, ((0, 0), (0, dims - found.shape[1])))


def check_method(method: str) -> None:
    """Raise ExploreError where a method is unknown or its package is missing."""
    if method not in METHODS:
        raise ExploreError(f"--embed {method!r} is not one of {', '.join(METHODS)}")
    if method == "umap" and importlib.util.find_spec("umap") is None:
        raise ExploreError("--embed umap needs one more package: pip install umap-learn")


def add(
    dataset: Dataset, name: str, ids: list[str], embedding_ND: np.ndarray, method: str = "pca"
) -> list[str]:
    """Add a map (METHOD_NAME) and a similarity index (similar_NAME); return the keys that are new.

    ids: of rgb samples, one per row. Keys that are there are left as they are.
    """
    fob = load("fiftyone.brain")

    view = dataset.select_group_slices("rgb").select(ids, ordered=True)
    reduced = principal(embedding_ND, min(NEIGHBOUR_DIMS, embedding_ND.shape[1]))
    added = []
    key = f"{method}_{name}"
    if not dataset.has_brain_run(key):
        if method == "pca":
            points = dict(zip(ids, _planar(reduced), strict=True))
            fob.compute_visualization(view, points=points, brain_key=key, method="manual")
        else:
            fob.compute_visualization(
                view, embeddings=reduced, brain_key=key, method=method, seed=0, verbose=False
            )
        added.append(key)
    key = f"similar_{name}"
    if not dataset.has_brain_run(key):
        fob.compute_similarity(view, embeddings=reduced, brain_key=key, backend="sklearn")
        added.append(key)
    return added


def _planar(reduced: np.ndarray) -> np.ndarray:
    return np.pad(reduced, ((0, 0), (0, max(0, 2 - reduced.shape[1]))))[:, :2]
