"""Costs are exact, memory is this process's own, and provenance survives a machine without git."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from contract import places
from fusion.config import DOWNSAMPLES, FUSIONS, RunConfig
from fusion.models.registry import build
from fusion.training.measure import costs, peak_memory_mib, provenance

CPU = torch.device("cpu")
BALLAST = 600  # MiB


def costs_of(fusion: str, downsample: str = "maxpool", width: float = 0.16) -> dict[str, int]:
    return costs(build(RunConfig(fusion=fusion, downsample=downsample, width=width)))  # type: ignore[arg-type]


def test_flops_count_a_multiply_add_as_two():
    # rgb at width 1, by hand: convolutions at 64, 32 and 16 pixels, three dense layers
    convolutions = 64**2 * 3 * 50 * 9 + 32**2 * 50 * 100 * 9 + 16**2 * 100 * 100 * 9
    dense = 6400 * 1000 + 1000 * 100 + 100
    with torch.device("meta"):
        got = costs_of("rgb", width=1)
    assert got == {"parameters": 6_637_801, "flops_per_sample": 2 * (convolutions + dense)}


def test_matmul_costs_more_than_add_and_replacing_less_than_pooling():
    add = costs_of("add")["flops_per_sample"]
    assert costs_of("matmul")["flops_per_sample"] == add + 2 * 16 * 16**3
    assert costs_of("add", "strided_replace")["flops_per_sample"] < add / 2


def test_flops_are_those_of_torch_s_own_counter():
    for fusion in FUSIONS:
        for downsample in DOWNSAMPLES:
            model = build(RunConfig(fusion=fusion, downsample=downsample, width=0.05))  # type: ignore[arg-type]
            with FlopCounterMode(display=False) as counter, torch.no_grad():
                model(torch.zeros(1, 3, 64, 64), torch.zeros(1, 4, 64, 64))
            assert costs(model)["flops_per_sample"] == counter.get_total_flops()


def test_peak_memory_is_that_of_the_process_not_of_its_parent():
    """What torch itself takes differs by hundreds of MiB between its builds."""

    def child() -> float:
        code = "import torch; from fusion.training.measure import peak_memory_mib as peak; "
        code += "print(peak(torch.device('cpu')))"
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return float(done.stdout)

    before = child()
    ballast = bytearray(BALLAST * 2**20)
    ballast[::4096] = b"x" * len(ballast[::4096])
    assert peak_memory_mib(CPU) > BALLAST
    assert 0 < child() < before + BALLAST / 2


def test_provenance_is_complete_and_fit_for_json():
    hashes = {"data": "d" * 64, "split": "s" * 64, "test": ""}
    found = provenance(CPU, hashes)
    expected = {"commit", "dirty", "python", "torch", "wandb", "numpy", "platform", "cpu", "gpu"}
    expected |= {"threads", "precision", "data_hash", "split_hash", "test_hash"}
    expected |= {"curation_hash"}
    assert set(found) == expected
    assert found["data_hash"] == "d" * 64 and found["test_hash"] == ""
    assert found["gpu"] == "" and found["precision"] == "float32"
    assert json.loads(json.dumps(found)) == found


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with a commit, which is taken for the code's own."""
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
    monkeypatch.setattr(places, "CODE", root)
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
    assert provenance(CPU, {})["dirty"] is False
    (checkout / file).parent.mkdir(parents=True, exist_ok=True)
    (checkout / file).write_text("y")
    assert provenance(CPU, {})["dirty"] is dirty


def test_a_checkout_is_dirty_where_a_file_is_gone_or_renamed(checkout):
    (checkout / "fusion" / "models.py").rename(checkout / "fusion" / "models.txt")
    assert provenance(CPU, {})["dirty"] is True


def test_looking_at_the_checkout_takes_no_lock_in_it(checkout):
    (checkout / ".git" / "index.lock").touch()  # a person is committing
    (checkout / "README.md").write_text("y")
    assert provenance(CPU, {})["dirty"] is True
    before = (checkout / ".git" / "index").stat().st_mtime_ns
    (checkout / ".git" / "index.lock").unlink()
    (checkout / "README.md").write_text("x")
    assert provenance(CPU, {})["dirty"] is False
    assert (checkout / ".git" / "index").stat().st_mtime_ns == before


def test_provenance_without_git(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    found = provenance(CPU, {})
    assert found["commit"] == "" and found["dirty"] == ""
    assert found["torch"] == torch.__version__
