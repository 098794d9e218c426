# type: ignore  (the client's annotations do not say what it gives)
"""A run that is edited from outside between the lines that it is given."""

from __future__ import annotations

import sys

import wandb

config = {"own": 1, "drop": 1, "swept": {"steps": 1000, "scale": 0.1}}
settings = wandb.Settings(console="off", x_disable_stats=True, x_file_stream_transmit_interval=1)
with wandb.init(
    project=sys.argv[1], id="one", config=config, tags=["first"], notes="own", settings=settings
) as run:
    run.log({"loss": 3, "still": 1})
    print("begun", flush=True)
    sys.stdin.readline()
    run.log({"loss": 2})
    run.config["late"] = 1
    run.config.update({"swept": {"steps": 2000, "scale": 0.1}}, allow_val_change=True)
    run.tags += ("last",)
    print("gone on", flush=True)
    sys.stdin.readline()
