# type: ignore  (the client's annotations do not say what it gives)
"""A part of a run: steps START to STOP - 1, online or offline; prints the part's folder.

The first part begins the run and does not ask to go on with one: 0.31 counts the steps of a segment
that does from the last one on the server, so that the rows of a first part that is synced after a
later one would come with other steps.
"""

from __future__ import annotations

import sys
from pathlib import Path

import wandb

project, name, mode, start, stop = sys.argv[1:]
resume = "allow" if int(start) else None
with wandb.init(project=project, id=name, mode=mode, resume=resume) as run:
    for step in range(int(start), int(stop)):
        run.log({"m": step}, step=step)
    print(Path(run.dir).parent)
