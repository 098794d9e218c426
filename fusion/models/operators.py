"""How the feature maps of two modalities merge into one: (B, C, H, W) twice -> (B, C', H, W)."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor


class Operator(NamedTuple):
    """A merge, and C' / C: how many times the channels of one map its result has."""

    merge: Callable[[Tensor, Tensor], Tensor]
    channels: int


def concat(rgb_BCHW: Tensor, lidar_BCHW: Tensor) -> Tensor:
    """Stack along the channels."""
    return torch.cat([rgb_BCHW, lidar_BCHW], dim=1)


OPERATORS = {
    "concat": Operator(concat, 2),
    "add": Operator(torch.add, 1),
    # The Hadamard product, element by element: often confused with matmul.
    "mul": Operator(torch.mul, 1),
    # The matrix product of the two maps of each channel, over their spatial axes (H = W).
    "matmul": Operator(torch.matmul, 1),
}
