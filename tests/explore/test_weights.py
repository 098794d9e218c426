"""Weights for embeddings come from the real tracker as they were logged."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from contract.places import CODE as ROOT
from tracker import server

# A process of its own, as `runner.py explore` is: it has read predictions before, which leaves a
# target in the client's cache.
CLIENT = """
import sys
from pathlib import Path
import wandb
from explore import weights

logged, fetched = map(Path, sys.argv[1:])
logged.mkdir()
for number in range(8):
    (logged / f"{number}.txt").write_text(str(number) * (number + 1))
with wandb.init(project="p", id="a", dir=logged.parent) as run:
    for kind in ("model", "predictions"):
        artifact = wandb.Artifact(f"{kind}-a", kind)
        artifact.add_dir(str(logged))
        run.log_artifact(artifact).wait()
    entity = run.entity
before = wandb.Api().artifact(f"{entity}/p/predictions-a:latest").get_entry("0.txt")
before.download(root=str(fetched / "predictions"), skip_cache=True)
found = weights._download({"entity": entity, "project": "p"}, "a", fetched / "model")
for file in sorted(logged.iterdir()):
    assert (found / file.name).read_bytes() == file.read_bytes(), file.name
assert (fetched / "predictions" / "0.txt").read_text() == "0"
try:
    weights._download({"entity": entity, "project": "p"}, "b", fetched / "none")
except weights.WeightsError as error:
    print(error)
"""


def test_files_of_an_artifact_are_not_mixed_up(tmp_path: Path):
    running = server.ensure(tmp_path / "tracker")
    own = {"WANDB_BASE_URL": running.url, "WANDB_API_KEY": running.key, "WANDB_SILENT": "true"}
    own |= {f"WANDB_{name}_DIR": str(tmp_path / name) for name in ("CACHE", "CONFIG", "DATA")}
    try:
        done = subprocess.run(
            [sys.executable, "-c", CLIENT, str(tmp_path / "logged"), str(tmp_path / "fetched")],
            capture_output=True,
            text=True,
            timeout=240,
            cwd=ROOT,
            env=os.environ | own,
        )
    finally:
        server.stop(tmp_path / "tracker")
    assert done.returncode == 0, done.stderr
    assert "artifact " in done.stdout and "model-b" in done.stdout
