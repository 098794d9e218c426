"""Which device trains."""

from __future__ import annotations

import torch


class DeviceError(Exception):
    """A device that is not there."""

    exit_code = 2


def pick_device(name: str, threads: int | None = None) -> torch.device:
    """Return the device of "auto" (CUDA where there is one), "cpu" or "cuda"; set CPU threads."""
    if threads is not None:
        torch.set_num_threads(threads)
    found = torch.cuda.is_available()
    if name == "cuda" and not found:
        raise DeviceError(
            f"--device cuda: torch {torch.__version__} finds no CUDA device here; "
            "use --device cpu or auto"
        )
    return torch.device(("cuda" if found else "cpu") if name == "auto" else name)
