"""Retrieval metrics against brute force, and their chance lines."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import nn

from fusion.contrastive import retrieval


def pair(count: int, width: int, noise: float, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    rgb = torch.randn(count, width, generator=generator)
    lidar = rgb + noise * torch.randn(count, width, generator=generator)
    return nn.functional.normalize(rgb, dim=1), nn.functional.normalize(lidar, dim=1)


@pytest.mark.parametrize("depth", [1, 2, 5])
@pytest.mark.parametrize("candidates", [2, 5, 9])
def test_recall_is_the_mean_over_every_candidate_set(depth: int, candidates: int) -> None:
    rgb, lidar = pair(9, 3, 1.0)
    similarity = (rgb @ lidar.T).numpy()
    hits = []
    for query in range(9):
        others = [j for j in range(9) if j != query]
        for wrong in itertools.combinations(others, candidates - 1):
            above = sum(similarity[query, j] >= similarity[query, query] for j in wrong)
            hits.append(above < depth)
    above_N = retrieval.stronger(torch.from_numpy(similarity))
    assert retrieval.recall(above_N, depth, candidates) == pytest.approx(np.mean(hits), abs=1e-12)


def test_both_directions_and_the_rank_against_sorting() -> None:
    rgb, lidar = pair(40, 4, 0.8)
    values = retrieval.metrics(rgb, lidar)
    for name, matrix in (("rgb_to_lidar", rgb @ lidar.T), ("lidar_to_rgb", lidar @ rgb.T)):
        order = matrix.argsort(dim=1, descending=True).numpy()
        ranks = np.array([list(row).index(i) + 1 for i, row in enumerate(order)])
        assert values[f"{name}/recall@1_of_all"] == pytest.approx((ranks <= 1).mean())
        assert values[f"{name}/recall@5_of_all"] == pytest.approx((ranks <= 5).mean())
        assert values[f"{name}/mrr"] == pytest.approx((1 / ranks).mean())
    assert "rgb_to_lidar/recall@1_of_32" in values
    assert not any("of_256" in key for key in values), "40 pairs hold no 256 candidates"
    assert values["rgb_to_lidar/mrr"] != values["lidar_to_rgb/mrr"]


def test_the_order_of_pairs_does_not_matter() -> None:
    rgb, lidar = pair(50, 4, 0.8)
    order = torch.randperm(50, generator=torch.Generator().manual_seed(3))
    before, after = retrieval.metrics(rgb, lidar), retrieval.metrics(rgb[order], lidar[order])
    assert after == pytest.approx(before, rel=1e-9)


def test_a_shuffled_pairing_falls_to_chance_and_a_collapse_scores_nothing() -> None:
    rgb, lidar = pair(400, 16, 0.2)
    assert retrieval.metrics(rgb, lidar)["rgb_to_lidar/recall@1_of_32"] > 0.9
    order = torch.randperm(400, generator=torch.Generator().manual_seed(1))
    shuffled = retrieval.metrics(rgb, lidar[order])
    for name in ("rgb_to_lidar", "lidar_to_rgb"):
        assert shuffled[f"{name}/recall@1_of_32"] == pytest.approx(1 / 32, abs=0.02)
        assert shuffled[f"{name}/recall@5_of_256"] == pytest.approx(5 / 256, abs=0.02)
        assert shuffled[f"{name}/mrr"] == pytest.approx(retrieval.chance_mrr(400), abs=0.01)
    same = torch.ones(400, 1)
    assert retrieval.metrics(same, same)["rgb_to_lidar/recall@5_of_all"] == 0


def test_alignment_and_uniformity_are_their_definitions() -> None:
    rgb, lidar = pair(12, 5, 0.5)
    squared = [float(((a - b) ** 2).sum()) for a, b in zip(rgb, lidar, strict=True)]
    assert retrieval.alignment(rgb, lidar) == pytest.approx(np.mean(squared), rel=1e-5)
    kernel = [np.exp(-2 * float(((a - b) ** 2).sum())) for a, b in itertools.combinations(rgb, 2)]
    assert retrieval.uniformity(rgb) == pytest.approx(np.log(np.mean(kernel)), rel=1e-5)
    assert retrieval.uniformity(torch.ones(4, 1)) == pytest.approx(0)
