"""What no test sees: the login, settings and variables of whoever runs it, and what their work left
in the checkout. Commands that look at such things run in a copy, the fixture `checkout_copy`.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests import checkouts

KEPT = "WANDB_OLD_PYTHON"  # which interpreter `make test` names; no client reads it
FOREIGN = ("WANDB_", "FIFTYONE_", "FUSION_RUNNER_")
ALONE = (
    *("NETRC", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME"),
    *("DISPLAY", "WAYLAND_DISPLAY", "FORCE_COLOR", "CLICOLOR_FORCE", "NO_COLOR"),
)
HOME = pytest.StashKey[Path]()
LOOKS = ("open", "os.listdir", "os.scandir", "os.mkdir", "os.remove", "os.rename", "os.rmdir")
STATE = tuple(f"{checkouts.ROOT / name}/" for name in checkouts.STATE)


def pytest_configure(config: pytest.Config) -> None:
    """Before anything is collected; workers of pytest-xdist inherit the variables and the home."""
    sys.addaudithook(forbid_state)
    # a background job of a script ignores SIGINT, and so would all that tests start
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(config, "workerinput"):
        return
    for name in list(os.environ):
        if (name.startswith(FOREIGN) or name in ALONE) and name != KEPT:
            del os.environ[name]
    config.stash[HOME] = Path(tempfile.mkdtemp(prefix="home-of-tests-"))
    os.environ["HOME"] = str(config.stash[HOME])
    os.environ["BROWSER"] = "true"  # a command that opens nothing


def pytest_unconfigure(config: pytest.Config) -> None:
    if home := config.stash.get(HOME, None):
        shutil.rmtree(home, ignore_errors=True)


def forbid_state(event: str, arguments: tuple[Any, ...]) -> None:
    """An audit hook: a test whose own process uses the state of this checkout fails.

    It looks at whole paths alone: a relative one may belong to an open folder (`dir_fd`).
    """
    if event in LOOKS and isinstance(arguments[0], str | os.PathLike):
        path = os.fspath(arguments[0])
        if f"{path}/".startswith(STATE):
            pytest.fail(f"this test uses {path} of the checkout that it stands in")


@pytest.fixture(scope="session")
def checkout_copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout in which nobody has worked yet, for commands that leave nothing in it."""
    return checkouts.copy(tmp_path_factory.mktemp("copy") / "checkout")


@pytest.fixture(scope="session")
def runner(checkout_copy: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """runner(*words, **env): `python runner.py WORDS` in such a checkout."""

    def run(*words: object, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "runner.py", *map(str, words)],
            cwd=checkout_copy,
            env=os.environ | env,
            capture_output=True,
            text=True,
        )

    return run
