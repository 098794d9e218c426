"""Costs are exact, and memory is this process's own."""

from __future__ import annotations

import subprocess
import sys

import torch
from torch.utils.flop_counter import FlopCounterMode

from fusion.config import DOWNSAMPLES, FUSIONS, RunConfig
from fusion.models.registry import build, example
from fusion.training.measure import costs, peak_memory_mib

CPU = torch.device("cpu")
BALLAST = 600  # MiB


def costs_of(fusion: str, downsample: str = "maxpool", width: float = 0.16) -> dict[str, int]:
    config = RunConfig(fusion=fusion, downsample=downsample, width=width)  # type: ignore[arg-type]
    model = build(config)
    return costs(model, *example(next(model.parameters()).device))


def test_flops_count_a_multiply_add_as_two():
    # rgb at width 1, by hand: convolutions at 64, 32 and 16 pixels, three dense layers
    convolutions = 64**2 * 3 * 50 * 9 + 32**2 * 50 * 100 * 9 + 16**2 * 100 * 100 * 9
    dense = 6400 * 1000 + 1000 * 100 + 100
    with torch.device("meta"):
        got = costs_of("rgb", width=1)
    assert got == {"parameters": 6_637_801, "flops_per_sample": 2 * (convolutions + dense)}


def test_matmul_costs_more_than_add_and_replacing_less_than_pooling():
    add = costs_of("add")["flops_per_sample"]
    assert costs_of("matmul")["flops_per_sample"] == add + 2 * 16 * 16**3
    assert costs_of("add", "strided_replace")["flops_per_sample"] < add / 2


def test_flops_are_those_of_torch_s_own_counter():
    for fusion in FUSIONS:
        for downsample in DOWNSAMPLES:
            model = build(RunConfig(fusion=fusion, downsample=downsample, width=0.05))  # type: ignore[arg-type]
            with FlopCounterMode(display=False) as counter, torch.no_grad():
                model(torch.zeros(1, 3, 64, 64), torch.zeros(1, 4, 64, 64))
            assert costs(model, *example())["flops_per_sample"] == counter.get_total_flops()


def test_peak_memory_is_that_of_the_process_not_of_its_parent():
    """What torch itself takes differs by hundreds of MiB between its builds."""

    def child() -> float:
        code = "import torch; from fusion.training.measure import peak_memory_mib as peak; "
        code += "print(peak(torch.device('cpu')))"
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return float(done.stdout)

    before = child()
    ballast = bytearray(BALLAST * 2**20)
    ballast[::4096] = b"x" * len(ballast[::4096])
    assert peak_memory_mib(CPU) > BALLAST
    assert 0 < child() < before + BALLAST / 2
