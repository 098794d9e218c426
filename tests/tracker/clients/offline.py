# type: ignore  (the client's annotations do not say what it gives)
"""A run without a server."""

from __future__ import annotations

import sys
from pathlib import Path

import wandb

with wandb.init(project=sys.argv[1], id="off", mode="offline", config={"a": 1}) as run:
    for i in range(7):
        run.log({"m": i})
    run.log({"table": wandb.Table(columns=["q"], data=[[1]])})
    Path("x.txt").write_text("x")  # one that is still there when the run is synced
    artifact = wandb.Artifact("made-offline", type="t")
    artifact.add_file("x.txt")
    run.log_artifact(artifact)
    print("said offline")
    run.summary["s"] = 2
