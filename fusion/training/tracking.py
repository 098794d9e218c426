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
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from contract.files import write_json

# What an agent sets for the run that it starts; its entity and project are for any run.
IN_SWEEP = ("WANDB_SWEEP_ID", "WANDB_RUN_ID", "WANDB_SWEEP_PARAM_PATH")
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
            self.run.log(dict(row), step=int(row["epoch"]), commit=True)

    def publish(self, summary: Mapping[str, Any], folder: Path) -> None:
        """Send the summary, and what of predictions and weights lies in `folder`."""
        if self.run is None:
            return
        self.summarise(summary)
        metadata = {
            "part": "test" if "test/loss" in summary else "val",
            "test_hash": summary["provenance"]["test_hash"],
            "best_epoch": summary.get("best_epoch"),
        }
        kinds = {
            "predictions": ("predictions.csv",),
            "examples": ("examples.csv",),
            "model": ("weights.safetensors", "weights.json"),
        }
        for kind, names in kinds.items():
            files = [folder / name for name in names if (folder / name).exists()]
            if files:
                self.save(f"{kind}-{self.run.id}", kind, files, metadata)

    def summarise(self, summary: Mapping[str, Any]) -> None:
        """Send numbers about the whole run."""
        if self.run is not None:
            self.run.summary.update(dict(summary))

    def save(
        self,
        name: str,
        kind: str,
        files: list[Path],
        metadata: Mapping[str, Any],
        aliases: list[str] | None = None,
    ) -> Any:
        """Send files as an artifact of type `kind`; return it, or None where nothing is tracked.

        `aliases` come beside "latest", which W&B sets by itself.
        """
        if self.run is None:
            return None
        import wandb

        artifact = wandb.Artifact(name, kind, metadata=dict(metadata))
        for file in files:
            # The folder keeps the file: a copy in the client's cache would be a third one.
            artifact.add_file(str(file), policy="immutable", skip_cache=True)
        return self.run.log_artifact(artifact, aliases=["latest", *(aliases or [])])

    def picture(self, name: str, file: Path) -> None:
        """Send a picture, shown as `name` in the run's summary: it belongs to no epoch."""
        if self.run is not None:
            import wandb

            self.run.summary[name] = wandb.Image(str(file))

    def use(self, artifact: str) -> Any:
        """Say that this run builds on an artifact ("entity/project/name:alias"); return it.

        None where nothing is tracked, or not on a server: offline runs have no lineage. Raises
        TrackingError where the artifact cannot be had.
        """
        if self.run is None or self.run.offline:
            return None
        import wandb

        try:
            return self.run.use_artifact(artifact)
        except (wandb.Error, ValueError) as error:
            raise TrackingError(f"artifact {artifact}: {error}") from None

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


class Described(Protocol):
    """What a run is about: a Config, or the settings of a stage."""

    @property
    def name(self) -> str: ...
    def model_dump(self) -> dict[str, Any]: ...


@contextmanager
def outside_sweep() -> Iterator[None]:
    """Let runs of this process be their own, and not the one that an agent has begun.

    The client reads the sweep from the environment once, so its session is closed at the end.
    """
    kept = {name: os.environ.pop(name) for name in IN_SWEEP if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(kept)
        if "wandb" in sys.modules:
            import wandb

            wandb.teardown()


def start(
    mode: str,
    config: Described,
    folder: Path,
    *,
    project: str | None,
    name: str | None,
    group: str | None = None,
    job_type: str | None = None,
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
            group=group,
            job_type=job_type,
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
