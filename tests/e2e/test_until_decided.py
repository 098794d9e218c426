"""`runner.py sweep --until-decided`, with the real client: interrupted, and called again."""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter

import pytest

pytestmark = pytest.mark.e2e

SWEEP = """\
project: undecided
name: undecided
method: grid
metric: {name: val/loss, goal: minimize}
program: runner.py
command: ["${env}", python3, "${program}", train, "${args}"]
parameters:
  seed: {values: [0, 1, 2]}
  fusion: {values: [late, add]}
  data: {value: "fusion:200:0"}
  epochs: {value: 1}
  width: {value: 0.08}
"""
COMMAND = ("sweep", "undecided.yaml", "--until-decided", "--max-seeds", "4")
FIRST = "look 1 of 2, 3 seeds: 1 undecided on test/loss; seeds for 2 cells"


def test_seeds_are_added_look_by_look_and_an_interrupted_call_goes_on(checkout) -> None:
    (checkout.root / "undecided.yaml").write_text(SWEEP)
    process = checkout.popen(sys.executable, "runner.py", *COMMAND)
    assert process.stdout is not None
    seen = []
    for line in process.stdout:
        seen.append(line)
        if line.startswith(FIRST):
            break
    run = checkout.freeze_run(trained=False)
    process.send_signal(signal.SIGINT)
    os.kill(run, signal.SIGCONT)
    process.communicate()
    assert process.returncode == 130, seen

    output = checkout.runner(*COMMAND)
    assert FIRST in output
    assert "look 2 of 2, 4 seeds: 1 undecided on test/loss\n" in output
    report = checkout.report("undecided")
    assert report["looks"] == {"look": 2, "looks_max": 2, "alpha": 0.025}
    assert [cell["states"] for cell in report["cells"]] == [dict.fromkeys("0123", "done")] * 2

    # Any later report knows of the looks, and no run was made twice
    assert "look 2 of at most 2" in (checkout.root / "reports/undecided/report.md").read_text()
    checkout.runner("report", f"undecided/{report['sweep']['id']}", "--output", "elsewhere")
    text = (checkout.root / "elsewhere/report.md").read_text()
    assert "look 2 of at most 2" in text and "no point of the grid" not in text
    runs = [r for r in checkout.api_runs("undecided") if r["state"] == "finished"]
    made = Counter((run["config"]["fusion"], run["config"]["seed"]) for run in runs)
    assert len(made) == 8 and set(made.values()) == {1}


THEIRS = """\
import argparse, random, wandb
parser = argparse.ArgumentParser()
parser.add_argument("--arm")
parser.add_argument("--random_seed", type=int)
args = parser.parse_args()
with wandb.init(config=args) as run:
    run.summary["score"] = random.Random(f"{args.arm} {args.random_seed}").gauss()
"""
THEIR_SWEEP = """\
program: theirs.py
method: grid
metric: {name: score, goal: maximize}
parameters:
  random_seed: {values: [7, 8, 9]}
  arm: {values: [a, b]}
"""


def test_seeds_of_another_name_are_added(checkout) -> None:
    (checkout.root / "theirs.py").write_text(THEIRS)
    (checkout.root / "theirs.yaml").write_text(THEIR_SWEEP)
    output = checkout.runner("sweep", "theirs.yaml", "--until-decided", "--max-seeds", "4")
    assert "look 1 of 2, 3 seeds: 1 undecided on score; seeds for 2 cells" in output
    assert "look 2 of 2, 4 seeds" in output
    runs = [run["config"] for run in checkout.api_runs("theirs")]
    made = Counter((run["arm"], run["random_seed"]) for run in runs)
    assert made == Counter({(arm, seed): 1 for arm in "ab" for seed in (7, 8, 9, 0)})
