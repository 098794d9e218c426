# type: ignore  (the client's annotations do not say what it gives)
"""A run without a server."""

from __future__ import annotations

import sys

import wandb

with wandb.init(project=sys.argv[1], id="off", mode="offline", config={"a": 1}) as run:
    for i in range(7):
        run.log({"m": i})
    run.log({"table": wandb.Table(columns=["q"], data=[[1]])})
    artifact = wandb.Artifact("made-offline", type="t")
    with artifact.new_file("x.txt") as file:
        file.write("x")
    run.log_artifact(artifact)
    print("said offline")
    run.summary["s"] = 2
