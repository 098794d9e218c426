# type: ignore  (the client's annotations do not say what it gives)
"""A run that is stopped from outside."""

from __future__ import annotations

import sys
import time

import wandb

try:
    with wandb.init(project=sys.argv[1], id="endless") as run:
        print("begun", flush=True)
        for i in range(1000):
            run.log({"i": i})
            time.sleep(0.1)
except KeyboardInterrupt:
    print("interrupted", flush=True)
