"""What each network is shown: standardised images by index, on the device, shifted where asked.

Inputs `cilp` are the study's: RGBA, and raw depth in one channel. Inputs `fusion` are those of the
fusion models, RGB and XYZA, so that encoders trained here can become theirs.

Legend: B batch, C channels, H/W pixels.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from fusion.data import splits
from fusion.data.dataset import Data
from fusion.data.packed import moments
from fusion.training.loop import EVALUATION_BATCH, stream
from fusion.training.score import score

CHANNELS = {"cilp": (4, 1), "fusion": (3, 4)}
# Standard deviations. "No return" is reported as a range far behind everything else.
FARTHEST = 4.0


class Views:
    """The parts of a data set as network inputs, and their labels."""

    def __init__(self, data: Data, inputs: str) -> None:
        self.data, self.inputs, self.device = data, inputs, data.device
        self.rgb_channels, self.lidar_channels = CHANNELS[inputs]
        if inputs == "cilp":
            self._store(data)

    def _store(self, data: Data) -> None:
        parts = data.parts
        self._rgb = {n: torch.from_numpy(p.rgb_NHWC).to(self.device) for n, p in parts.items()}
        self._depth = {n: torch.from_numpy(p.depth_NHW).to(self.device) for n, p in parts.items()}
        counts = np.stack([_histogram(parts["train"].rgb_NHWC[..., c]) for c in range(4)])
        level = np.arange(256)
        mean, std = moments(counts @ level, counts @ level**2, counts.sum(1))
        depth = parts["train"].depth_NHW
        # Float64 sums: the mean of millions of float32 values drifts
        far = float(depth.std(dtype=np.float64)) or 1.0
        self._depth_line = float(depth.mean(dtype=np.float64)), far
        self._rgb_mean, self._rgb_std = (
            torch.tensor(values, dtype=torch.float32, device=self.device) for values in (mean, std)
        )

    @property
    def final_part(self) -> str:
        """The part that has no say in training: test, or val where there is no test part."""
        return "test" if "test" in self.data.parts else "val"

    def example(self) -> Tensor:
        """Return one RGB image (1, C, H, W)."""
        return self.rgb("train", torch.zeros(1, dtype=torch.int64))

    def count(self, part: str) -> int:
        """Return the number of pairs of a part."""
        return len(self.data.parts[part].ids)

    def labels(self, part: str) -> Tensor:
        """Return float32 labels (N,), on the device."""
        return torch.from_numpy(self.data.parts[part].labels).to(self.device)

    def rgb(self, part: str, index_B: Tensor) -> Tensor:
        """Return (B, 4 or 3, H, W), channels_last."""
        if self.inputs == "fusion":
            return self.data.batch(part, index_B).rgb_BCHW
        rgb_BHWC = self._rgb[part][index_B.to(self.device)]
        return ((rgb_BHWC - self._rgb_mean) / self._rgb_std).permute(0, 3, 1, 2)

    def lidar(self, part: str, index_B: Tensor) -> Tensor:
        """Return (B, 1 or 4, H, W), channels_last."""
        if self.inputs == "fusion":
            return self.data.batch(part, index_B).lidar_BCHW
        mean, std = self._depth_line
        depth_BHW = (self._depth[part][index_B.to(self.device)] - mean) / std
        return depth_BHW.clamp(max=FARTHEST)[:, None]

    def both(self, part: str, index_B: Tensor) -> tuple[Tensor, Tensor]:
        """Return the pairs at `index_B`."""
        if self.inputs == "fusion":
            batch = self.data.batch(part, index_B)
            return batch.rgb_BCHW, batch.lidar_BCHW
        return self.rgb(part, index_B), self.lidar(part, index_B)

    @torch.no_grad()
    def gather(self, part: str, function: Callable[[Tensor], Tensor]) -> Tensor:
        """Return (N, …): `function` of the indices of a part, in order; nothing learns from it."""
        indices = torch.arange(self.count(part)).split(EVALUATION_BATCH)
        return torch.cat([function(index_B) for index_B in indices])

    def score(self, part: str, logits_N: Tensor) -> dict[str, float]:
        """Return PART/loss, PART/accuracy and PART/f1."""
        return score(part, logits_N, self.data.parts[part].labels)

    def labelled(self, fraction: float, seed: int) -> Tensor:
        """Return indices of the training pairs whose label may be seen: stratified, at least 2.

        Which ones depends on the seed; a larger fraction holds a smaller one.
        """
        ids = self.data.parts["train"].ids
        count = max(2, round(fraction * len(ids)))
        order = torch.randperm(len(ids), generator=stream(seed, "labels")).tolist()
        return torch.tensor(sorted(splits.first(ids, order, count)))


def shift(images_BCHW: Tensor, most: int) -> Tensor:
    """Move each image by up to `most` pixels in both directions; edges are repeated.

    Done to both modalities independently, it keeps partners from being matched by position alone.
    Draws from torch's global random state.
    """
    if most == 0:
        return images_BCHW
    count, _, height, width = images_BCHW.shape
    down, right = torch.randint(-most, most + 1, (2, count))
    rows_BH = (torch.arange(height) + down[:, None]).clamp(0, height - 1)
    columns_BW = (torch.arange(width) + right[:, None]).clamp(0, width - 1)
    images_BHWC = images_BCHW.permute(0, 2, 3, 1)
    which = torch.arange(count)[:, None, None]
    moved = images_BHWC[which, rows_BH[:, :, None], columns_BW[:, None, :]]
    return moved.permute(0, 3, 1, 2)


def _histogram(values: np.ndarray) -> np.ndarray:
    return np.bincount(values.ravel(), minlength=256).astype(np.float64)
