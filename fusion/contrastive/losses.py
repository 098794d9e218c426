"""The contrastive loss in the forms that are compared, with its chance and floor lines.

Legend: B pairs in a batch, D embedding. Embeddings are L2-normalised, so products are cosines.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

# A logit scale above this trains unstably (CLIP, arXiv 2103.00020, section 2.5).
MAX_SCALE = 100.0
# The study's (cos + 1) / 2 has a slope of one half and no temperature.
STUDY_SCALE = 0.5


class Logits(nn.Module):
    """Turn the cosines of all pairs of a batch into logits: `scale` times the cosine.

    study: (cos + 1) / 2, as published; fixed: cos / temperature; learned: cos times
    exp(logit_scale), which starts at 1 / temperature and is clamped to MAX_SCALE.
    """

    def __init__(self, form: str, temperature: float = 0.07) -> None:
        super().__init__()
        self.form = form
        self.temperature = temperature
        if form == "learned":
            self.logit_scale = nn.Parameter(torch.tensor(-math.log(temperature)))

    def scale(self) -> Tensor:
        """Return the factor on the cosines; the clamp keeps the gradient below MAX_SCALE only."""
        if self.form == "learned":
            return self.logit_scale.clamp(max=math.log(MAX_SCALE)).exp()
        return torch.tensor(STUDY_SCALE if self.form == "study" else 1 / self.temperature)

    def forward(self, rgb_BD: Tensor, lidar_BD: Tensor) -> Tensor:
        """Return (B, B): rows are RGB, columns LiDAR; pairs stand on the diagonal."""
        logits_BB = self.scale().to(rgb_BD) * (rgb_BD @ lidar_BD.T)
        # The shift cancels in the softmax; it is kept so that the numbers are the study's.
        return logits_BB + STUDY_SCALE if self.form == "study" else logits_BB


def pair_losses(logits_BB: Tensor) -> Tensor:
    """Return (B,): each pair's loss in nats, the mean of RGB → LiDAR and LiDAR → RGB."""
    target_B = torch.arange(len(logits_BB), device=logits_BB.device)
    rows_B = nn.functional.cross_entropy(logits_BB, target_B, reduction="none")
    columns_B = nn.functional.cross_entropy(logits_BB.T, target_B, reduction="none")
    return (rows_B + columns_B) / 2


def chance(batch_size: int) -> float:
    """Return ln B: without knowledge of the pairing no logits have a lower expected loss.

    Averaged over all pairings a row's loss is log-sum-exp minus the mean of its logits, which
    Jensen's inequality bounds by ln B; equal logits attain it.
    """
    return math.log(batch_size)


def floor(batch_size: int, scale: float) -> float:
    """Return the loss that no unit-length embeddings can go below, at this scale on the cosines.

    For unit vectors u_i, v_j the mean cosine on the diagonal exceeds the mean off it by at most
    B / (B - 1), since U·V ≥ -|U - V|² / 4 for the sums U, V, and |U - V|² ≤ B·Σ|u_i - v_i|². The
    loss is convex in the logits and falls with that gap, so Jensen's inequality bounds it by
    ln(1 + (B - 1)·exp(-scale·B / (B - 1))). A simplex of B points with u_i = v_i attains it, which
    needs B ≤ D + 1.
    """
    if batch_size < 2:
        return 0.0
    gap = batch_size / (batch_size - 1)
    return math.log1p((batch_size - 1) * math.exp(-scale * gap))


@torch.inference_mode()
def evaluate(rgb_ND: Tensor, lidar_ND: Tensor, logits: Logits, batch_size: int) -> float:
    """Return the mean loss of N pairs, each judged once among `batch_size` candidates.

    The value depends on the number of candidates, so the last batch is filled up with pairs from
    the beginning, of which the loss is not counted again. Pairs should be in random order.
    """
    total, count = 0.0, len(rgb_ND)
    size = min(batch_size, count)
    for start in range(0, count, size):
        index = torch.arange(start, start + size, device=rgb_ND.device) % count
        losses_B = pair_losses(logits(rgb_ND[index], lidar_ND[index]))
        total += losses_B[: count - start].double().sum().item()
    return total / count
