"""A run `live` that logs, for each line on its standard input, what the line names."""

import sys
from typing import Any

import numpy as np
import wandb

rng = np.random.default_rng(0)


def picture() -> wandb.Image:
    return wandb.Image(rng.integers(0, 255, (16, 24, 3), dtype=np.uint8))


with wandb.init(project="live", id="live") as run:
    run.log({"loss": 1.0})
    print("begun", flush=True)
    for line in sys.stdin:
        if line.strip() == "all":
            rows: list[Any] = [[i, i * i] for i in range(20)]
            run.log(
                {
                    "picture": picture(),
                    "weights": wandb.Histogram(rng.normal(0, 1, 500).tolist()),
                    "table": wandb.Table(columns=["n", "square"], data=rows),
                    "cloud": wandb.Object3D(rng.normal(0, 1, (500, 3))),
                    "acc/top": 0.5,
                }
            )
        else:
            run.log({"picture": picture()})
