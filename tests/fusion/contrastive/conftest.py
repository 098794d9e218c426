"""A tiny data set of the study profile, and what the networks see of it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from fusion.contrastive.views import Views
from fusion.data.dataset import load
from fusion.data.generate import make

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data") / "study"
    make(root, "study", 120, 0, workers=1)
    return root


@pytest.fixture(scope="module")
def views(root: Path) -> Views:
    return views_of(root, "cilp")


def views_of(root: Path, inputs: str) -> Views:
    data = load(str(root), split="default", train_pairs=0, align=False, device=CPU)
    return Views(data, inputs)
