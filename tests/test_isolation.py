"""The README's two commands in their order: the suite after the work, in one checkout."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import checkouts

COMMANDS = ("tests/cli", "tests/launch", "tests/test_readme.py", "tests/test_house.py")
NOBODY = "http://127.0.0.1:9"  # to ask there ends a test
SETTINGS = f"[default]\nbase_url = {NOBODY}\nentity = somebody\nmode = disabled\n"
LEFT = {
    "runs/sweeps/latest": "somebody/somewhere/abc",
    "runs/abc/summary.json": "{",
    "reports/latest/snapshot.json.gz": "no snapshot",
    "data/fusion-3000-0/manifest.json": "{",
    ".tracker/server.json": '{"pid": 1, "url": "' + NOBODY + '"}',
    ".tracker/key": "k" * 40,
    ".tracker/port": "9",
    ".explore/state.json": "{",
    "wandb/settings": SETTINGS,
}
AT_HOME = {
    ".netrc": "machine api.wandb.ai login user password k\nmachine 127.0.0.1 login user password k",
    ".config/wandb/settings": SETTINGS,
}
VARIABLES = {
    "WANDB_BASE_URL": NOBODY,
    "WANDB_API_KEY": "k" * 40,
    "WANDB_ENTITY": "somebody",
    "WANDB_PROJECT": "somewhere",
    "WANDB_MODE": "disabled",
    "WANDB_SWEEP_ID": "abc",
    "WANDB_RUN_ID": "abc",
    "WANDB_DIR": "/nowhere",
    "NETRC": "/nowhere",
    "FORCE_COLOR": "1",
}


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


@pytest.mark.e2e
def test_commands_are_tested_the_same_in_a_checkout_full_of_state_by_somebody_logged_in(tmp_path):
    root = checkouts.copy(tmp_path / "checkout")
    write(root, LEFT)
    write(tmp_path / "home", AT_HOME)
    here = {"HOME": str(tmp_path / "home"), "FUSION_RUNNER_HOME": str(root / "elsewhere")}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *COMMANDS],
        cwd=root,
        env=os.environ | VARIABLES | here | {"PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-6000:]
    assert not (root / "elsewhere").exists()
    for folder, files in ((root, LEFT), (tmp_path / "home", AT_HOME)):
        assert {name: (folder / name).read_text() for name in files} == files
    left = [file for name in checkouts.STATE for file in (root / name).rglob("*")]
    added = {str(file.relative_to(root)) for file in left if file.is_file()} - set(LEFT)
    assert not added
