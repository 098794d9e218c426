"""Runs as people log them: `lightning` (every key at its own pace), `hundred` (100 metrics)."""

import math
import random

import wandb

random.seed(0)
with wandb.init(project="curves", id="lightning", config={"lr": 0.1}) as run:
    run.define_metric("eval/batch")
    run.define_metric("eval/*", step_metric="eval/batch")
    for step in range(1000):
        run.log({"train/loss": math.nan if step == 500 else 1 / (step + 1), "epoch": step // 100})
        if step % 100 == 99:
            run.log({"eval/loss": 2 / step, "eval/batch": 10 * step})
            run.log({"val/accuracy": step / 1000, "epoch": step // 100})
    print("\033[31mred\033[0m and \033[1;34mbold blue\033[0m")

with wandb.init(project="curves", id="hundred") as run:
    for step in range(300):
        run.log({f"{'abcde'[k % 5]}/m{k}": math.sin(step / 50 + k) for k in range(100)})
