# type: ignore  (the client's annotations do not say what it gives)
"""A run that the server's disk is too full for, at its beginning and at its end."""

from __future__ import annotations

import sys

import wandb

settings = wandb.Settings(console="off", x_disable_stats=True, x_file_stream_transmit_interval=1)
with wandb.init(project="p", id="one", config={"early": 1}, settings=settings) as run:
    run.log({"n": 0})
    print("begun", flush=True)
    sys.stdin.readline()
    for n in range(1, 200):
        run.log({"n": n, "filling": "x" * 1_000})
    run.config["late"] = 1
    run.summary["best"] = 0
    artifact = wandb.Artifact("made", "dataset")
    with artifact.new_file("a.txt") as file:
        file.write("content")
    run.log_artifact(artifact)
