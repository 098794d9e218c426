"""Embeddings of a sweep's arms: weights from disk or from the server, through the network once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from contract import places

if TYPE_CHECKING:
    from explore.pairs import DataSet
    from explore.predictions import Arm, Predictions
    from explore.prepare import Embed, Embedding

WEIGHTS = "weights.safetensors"
SHOWN = 3  # arms without an embedding that are named with the reason
# Between a logit logged on one machine and the same network's on another
TOLERANCE = 1e-2


def embedder(data: DataSet, folder: Path, *, server: bool) -> Embed:
    """What embeds the arms of predictions on `data`; `server`: weights may be fetched from there.

    An arm is embedded with the weights of its first seed. One without weights, or whose weights do
    not give the logits that its run logged, is left out and named.
    """

    def embed(predictions: Predictions, arms: Sequence[Arm]) -> dict[str, Embedding]:
        found: dict[str, Embedding] = {}
        refused: list[str] = []
        for arm in arms:
            try:
                weights = find(predictions, arm, folder, server)
                found[arm.field] = _embed(weights, data, predictions, arm)
            except Exception as error:
                if not hasattr(error, "exit_code"):
                    raise
                refused.append(f"no embedding of {arm.label}: {error}")
        for line in refused[:SHOWN]:
            click.echo(line, err=True)
        if len(refused) > SHOWN:
            click.echo(f"no embedding of {len(refused) - SHOWN} more arms either", err=True)
        return found

    return embed


class WeightsError(Exception):
    """Weights that are nowhere, or not those of the predictions."""

    exit_code = 2


def find(predictions: Predictions, arm: Arm, folder: Path, server: bool) -> Path:
    """The folder with the weights of the arm's first run."""
    run = arm.cell.runs[arm.seeds[0]]
    for place in (places.runs() / run.id, folder / "weights" / run.id):
        if (place / WEIGHTS).is_file():
            return place
    if not server:
        raise WeightsError(
            f"no {WEIGHTS} of run {run.id} below {places.runs()}; "
            "name the sweep (--runs) to fetch them"
        )
    return _download(predictions.snapshot.sweep, run.id, folder / "weights" / run.id)


def _download(sweep: dict[str, Any], run_id: str, target: Path) -> Path:
    import wandb
    from wandb.errors import CommError

    from analysis.read.ask import quiet

    name = f"{sweep['entity']}/{sweep['project']}/model-{run_id}:latest"
    try:
        with quiet():
            artifact = wandb.Api().artifact(name, type="model")
            # One by one, weights last: the client's cache notes where a download goes in one place
            # for all threads, and downloading the whole artifact gave files each other's bytes.
            for entry in sorted(artifact.manifest.entries):
                artifact.get_entry(entry).download(root=str(target), skip_cache=True)
        return target
    except (ValueError, CommError) as error:
        raise WeightsError(f"artifact {name}: {error}") from None


def _embed(weights: Path, data: DataSet, predictions: Predictions, arm: Arm) -> Embedding:
    import numpy as np
    import torch

    from fusion.models.embedding import embed

    found = embed(weights, data.root, predictions.part, torch.device("cpu"))
    logged = dict(zip(predictions.examples.pairs, arm.logits_RN[0], strict=True))
    expected = np.array([logged.get(pair, np.nan) for pair in found.pairs])
    if not np.allclose(found.logits_N, expected, rtol=TOLERANCE, atol=TOLERANCE):
        raise WeightsError(f"{weights / WEIGHTS} does not give the logits that its run logged")
    return found.pairs, found.embedding_ND
