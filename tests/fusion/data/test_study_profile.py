"""The study profile: what is known of the real data holds in every scene; its network learns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from fusion.config import RunConfig
from fusion.data import generate, raycast, scenes
from fusion.data.scenes import MAX_RANGE, PROFILES
from fusion.models.registry import build
from tests.fusion.data.folders import study_loader

PAIRS = 400
CHANCE = np.log(2)


@pytest.fixture(scope="module")
def depth_2NHW() -> np.ndarray:
    """Depth of 400 scenes, cubes first."""
    return np.concatenate([scenes.render("study", 0, chunk).depth_2NHW for chunk in range(50)], 1)


@pytest.fixture(scope="module")
def forward_2NHW(depth_2NHW: np.ndarray) -> np.ndarray:
    """Distance straight ahead of what each ray meets: constant on a plane that faces the LiDAR."""
    return depth_2NHW * raycast.LIDAR_RAYS[1]


@pytest.fixture(scope="module")
def object_2NHW(forward_2NHW: np.ndarray) -> np.ndarray:
    """Where the LiDAR sees the object."""
    return forward_2NHW < forward_2NHW.max((2, 3), keepdims=True) - 1


def test_the_plane_stands_at_2_1_to_2_2_mean_object_distances_in_every_scene(
    depth_2NHW, forward_2NHW, object_2NHW
):
    plane_2N = forward_2NHW.max((2, 3))
    behind = np.where(object_2NHW, plane_2N[..., None, None], forward_2NHW)
    np.testing.assert_allclose(behind.min((2, 3)), plane_2N, rtol=1e-5)  # flat, nothing else there
    centre_N = depth_2NHW[1].min((1, 2)) + 1  # nearest point of a sphere of radius 1
    assert np.abs(centre_N / PROFILES["study"].distance - 1).max() < 0.16
    ratio_2N = plane_2N / centre_N.mean()
    assert ratio_2N.min() > 2.12 and ratio_2N.max() < 2.18
    assert depth_2NHW.max() < MAX_RANGE  # so that every ray returns


def test_silhouettes_are_clean_and_of_the_real_size(object_2NHW):
    for axis in (2, 3):  # one run of pixels in each row and column: no holes, no specks
        edges = np.diff(object_2NHW.astype(int), axis=axis, prepend=0, append=0)
        assert (edges == 1).sum(axis).max() == 1
    across = object_2NHW.any(3).sum(2)  # rows that see the object
    assert across[1].min() >= 11 and across[1].max() <= 18 and 14 < across[1].mean() < 16
    # the sphere fits into the cube, whose mean width over all rotations is 1.5 edges, and whose
    # diagonal, of 1.73, is a little more when it points at the LiDAR, and in whole pixels
    ratio = across[0] / across[1]
    assert ratio.min() >= 1 and 1.45 < ratio.mean() < 1.55 and ratio.max() < 1.85


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> tuple[torch.Tensor, ...]:
    """RGB, XYZA and labels of 400 pairs, as the study reads and feeds them."""
    root: Path = tmp_path_factory.mktemp("data") / "study-400"
    generate.make(root, "study", PAIRS, 0, workers=1)
    rgb, xyza, labels = (np.stack(part) for part in zip(*study_loader(root).values(), strict=True))
    return tuple(torch.from_numpy(v.astype(np.float32)) for v in (rgb, xyza, labels))


# A minute on one idle core: the limit is for a machine that has other things to do
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", [0, 1])
def test_the_studys_concat_begins_to_learn(loaded, seed):
    """Full width, torch's initialisation, raw inputs, batch 32, Adam at a constant 1e-3."""
    rgb, xyza, labels = loaded
    torch.manual_seed(seed)
    model = build(RunConfig(fusion="concat", width=1.0, init="random"))
    model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.Adam(model.parameters(), 1e-3, fused=True)
    losses = []
    for _ in range(6):
        total = 0.0
        batches = torch.randperm(PAIRS).split(32)
        for index in batches:
            x = [v[index].contiguous(memory_format=torch.channels_last) for v in (rgb, xyza)]
            loss = nn.functional.binary_cross_entropy_with_logits(model(*x), labels[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(index)
        losses.append(total / PAIRS)
    assert losses[-1] < 0.68 < CHANCE
