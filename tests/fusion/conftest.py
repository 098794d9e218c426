"""A tiny data set, made once, and what tests of training share."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from fusion.config import RunConfig
from fusion.data import generate
from fusion.data.dataset import Data, load


@pytest.fixture(scope="session")
def data_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 pairs of the fusion profile: 42 train, 6 val, 12 test."""
    root = tmp_path_factory.mktemp("data") / "fusion-60"
    generate.make(root, "fusion", 60, 0, workers=1)
    return root


@pytest.fixture(scope="session")
def data(data_root: Path) -> Data:
    device = torch.device("cpu")
    return load(str(data_root), split="default", train_pairs=0, align=False, device=device)


@pytest.fixture
def config(data_root: Path) -> RunConfig:
    """Three epochs of 6 steps (the last one smaller) that take about a second."""
    return RunConfig(data=str(data_root), fusion="concat", width=0.04, epochs=3, batch_size=8)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
