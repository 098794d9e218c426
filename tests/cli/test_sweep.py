"""`runner.py sweep` without its agents: what is registered, and that it is found again."""

from __future__ import annotations

from pathlib import Path

import pytest

SWEEP = """\
program: train.py
command: ["${env}", python3, "${program}", "${args_no_hyphens}"]
project: theirs
method: grid
parameters:
  seed: {values: SEEDS}
  model.depth: {values: [1, 2]}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "train.py").touch()
    (tmp_path / "mine.yaml").write_text(SWEEP.replace("SEEDS", "[0]"))
    return tmp_path / "mine.yaml"


@pytest.mark.e2e
def test_a_sweep_is_registered_once_and_its_path_printed(runner, file):
    # silent: what the client does not print is not needed
    home = {"FUSION_RUNNER_HOME": str(file.parent), "WANDB_SILENT": "true"}
    first = runner("sweep", file, "--register-only", **home)
    path = first.stdout.splitlines()[-1]
    assert path.startswith("local/theirs/"), first.stderr
    file.write_text(SWEEP.replace("SEEDS", "[0, 1]"))
    again = runner("sweep", file, "--register-only", **home).stdout.splitlines()
    assert again[1:] == [
        "mine: 2 cells × 2 seeds = 4 runs; the program checks its own parameters",
        f"continuing sweep {path}",
        path,
    ]
    assert not list(file.parent.glob("runs/agents/*"))
    runner("serve", "--stop", **home)


@pytest.mark.parametrize("flag", [("--dry-run",), ("--until-decided", "--max-seeds", "9")])
def test_to_register_only_goes_with_nothing_that_runs_or_does_not(runner, file, flag):
    done = runner("sweep", file, "--register-only", *flag)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("error: --register-only runs nothing")


def test_what_cannot_be_run_is_refused_by_its_name(runner, file, checkout_copy):
    done = runner("sweep", file, "--agents", "0")
    assert done.returncode == 2 and "--agents" in done.stderr and "0" in done.stderr
    done = runner("sweep", file, "--budget", "smoke")
    assert done.returncode == 2
    assert done.stderr == f"error: --budget smoke: no plan of {file} names a folder of budgets\n"
