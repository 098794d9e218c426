# type: ignore  (the client's annotations do not say what it gives)
"""Edits a run from outside, when it is told to, as it was when this was started."""

from __future__ import annotations

import sys

import wandb

run = wandb.Api().run(sys.argv[1])
assert run.summary["still"] == 1
print("read", flush=True)
sys.stdin.readline()
run.config["outside"] = "kept"
del run.config["drop"]
run.config["swept"] = {**run.config["swept"], "name": "kept"}
run.tags.append("outside")
run.update()
run.summary["test/best"] = 1.5
run.summary.update()
