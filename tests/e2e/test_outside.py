"""A fusion and data of a person's own in a sweep, beside its file, called from another folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e
THEIRS = """
import numpy as np
import torch

def least(rgb, lidar):
    return torch.minimum(rgb, lidar)

def read():
    labels, random = np.arange(90) % 3, np.random.default_rng(0)
    rgb, lidar = random.normal(0, 1, (2, 90, 16, 16))
    return {"classes": ["a", "b", "c"], "labels": labels, "rgb": rgb, "lidar": lidar}
"""
SWEEP = """\
program: runner.py
command: ["${env}", python3, "${program}", train, "${args}"]
method: grid
metric: {name: val/loss, goal: minimize}
parameters:
  seed: {value: 0}
  fusion: {values: [add, "theirs_beside:least"]}
  data: {value: "theirs_beside:read"}
  epochs: {value: 1}
  width: {value: 0.04}
"""


def test_modules_beside_a_sweep_are_found_by_its_check_and_by_its_agents(checkout, tmp_path: Path):
    beside, here = tmp_path / "beside", tmp_path / "here"
    beside.mkdir()
    here.mkdir()
    (beside / "theirs_beside.py").write_text(THEIRS)
    (beside / "own.yaml").write_text(SWEEP)
    (beside / "bad.yaml").write_text(SWEEP.replace(":least", ":lest"))

    def sweep(name: str, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(checkout.root / "runner.py"), "sweep", str(beside / name)]
        return subprocess.run(
            [*command, *words], cwd=here, env=checkout.env, capture_output=True, text=True
        )

    refused = sweep("bad.yaml", "--dry-run")
    assert refused.returncode == 2
    assert refused.stderr.startswith("error: --fusion theirs_beside:lest cannot be imported: ")
    done = sweep("own.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert checkout.report("own")["grid"]["done"] == 2
    origins = [run["summary"]["provenance"] for run in checkout.api_runs("own")]
    hashes = [origin.get("fusion_hash", "") for origin in origins]
    assert sorted(map(len, hashes)) == [0, 64]
