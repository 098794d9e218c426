"""The networks that are compared. Each maps (rgb_BCHW, lidar_BCHW) to logits: (B,), or (B, K) for K
classes where there are more than two.

They are the study's: at width 1 they have its channels and, to the last one, its parameters. What
its peers add stands on the same trunk as its intermediate fusions, so that arms differ in one thing
only: `Early` merges the inputs, `RgbOnly` and `LidarOnly` see one modality.

Each says what others need to know of it: `encoders`, by modality, which may begin pre-trained, and
`head`, whose last layer sees the embedding of a sample. Names of parameters stay as they are: kept
weights bear them.

Width multiplies every number of channels and of hidden units, in encoders, embeddings and heads
alike, rounded and at least 1. Inputs and logits stay.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from fusion.data.shape import Shape
from fusion.models.encoders import Embedder, block, feature_encoder, head, scaled
from fusion.models.operators import concat

Merge = Callable[[Tensor, Tensor], Tensor]


class Trunk(nn.Module):
    """Shared convolution and head: features (B, C, H, W) -> logits."""

    def __init__(
        self, features: tuple[int, int, int], width: float, downsample: str, logits: int
    ) -> None:
        super().__init__()
        channels, height, wide = features
        self.shared = block(channels, channels, downsample)
        cells = (height // 2) * (wide // 2)
        hidden = scaled(1000, width), scaled(100, width)
        self.head = head(channels * cells, hidden, logits)

    def forward(self, features_BCHW: Tensor) -> Tensor:
        return self.head(self.shared(features_BCHW)).squeeze(1)


class Intermediate(nn.Module):
    """Encode each modality to a feature map, merge the maps, classify.

    `make_merge(channels)` gives what merges two maps of that many channels, learned or not.
    """

    def __init__(
        self, make_merge: Callable[[int], Merge], width: float, downsample: str, shape: Shape
    ) -> None:
        super().__init__()
        self.rgb = feature_encoder(shape.rgb, width, downsample)
        self.lidar = feature_encoder(shape.lidar, width, downsample)
        channels = scaled(100, width)
        self.merge = make_merge(channels)
        merged = merged_shape(self.merge, (channels, shape.height // 4, shape.width // 4))
        self.trunk = Trunk(merged, width, downsample, shape.logits)

    @property
    def encoders(self) -> dict[str, nn.Module]:
        return {"rgb": self.rgb, "lidar": self.lidar}

    @property
    def head(self) -> nn.Module:
        return self.trunk.head

    def forward(self, rgb_BCHW: Tensor, lidar_BCHW: Tensor) -> Tensor:
        return self.trunk(self.merge(self.rgb(rgb_BCHW), self.lidar(lidar_BCHW)))


@torch.no_grad()
def merged_shape(merge: Merge, of: tuple[int, int, int]) -> tuple[int, int, int]:
    """Return (C', H', W') of what a merge makes of two maps of shape (C, H, W).

    Raises ValueError where that is no map.
    """
    learned = isinstance(merge, nn.Module) and merge.training
    if learned:
        merge.eval()  # neither noise is drawn nor a running mean moved
    merged = merge(torch.zeros(1, *of), torch.zeros(1, *of))
    if learned:
        merge.train()
    found = tuple(merged.shape) if isinstance(merged, Tensor) else type(merged).__name__
    if not isinstance(merged, Tensor) or merged.ndim != 4 or len(merged) != 1:
        raise ValueError(f"two maps (B, C, H, W) must give one, not {found}")
    _, channels, height, width = merged.shape
    return channels, height, width


class Late(nn.Module):
    """Embed each modality, concatenate the embeddings, classify."""

    def __init__(self, width: float, downsample: str, shape: Shape) -> None:
        super().__init__()
        dense = scaled(100, width), scaled(200, width)
        cells = (shape.height // 16) * (shape.width // 16)
        self.rgb = Embedder(shape.rgb, width, downsample, dense, cells)
        self.lidar = Embedder(shape.lidar, width, downsample, dense, cells)
        self.head = head(2 * dense[1], (scaled(128, width),), shape.logits)

    @property
    def encoders(self) -> dict[str, nn.Module]:
        return {"rgb": self.rgb, "lidar": self.lidar}

    def forward(self, rgb_BCHW: Tensor, lidar_BCHW: Tensor) -> Tensor:
        embeddings_BD = torch.cat([self.rgb(rgb_BCHW), self.lidar(lidar_BCHW)], dim=1)
        return self.head(embeddings_BD).squeeze(1)


class SingleStream(nn.Module):
    """One encoder for what `select` takes of the inputs: both modalities stacked, or one alone."""

    def __init__(
        self, select: Merge, channels: int, width: float, downsample: str, shape: Shape
    ) -> None:
        super().__init__()
        self.select = select
        self.encoder = feature_encoder(channels, width, downsample)
        features = scaled(100, width), shape.height // 4, shape.width // 4
        self.trunk = Trunk(features, width, downsample, shape.logits)

    @property
    def encoders(self) -> dict[str, nn.Module]:
        return {}

    @property
    def head(self) -> nn.Module:
        return self.trunk.head

    def forward(self, rgb_BCHW: Tensor, lidar_BCHW: Tensor) -> Tensor:
        return self.trunk(self.encoder(self.select(rgb_BCHW, lidar_BCHW)))


class Early(SingleStream):
    """Stack the inputs."""

    def __init__(self, width: float, downsample: str, shape: Shape) -> None:
        super().__init__(concat, shape.rgb + shape.lidar, width, downsample, shape)


class RgbOnly(SingleStream):
    """Ignore the LiDAR."""

    def __init__(self, width: float, downsample: str, shape: Shape) -> None:
        super().__init__(rgb_only, shape.rgb, width, downsample, shape)


class LidarOnly(SingleStream):
    """Ignore the image."""

    def __init__(self, width: float, downsample: str, shape: Shape) -> None:
        super().__init__(lidar_only, shape.lidar, width, downsample, shape)


def rgb_only(rgb_BCHW: Tensor, lidar_BCHW: Tensor) -> Tensor:
    """Take the image."""
    return rgb_BCHW


def lidar_only(rgb_BCHW: Tensor, lidar_BCHW: Tensor) -> Tensor:
    """Take the LiDAR."""
    return lidar_BCHW
