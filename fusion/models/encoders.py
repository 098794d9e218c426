"""Convolution blocks: 3x3 convolutions that halve their feature map, and what is built of them.

Axes in names: B batch, C channels, H/W height and width, D embedding.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

IMAGE_SIZE = 64
CELLS = (IMAGE_SIZE // 2**4) ** 2  # of the map that four blocks leave


def scaled(count: int, width: float) -> int:
    """Return the study's number of channels or hidden units times `width`, at least 1."""
    return max(1, round(count * width))


def block(in_channels: int, out_channels: int, downsample: str) -> nn.Sequential:
    """Return convolution, ReLU and downsampling: (B, in, H, W) -> (B, out, H/2, W/2).

    - maxpool: 2x2 maximum. Taken before the ReLU: the same function on a quarter of the elements.
    - avgpool: 2x2 mean.
    - blurpool: low-pass filter [1 2 1] x [1 2 1] / 16, then every second pixel (Zhang, "Making
      Convolutional Networks Shift-Invariant Again", ICML 2019).
    - strided_append: one more convolution of stride 2, with no activation after it.
    - strided_replace: the convolution itself has stride 2.
    """
    stride = 2 if downsample == "strided_replace" else 1
    convolution = nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1)
    match downsample:
        case "maxpool":
            after = [nn.MaxPool2d(2), nn.ReLU()]
        case "avgpool":
            after = [nn.ReLU(), nn.AvgPool2d(2)]
        case "blurpool":
            after = [nn.ReLU(), BlurPool()]
        case "strided_append":
            after = [nn.ReLU(), nn.Conv2d(out_channels, out_channels, 3, stride=2, padding=1)]
        case "strided_replace":
            after = [nn.ReLU()]
        case _:
            raise ValueError(f"unknown downsample {downsample!r}")
    return nn.Sequential(convolution, *after)


class BlurPool(nn.Module):
    """Low-pass filter and halve: (B, C, H, W) -> (B, C, H/2, W/2). Nothing is learned."""

    kernel: Tensor

    def __init__(self) -> None:
        super().__init__()
        binomial = torch.tensor([1.0, 2.0, 1.0]) / 4
        kernel = torch.outer(binomial, binomial)[None, None]
        self.register_buffer("kernel", kernel, persistent=False)

    def forward(self, images_BCHW: Tensor) -> Tensor:
        channels = images_BCHW.shape[1]
        padded = nn.functional.pad(images_BCHW, (1, 1, 1, 1), mode="reflect")
        # One convolution by channel: four times as fast on a CPU as two 2x2 means, the same filter.
        return nn.functional.conv2d(
            padded, self.kernel.expand(channels, 1, 3, 3), stride=2, groups=channels
        )


def feature_encoder(in_channels: int, width: float, downsample: str) -> nn.Sequential:
    """Return the encoder before an intermediate merge: (B, in, 64, 64) -> (B, C, 16, 16).

    C is 100 at width 1.
    """
    c1, c2 = scaled(50, width), scaled(100, width)
    return nn.Sequential(block(in_channels, c1, downsample), block(c1, c2, downsample))


def convolutions(in_channels: int, width: float, downsample: str) -> nn.Sequential:
    """Return four blocks: (B, in, 64, 64) -> (B, C, 4, 4), C is 200 at width 1."""
    channels = [in_channels, *(scaled(count, width) for count in (50, 100, 200, 200))]
    return nn.Sequential(*(block(a, b, downsample) for a, b in pairwise(channels)))


class Embedder(nn.Module):
    """One modality to an embedding of length 1: (B, in, 64, 64) -> (B, D).

    `dense`: hidden units, and D. `cells`: of the map that four blocks leave, for images of another
    size.
    """

    def __init__(
        self,
        in_channels: int,
        width: float,
        downsample: str,
        dense: tuple[int, int],
        cells: int = CELLS,
    ) -> None:
        super().__init__()
        self.blocks = convolutions(in_channels, width, downsample)
        self.dense = nn.Sequential(
            nn.Flatten(),
            nn.Linear(scaled(200, width) * cells, dense[0]),
            nn.ReLU(),
            nn.Linear(*dense),
        )

    def before_normalisation(self, images_BCHW: Tensor) -> Tensor:
        """Return the embedding with the length that normalisation takes away."""
        return self.dense(self.blocks(images_BCHW))

    def forward(self, images_BCHW: Tensor) -> Tensor:
        return nn.functional.normalize(self.before_normalisation(images_BCHW))


def head(features: int, hidden: tuple[int, ...], logits: int = 1) -> nn.Sequential:
    """Return the dense layers from (B, …) features to logits (B, K), with ReLU between them."""
    sizes = [features, *hidden]
    layers: list[nn.Module] = [nn.Flatten()]
    for before, after in pairwise(sizes):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(sizes[-1], logits))
