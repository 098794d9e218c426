"""A real mongod, a real browser and a small data set; skipped with a reason where they are missing.

On a machine with CI=true in its environment nothing may be missing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest

from analysis.judge import terms
from analysis.read.snapshot import Examples, Predictions, Run, Snapshot
from contract.extras import MissingError, require
from explore import mongod, pairs, screenshot
from explore.errors import ExploreError
from explore.pairs import DataSet
from fusion.data import generate

PAIRS = 80  # 16 of them are in the test part


def untracked(items: Iterable[Any], label: str, total: int) -> Iterable[Any]:
    """Progress that nobody sees."""
    return items


def lacking(reason: str) -> NoReturn:
    """Skip, or fail where everything must be there."""
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(f"CI must have this installed: {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def program() -> Path:
    """A mongod that runs here."""
    try:
        return mongod.find()
    except ExploreError as error:
        lacking(str(error))


@pytest.fixture(scope="session")
def database(program: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a mongod that this process is connected to."""
    folder = tmp_path_factory.mktemp("explore")
    try:
        require("fiftyone")
        mongod.connect(folder)
    except (ExploreError, MissingError) as error:
        lacking(str(error))
    return folder


@pytest.fixture(scope="session")
def browser() -> str:
    """The path of a browser that playwright can drive."""
    try:
        require("playwright")
        return screenshot.find_browser()
    except (ExploreError, MissingError) as error:
        lacking(str(error))


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generated data set with its manifest."""
    folder = tmp_path_factory.mktemp("data") / "some-pairs"
    generate.make(folder, "fusion", PAIRS, 0, 1)
    return folder


@pytest.fixture(scope="session")
def data(root: Path) -> DataSet:
    return pairs.read(root)


@pytest.fixture(scope="session")
def sweep(data: DataSet) -> Callable[..., Snapshot]:
    """sweep(axes, seeds, part, rng): a finished grid whose runs are right more or less often."""

    def make(
        axes: dict[str, list[Any]] | None = None,
        seeds: int = 3,
        part: str = "test",
        rng: int = 0,
    ) -> Snapshot:
        axes = axes or {"fusion": ["concat", "late", "rgb", "lidar"]}
        chance = np.random.default_rng(rng)
        scheme = "default" if part == "test" else "study"
        chosen = [pair for pair in data.pairs if pair.parts[scheme] == part]
        labels = np.array([pair.label for pair in chosen], np.int8)
        examples = Examples(tuple(pair.id for pair in chosen), labels)
        grid = np.array(np.meshgrid(*axes.values(), range(seeds), indexing="ij"), dtype=object)
        runs = []
        for number, values in enumerate(grid.reshape(len(axes) + 1, -1).T.tolist()):
            config = dict(zip([*axes, "seed"], values, strict=True)) | {"data": str(data.root)}
            logits = _logits(chance, labels, hidden=_hidden(config, chosen))
            runs.append(_run(number, config, Predictions(examples, logits, part), data))
        listed = {name: {"values": values} for name, values in axes.items()}
        parameters = {**listed, "seed": {"values": list(range(seeds))}}
        info = {"id": f"s{rng}", "name": "some sweep", "entity": "e", "project": "p", "url": ""}
        command = ["${env}", "python3", "${program}", "train", "${args}"]
        config = {"method": "grid", "parameters": parameters}
        config |= {"program": "runner.py", "command": command}
        return Snapshot({**info, "state": "FINISHED", "config": config}, runs)

    return make


def _hidden(config: dict[str, Any], chosen: list[pairs.Pair]) -> np.ndarray:
    """Where a unimodal model has nothing to go by, or is misled (the second and third pair)."""
    modality = config.get("fusion")
    if modality not in ("rgb", "lidar"):
        return np.zeros(len(chosen), bool)
    return np.array([n in (1, 2) or p.corruption == modality for n, p in enumerate(chosen)])


def _logits(chance: np.random.Generator, labels: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    sign = np.where(labels > 0, 1.0, -1.0)
    logits = 2 * sign * np.where(hidden, -1.0, 1.0) + chance.normal(0, 2, labels.size)
    logits[0] = -6 * sign[0]  # every run is sure of the other label
    return logits.astype(np.float32)


def _run(number: int, config: dict[str, Any], made: Predictions, data: DataSet) -> Run:
    right = terms.correctness(made.logits[None], made.examples.labels)
    return Run(
        id=f"run{number}",
        name=f"run {number}",
        state="finished",
        created_at=f"2026-01-01T00:00:{number:02d}",
        url="",
        config=config,
        summary={f"{made.part}/accuracy": float(right.mean())},
        provenance={"data_hash": data.data_hash},
        predictions=made,
    )
