"""How fast data is made, read and turned into batches: `python -m benchmarks.data [--pairs N]`.

All figures come from one run on one machine, so only their ratios mean something elsewhere.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch

from fusion.data import dataset, generate, layout, manifest, packed


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def decode(root: Path, pairs: int) -> None:
    """One epoch the study's way: every file opened and decoded."""
    for class_name in layout.CLASSES:
        for k in range(pairs // 2):
            rgb, lidar = layout.files_of(f"{class_name}/{k:04d}")
            layout.read_rgb((root / rgb).read_bytes())
            np.load(root / lidar)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=2000)
    pairs = parser.parse_args().pairs
    torch.set_num_threads(1)
    print(f"{platform.machine()}, {os.cpu_count()} cores, numpy {np.__version__}, {pairs} pairs")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for profile in ("study", "fusion", "bind"):
            for workers in (1, 2):
                root = folder / f"{profile}-{workers}"
                took = seconds(partial(generate.make, root, profile, pairs, 0, workers))
                print(f"make {profile:7} {workers} processes  {took:6.2f} s  {pairs / took:6.0f}/s")
        root = folder / "fusion-1"
        found = manifest.read(root)
        assert found is not None

        def load() -> dataset.Data:
            return dataset.load(
                str(root), split="study", train_pairs=0, align=False, device=torch.device("cpu")
            )

        print(f"pack                    {seconds(lambda: packed.pack(root, found)):9.2f} s")
        load()
        print(f"load, packed            {seconds(load):9.2f} s")
        data = load()
        epoch = seconds(lambda: [sum(1 for _ in data.batches(part, 32)) for part in data.parts])
        decoded = seconds(lambda: decode(root, pairs))
        print(f"an epoch of batches     {epoch:9.2f} s (XYZA and standardisation included)")
        print(f"an epoch of decoding    {decoded:9.2f} s = {decoded / epoch:.1f} x")


if __name__ == "__main__":
    main()
