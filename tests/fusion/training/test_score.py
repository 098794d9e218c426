"""Scores are those of their definitions."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fusion.training.score import score


def test_scores_are_those_of_their_definitions():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(99, generator=generator)
    labels = (torch.rand(99, generator=generator) < 0.3).float().numpy()
    found = score("val", logits, labels)
    chance = 1 / (1 + np.exp(-logits.double().numpy()))
    said, true = chance > 0.5, labels == 1
    precision, recall = (said & true).sum() / said.sum(), (said & true).sum() / true.sum()
    assert found["val/accuracy"] == pytest.approx((said == true).mean())
    assert found["val/f1"] == pytest.approx(2 * precision * recall / (precision + recall))
    assert found["val/loss"] == pytest.approx(-np.log(np.where(true, chance, 1 - chance)).mean())
    assert score("val", -torch.ones(3), np.zeros(3))["val/f1"] == 0.0
