"""Stages that are trained once: kept by what decides their result, and reused by every cell.

A stage's folder is `ROOT/NAME-KEY/`; its key is a hash over its settings, data, inputs, the modules
that it imports (`sources`) and torch's version. A file lock keeps two agents from training the same
stage; while one does, the other trains another stage that it will need. A stage is done once its
folder lists the hashes of its files; where one of those is damaged later, it is trained anew.
"""

from __future__ import annotations

import functools
import hashlib
import io
import json
import logging
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from filelock import BaseFileLock, FileLock, Timeout
from PIL import Image
from torch import nn

from contract.files import write_atomic, write_json
from fusion.training import checkpoint, output, sealed, sources
from fusion.training.loop import Job, StoppedError
from fusion.training.outcome import Outcome
from fusion.training.output import CHECKPOINT, HISTORY, SUMMARY, WEIGHTS

Row = dict[str, float]
HASHES = "sha256.json"  # name -> SHA-256 of what the stage left; written last
PATIENCE = 0.5  # seconds between two looks whether to stop, while waiting for another process
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Stage:
    """One training: `build` makes the module, `fit` trains it; `settings` decide the result.

    `code` names the Python module that both are in: what it imports decides, too.
    """

    name: str
    settings: dict[str, Any]
    code: str
    build: Callable[[], nn.Module]
    fit: Callable[[nn.Module, Job], Outcome]
    inputs: tuple[Finished, ...] = ()

    @functools.cached_property
    def identity(self) -> dict[str, Any]:
        """Everything that decides the result, as JSON values."""
        return {
            "stage": self.name,
            "settings": self.settings,
            "inputs": [finished.stage.key for finished in self.inputs],
            "code": sources.digest(self.code),
            "torch": torch.__version__,
        }

    @functools.cached_property
    def key(self) -> str:
        """Hash of the identity, 16 hex digits."""
        text = json.dumps(self.identity, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def folder(self, root: Path) -> Path:
        """Return where this stage is kept below `root`."""
        return root / f"{self.name}-{self.key}"


@dataclass(frozen=True)
class Finished:
    """A trained stage. `module` has the weights of the best epoch."""

    stage: Stage
    folder: Path
    module: Any
    summary: dict[str, Any]
    history: list[Row]
    arrays: dict[str, np.ndarray] = field(repr=False)


class Report(Protocol):
    """One stage's own run, while it is open."""

    def log(self, row: Row) -> None:
        """Take the row of an epoch."""
        ...

    def publish(self, folder: Path, summary: dict[str, Any]) -> None:
        """Take what the stage left in `folder`."""
        ...


class Recorder(Protocol):
    """Who is told about stages."""

    def knows(self, stage: Stage, folder: Path) -> bool:
        """Return whether a finished stage was published there before."""
        ...

    def opened(self, stage: Stage, folder: Path) -> AbstractContextManager[Report]:
        """Enter while a stage trains, or while what it left is published."""
        ...


class Nobody:
    """Recorder and report of runs without tracking."""

    def knows(self, stage: Stage, folder: Path) -> bool:
        return True

    def opened(self, stage: Stage, folder: Path) -> AbstractContextManager[Report]:
        return nullcontext(self)

    def log(self, row: Row) -> None:
        pass

    def publish(self, folder: Path, summary: dict[str, Any]) -> None:
        pass


def obtain(
    stages: list[Stage],
    root: Path,
    recorder: Recorder,
    stop: Callable[[], bool] = lambda: False,
) -> list[Finished]:
    """Return all stages, in order: read where they are done, trained where not.

    They must not depend on each other: which is trained first depends on what others are training.
    """
    done: dict[str, Finished] = {}
    while pending := [stage for stage in stages if stage.key not in done]:
        stage, lock = first_free(pending, root, stop)
        try:
            done[stage.key] = ensure(stage, stage.folder(root), recorder, stop)
        finally:
            lock.release()
    return [done[stage.key] for stage in stages]


def first_free(
    stages: list[Stage], root: Path, stop: Callable[[], bool] = lambda: False
) -> tuple[Stage, BaseFileLock]:
    """Take the lock of the first stage that nobody holds; wait for the first where all are held."""
    root.mkdir(parents=True, exist_ok=True)
    locks = [FileLock(stage.folder(root).with_suffix(".lock")) for stage in stages]
    for stage, lock in zip(stages, locks, strict=True):
        try:
            lock.acquire(timeout=0)
            return stage, lock
        except Timeout:
            continue
    print(f"waiting for another process that trains {stages[0].name}", file=sys.stderr, flush=True)
    while not stop():
        try:
            locks[0].acquire(timeout=PATIENCE)
            return stages[0], locks[0]
        except Timeout:
            continue
    raise StoppedError(f"{stages[0].name}: stopped while another process trains it")


def ensure(stage: Stage, folder: Path, recorder: Recorder, stop: Callable[[], bool]) -> Finished:
    """Train and publish a stage, as far as that was not done before."""
    done = (folder / HASHES).exists()
    if done and (reason := damage(folder)):
        log.warning("%s is damaged (%s): this stage is trained anew", folder, reason)
        done = False
    if not done or not recorder.knows(stage, folder):
        with recorder.opened(stage, folder) as report:
            if not done:
                fit(stage, folder, report, stop)
            else:
                for row in read(stage, folder).history:
                    report.log(row)
            report.publish(folder, read(stage, folder).summary)
    return read(stage, folder)


def damage(folder: Path) -> str:
    """Return what is not as a stage left it, "" where all is."""
    try:
        hashes = json.loads((folder / HASHES).read_text(encoding="utf-8"))
        wrong = [name for name, known in hashes.items() if sha256(folder / name) != known]
    except (OSError, ValueError, AttributeError, TypeError) as error:
        return str(error)
    return f"{', '.join(wrong)} changed" if wrong else ""


def sha256(file: Path) -> str:
    """Return the hash of a file's bytes."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def fit(stage: Stage, folder: Path, report: Report, stop: Callable[[], bool]) -> None:
    """Train a stage, from its checkpoint where there is one, and write what it leaves."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / CHECKPOINT
    history: list[Row] = []

    def take(row: Row) -> None:
        history.append(row)
        report.log(row)
        line = f"{stage.name}, epoch {row['epoch']}: val/loss {row['val/loss']:.4f}"
        print(line, file=sys.stderr, flush=True)

    module = stage.build()
    outcome = stage.fit(module, Job(path, stage.identity, take, stop))
    sealed.write_weights(folder / WEIGHTS, module)
    output.write_history(folder, history)
    write_json(folder / "stage.json", stage.identity)
    for name, array in outcome.arrays.items():
        buffer = io.BytesIO()
        np.save(buffer, array, allow_pickle=False)
        write_atomic(folder / f"{name}.npy", buffer.getvalue())
    for name, picture in outcome.pictures.items():
        buffer = io.BytesIO()
        Image.fromarray(picture).save(buffer, "png")
        write_atomic(folder / f"{name}.png", buffer.getvalue())
    output.write_summary(folder, outcome.summary)
    left = [WEIGHTS, HISTORY, "stage.json", SUMMARY]
    left += [f"{name}.npy" for name in outcome.arrays]
    left += [f"{name}.png" for name in outcome.pictures]
    write_json(folder / HASHES, {name: sha256(folder / name) for name in left})
    checkpoint.remove(path)


def read(stage: Stage, folder: Path) -> Finished:
    """Return a stage that is done."""
    module = stage.build()
    module.load_state_dict(sealed.read(folder / WEIGHTS).tensors)
    return Finished(
        stage,
        folder,
        module,
        json.loads((folder / SUMMARY).read_text(encoding="utf-8")),
        output.read_history(folder),
        {path.stem: np.load(path, allow_pickle=False) for path in sorted(folder.glob("*.npy"))},
    )
