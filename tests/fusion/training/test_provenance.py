"""Provenance is complete, knows what may have been imported, and survives a machine without git."""

from __future__ import annotations

import json
import subprocess
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest
import torch

from contract.names import PROVENANCE
from fusion.training.provenance import provenance

CPU = torch.device("cpu")


def test_provenance_is_complete_and_fit_for_json():
    hashes = {"data": "d" * 64, "split": "s" * 64, "test": ""}
    found = provenance(CPU, hashes)
    assert tuple(found) == PROVENANCE
    assert found["data_hash"] == "d" * 64 and found["test_hash"] == ""
    assert found["gpu"] == "" and found["precision"] == "float32"
    assert json.loads(json.dumps(found)) == found


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with a commit."""
    root = (tmp_path / "checkout").resolve()
    (root / "fusion").mkdir(parents=True)
    (root / "fusion" / "models.py").write_text("1")
    (root / "README.md").write_text("x")
    (root / ".gitignore").write_text("/runs/\n")
    for words in (
        ("init", "-q"),
        ("add", "."),
        ("-c", "user.name=n", "-c", "user.email=e", "commit", "-qm", "first"),
    ):
        subprocess.run(["git", "-C", str(root), *words], check=True)
    return root


@pytest.mark.parametrize(
    ("file", "dirty"),
    [
        # what commands write, wherever in the checkout a person lets them
        ("results/run/summary.json", False),
        ("results/run/weights.safetensors", False),
        ("results/run/wandb/run-20260101_000000-a/files/code/runner.py", False),
        ("mine/manifest.json", False),
        ("mine/cache/.lock", False),
        ("sweeps/cache/.lock", False),
        ("report.md", False),
        ('tägs "1".json', False),
        ("venv/lib/python3.13/site-packages/numpy/core.py", False),
        ("runs/a/mine.py", False),
        # what python might import instead of what is committed
        ("numpy.py", True),
        ("fusion/late.py", True),
        ("fusion/late" + EXTENSION_SUFFIXES[0], True),
        ("torch/nn/__init__.py", True),
        # what was committed and is not the same any more
        ("fusion/models.py", True),
        ("README.md", True),
    ],
)
def test_a_checkout_is_dirty_where_its_code_may_be_another(checkout, file, dirty):
    assert provenance(CPU, {}, checkout)["dirty"] is False
    (checkout / file).parent.mkdir(parents=True, exist_ok=True)
    (checkout / file).write_text("y")
    assert provenance(CPU, {}, checkout)["dirty"] is dirty


def test_a_checkout_is_dirty_where_a_file_is_gone_or_renamed(checkout):
    (checkout / "fusion" / "models.py").rename(checkout / "fusion" / "models.txt")
    assert provenance(CPU, {}, checkout)["dirty"] is True


def test_looking_at_the_checkout_takes_no_lock_in_it(checkout):
    (checkout / ".git" / "index.lock").touch()  # a person is committing
    (checkout / "README.md").write_text("y")
    assert provenance(CPU, {}, checkout)["dirty"] is True
    before = (checkout / ".git" / "index").stat().st_mtime_ns
    (checkout / ".git" / "index.lock").unlink()
    (checkout / "README.md").write_text("x")
    assert provenance(CPU, {}, checkout)["dirty"] is False
    assert (checkout / ".git" / "index").stat().st_mtime_ns == before


def test_provenance_without_git(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    found = provenance(CPU, {})
    assert found["commit"] == "" and found["dirty"] == ""
    assert found["torch"] == torch.__version__
