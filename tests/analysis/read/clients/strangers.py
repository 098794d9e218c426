"""Logs runs of other people's programs on the server in use; prints the ids of sweeps as JSON.

A process of its own, so that the wandb client's global state stays out of the test process.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import wandb

from contract import examples

SEEDS = (11, 12, 13)


def log(folder: Path, config: dict[str, Any], sweep: str | None = None, **options: Any) -> None:
    """A run of three epochs whose accuracy, in percent, stands in the history alone."""
    settings = wandb.Settings(sweep_id=sweep, console="off", silent=True, x_disable_stats=True)
    run = wandb.init(project="theirs", dir=folder, config=config, settings=settings, **options)
    run.define_metric("top1", summary="none")
    level = {"resnet": 71.0, "vit": 79.0}[config["model"]["name"]]
    noise = hash((config["model"]["name"], config.get("random_seed"))) % 97 / 97
    right = [100.0 * (i % 100 < level + noise) for i in range(400)]
    for epoch in range(3):
        row = {"epoch": epoch, "train_loss": 1.0 / (epoch + 1) + noise}
        run.log(row | {"top1": sum(right) / 400 - (2 - epoch)})
    path = folder / run.id / "examples.csv"
    path.parent.mkdir(exist_ok=True)
    examples.write(path, [f"{i:03d}" for i in range(400)], {"top1": right})
    if options.get("group") == "files":
        run.save(str(path), base_path=str(path.parent), policy="now")
    else:
        examples.log(run, path)
    run.finish()


def main(folder: Path) -> None:
    config = {
        "program": "train.py", "method": "grid", "metric": {"name": "top1", "goal": "maximize"},
        "parameters": {
            "random_seed": {"values": list(SEEDS)},
            "model": {"parameters": {"name": {"values": ["resnet", "vit"]}}},
        },
    }  # fmt: skip
    sweep = wandb.sweep({**config, "name": "nested"}, project="theirs")
    for seed in SEEDS:
        for name in ("resnet", "vit"):
            log(folder, {"random_seed": seed, "model": {"name": name}}, sweep)
    for name in ("resnet", "vit"):  # by hand, without a seed
        for _ in range(2):
            log(folder, {"model": {"name": name}}, group="files", tags=["paper"])
    print(json.dumps({"sweep": sweep}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
