# type: ignore  (the client's annotations do not say what it gives)
"""One of two processes that write to the same run."""

from __future__ import annotations

import sys

import wandb

name = sys.argv[2]
settings = wandb.Settings(
    mode="shared", x_label=name, x_primary=name == "w0", x_update_finish_state=name == "w0"
)
with wandb.init(project=sys.argv[1], id="one", settings=settings) as run:
    print(f"I am {name}")
    for n in range(4):
        run.log({"who": name, "n": n})
