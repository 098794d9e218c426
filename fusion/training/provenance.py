"""Where a run comes from: commit, versions, hardware, data."""

from __future__ import annotations

import platform
import subprocess
import sys
from importlib.machinery import all_suffixes
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from contract import places


def provenance(
    device: torch.device, hashes: dict[str, str], checkout: Path = places.CODE
) -> dict[str, Any]:
    """Return commit, versions, hardware and hashes of the data; "" for what is not known."""
    on_cuda = device.type == "cuda"
    commit = _git(checkout, "rev-parse", "HEAD")
    return {
        "commit": commit,
        "dirty": _dirty(checkout) if commit else "",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "wandb": _version("wandb"),
        "numpy": _version("numpy"),
        "platform": platform.platform(),
        "cpu": _cpu(),
        "process": _process(),
        "gpu": torch.cuda.get_device_name(device) if on_cuda else "",
        "threads": torch.get_num_threads(),
        "precision": "tf32" if on_cuda and torch.backends.cudnn.allow_tf32 else "float32",
        "data_hash": hashes.get("data", ""),
        "split_hash": hashes.get("split", ""),
        "test_hash": hashes.get("test", ""),
        "curation_hash": hashes.get("curation", ""),
    }


def _process() -> str:
    """Return how this process began: an agent forked it, libraries loaded, or it was "started".

    The peak memory of both counts the libraries: those of a forked process are shared with others.
    """
    return "forked" if places.NEST in map(Path, sys.orig_argv[1:2]) else "started"


def _dirty(checkout: Path) -> bool:
    """Return whether the code may be another than that of the commit.

    That is so where a committed file was changed, and where a file that git does not know could be
    imported. Other new files are results, wherever a person lets them be written.
    """
    changes = _git(checkout, "status", "--porcelain", "--untracked-files=all", "-z", "--no-renames")
    return any(not c.startswith("??") or _importable(c[3:]) for c in changes.split("\0") if c)


def _importable(path: str) -> bool:
    """Return whether a path in the checkout is that of a module; a whole repository may be one."""
    if path.endswith("/"):
        return True
    *folders, name = path.split("/")
    suffix = next((s for s in all_suffixes() if name.endswith(s)), None)
    return suffix is not None and all(
        part.isidentifier() for part in (*folders, name.removesuffix(suffix))
    )


def _git(checkout: Path, *arguments: str) -> str:
    """Return what git prints about a checkout; "" without git, or outside a checkout of it."""
    # no lock on the index, which a person's own git may want
    command = ["git", "--no-optional-locks", "-C", str(checkout)]
    try:
        top = subprocess.run(
            [*command, "rev-parse", "--show-toplevel"], capture_output=True, text=True, timeout=10
        )
        # An unpacked copy inside somebody else's repository has no commit of its own.
        if top.returncode != 0 or Path(top.stdout.strip()).resolve() != checkout:
            return ""
        done = subprocess.run(
            [*command, *arguments],
            capture_output=True,
            text=True,
            errors="surrogateescape",
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _cpu() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
