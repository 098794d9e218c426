"""Contrastive sweeps with everything real: stages as runs, joined by artifacts, trained once."""

from __future__ import annotations

import json
import sys

import pytest

pytestmark = pytest.mark.e2e

PROJECT = "contrastive_pre_training"
NAME = f"{PROJECT}-smoke"
SWEEP = (
    *("sweep", f"sweeps/{PROJECT}.yaml", "--budget", "smoke", "--seeds", "1"),
    *("--set", "data=study:100:0", "--set", "logits=learned", "--set", "width=0.06"),
    *("--set", "classifier_epochs=1", "--set", "contrastive_epochs=2"),
    *("--set", "projector_epochs=2", "--set", "finetune=[projector, all]"),
)
READ = """
import json, sys, wandb
def read(run):
    return {
        "name": run.name, "id": run.id, "state": run.state, "group": run.group, "job": run.job_type,
        "sweep": bool(run.sweep), "summary": sorted(run.summary._json_dict),
        "steps": [row["epoch"] for row in run.scan_history(keys=["epoch"])],
        "used": sorted(a.name for a in run.used_artifacts()),
        "logged": {a.name: sorted(f.name for f in a.files()) for a in run.logged_artifacts()},
        "aliases": sorted(x for a in run.logged_artifacts() for x in a.aliases),
    }
print(json.dumps([read(run) for run in wandb.Api().runs(sys.argv[1], lazy=False)]))
"""


def runs_of(checkout) -> list[dict]:
    output = checkout.run(sys.executable, "-c", READ, PROJECT, env=checkout.exports())
    return json.loads(output.splitlines()[-1])


def test_stages_are_runs_of_one_group_joined_by_artifacts_and_trained_once(checkout):
    checkout.runner(*SWEEP)
    runs = runs_of(checkout)
    assert {run["state"] for run in runs} == {"finished"}
    assert {run["group"] for run in runs} == {"study:100:0-seed0"}
    stages = {run["job"]: run for run in runs if not run["sweep"]}
    cells = [run for run in runs if run["sweep"]]
    assert sorted(stages) == ["contrastive", "lidar-classifier", "projector", "rgb-classifier"]
    assert len(runs) == 6 and len(cells) == 2, "two cells share every stage"

    # Lineage: the projector builds on two stages, every cell on all four
    made = {job: next(iter(run["logged"])) for job, run in stages.items()}
    assert stages["projector"]["used"] == sorted([made["contrastive"], made["lidar-classifier"]])
    assert all(run["used"] == sorted(made.values()) for run in cells)
    assert {"similarity.npy", "similarity.png"} <= set(
        stages["contrastive"]["logged"][made["contrastive"]]
    )
    assert "learned" in stages["contrastive"]["aliases"]
    assert "similarity" in stages["contrastive"]["summary"]

    # Each stage has a step axis of its own
    epochs = {"lidar-classifier": 1, "rgb-classifier": 1, "contrastive": 2, "projector": 2}
    assert {job: run["steps"] for job, run in stages.items()} == {
        job: list(range(1, count + 1)) for job, count in epochs.items()
    }
    section = checkout.report(NAME)["contrastive"]
    assert section["frozen_runs"] == section["frozen_identical"] == 1
    assert {arm["arm"] for arm in section["arms"]} == {
        "zero-shot", "fine-tuned", "RGB from scratch", "LiDAR classifier",
    }  # fmt: skip


def test_pre_trained_encoders_begin_a_fusion_run_from_their_artifact(checkout):
    tiny = ("--data=fusion:100:0", "--width=0.06", "--tracking=online", f"--project={PROJECT}")
    env = checkout.exports()
    epochs = [f"--{name}-epochs=1" for name in ("classifier", "contrastive", "projector")]
    checkout.runner("pretrain", *tiny, *epochs, "--inputs=fusion", "--finetune-epochs=1", env=env)
    name = f"{PROJECT}/contrastive-fusion-100-0-seed0:learned"
    train = ("train", *tiny, "--epochs=1", "--fusion=late", f"--init=contrastive:{name}")
    checkout.runner(*train, "--output=runs/initialised", env=env)
    used = [run["used"] for run in runs_of(checkout) if run["name"].startswith("late-")]
    assert [[item.split(":")[0] for item in names] for names in used] == [
        ["contrastive-fusion-100-0-seed0"]
    ]
    text = checkout.runner(
        *("train", *tiny, "--epochs=1", "--fusion=late", "--output=runs/missing"),
        f"--init=contrastive:{PROJECT}/nothing:latest",
        env=env,
        code=2,
    )
    assert "nothing:latest" in text and "Traceback" not in text
