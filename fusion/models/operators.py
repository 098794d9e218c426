"""How the feature maps of two modalities merge into one: (B, C, H, W) twice -> (B, C', H', W').

`torch.add`, `torch.mul` and `torch.matmul` are such functions as they are.
"""

from __future__ import annotations

import torch
from torch import Tensor


def concat(rgb_BCHW: Tensor, lidar_BCHW: Tensor) -> Tensor:
    """Stack along the channels."""
    return torch.cat([rgb_BCHW, lidar_BCHW], dim=1)
