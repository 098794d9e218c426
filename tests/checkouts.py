"""Copies of the working tree, without what the person's own work left in it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# What commands leave in a checkout, as .gitignore names it.
STATE = ("data", "runs", "reports", "wandb", ".tracker", ".explore")


def copy(root: Path) -> Path:
    """Copy every file that is in git, or new and not ignored, to the folder `root`; return it."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():  # not deleted in the working tree
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, root / name)
    # Without it, git would speak of a repository around this folder.
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    return root
