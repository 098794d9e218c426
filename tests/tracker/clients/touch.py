# type: ignore  (the client's annotations do not say what it gives)
"""One small run, read back."""

from __future__ import annotations

import wandb

with wandb.init(project="touch", id="t1", config={"a": 1}) as run:
    run.log({"x": 1})
found = wandb.Api().run("local/touch/t1")
assert found.state == "finished"
assert [row["x"] for row in found.scan_history()] == [1]
