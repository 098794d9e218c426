"""What a run costs in a sweep besides its epochs: the client's own agents beside ours.

    python -m benchmarks.sweeps [--cells 12] [--agents 2] [--repeats 1]

The same sweep of tiny runs, on an embedded tracker of its own, worked on by so many agents at once:

- stock: `wandb agent`, which starts `python runner.py train` for each run;
- started: `runner.py agent --no-warm`, which does so too, and polls more often;
- forked: `runner.py agent`, whose runs are forked from a process that has loaded the libraries.

The arms take turns. Seconds a run = (wall clock of the agents × agents − seconds of all epochs) /
runs. Evaluations after epochs are not measured by runs, so they count as cost here.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from statistics import median

import yaml

from contract import places
from tracker import server

AGENTS = {
    "stock": [sys.executable, "-m", "wandb", "agent"],
    "started": [sys.executable, str(places.RUNNER), "agent", "--no-warm"],
    "forked": [sys.executable, str(places.RUNNER), "agent"],
}
EPOCHS = """
import json, sys, wandb
runs = wandb.Api(timeout=60).sweep(sys.argv[1]).runs
rows = [[row["epoch_seconds"] for row in run.scan_history(keys=["epoch_seconds"])] for run in runs]
print(json.dumps([[run.state for run in runs], sum(map(sum, rows))]))
"""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--cells", type=int, default=12)
    parser.add_argument("--agents", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=1)
    options = parser.parse_args()
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, "
          f"Python {platform.python_version()}, wandb {version('wandb')}, "
          f"torch {version('torch')}; {options.cells} runs, {options.agents} agents")  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        world = World(Path(name))
        try:
            found: dict[str, list[float]] = {arm: [] for arm in AGENTS}
            for turn in range(options.repeats):
                for arm in AGENTS:
                    found[arm].append(world.cost(arm, turn, options.cells, options.agents))
        finally:
            server.stop(world.folder / "tracker")
    forked = median(found["forked"])
    for arm, seconds in found.items():
        typical = median(seconds)
        print(
            f"{arm:8} {typical:6.2f} s a run besides its epochs, {typical / forked:5.1f} x forked"
        )


class World:
    """A tracker and a home of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        running = server.ensure(folder / "tracker")
        self.env = os.environ | {
            places.HOME: str(folder / "home"),
            "WANDB_BASE_URL": running.url,
            "WANDB_API_KEY": running.key,
            "WANDB_DIR": str(folder),
            "WANDB_SILENT": "true",
            "OMP_NUM_THREADS": "1",  # ours set it; so the same for the client's
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }

    def run(self, command: list[str]) -> str:
        done = subprocess.run(
            command, env=self.env, cwd=places.CODE, capture_output=True, text=True
        )
        if done.returncode:
            raise SystemExit(done.stdout + done.stderr)
        return done.stdout + done.stderr

    def cost(self, arm: str, turn: int, cells: int, agents: int) -> float:
        """Seconds of a run besides its epochs, where all cells are worked on by one arm."""
        file = self.folder / "sweep.yaml"
        file.write_text(yaml.safe_dump(sweep(f"{arm}-{turn}", cells)))
        path = self.run([*AGENTS["started"][:2], "sweep", str(file), "--register-only"]).split()[-1]
        if turn == 0 and arm == next(iter(AGENTS)):
            self.run([*AGENTS["started"][:2], "train", "--data=fusion:60", "--epochs=1",
                      "--width=0.04", "--tracking=disabled"])  # makes the data  # fmt: skip
        begun = time.monotonic()
        workers = [
            subprocess.Popen(
                [*AGENTS[arm], path],
                env=self.env,
                cwd=places.CODE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            for _ in range(agents)
        ]
        for worker in workers:
            worker.wait()
        wall = time.monotonic() - begun
        states, epochs = json.loads(self.run([sys.executable, "-c", EPOCHS, path]).split("\n")[-2])
        if states != ["finished"] * cells:
            raise SystemExit(f"{arm}: not all {cells} runs have finished: {states}")
        return (wall * agents - epochs) / cells


def sweep(project: str, cells: int) -> dict[str, object]:
    return {
        "program": "runner.py",
        "method": "grid",
        "project": project,
        "command": ["${env}", "python3", "${program}", "train", "${args}"],
        "parameters": {
            "data": {"value": "fusion:60"},
            "epochs": {"value": 2},
            "width": {"value": 0.04},
            "fusion": {"value": "late"},
            "seed": {"values": list(range(cells))},
        },
    }


if __name__ == "__main__":
    main()
