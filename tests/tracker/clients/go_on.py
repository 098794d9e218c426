# type: ignore  (the client's annotations do not say what it gives)
"""What fill.py left is read back, and its sweep and run go on."""

from __future__ import annotations

from pathlib import Path

import wandb


def plain() -> wandb.Settings:
    """Nothing of the machine; made anew for every run, because the client changes it."""
    return wandb.Settings(
        console="off",
        x_disable_stats=True,
        x_disable_meta=True,
        x_save_requirements=False,
        host="machine",
        program="train.py",
    )


api = wandb.Api()
run = api.run("local/old/r1")
assert (run.state, run.config, run.tags) == ("finished", {"lr": 0.1}, ["kept"])
assert [row["loss"] for row in run.scan_history()] == [1, 0.5, 1 / 3]
folder = api.artifact("local/old/model:best").download("model")
assert (Path(folder) / "weights.txt").read_text() == "weights"

with wandb.init(project="old", id="r1", resume="must", settings=plain()) as run:
    run.log({"loss": 0.25})
assert [row["_step"] for row in wandb.Api().run("local/old/r1").scan_history()] == [0, 1, 2, 3]


def train() -> None:
    with wandb.init(settings=plain()) as run:
        run.log({"loss": run.config["a"]})


(sweep,) = api.project("old").sweeps()
assert [run.config["a"] for run in sweep.runs] == [1]
wandb.agent(sweep.id, function=train, project="old")
sweep = wandb.Api().sweep(f"local/old/{sweep.id}")
assert sweep.state == "FINISHED"
assert sorted(run.config["a"] for run in sweep.runs) == [1, 2, 3]
