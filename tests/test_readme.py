"""The README's commands are commands that exist; those that cost seconds are run."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LINES = [
    line.partition("#")[0].strip()
    for block in re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    for line in block.splitlines()
    if line.strip()
]
RUNNER = [line for line in LINES if line.startswith("python runner.py")]
QUICK = [line for line in RUNNER if line.split()[2] == "models" or "--dry-run" in line]


def test_make_targets_exist():
    targets = [line.split()[1] for line in LINES if line.startswith("make ")]
    assert {"ablation", "test"} <= set(targets)
    for target in targets:
        done = subprocess.run(
            ["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("line", RUNNER)
def test_runner_commands_know_their_flags(runner, line):
    words = shlex.split(line)[2:]
    flags = [word for word in words if word.startswith("--")]
    shown = runner(*words[: 2 if words[0] == "data" else 1], "--help").stdout
    assert all(flag in shown for flag in flags)


@pytest.mark.parametrize("line", QUICK)
def test_quick_runner_commands_run(runner, line):
    done = runner(*shlex.split(line)[2:])
    assert done.returncode == 0, done.stderr
