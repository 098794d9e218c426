"""Uploads the share of one of several writers of an artifact that none of them ever finishes."""

import wandb

settings = wandb.Settings(console="off", x_disable_stats=True, x_disable_meta=True)
with wandb.init(project="p", settings=settings) as run:
    artifact = wandb.Artifact("shared", "dataset")
    with artifact.new_file("share.txt") as file:
        file.write("never committed")
    run.upsert_artifact(artifact, distributed_id="writers")
