"""The contrastive loss against its definition in float64, and its chance and floor lines."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from torch import nn

from fusion.contrastive.losses import MAX_SCALE, Logits, chance, evaluate, floor, pair_losses

FORMS = ("study", "fixed", "learned")
SIZES = (2, 5, 32, 256)


def unit(count: int, width: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return nn.functional.normalize(
        torch.randn(count, width, generator=generator, dtype=torch.float64), dim=1
    )


def simplex(count: int) -> torch.Tensor:
    """Return `count` unit vectors with equal negative cosines, in as many dimensions."""
    centred = torch.eye(count, dtype=torch.float64) - 1 / count
    return nn.functional.normalize(centred, dim=1)


def reference(rgb: np.ndarray, lidar: np.ndarray, form: str, temperature: float) -> float:
    """The definition, written out pair by pair in float64."""
    total = 0.0
    count = len(rgb)
    scale = math.exp(min(-math.log(temperature), math.log(MAX_SCALE)))
    for i, (left, right) in itertools.product(range(count), ((rgb, lidar), (lidar, rgb))):
        cosines = [
            float(left[i] @ right[j] / np.linalg.norm(left[i]) / np.linalg.norm(right[j]))
            for j in range(count)
        ]
        logits = [(c + 1) / 2 if form == "study" else scale * c for c in cosines]
        total += math.log(sum(math.exp(x) for x in logits)) - logits[i]
    return total / (2 * count)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("size", [2, 5, 32])
def test_the_loss_is_its_definition(form: str, size: int) -> None:
    rgb, lidar = unit(size, 7, 0), unit(size, 7, 1)
    expected = reference(rgb.numpy(), lidar.numpy(), form, 0.2)
    exact = pair_losses(Logits(form, 0.2).double()(rgb, lidar)).mean().item()
    assert exact == pytest.approx(expected, rel=1e-7)
    single = pair_losses(Logits(form, 0.2)(rgb.float(), lidar.float())).mean().item()
    assert single == pytest.approx(expected, rel=1e-5)


def test_the_studys_lines_at_batch_32() -> None:
    assert chance(32) == pytest.approx(3.4657, abs=1e-4)
    assert floor(32, 0.5) == pytest.approx(2.9705, abs=1e-4)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("form", FORMS)
def test_a_simplex_attains_the_floor_and_equal_embeddings_attain_chance(
    form: str, size: int
) -> None:
    logits = Logits(form).double()
    scale = logits.scale().item()
    points = simplex(size)
    best = pair_losses(logits(points, points)).mean().item()
    assert best == pytest.approx(floor(size, scale), rel=1e-6, abs=1e-12)
    same = points[:1].expand(size, -1)
    assert pair_losses(logits(same, same)).mean().item() == pytest.approx(chance(size), rel=1e-9)


@pytest.mark.parametrize("size", [3, 8])
def test_optimised_embeddings_never_pass_the_floor(size: int) -> None:
    """Gradient descent on free vectors comes near the bound from above: it is tight."""
    logits = Logits("study").double()
    free = [unit(size, size, seed).requires_grad_() for seed in (0, 1)]
    optimizer = torch.optim.Adam(free, lr=0.1)
    values = []
    for _ in range(300):
        optimizer.zero_grad()
        left, right = (nn.functional.normalize(x, dim=1) for x in free)
        loss = pair_losses(logits(left, right)).mean()
        loss.backward()
        optimizer.step()
        values.append(loss.item())
    assert min(values) >= floor(size, 0.5) - 1e-12
    assert values[-1] == pytest.approx(floor(size, 0.5), abs=1e-3)


@pytest.mark.parametrize("form", FORMS)
def test_the_order_of_pairs_does_not_matter(form: str) -> None:
    rgb, lidar = unit(12, 6, 2), unit(12, 6, 3)
    order = torch.randperm(12, generator=torch.Generator().manual_seed(0))
    logits = Logits(form)
    losses = pair_losses(logits(rgb, lidar))
    assert torch.allclose(pair_losses(logits(rgb[order], lidar[order])), losses[order])


@pytest.mark.parametrize("form", FORMS)
def test_a_shuffled_pairing_is_no_better_than_chance(form: str) -> None:
    embedding = unit(64, 32, 4)
    logits = Logits(form)
    paired = pair_losses(logits(embedding, embedding)).mean().item()
    orders = [torch.randperm(64, generator=torch.Generator().manual_seed(s)) for s in range(20)]
    shuffled = [pair_losses(logits(embedding, embedding[o])).mean().item() for o in orders]
    assert paired < chance(64) - 0.2
    assert np.mean(shuffled) > chance(64) - 0.02


def test_a_learned_scale_gets_gradients_and_is_clamped() -> None:
    logits = Logits("learned", 0.07)
    assert logits.scale().item() == pytest.approx(1 / 0.07, rel=1e-5)
    pair_losses(logits(unit(8, 4, 0).float(), unit(8, 4, 1).float())).mean().backward()
    assert logits.logit_scale.grad is not None and logits.logit_scale.grad.abs() > 0
    with torch.no_grad():
        logits.logit_scale.fill_(50.0)
    assert logits.scale().item() == pytest.approx(MAX_SCALE, rel=1e-5)
    assert not list(Logits("fixed").parameters()) and not list(Logits("study").parameters())


@pytest.mark.parametrize(("count", "batch_size"), [(10, 4), (8, 4), (3, 32)])
def test_evaluation_counts_every_pair_once_among_equally_many_candidates(
    count: int, batch_size: int
) -> None:
    rgb, lidar = unit(count, 5, 0), unit(count, 5, 1)
    logits = Logits("fixed")
    size = min(count, batch_size)
    losses = []
    for i in range(count):
        start = i // size * size
        members = [(start + j) % count for j in range(size)]
        losses.append(pair_losses(logits(rgb[members], lidar[members]))[i - start].item())
    assert evaluate(rgb, lidar, logits, batch_size) == pytest.approx(np.mean(losses), rel=1e-9)
