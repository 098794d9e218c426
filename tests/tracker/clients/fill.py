# type: ignore  (the client's annotations do not say what it gives)
"""A run with an artifact, and a sweep of three cells of which one is done."""

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


with wandb.init(project="old", id="r1", config={"lr": 0.1}, tags=["kept"], settings=plain()) as run:
    for step in range(3):
        run.log({"loss": 1 / (step + 1)})
    Path("weights.txt").write_text("weights")
    artifact = wandb.Artifact("model", "model")
    artifact.add_file("weights.txt")
    run.log_artifact(artifact, aliases=["best"])


def train() -> None:
    with wandb.init(settings=plain()) as run:
        run.log({"loss": run.config["a"]})


sweep = {
    "method": "grid",
    "metric": {"name": "loss", "goal": "minimize"},
    "parameters": {"a": {"values": [1, 2, 3]}},
}
sweep_id = wandb.sweep(sweep, project="old")
wandb.agent(sweep_id, function=train, project="old", count=1)
