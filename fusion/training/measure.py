"""What a model and a run cost."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

MIB = 2**20


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
def costs(model: nn.Module, *inputs: Tensor) -> dict[str, int]:
    """Return `parameters`, frozen ones included, and `flops_per_sample` of a model.

    FLOPs of one forward pass of `inputs`, which hold one sample, a multiply-add counted as 2:
    convolutions and matrix products. Activations, poolings and sums are not counted.
    """
    with FlopCounter() as counter:
        model(*inputs)
    total = sum(parameter.numel() for parameter in model.parameters())
    return {"parameters": total, "flops_per_sample": counter.total}


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
