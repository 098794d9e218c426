"""The folder of one run: whose it is, how far it is, and what is written into it.

config.json          the RunConfig, from the start on
checkpoint.safetensors   and checkpoint.previous.safetensors, see checkpoint.py
history.jsonl        a row by finished epoch
predictions.csv      pair, label, logit of the evaluated part (test, or val without a test part)
weights.safetensors  of the best epoch, with weights.json beside them
summary.json         written last: where it is, the run has finished
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout
from torch import nn

from contract.files import unwritable, write_atomic, write_json
from fusion.config import RunConfig
from fusion.data.dataset import Part
from fusion.fit import Result
from fusion.training import sealed
from fusion.training.config import Config, ConfigError, check
from fusion.training.tracking import BEST_EPOCH_METRICS

CONFIG, HISTORY, SUMMARY = "config.json", "history.jsonl", "summary.json"
CHECKPOINT, PREDICTIONS = "checkpoint.safetensors", "predictions.csv"
WEIGHTS, SIDECAR = "weights.safetensors", "weights.json"
LOCK = ".lock"
SCHEMA = 1


class OutputError(Exception):
    """A folder that cannot take this run."""

    exit_code = 2


def check_folder(folder: Path, config: Config) -> None:
    """Raise OutputError where `folder` cannot take a run of `config`; nothing is written."""
    check_writable(folder, "--output")
    if (folder / CONFIG).exists():
        _same(folder, config)
    elif folder.exists():
        strangers = sorted(p.name for p in folder.iterdir() if not p.name.startswith("."))
        if strangers:
            raise OutputError(
                f"--output {folder} holds {strangers[0]} and no run; name a new or empty folder"
            )


def check_writable(folder: Path, flag: str) -> None:
    """Raise OutputError where `folder` cannot be made or written into; `flag` named it."""
    if reason := unwritable(folder):
        raise OutputError(f"{flag} {folder} cannot be written ({reason}); name another folder")


@contextmanager
def claim(
    folder: Path, config: Config, waiting: Callable[[], None] = lambda: None
) -> Iterator[None]:
    """Hold `folder` for a run of `config`; no other process trains in it meanwhile.

    Where one does (an agent was killed, its run lives on), `waiting` is called and it is awaited.
    Raises OutputError where the folder holds something else. Call it once all else is checked: it
    makes the folder.
    """
    check_folder(folder, config)
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        waiting()
        lock.acquire()
    try:
        if (folder / CONFIG).exists():
            _same(folder, config)
        else:
            write_json(folder / CONFIG, config.model_dump())
        yield
    finally:
        lock.release()


def _same(folder: Path, config: Config) -> None:
    try:
        known = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        other = check(known, type(config)).model_dump()
    except (ValueError, AttributeError, ConfigError) as error:
        raise OutputError(f"--output {folder}: its {CONFIG} cannot be read: {error}") from None
    differing = [
        f"--{key.replace('_', '-')} is {other[key]!r} there and {value!r} here"
        for key, value in config.model_dump().items()
        if other[key] != value
    ]
    if differing:
        raise OutputError(
            f"--output {folder} holds a run with another configuration: {', '.join(differing)}; "
            "choose another folder, or remove this one"
        )


def read_summary(folder: Path) -> dict[str, Any] | None:
    """Return the summary of a finished run, or None."""
    file = folder / SUMMARY
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else None


def read_history(folder: Path) -> list[dict[str, float]]:
    """Return the rows of the finished epochs."""
    file = folder / HISTORY
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return [json.loads(line) for line in lines]


def write_history(folder: Path, rows: list[dict[str, float]]) -> None:
    """Replace the history by `rows`."""
    lines = [json.dumps(row, allow_nan=False) + "\n" for row in rows]
    write_atomic(folder / HISTORY, "".join(lines))


def summarise(result: Result, costs: dict[str, Any], provenance: dict[str, Any]) -> dict[str, Any]:
    """Return the summary of a run: values at its best epoch, on the test part, costs, origin."""
    summary: dict[str, Any] = {}
    if result.best_epoch:
        best = result.history[result.best_epoch - 1]
        summary = {"best_epoch": result.best_epoch} | {key: best[key] for key in BEST_EPOCH_METRICS}
    if result.part == "test":
        summary |= {f"test/{name}": value for name, value in result.metrics.items()}
    return summary | costs | {"diverged": result.diverged, "provenance": provenance}


def write_results(
    folder: Path, config: RunConfig, result: Result, part: Part, summary: dict[str, Any]
) -> None:
    """Write predictions on `part`, and the weights with what they are; neither needs pickle."""
    write_predictions(folder, part, {"logit": result.logits_N})
    write_weights(folder, result.model)
    origin = summary["provenance"]
    sidecar = {
        "schema": SCHEMA,
        "config": config.model_dump(),
        "best_epoch": summary["best_epoch"],
        "metrics": {k: v for k, v in summary.items() if k.startswith(("train/", "val/", "test/"))},
        "hashes": {k: origin[f"{k}_hash"] for k in ("data", "split", "test")},
        "versions": {k: origin[k] for k in ("commit", "dirty", "python", "torch", "numpy")},
    }
    write_json(folder / SIDECAR, sidecar)


def write_predictions(folder: Path, part: Part, logits: Mapping[str, np.ndarray]) -> None:
    """Write a row for each pair, with a column of logits (N,) for each name."""
    columns = zip(*logits.values(), strict=True)
    rows = zip(part.ids, part.labels, columns, strict=True)
    lines = [f"{pair},{int(label)},{','.join(map(str, row))}\n" for pair, label, row in rows]
    write_atomic(folder / PREDICTIONS, f"pair,label,{','.join(logits)}\n" + "".join(lines))


def write_weights(folder: Path, model: nn.Module) -> None:
    """Write parameters and buffers of a model."""
    sealed.write(folder / WEIGHTS, model.state_dict(), {"format": "pt"})


def write_summary(folder: Path, summary: dict[str, Any]) -> None:
    """Write the summary, which says that the run has finished."""
    write_json(folder / SUMMARY, summary)
