"""How long a FiftyOne dataset takes: `python -m benchmarks.explore [--groups N]`.

Needs the extra `explore`. Wall-clock seconds depend on what else the machine does,
CPU seconds (ours, the workers', mongod's) less so; ratios compare within this one run.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ.setdefault("OMP_NUM_THREADS", "1")

import psutil

from explore import dataset, documents, media, mongod, pairs, prepare
from explore.lazy import load
from fusion.data import generate
from fusion.training.progress import track

SAME = 500  # samples that are stored both ways


class Clock:
    """Wall and CPU seconds of a step; `server` is the database's process."""

    def __init__(self, server: psutil.Process) -> None:
        self.server = server

    def cpu(self) -> float:
        used = [resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        own = sum(u.ru_utime + u.ru_stime for u in used)
        return own + sum(self.server.cpu_times()[:2])

    def show(self, name: str, work: Callable[[], Any]) -> Any:
        wall, cpu = time.perf_counter(), self.cpu()
        result = work()
        print(f"{name:34}{time.perf_counter() - wall:8.2f} s wall {self.cpu() - cpu:8.2f} s CPU")
        return result


def seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def compare(data: pairs.DataSet, folder: Path) -> None:
    """Bulk writes against FiftyOne's objects, on the same samples."""
    fo = load("fiftyone")
    built = fo.load_dataset(data.name)
    samples = list(built.limit(SAME).select_group_slices("rgb"))
    objects, bulk = fo.Dataset(), fo.Dataset()
    form = documents.templates(bulk, [fo.Sample(filepath="/a.png", pair="", ground_truth=None)])[0]
    rows = [(sample.filepath, sample.pair) for sample in samples]
    slow = seconds(
        lambda: objects.add_samples(
            [fo.Sample(filepath=f, pair=p) for f, p in rows], progress=False
        )
    )
    fast = seconds(
        lambda: documents.insert(bulk, (documents.fill(form, filepath=f, pair=p) for f, p in rows))
    )
    assert objects.values("pair") == bulk.values("pair")
    print(f"{SAME} samples as objects / as documents: {slow / fast:.1f} x CPU")
    for scratch in (objects, bulk):
        fo.delete_dataset(scratch.name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--groups", type=int, default=2000)
    parser.add_argument("--data", type=Path, help="A data set that is there, instead of a new one.")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        root = arguments.data or folder / "data"
        if arguments.data is None:
            generate.make(root, "fusion", arguments.groups, 0)
        start = time.perf_counter()
        mongod.connect(folder / "explore")
        print(f"{'mongod':34}{time.perf_counter() - start:8.2f} s wall")
        state = json.loads((folder / "explore" / mongod.STATE).read_text())
        clock = Clock(psutil.Process(state["mongod"]))
        fo = clock.show("import fiftyone", lambda: load("fiftyone"))
        data = pairs.read(root)
        print(
            f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, "
            f"fiftyone {fo.__version__}, {len(data.pairs)} groups"
        )
        place = folder / "explore"
        clock.show("build", lambda: dataset.open_or_build(data, place, track))
        clock.show("map and neighbours of pictures", lambda: prepare.prepare(data, place, track))
        clock.show("open again", lambda: prepare.prepare(data, place, track))
        files = media.files(dataset.media_folder(data, place), data.pairs[0].id)
        print(
            f"files per group: {len(files) + 1}, {sum(f.stat().st_size for f in files)} bytes + "
            f"{files[0].with_name(files[0].stem + '.pcd').stat().st_size} (point cloud)"
        )
        compare(data, place)


if __name__ == "__main__":
    main()
