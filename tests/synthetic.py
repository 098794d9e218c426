"""Synthetic sweeps: what training would have logged, without training."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from analysis.judge import terms
from analysis.read.snapshot import Examples, Predictions, Run, Snapshot

FUSIONS = ["early", "late", "concat", "add", "mul", "matmul", "rgb", "lidar"]
QUALITY = dict(zip(FUSIONS, [1.6, 1.1, 1.9, 1.8, 1.2, 1.3, 0.9, 0.9], strict=True))
PARAMETERS = {"late": 53_000, "concat": 371_000, "add": 186_000, "matmul": 186_000}
COMMON = {"data": "fusion:4000:0", "epochs": 6, "batch_size": 32, "learning_rate": 0.001}


def examples(n: int = 400) -> Examples:
    """n labelled pairs, half of each class."""
    pairs = [f"{shape}/{i:04d}" for shape in ("cubes", "spheres") for i in range(n // 2)]
    return Examples(tuple(pairs), (np.arange(n) >= n // 2).astype(np.int8))


def make_run(
    config: dict[str, Any],
    quality: float,
    rng: np.random.Generator,
    drawn: np.ndarray,
    tests: Examples,
    number: int,
) -> Run:
    """One finished run whose summary, history and predictions agree with each other."""
    labels = tests.labels
    margin = quality + drawn + 0.5 * rng.normal(size=labels.size)
    logits = ((2.0 * labels - 1) * margin * 1.5).astype(np.float32)
    loss = float(terms.cross_entropy(logits, labels).mean())
    accuracy = float(terms.correctness(logits, labels).mean())
    f1 = float(terms.f1_terms(logits[None], labels).mean())
    epochs = np.arange(1.0, config["epochs"] + 1)
    curve = loss + 0.4 * np.exp(-epochs / 1.5) + 0.01 * rng.normal(size=epochs.size)
    parameters = PARAMETERS.get(config.get("fusion", ""), 100_000)
    if config.get("downsample") == "strided_append":
        parameters = int(parameters * 1.2)
    seconds = parameters / 5e4 * float(np.exp(0.03 * rng.normal()))
    run_id = f"run{number:05d}"
    summary = {
        "val/loss": float(curve.min()), "val/accuracy": accuracy, "val/f1": f1,
        "test/loss": loss, "test/accuracy": accuracy, "test/f1": f1,
        "train/loss": loss * 0.9, "best_epoch": int(curve.argmin()) + 1, "diverged": False,
        "parameters": parameters, "flops_per_sample": parameters * 40,
        "epoch_seconds": seconds, "samples_per_second": 2800 / seconds,
        "peak_memory_mib": 300.0 + parameters / 2e3,
    }  # fmt: skip
    return Run(
        id=run_id,
        name=f"synthetic {number}",
        state="finished",
        created_at=f"2026-01-01T{number // 3600:02d}:{number // 60 % 60:02d}:{number % 60:02d}Z",
        heartbeat_at="2026-01-02T00:00:00Z",
        url=f"http://127.0.0.1:8080/me/project/runs/{run_id}",
        config=dict(config),
        summary=summary,
        provenance={
            "commit": "0123456789abcdef",
            "dirty": False,
            "python": "3.11.4",
            "torch": "2.13.0",
            "wandb": "0.31.0",
            "numpy": "2.4.6",
            "platform": "Linux",
            "cpu": "a processor",
            "gpu": "",
            "threads": 1,
            "precision": "fp32",
            "data_hash": "d" * 64,
            "split_hash": "e" * 64,
            "test_hash": tests.digest,
        },
        history={
            "epoch": epochs,
            "train/loss": curve * 0.95,
            "val/loss": curve,
            "val/accuracy": accuracy - 0.2 * np.exp(-epochs / 1.5),
        },
        predictions=Predictions(tests, logits),
        marker=f"{config['epochs']}",
    )


def make_snapshot(
    axes: Mapping[str, list[Any]] | None = None,
    seeds: int = 5,
    quality: Callable[[dict[str, Any]], float] | None = None,
    *,
    name: str = "fusion_architecture_comparison",
    project: str | None = None,
    n: int = 400,
    seed_sd: float = 0.05,
    own_sd: float = 0.5,
    rng: int = 0,
    common: Mapping[str, Any] | None = None,
) -> Snapshot:
    """A finished grid sweep. quality: config -> mean margin; own_sd: how much cells differ in which
    examples they get right; seed_sd: how much a cell's margin varies between seeds."""
    axes = dict(axes or {"fusion": FUSIONS})
    fixed = {key: v for key, v in {**COMMON, **(common or {})}.items() if key not in axes}
    quality = quality or (lambda config: QUALITY.get(config.get("fusion", ""), 1.5))
    draws, tests = np.random.default_rng(rng), examples(n)
    difficulty = draws.normal(size=n)
    own: dict[tuple[Any, ...], np.ndarray] = {}
    runs = []
    for seed in range(seeds):
        for point in itertools.product(*axes.values()):
            config = {**fixed, **dict(zip(axes, point, strict=True)), "seed": seed}
            place = tuple(map(str, point))
            own.setdefault(place, own_sd * draws.normal(size=n))
            margin = quality(config) + seed_sd * draws.normal()
            drawn = difficulty + own[place]
            runs.append(make_run(config, margin, draws, drawn, tests, len(runs)))
    sweep_config = {
        "name": name,
        "method": "grid",
        "metric": {"name": "val/loss", "goal": "minimize"},
        "parameters": {
            "seed": {"values": list(range(seeds))},
            **{axis: {"values": list(values)} for axis, values in axes.items()},
            **{key: {"value": value} for key, value in fixed.items()},
        },
    }
    sweep_id = hashlib.sha256(name.encode()).hexdigest()[:8]
    sweep = {
        "id": sweep_id, "name": name, "entity": "me", "project": project or name,
        "url": f"http://127.0.0.1:8080/me/{project or name}/sweeps/{sweep_id}",
        "state": "FINISHED", "config": sweep_config,
    }  # fmt: skip
    return Snapshot(sweep, runs)
