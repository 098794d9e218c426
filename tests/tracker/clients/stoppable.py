# type: ignore  (the client's annotations do not say what it gives)
"""A run that is stopped from outside."""

from __future__ import annotations

import itertools
import sys
import time

import wandb

try:
    with wandb.init(project=sys.argv[1], id="endless") as run:
        print("begun", flush=True)
        for i in itertools.count():
            run.log({"i": i})
            time.sleep(0.1)
except KeyboardInterrupt:
    print("interrupted", flush=True)
