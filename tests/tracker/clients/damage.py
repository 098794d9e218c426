# type: ignore  (the client's annotations do not say what it gives)
"""A content that the server's disk has lost is refused at once, until somebody sends it again."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import wandb

PROJECT = sys.argv[1]
PATH = f"local/{PROJECT}"
BLOBS = Path(os.environ["WANDB_DIR"]) / "data" / "blobs"
TEXT = "a content of no other file"

source = Path(tempfile.mkdtemp()) / "a.txt"
source.write_text(TEXT)


def log(name: str) -> str:
    """Saves the file, and logs it as an artifact; the artifact's version."""
    with wandb.init(project=PROJECT, id=name) as run:
        run.save(str(source), base_path=str(source.parent))
        artifact = wandb.Artifact("ds", type="dataset")
        artifact.add_file(str(source))
        return run.log_artifact(artifact).wait().version


def downloads() -> list[str]:
    api = wandb.Api()
    place = api.artifact(f"{PATH}/ds:v0").download(root=tempfile.mkdtemp(), skip_cache=True)
    file = api.run(f"{PATH}/first").file("a.txt").download(root=tempfile.mkdtemp())
    return [(Path(place) / "a.txt").read_text(), file.read()]


assert log("first") == "v0"
assert downloads() == [TEXT, TEXT]
(blob,) = (path for path in BLOBS.glob("??/*") if path.read_text(errors="replace") == TEXT)
blob.write_text(TEXT.upper())
refused = 0
for get in (
    lambda: (
        wandb.Api().artifact(f"{PATH}/ds:v0").download(root=tempfile.mkdtemp(), skip_cache=True)
    ),
    lambda: wandb.Api().run(f"{PATH}/first").file("a.txt").download(root=tempfile.mkdtemp()),
):
    try:
        get()
    except Exception as error:
        refused += 1
        print("refused:", error)
assert refused == 2
assert log("second") == "v1"  # what is there is not the same
assert downloads() == [TEXT, TEXT]
