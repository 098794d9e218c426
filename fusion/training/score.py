"""How good logits are: (N,) of two classes, a logit above 0 says 1; or (N, K), the largest says it.

The loss is cross-entropy in nats, of one logit or over K of them.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy


def loss_of(logits: Tensor, labels_N: Tensor, reduction: str = "mean") -> Tensor:
    """Return the mean of the loss, or with reduction "none" that of each sample (N,)."""
    if logits.ndim == 1:
        return binary_cross_entropy_with_logits(logits, labels_N, reduction=reduction)
    return cross_entropy(logits, labels_N.long(), reduction=reduction)


def predicted(logits: Tensor) -> Tensor:
    """Return the index (N,) of the class that the logits say."""
    return logits > 0 if logits.ndim == 1 else logits.argmax(1)


def score(part: str, logits: Tensor, labels: np.ndarray) -> dict[str, float]:
    """Return PART/loss (mean over samples), PART/accuracy and PART/f1.

    F1 is that of label 1, of more than two classes the mean over them. It is 0 where neither label
    nor prediction is ever that class.
    """
    logits, labels_N = logits.cpu(), torch.as_tensor(labels)
    said_N = predicted(logits)
    classes = [1] if logits.ndim == 1 else range(logits.shape[1])
    return {
        f"{part}/loss": loss_of(logits.double(), labels_N.double()).item(),
        f"{part}/accuracy": (said_N == labels_N).double().mean().item(),
        f"{part}/f1": sum(_f1(said_N == c, labels_N == c) for c in classes) / len(classes),
    }


def terms(part: str, logits: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
    """Return what each sample (N,) adds to PART/loss and PART/accuracy."""
    found, labels_N = torch.as_tensor(logits), torch.as_tensor(labels)
    losses_N = loss_of(found.double(), labels_N.double(), reduction="none")
    right_N = (predicted(found) == labels_N).int()
    return {f"{part}/loss": losses_N.numpy(), f"{part}/accuracy": right_N.numpy()}


def _f1(said_N: Tensor, actual_N: Tensor) -> float:
    either = said_N.sum().item() + actual_N.sum().item()
    return 2 * (said_N & actual_N).sum().item() / either if either else 0.0
