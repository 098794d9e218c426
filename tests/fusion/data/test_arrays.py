"""Data that a person's own function reads: what it may return, and how it is trained on."""

from __future__ import annotations

import csv
import json
import math
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fusion.config import RunConfig
from fusion.data.arrays import ArrayData, Arrays
from fusion.data.layout import DataError
from fusion.data.shape import Shape
from fusion.fit import fit
from fusion.training.score import score

CPU = torch.device("cpu")
READER = """
import numpy as np

def ten():
    random = np.random.default_rng(0)
    labels = np.arange(400) % 10
    rgb = random.integers(0, 50, (400, 16, 32, 2)).astype(np.uint8)
    rgb[np.arange(400), labels, labels] = 250
    lidar = random.normal(0, 1, (400, 16, 32)).astype(np.float32)
    names = [f"digit {n}" for n in range(10)]
    return {"classes": names, "labels": labels, "rgb": rgb, "lidar": lidar}
"""


def made(count: int = 60, **changes: Any) -> dict[str, Any]:
    random = np.random.default_rng(0)
    read = {
        "classes": ["c0", "c1", "c2"],
        "labels": np.arange(count) % 3,
        "rgb": random.normal(5, 3, (count, 16, 16, 2)),
        "lidar": random.integers(0, 255, (count, 16, 16), dtype=np.uint8),
    } | changes
    return {name: value for name, value in read.items() if value is not None}


def data_of(read: dict[str, Any]) -> ArrayData:
    arrays = Arrays(read, "--data mine:read")
    return ArrayData(arrays, arrays.rows("default", 0), CPU)


def test_arrays_become_parts_with_standardised_inputs():
    data = data_of(made())
    assert data.shape == Shape(2, 1, 16, 16, 3)
    assert [len(data.parts[p].ids) for p in ("train", "val", "test")] == [42, 6, 12]
    ids = [name for part in data.parts.values() for name in part.ids]
    assert len(set(ids)) == 60 and "c1/1" in ids
    batch = data.batch("train", torch.arange(42))
    assert batch.rgb_BCHW.shape == (42, 2, 16, 16) and batch.lidar_BCHW.dtype == torch.float32
    for images in batch[:2]:
        torch.testing.assert_close(images.mean((0, 2, 3)), torch.zeros(images.shape[1]))
        torch.testing.assert_close(images.std((0, 2, 3), correction=0), torch.ones(images.shape[1]))


def test_parts_and_ids_can_be_given_and_every_difference_shows_in_a_hash():
    parts = np.repeat(["test", "train", "val"], 20)
    data = data_of(made(parts=parts, ids=[f"a{n}" for n in range(60)]))
    assert data.parts["test"].ids == [f"c{n % 3}/a{n}" for n in range(20)]
    same = data_of(made(parts=parts, ids=[f"a{n}" for n in range(60)]))
    assert same.hashes == data.hashes and all(data.hashes[k] for k in ("data", "split", "test"))
    other = made(parts=parts, ids=[f"a{n}" for n in range(60)])
    other["rgb"][30, 0, 0, 0] += 1
    changed = data_of(other).hashes
    assert changed["data"] != data.hashes["data"] and changed["test"] == data.hashes["test"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"labels": None}, "lacks labels"),
        ({"label": 3}, "has 'label'; it may have classes, labels, rgb, lidar, ids, parts"),
        ({"classes": ["a", "a"]}, "classes: two or more names, each once"),
        ({"labels": np.arange(60)}, "labels must be 60 whole numbers from 0 to 2"),
        ({"labels": np.zeros(60) + 0.5}, "labels must be"),
        ({"rgb": np.zeros((60, 28, 28))}, "rgb has 28 × 28 pixels; height and width must be mult"),
        ({"rgb": np.full((60, 16, 16), np.nan)}, "rgb holds values that are NaN or infinite"),
        (
            {"rgb": np.zeros((60, 16))},
            r"rgb must be numbers \(N, H, W, C\), not .*\(60, 16\)",
        ),
        ({"lidar": np.zeros((60, 32, 16))}, r"lidar is \(N, H, W\) = \(60, 32, 16\) and rgb"),
        ({"ids": ["a"] * 60}, "ids must be 60 names, each once in its class"),
        ({"parts": ["train"] * 59 + ["tset"]}, "parts must be 60 words of train, val, test"),
        ({"parts": ["train"] * 60}, "the val part would hold no example of c0, c1, c2"),
    ],
)
def test_what_is_wrong_is_told_by_its_key(changes, words):
    with pytest.raises(DataError, match=f"^--data mine:read: .*{words}"):
        data_of(made(**changes))


def test_scores_of_more_than_two_classes():
    labels = np.array([0, 1, 2, 2])
    logits = torch.tensor([[2.0, 0, 0], [0, 2, 0], [0, 0, 2], [2, 0, 0]])
    found = score("test", logits, labels)
    likely, unlikely = -math.log(math.e**2 / (math.e**2 + 2)), -math.log(1 / (math.e**2 + 2))
    assert found["test/loss"] == pytest.approx((3 * likely + unlikely) / 4)
    assert found["test/accuracy"] == 0.75
    assert found["test/f1"] == pytest.approx((2 / 3 + 1 + 2 / 3) / 3)


@pytest.mark.parametrize("fusion", ["early", "late", "concat", "add", "rgb"])
def test_every_fusion_trains_on_any_size_and_number_of_classes(fusion):
    config = RunConfig(fusion=fusion, width=0.05, epochs=1, data="mine:read")
    found = fit(config, data_of(made()), device=CPU)
    assert found.logits_N.shape == (12, 3)
    assert set(found.metrics) == {"test/loss", "test/accuracy", "test/f1"}


def test_ten_classes_are_trained_stopped_and_gone_on_with(tmp_path: Path):
    (tmp_path / "reader.py").write_text(READER)
    runner = Path(__file__).resolve().parents[3] / "runner.py"

    def call(*words: str, code: int = 0) -> str:
        command = [sys.executable, str(runner), *words]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stderr

    train = ("train", "--data", "reader:ten", "--width", "0.05", "--epochs", "3", "--output", "run")
    train += ("--tracking", "disabled", "--learning-rate", "0.01")
    call(*train)
    run = tmp_path / "run"
    weights = (run / "weights.safetensors").read_bytes()
    summary = json.loads((run / "summary.json").read_text())
    rows = list(csv.DictReader((run / "examples.csv").open()))
    assert len(rows) == 80 and not (run / "predictions.csv").exists()
    for name in ("test/loss", "test/accuracy"):
        mean = np.mean([float(row[name]) for row in rows])
        assert mean == pytest.approx(summary[name], rel=1e-5)
    (run / "summary.json").unlink()
    (run / "checkpoint.previous.safetensors").replace(run / "checkpoint.safetensors")
    call(*train)
    assert (run / "weights.safetensors").read_bytes() == weights

    refused = {
        ("train", "--data", "reader:nine"): "--data reader:nine cannot be imported",
        ("train", "--data", "reader:ten", "--align"): "--align is about the depth maps of a folder",
        ("train", "--data", "reader:ten", "--fusion", "matmul"): "--fusion matmul cannot merge",
        ("pretrain", "--data", "reader:ten"): "--data: 'reader:ten' is not allowed; allowed: a fol",
    }
    for words, text in refused.items():
        line = call(*words, "--tracking", "disabled", "--output", "other", code=2)
        assert re.match(f"error: {text}", line) and line.count("\n") == 1, line
        assert not (tmp_path / "other").exists()
