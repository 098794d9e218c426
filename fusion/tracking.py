"""The only module that talks to wandb, and only once a run is to be tracked.

A tracked run survives being killed at any moment: rows are logged at step = epoch, so that a
continued run can offer all of them again and the server keeps each once; summary and artifacts can
be sent again without effect.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import string
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from fusion.config import RunConfig
from fusion.files import write_json

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
    "learning_rate",
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

MODES = ("online", "offline", "disabled")
RUN_FILE = "wandb_run.json"


class TrackingError(Exception):
    """The run cannot be tracked as asked for."""

    exit_code = 2


class Tracking:
    """One W&B run as a context; with `run` None, nothing is sent anywhere.

    An exception that leaves the context ends the run with exit code 1, SystemExit with its own.
    """

    def __init__(self, run: Any = None) -> None:
        self.run = run
        # Set from another thread, where the server asked the run to stop.
        self.stopped_by_server = False

    @property
    def url(self) -> str | None:
        """Where the run can be looked at; None where it is not on a server."""
        return self.run.url if self.run is not None and not self.run.offline else None

    def log(self, row: Mapping[str, float]) -> None:
        """Send the row of one epoch, unless the server has it already."""
        if self.run is not None and row["epoch"] >= self.run.starting_step:
            self.run.log(dict(row), step=int(row["epoch"]))

    def publish(self, summary: Mapping[str, Any], folder: Path) -> None:
        """Send the summary, and what of predictions and weights lies in `folder`."""
        if self.run is None:
            return
        import wandb

        self.run.summary.update(dict(summary))
        metadata = {
            "part": "test" if "test/loss" in summary else "val",
            "test_hash": summary["provenance"]["test_hash"],
            "best_epoch": summary.get("best_epoch"),
        }
        kinds = {
            "predictions": ("predictions.csv",),
            "model": ("weights.safetensors", "weights.json"),
        }
        for kind, names in kinds.items():
            files = [folder / name for name in names if (folder / name).exists()]
            if not files:
                continue
            artifact = wandb.Artifact(f"{kind}-{self.run.id}", kind, metadata=metadata)
            for file in files:
                # The folder keeps the file: a copy in the client's cache would be a third one.
                artifact.add_file(str(file), policy="immutable", skip_cache=True)
            self.run.log_artifact(artifact)

    def __enter__(self) -> Tracking:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Flush everything to the server, however long that takes, and end the run."""
        if self.run is None:
            return
        code = 1 if error is not None else 0
        if isinstance(error, SystemExit):
            code = error.code if isinstance(error.code, int) else int(error.code is not None)
        if code > 128 and self.run.sweep_id and not self.stopped_by_server:
            # W&B then offers the run to an agent again, which continues from the checkpoint.
            self.run.mark_preempting()
        self.run.finish(exit_code=code)


def start(
    mode: str, config: RunConfig, folder: Path, *, project: str | None, name: str | None
) -> Tracking:
    """Begin, or go on with, the W&B run that belongs to `folder`.

    Under a sweep, the agent's environment says which run it is; else its id is kept in `folder`.
    Raises TrackingError where wandb cannot be used.
    """
    if mode == "disabled":
        return Tracking()
    try:
        import wandb
    except ImportError:
        raise TrackingError(
            f"--tracking {mode}: wandb is not installed; run `make setup`, or use "
            "--tracking disabled"
        ) from None
    tracking = Tracking()
    in_sweep = "WANDB_SWEEP_ID" in os.environ
    # The client would lock the sweep's own spelling of the values ("1e-4") into the run's config.
    os.environ.pop("WANDB_SWEEP_PARAM_PATH", None)
    try:
        tracking.run = wandb.init(
            mode=mode,  # type: ignore[arg-type]
            dir=folder,
            project=None if in_sweep else project,
            id=None if in_sweep else run_id(folder),
            name=name or config.name,
            config=config.model_dump(),
            resume="allow" if mode == "online" else None,
            settings=_settings(tracking),
        )
    except wandb.Error as error:
        raise TrackingError(
            f"--tracking {mode}: {error}\nStart a server and point this shell at it: "
            'eval "$(python runner.py env)", or use --tracking offline or disabled'
        ) from None
    # A resumed run brings its config along
    tracking.run.config.update(config.model_dump(), allow_val_change=True)
    tracking.run.define_metric("*", step_metric="epoch")
    return tracking


def run_id(folder: Path) -> str:
    """Return the id of the W&B run of `folder`: WANDB_RUN_ID, else the one from the first time."""
    file = folder / RUN_FILE
    if "WANDB_RUN_ID" in os.environ:
        return os.environ["WANDB_RUN_ID"]
    if not file.exists():
        alphabet = string.ascii_lowercase + string.digits
        write_json(file, {"id": "".join(secrets.choice(alphabet) for _ in range(8))})
    return json.loads(file.read_text(encoding="utf-8"))["id"]


def _settings(tracking: Tracking) -> Any:
    """Tell a stop that the server asked for from a signal of somebody else."""
    import wandb

    def stop() -> None:
        tracking.stopped_by_server = True
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    # Older clients have no such setting: they send the same signal themselves.
    known = "stop_fn" in wandb.Settings.model_fields
    return wandb.Settings(stop_fn=stop) if known else wandb.Settings()
