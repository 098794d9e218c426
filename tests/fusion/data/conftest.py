"""A copy of the tiny data set, to be damaged."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest


@pytest.fixture
def copy(data_root: Path, tmp_path: Path) -> Path:
    """The tiny data set, to be damaged; without manifest and cache."""
    root = tmp_path / "copy"
    shutil.copytree(data_root, root, ignore=shutil.ignore_patterns("cache", "manifest.json"))
    return root
