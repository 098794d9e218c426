"""Stages that are trained once: kept by what decides their result, and reused by every cell.

A stage's folder is `ROOT/NAME-KEY/`; its key is a hash over its settings, data, inputs, the code of
this package and torch's version. `summary.json` is written last: where it exists, the stage is
done. A file lock keeps two agents from training the same stage; while one does, the other trains
another stage that it will need.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import io
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from safetensors.torch import load_file, save
from torch import nn

import fusion
from fusion.contrastive.loop import Job
from fusion.contrastive.outcome import Outcome
from fusion.files import write_atomic, write_json

Row = dict[str, float]


@dataclass(frozen=True)
class Stage:
    """One training: `build` makes the module, `fit` trains it; `settings` decide the result."""

    name: str
    settings: dict[str, Any]
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
            "code": code_digest(),
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


class Recorder(Protocol):
    """Who is told about stages: `fusion.contrastive.record`, or nobody."""

    def opened(self, stage: Stage, folder: Path) -> AbstractContextManager[Callable[[Row], None]]:
        """Enter while a stage trains; gives the function that takes its rows."""
        ...

    def finished(self, finished: Finished) -> None:
        """Take what a stage left; called for reused stages too."""
        ...


class Nobody:
    """The recorder of runs without tracking."""

    def opened(self, stage: Stage, folder: Path) -> AbstractContextManager[Callable[[Row], None]]:
        return nullcontext(lambda row: None)

    def finished(self, finished: Finished) -> None:
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
        with first_free(pending, root) as stage:
            folder = stage.folder(root)
            if not (folder / "summary.json").exists():
                fit(stage, folder, recorder, stop)
            done[stage.key] = read(stage, folder)
            recorder.finished(done[stage.key])
    return [done[stage.key] for stage in stages]


@contextmanager
def first_free(stages: list[Stage], root: Path) -> Iterator[Stage]:
    """Hold the lock of the first stage that nobody else holds; wait for the first if all are."""
    root.mkdir(parents=True, exist_ok=True)
    for how, candidates in ((fcntl.LOCK_EX | fcntl.LOCK_NB, stages), (fcntl.LOCK_EX, stages[:1])):
        for stage in candidates:
            with stage.folder(root).with_suffix(".lock").open("w") as file:
                try:
                    fcntl.flock(file, how)
                except BlockingIOError:
                    continue
                yield stage
                return


def fit(stage: Stage, folder: Path, recorder: Recorder, stop: Callable[[], bool]) -> None:
    """Train a stage, from its checkpoint where there is one, and write what it leaves."""
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint = folder / "checkpoint.safetensors"
    history: list[Row] = []
    with recorder.opened(stage, folder) as log:

        def take(row: Row) -> None:
            history.append(row)
            log(row)

        module = stage.build()
        outcome = stage.fit(module, Job(checkpoint, stage.identity, take, stop))
    weights = {name: t.detach().cpu().contiguous() for name, t in module.state_dict().items()}
    write_atomic(folder / "weights.safetensors", save(weights))
    write_atomic(
        folder / "history.jsonl",
        "".join(json.dumps(row, allow_nan=False) + "\n" for row in history),
    )
    write_json(folder / "stage.json", stage.identity)
    for name, array in outcome.arrays.items():
        buffer = io.BytesIO()
        np.save(buffer, array, allow_pickle=False)
        write_atomic(folder / f"{name}.npy", buffer.getvalue())
    write_json(folder / "summary.json", outcome.summary)
    checkpoint.unlink(missing_ok=True)


def read(stage: Stage, folder: Path) -> Finished:
    """Return a stage that is done."""
    module = stage.build()
    module.load_state_dict(load_file(folder / "weights.safetensors"))
    lines = (folder / "history.jsonl").read_text(encoding="utf-8").splitlines()
    return Finished(
        stage,
        folder,
        module,
        json.loads((folder / "summary.json").read_text(encoding="utf-8")),
        [json.loads(line) for line in lines],
        {path.stem: np.load(path, allow_pickle=False) for path in sorted(folder.glob("*.npy"))},
    )


@functools.cache
def code_digest() -> str:
    """Return a hash of the sources of `fusion`: whatever they change, nothing stale is reused."""
    root = Path(fusion.__file__).parent
    total = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        total.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return total.hexdigest()
