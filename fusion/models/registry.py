"""Registry of the networks that are compared: fusion x downsample x width; `build(config)`.

Every model maps (rgb_B3HW, lidar_B4HW) to logits_B; a logit above 0 says sphere. The networks are
the study's: at width 1 they have its channels and, to the last one, its parameters. What its peers
add stands on the same trunk as its intermediate fusions, so that arms differ in one thing only:
`early` merges RGB and XYZA at the input, `rgb` and `lidar` see one modality.

Width multiplies every number of channels and of hidden units, in encoders, embeddings and heads
alike, rounded and at least 1. Inputs (3 and 4 channels) and the logit stay.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from fusion.config import RunConfig
from fusion.models.encoders import IMAGE_SIZE, Embedder, block, feature_encoder, head, scaled
from fusion.models.operators import OPERATORS, Operator, concat

RGB_CHANNELS = 3
LIDAR_CHANNELS = 4


class Trunk(nn.Module):
    """Shared convolution and head: features (B, C, 16, 16) -> logits (B,)."""

    def __init__(self, channels: int, width: float, downsample: str) -> None:
        super().__init__()
        self.shared = block(channels, channels, downsample)
        cells = (IMAGE_SIZE // 2**3) ** 2
        self.head = head(channels * cells, (scaled(1000, width), scaled(100, width)))

    def forward(self, features_BCHW: Tensor) -> Tensor:
        return self.head(self.shared(features_BCHW)).squeeze(1)


class Intermediate(nn.Module):
    """Encode each modality to a feature map, merge the maps, classify."""

    def __init__(self, operator: Operator, width: float, downsample: str) -> None:
        super().__init__()
        self.rgb = feature_encoder(RGB_CHANNELS, width, downsample)
        self.lidar = feature_encoder(LIDAR_CHANNELS, width, downsample)
        self.merge = operator.merge
        self.trunk = Trunk(operator.channels * scaled(100, width), width, downsample)

    def forward(self, rgb_B3HW: Tensor, lidar_B4HW: Tensor) -> Tensor:
        return self.trunk(self.merge(self.rgb(rgb_B3HW), self.lidar(lidar_B4HW)))


class Late(nn.Module):
    """Embed each modality, concatenate the embeddings, classify."""

    def __init__(self, width: float, downsample: str) -> None:
        super().__init__()
        dense = scaled(100, width), scaled(200, width)
        self.rgb = Embedder(RGB_CHANNELS, width, downsample, dense)
        self.lidar = Embedder(LIDAR_CHANNELS, width, downsample, dense)
        self.head = head(2 * dense[1], (scaled(128, width),))

    def forward(self, rgb_B3HW: Tensor, lidar_B4HW: Tensor) -> Tensor:
        embeddings_BD = torch.cat([self.rgb(rgb_B3HW), self.lidar(lidar_B4HW)], dim=1)
        return self.head(embeddings_BD).squeeze(1)


class SingleStream(nn.Module):
    """One encoder for what `select` takes of the inputs: both modalities stacked, or one alone."""

    def __init__(
        self,
        select: Callable[[Tensor, Tensor], Tensor],
        in_channels: int,
        width: float,
        downsample: str,
    ) -> None:
        super().__init__()
        self.select = select
        self.encoder = feature_encoder(in_channels, width, downsample)
        self.trunk = Trunk(scaled(100, width), width, downsample)

    def forward(self, rgb_B3HW: Tensor, lidar_B4HW: Tensor) -> Tensor:
        return self.trunk(self.encoder(self.select(rgb_B3HW, lidar_B4HW)))


def rgb_only(rgb_B3HW: Tensor, lidar_B4HW: Tensor) -> Tensor:
    """Take the image and ignore the LiDAR."""
    return rgb_B3HW


def lidar_only(rgb_B3HW: Tensor, lidar_B4HW: Tensor) -> Tensor:
    """Take the LiDAR and ignore the image."""
    return lidar_B4HW


# fusion -> constructor(width, downsample)
MODELS: dict[str, Callable[[float, str], nn.Module]] = {
    "early": partial(SingleStream, concat, RGB_CHANNELS + LIDAR_CHANNELS),
    "late": Late,
    **{name: partial(Intermediate, operator) for name, operator in OPERATORS.items()},
    "rgb": partial(SingleStream, rgb_only, RGB_CHANNELS),
    "lidar": partial(SingleStream, lidar_only, LIDAR_CHANNELS),
}


def build(config: RunConfig) -> nn.Module:
    """Return the network of `config`, initialised from torch's global random state."""
    model = MODELS[config.fusion](config.width, config.downsample)
    if config.init == "lecun":
        keep_variance(model)
    return model


def example(device: torch.device | str = "cpu") -> tuple[Tensor, Tensor]:
    """Return the inputs of one sample, zeros: RGB (1, 3, 64, 64) and XYZA (1, 4, 64, 64)."""
    channels = (RGB_CHANNELS, LIDAR_CHANNELS)
    rgb_1CHW, lidar_1CHW = (
        torch.zeros(1, c, IMAGE_SIZE, IMAGE_SIZE, device=device) for c in channels
    )
    return rgb_1CHW, lidar_1CHW


@torch.no_grad()
def keep_variance(model: nn.Module) -> None:
    """Initialise as LeCun et al., "Efficient BackProp": variance 1 / fan-in, no biases.

    torch's own weights have a third of that variance, and random biases that soon outweigh the
    shrinking signal: the logits of `late` with strided_append then differ by 4e-5 between samples,
    and a budget of some hundred steps ends before the network has left chance. He's variance,
    twice as large, lets the products of matmul explode. The logit begins close to 0.
    """
    layers = [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    for layer in layers:
        nn.init.kaiming_normal_(layer.weight, nonlinearity="linear")
        nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    layers[-1].weight.mul_(0.1)
