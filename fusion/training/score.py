"""How good logits are."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits


def score(part: str, logits_N: Tensor, labels: np.ndarray) -> dict[str, float]:
    """Return PART/loss (mean over samples), PART/accuracy and PART/f1 of label 1.

    A logit above 0 says 1. F1 is 0 where neither label nor prediction is ever 1.
    """
    logits_N, labels_N = logits_N.cpu(), torch.as_tensor(labels)
    predicted, actual = logits_N > 0, labels_N > 0
    hits = (predicted & actual).sum().item()
    said = predicted.sum().item() + actual.sum().item()
    loss = binary_cross_entropy_with_logits(logits_N.double(), labels_N.double())
    return {
        f"{part}/loss": loss.item(),
        f"{part}/accuracy": (predicted == actual).double().mean().item(),
        f"{part}/f1": 2 * hits / said if said else 0.0,
    }
