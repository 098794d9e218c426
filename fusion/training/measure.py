"""What a model and a run cost, and where a run comes from."""

from __future__ import annotations

import platform
import resource
import subprocess
import sys
from importlib.machinery import all_suffixes
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from contract import places
from fusion.models.encoders import IMAGE_SIZE
from fusion.models.registry import LIDAR_CHANNELS, RGB_CHANNELS

MIB = 2**20


def parameters(model: nn.Module) -> int:
    """Return the number of trainable scalars."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


class FlopCounter(TorchDispatchMode):
    """Adds up what torch.utils.flop_counter says of each operator.

    Its own FlopCounterMode gives the same numbers (tested), but first loads torch.compile and the
    decompositions of all operators: 1.3 s of every run.
    """

    total = 0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # the default, True, loads torch.compile to tell it to keep out

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        formula = flop_registry.get(func._overloadpacket)
        if formula is not None:
            self.total += formula(*args, **(kwargs or {}), out_val=result)
        return result


@torch.no_grad()
def costs(model: nn.Module) -> dict[str, int]:
    """Return `parameters` and `flops_per_sample` of a model, on whatever device, meta included.

    FLOPs of one forward pass, a multiply-add counted as 2: convolutions and matrix products.
    Activations, poolings and sums are not counted.
    """
    device = next(model.parameters()).device
    rgb_B3HW = torch.zeros(1, RGB_CHANNELS, IMAGE_SIZE, IMAGE_SIZE, device=device)
    lidar_B4HW = torch.zeros(1, LIDAR_CHANNELS, IMAGE_SIZE, IMAGE_SIZE, device=device)
    with FlopCounter() as counter:
        model(rgb_B3HW, lidar_B4HW)
    return {"parameters": parameters(model), "flops_per_sample": counter.total}


def peak_memory_mib(device: torch.device) -> float:
    """Return the peak of this process: resident memory on a CPU, allocated memory on a CUDA device.

    Linux hands a parent's peak down to its children in getrusage, so that a run would show its
    agent's; VmHWM starts anew with each program.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / MIB
    try:
        status = Path("/proc/self/status").read_text(encoding="utf-8")
        return int(status.split("VmHWM:")[1].split()[0]) / 1024
    except (OSError, IndexError):
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / MIB


def provenance(device: torch.device, hashes: dict[str, str]) -> dict[str, Any]:
    """Return commit, versions, hardware and hashes of the data; "" for what is not known."""
    on_cuda = device.type == "cuda"
    commit = _git("rev-parse", "HEAD")
    return {
        "commit": commit,
        "dirty": _dirty() if commit else "",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "wandb": _version("wandb"),
        "numpy": _version("numpy"),
        "platform": platform.platform(),
        "cpu": _cpu(),
        "gpu": torch.cuda.get_device_name(device) if on_cuda else "",
        "threads": torch.get_num_threads(),
        "precision": "tf32" if on_cuda and torch.backends.cudnn.allow_tf32 else "float32",
        "data_hash": hashes.get("data", ""),
        "split_hash": hashes.get("split", ""),
        "test_hash": hashes.get("test", ""),
        "curation_hash": hashes.get("curation", ""),
    }


def _dirty() -> bool:
    """Return whether the code may be another than that of the commit.

    That is so where a committed file was changed, and where a file that git does not know could be
    imported. Other new files are results, wherever a person lets them be written.
    """
    changes = _git("status", "--porcelain", "--untracked-files=all", "-z", "--no-renames")
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


def _git(*arguments: str) -> str:
    """Return what git prints about this checkout; "" without git, or outside a checkout of it."""
    # no lock on the index, which a person's own git may want
    command = ["git", "--no-optional-locks", "-C", str(places.CODE)]
    try:
        top = subprocess.run(
            [*command, "rev-parse", "--show-toplevel"], capture_output=True, text=True, timeout=10
        )
        # An unpacked copy inside somebody else's repository has no commit of its own.
        if top.returncode != 0 or Path(top.stdout.strip()).resolve() != places.CODE:
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
