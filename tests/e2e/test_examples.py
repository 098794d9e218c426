"""Programs that are not ours, launched from a folder that is neither theirs nor the checkout's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.e2e
# Of five cells, two of which end badly the first time. Every attempt tells what it was asked.
TROUBLED = """\
import json, os, signal, sys
from pathlib import Path
import wandb

asked = json.loads(sys.argv[1])
run = wandb.init(config=asked)
kept = Path(os.environ["WANDB_DIR"], f"{run.id}.json")
first = Path(os.environ["WANDB_DIR"], f"{asked['how']['ends']}-{asked['seed']}")
began = kept.exists()
with Path(os.environ["WANDB_DIR"], "asked.jsonl").open("a") as file:
    file.write(json.dumps({"id": run.id, "resumed": began, **asked}) + "\\n")
run.log({"epoch": 1, "val/loss": 1.0})
kept.write_text("1")
if not first.exists():
    first.touch()
    if asked["how"]["ends"] == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if asked["how"]["ends"] == "failed":
        sys.exit("the first time")
run.log({"epoch": 2, "val/loss": 0.5 + asked["seed"] / 10})
run.finish()
"""
SWEEP = """\
program: troubled.py
command: ["${env}", "${interpreter}", "${program}", "${args_json}"]
method: grid
metric: {name: val/loss, goal: minimize}
parameters:
  seed: {values: [0]}
  how: {parameters: {ends: {values: [well, failed, killed]}}}
"""


@pytest.fixture
def elsewhere(checkout, tmp_path: Path) -> Callable[..., str]:
    """elsewhere(*words): `python runner.py WORDS` of the checkout in an empty folder."""

    def run(*words: object, code: int = 0) -> str:
        command = [sys.executable, str(checkout.root / "runner.py"), *map(str, words)]
        done = subprocess.run(
            command, cwd=tmp_path, env=checkout.env, capture_output=True, text=True
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    return run


def test_ten_lines_from_the_first_seeds_to_a_decision(checkout, elsewhere, tmp_path):
    words = ("sweep", checkout.root / "examples" / "ten_lines.yaml", "--set", "degree=[1, 3]")
    first = elsewhere(*words, "--seeds", "1").splitlines()
    assert first[1] == "ten_lines: 2 cells × 1 seed = 2 runs; the program checks its own parameters"
    assert first[-1] == f"wrote {checkout.root / 'reports' / 'ten_lines' / 'report.md'}"
    assert "nothing to run" in elsewhere(*words, "--seeds", "1")
    more = elsewhere(*words, "--seeds", "3", "--until-decided", "--max-seeds", "4")
    assert "look 1 of 2, 3 seeds" in more
    runs = checkout.api_runs("ten_lines")
    cells = {(run["config"]["degree"], run["config"]["seed"]) for run in runs}
    assert len(cells) == len(runs) >= 6
    assert not list(tmp_path.iterdir())


def test_hydra_gets_words_and_nested_values_are_axes(checkout, elsewhere):
    words = ("--set", "model.activation=relu", "--seeds", "2", "--agents", "1")
    elsewhere("sweep", checkout.root / "examples" / "hydra_style.yaml", *words)
    report = checkout.report("hydra_style")
    assert report["grid"]["done"] == 4
    assert {cell["config"]["model.hidden"] for cell in report["cells"]} == {4, 32}
    configs = [run["config"] for run in checkout.api_runs("hydra_style")]
    assert all(c["model"] == {"hidden": c["model.hidden"], "activation": "relu"} for c in configs)


def test_lightning_stops_early_and_logs_what_each_example_contributed(checkout, elsewhere):
    words = ("--set", "model.hidden=[2, 32]", "--set", "model.learning_rate=0.5", "--seeds", "2")
    elsewhere("sweep", checkout.root / "examples" / "lightning_style.yaml", *words)
    runs = checkout.api_runs("lightning_style")
    assert {run["state"] for run in runs} == {"finished"} and len(runs) == 4
    assert len({run["summary"]["epoch"] for run in runs}) > 1
    contrasts = checkout.report("lightning_style")["contrasts"]
    assert contrasts and {c["crossed"]["examples"] for c in contrasts} == {400}


def test_arguments_as_json_and_runs_that_end_badly_the_first_time(checkout, elsewhere, tmp_path):
    (tmp_path / "troubled.py").write_text(TROUBLED)
    (tmp_path / "troubled.yaml").write_text(SWEEP)
    path = elsewhere("sweep", "troubled.yaml", "--register-only").splitlines()[-1]
    output = elsewhere("sweep", "troubled.yaml", "--agents", "1")
    assert f"continuing sweep {path}" in output
    assert checkout.report("troubled")["grid"]["done"] == 3
    lines = (checkout.root / "runs" / "asked.jsonl").read_text().splitlines()
    attempts = [json.loads(line) for line in lines]
    assert len(attempts) == 5
    ids = {}
    for attempt in attempts:
        ids.setdefault(attempt["how"]["ends"], []).append((attempt["id"], attempt["resumed"]))
    assert len(ids["well"]) == 1
    assert len({run for run, _ in ids["failed"]}) == 2  # a new attempt
    (run, began), (again, resumed) = ids["killed"]
    assert run == again and (began, resumed) == (False, True)
    assert "nothing to run" in elsewhere("sweep", "troubled.yaml")
    more = elsewhere("sweep", "troubled.yaml", "--set", "how.ends=[well, failed, killed, late]")
    assert f"continuing sweep {path}" in more
    assert checkout.report("troubled")["grid"]["done"] == 4


def test_a_run_of_lightning_goes_on_from_its_checkpoint_to_the_same_weights(checkout, tmp_path):
    def fit(folder: str, epochs: int) -> dict[str, np.ndarray]:
        (tmp_path / folder).mkdir(exist_ok=True)
        program = checkout.root / "examples" / "lightning_style.py"
        env = {"WANDB_DIR": folder, "WANDB_RUN_ID": "one", "WANDB_MODE": "offline"}
        words = ["fit", f"--trainer.max_epochs={epochs}", "--trainer.patience=99"]
        subprocess.run(
            [sys.executable, program, *words], check=True, cwd=tmp_path, env=os.environ | env
        )
        return dict(np.load(tmp_path / folder / "checkpoints" / "one.npz"))

    fit("twice", 3)
    twice, once = fit("twice", 6), fit("once", 6)
    assert twice["epoch"] == 6 and twice.keys() == once.keys()
    assert all(np.array_equal(twice[name], once[name]) for name in once)
