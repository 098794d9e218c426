"""Fills a sweep on the server in use with awkward runs; prints what it made as JSON.

A process of its own, so that the wandb client's global state stays out of the test process.
"""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import wandb

ROWS = 2500
PAIRS = 40
SWEEP = {
    "name": "awkward runs",
    "method": "grid",
    "metric": {"name": "val/loss", "goal": "minimize"},
    "parameters": {
        "seed": {"values": [0, 1, 2]},
        "fusion": {"values": ["late", "add"]},
        "learning_rate": {"value": "1e-3"},
    },
}


def start(sweep: str, folder: Path, fusion: str, seed: int, **options: Any) -> Any:
    settings = wandb.Settings(sweep_id=sweep, console="off", silent=True, x_disable_stats=True)
    config = {"fusion": fusion, "seed": seed, "learning_rate": 0.001, "epochs": 3}
    return wandb.init(
        project="awkward", dir=folder, config=config, settings=settings, reinit="finish_previous",
        **options,
    )  # fmt: skip


def predictions(run: Any, folder: Path, part: str = "test", flip: bool = False) -> None:
    path = folder / run.id / "predictions.csv"
    path.parent.mkdir(exist_ok=True)
    order = range(PAIRS - 1, -1, -1) if flip else range(PAIRS)
    rows = [f"cubes/{i:04d},{i % 2},{(i % 2 - 0.5) * (1 + i)}" for i in order]
    path.write_text("\n".join(["pair,label,logit", *rows]) + "\n")
    artifact = wandb.Artifact(f"predictions-{run.id}", type="predictions", metadata={"part": part})
    artifact.add_file(str(path))
    run.log_artifact(artifact)


def terms(run: Any, folder: Path) -> None:
    path = folder / run.id / "examples.csv"
    path.write_text("example,test/loss\nb,0.4\na,0.2\n")
    artifact = wandb.Artifact(f"examples-{run.id}", type="examples")
    artifact.add_file(str(path))
    run.log_artifact(artifact)


def whole(sweep: str, folder: Path, fusion: str, seed: int, **options: Any) -> str:
    run = start(sweep, folder, fusion, seed, **options)
    for epoch in range(1, 4):
        run.log({"epoch": epoch, "val/loss": 1 / epoch})
    run.summary.update({"test/loss": 0.3, "diverged": False, "provenance": {"commit": "abc"}})
    predictions(run, folder, flip=seed == 1)
    terms(run, folder)
    run.finish()
    return run.id


def long_and_sparse(sweep: str, folder: Path) -> str:
    run = start(sweep, folder, "late", 1)
    for step in range(ROWS):
        row: dict[str, float] = {"val/loss": 1 / (step + 1)}
        if step % 100 == 0:
            row["rare"] = step
        if step == 7:
            row["val/loss"] = math.nan
        run.log(row)
    predictions(run, folder, flip=True)
    run.finish()
    return run.id


def killed(sweep: str, folder: Path) -> str:
    """A run whose process dies by SIGKILL in the middle."""
    code = (
        "import os, signal, sys, time; from pathlib import Path; import populate\n"
        "run = populate.start(sys.argv[1], Path(sys.argv[2]), 'late', 2)\n"
        "run.log({'epoch': 1, 'val/loss': 0.5}); print(run.id, flush=True)\n"
        "while not list(populate.wandb.Api().run(run.path).scan_history()): time.sleep(0.2)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, sweep, str(folder)],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parent)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    return done.stdout.strip().splitlines()[-1]


def make(folder: Path) -> dict[str, str]:
    sweep = wandb.sweep(SWEEP, project="awkward")
    made = {"sweep": sweep, "plain": whole(sweep, folder, "late", 0)}
    made["long"] = long_and_sparse(sweep, folder)
    made["killed"] = killed(sweep, folder)

    resumed = start(sweep, folder, "add", 0)
    resumed.log({"epoch": 1, "val/loss": 0.9})
    resumed.finish(exit_code=1)
    made["resumed"] = whole(sweep, folder, "add", 0, id=resumed.id, resume="must")

    failed = start(sweep, folder, "add", 1)
    failed.log({"epoch": 1, "val/loss": 0.9})
    failed.finish(exit_code=1)
    made["failed"] = failed.id

    made["deleted"] = whole(sweep, folder, "add", 2)
    api = wandb.Api()
    api.run(f"awkward/{made['deleted']}").delete()
    bare = start(sweep, folder, "add", 2)
    bare.finish()
    made["bare"] = bare.id
    return made


def extend(folder: Path, sweep: str, run_id: str) -> None:
    """Resume a finished run, log one row more and finish it again."""
    run = start(sweep, folder, "late", 0, id=run_id, resume="must")
    run.log({"epoch": 4, "val/loss": 0.25})
    run.finish()


if __name__ == "__main__":
    os.environ["WANDB_X_FILE_STREAM_TRANSMIT_INTERVAL"] = "1"
    if sys.argv[2:]:
        extend(Path(sys.argv[1]), *sys.argv[2:])
    else:
        print(json.dumps(make(Path(sys.argv[1]))))
