"""The folder of one run: whose it is, how far it is, and what is written into it.

config.json          the configuration, from the start on
checkpoint.safetensors   and checkpoint.previous.safetensors, see checkpoint.py
history.jsonl        a row by finished epoch
predictions.csv      pair, label, logit of the evaluated part (test, or val without a test part)
examples.csv         instead, of more than two classes: what each example adds to each metric
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

from contract import examples
from contract.files import unwritable, write_atomic, write_json
from fusion.training.config import Config, ConfigError, check

CONFIG, HISTORY, SUMMARY = "config.json", "history.jsonl", "summary.json"
CHECKPOINT, PREDICTIONS = "checkpoint.safetensors", "predictions.csv"
EXAMPLES = "examples.csv"
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


def describe_weights(folder: Path, config: Config, summary: dict[str, Any]) -> None:
    """Write what the weights in `folder` are, beside them."""
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


def write_predictions(
    folder: Path, ids: list[str], labels_N: np.ndarray, logits: Mapping[str, np.ndarray]
) -> None:
    """Write a row for each pair, with a column of logits (N,) for each name."""
    columns = {examples.LABEL: labels_N.astype(int), **logits}
    examples.write(folder / PREDICTIONS, ids, columns, examples.PREDICTIONS)


def write_examples(folder: Path, ids: list[str], columns: Mapping[str, np.ndarray]) -> None:
    """Write a row for each example, with what it adds to each metric."""
    examples.write(folder / EXAMPLES, ids, columns)


def write_summary(folder: Path, summary: dict[str, Any]) -> None:
    """Write the summary, which says that the run has finished."""
    write_json(folder / SUMMARY, summary)
