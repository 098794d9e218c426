"""Per-example terms, whose mean over the examples is a run's metric. S seeds, N examples."""

from __future__ import annotations

import numpy as np


def correctness(logits_SN: np.ndarray, labels_N: np.ndarray) -> np.ndarray:
    """1.0 where the prediction (logit > 0) equals the label, else 0.0."""
    return ((logits_SN > 0) == (labels_N > 0)).astype(float)


def cross_entropy(logits_SN: np.ndarray, labels_N: np.ndarray) -> np.ndarray:
    """Binary cross-entropy per example in nats, computed in float64 without overflow."""
    logits_SN = np.asarray(logits_SN, dtype=float)
    return np.logaddexp(0.0, logits_SN) - logits_SN * labels_N


def f1_terms(logits_SN: np.ndarray, labels_N: np.ndarray) -> np.ndarray:
    """Per-example terms whose mean over N is a run's F1 of label 1.

    F1 is a ratio, not a mean: the term of an example is F1 plus its influence, the first-order
    change of F1 with that example's weight. F1 is 0 where nothing is positive.
    """
    said, true = logits_SN > 0, labels_N > 0
    twice_hit = 2.0 * (said & true)
    counted = said.astype(float) + true
    mean_counted = counted.mean(-1, keepdims=True)
    safe = np.where(mean_counted > 0, mean_counted, 1.0)
    f1 = twice_hit.mean(-1, keepdims=True) / safe
    return f1 + (twice_hit - f1 * counted) / safe
