"""What each network is shown."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from fusion.contrastive.views import Views, shift
from tests.fusion.contrastive.conftest import views_of


def test_views_are_standardised_and_have_the_channels_of_their_networks(root: Path) -> None:
    for inputs, channels in (("cilp", (4, 1)), ("fusion", (3, 4))):
        views = views_of(root, inputs)
        index = torch.arange(views.count("train"))
        for images, count in zip(views.both("train", index), channels, strict=True):
            assert images.shape == (len(index), count, 64, 64)
            assert images.is_contiguous(memory_format=torch.channels_last)
        rgb = views.rgb("train", index)
        assert torch.allclose(rgb.mean((0, 2, 3)), torch.zeros(channels[0]), atol=1e-3)
        assert torch.allclose(rgb.std((0, 2, 3)), torch.ones(channels[0]), atol=1e-2)
    depth = views_of(root, "cilp").lidar("train", index)
    assert depth.mean().item() == pytest.approx(0, abs=1e-3)


def test_a_shift_moves_images_and_repeats_their_edges() -> None:
    torch.manual_seed(0)
    images = torch.arange(64.0).expand(20, 2, 64, 64).contiguous()
    moved = shift(images, 5)
    steps = moved[:, 0, 0, 32] - 32
    assert steps.abs().max() <= 5 and len(set(steps.tolist())) > 3
    for image, step in zip(moved[:, 0, 0], steps, strict=True):
        assert torch.equal(image, (torch.arange(64.0) + step).clamp(0, 63))
    assert shift(images, 0) is images


def test_labels_are_nested_stratified_and_differ_between_seeds(views: Views) -> None:
    labels = views.labels("train")
    few, more = views.labelled(0.1, 0), views.labelled(0.5, 0)
    assert set(few.tolist()) <= set(more.tolist())
    assert labels[few].mean() == labels[more].mean() == 0.5
    assert len(views.labelled(1e-6, 0)) == 2 and len(views.labelled(1.0, 0)) == len(labels)
    assert set(few.tolist()) != set(views.labelled(0.1, 1).tolist())
