"""How well embeddings find their partners: recall, rank, alignment, uniformity.

Legend: N pairs, D embedding. Embeddings are L2-normalised.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

# Sizes of candidate sets that stay comparable between test sets; the whole set comes on top.
CANDIDATES = (32, 256)
DEPTHS = (1, 5)


def metrics(rgb_ND: Tensor, lidar_ND: Tensor) -> dict[str, float]:
    """Return all retrieval metrics of N pairs, in both directions.

    Keys: `rgb_to_lidar/recall@1_of_32`, …, `…_of_all`, `rgb_to_lidar/mrr`, the same for
    `lidar_to_rgb`, and `alignment`, `rgb/uniformity`, `lidar/uniformity`. A candidate set larger
    than N is left out.
    """
    similarity_NN = rgb_ND.double() @ lidar_ND.double().T
    values: dict[str, float] = {}
    for name, matrix in (("rgb_to_lidar", similarity_NN), ("lidar_to_rgb", similarity_NN.T)):
        above_N = stronger(matrix)
        for depth in DEPTHS:
            for size in (s for s in CANDIDATES if s <= len(above_N)):
                values[f"{name}/recall@{depth}_of_{size}"] = recall(above_N, depth, size)
            values[f"{name}/recall@{depth}_of_all"] = recall(above_N, depth, len(above_N))
        values[f"{name}/mrr"] = float((1 / (1 + above_N)).mean())
    values["alignment"] = alignment(rgb_ND, lidar_ND)
    values["rgb/uniformity"] = uniformity(rgb_ND)
    values["lidar/uniformity"] = uniformity(lidar_ND)
    return values


def stronger(similarity_NN: Tensor) -> np.ndarray:
    """Return (N,): how many wrong candidates are at least as similar as the partner.

    Ties count against the model, so that a collapsed embedding does not score.
    """
    partner_N1 = similarity_NN.diagonal().unsqueeze(1)
    return ((similarity_NN >= partner_N1).sum(1) - 1).cpu().numpy()


def recall(above_N: np.ndarray, depth: int, candidates: int) -> float:
    """Return the share of queries whose partner is among the `depth` best of `candidates`.

    The mean over all candidate sets of that size, exactly: of the N - 1 wrong candidates
    candidates - 1 are drawn, and the number of stronger ones among them is hypergeometric. By
    chance it is depth / candidates.
    """
    wrong, drawn = len(above_N) - 1, candidates - 1
    above = torch.as_tensor(above_N, dtype=torch.float64)
    all_ways = log_choose(torch.full_like(above, wrong), drawn)
    ways = [log_choose(above, k) + log_choose(wrong - above, drawn - k) for k in range(depth)]
    return (torch.stack(ways) - all_ways).exp().sum(0).mean().item()


def log_choose(n: Tensor, k: int) -> Tensor:
    """Return the logarithm of how often k can be chosen of n; -inf where it cannot.

    (scipy.stats has the distribution, and takes a second to import in every run of a sweep.)
    """
    if k < 0:
        return torch.full_like(n, -math.inf)
    left = n - k
    value = torch.lgamma(n + 1) - math.lgamma(k + 1) - torch.lgamma(left.clamp_min(0) + 1)
    return value.masked_fill(left < 0, -math.inf)


def chance_mrr(count: int) -> float:
    """Return the mean reciprocal rank of a random order of `count` candidates."""
    return float((1 / np.arange(1, count + 1)).mean())


def alignment(rgb_ND: Tensor, lidar_ND: Tensor) -> float:
    """Return the mean squared distance of partners, 0 to 4 (Wang & Isola, arXiv 2005.10242)."""
    return (rgb_ND - lidar_ND).double().square().sum(1).mean().item()


def uniformity(embedding_ND: Tensor) -> float:
    """Return log E exp(-2·|x - y|²) over different pairs, -8 to 0; lower spreads more evenly."""
    squared = torch.pdist(embedding_ND.double()).square()
    return (-2 * squared).exp().mean().log().item()
