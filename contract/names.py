"""What a run logs and a report reads, by name. A unit stands in every name that has one."""

from __future__ import annotations

# Keys of one logged row, in its order; `epoch` counts from 1 and is the step of all others.
EPOCH_METRICS = (
    "epoch",
    "train/loss",
    "train/accuracy",
    "val/loss",
    "val/accuracy",
    "val/f1",
    "epoch_seconds",
    "samples_per_second",
    "train/learning_rate",
)
# Of these the summary holds the values at `best_epoch`, where W&B by itself keeps the last ones.
BEST_EPOCH_METRICS = ("train/loss", "train/accuracy", "val/loss", "val/accuracy", "val/f1")
TEST_METRICS = ("test/loss", "test/accuracy", "test/f1")
COST_METRICS = (
    "parameters",
    "flops_per_sample",
    "epoch_seconds",
    "samples_per_second",
    "peak_memory_mib",
)
# Where a run comes from; "" for what is not known.
PROVENANCE = (
    "commit",
    "dirty",
    "python",
    "torch",
    "wandb",
    "numpy",
    "platform",
    "cpu",
    "process",
    "gpu",
    "threads",
    "precision",
    "data_hash",
    "split_hash",
    "test_hash",
    "curation_hash",
)
