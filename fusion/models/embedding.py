"""Embeddings of a trained network: what its last layer sees of each sample."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from fusion.config import RunConfig
from fusion.data.dataset import Data, DataError, load
from fusion.models.registry import build, last_layer
from fusion.training import sealed
from fusion.training.config import ConfigError, check
from fusion.training.loop import EVALUATION_BATCH


class Embedded(NamedTuple):
    """N samples of a part in its order; the logits say whether these are the right weights."""

    pairs: list[str]
    embedding_ND: np.ndarray  # float32
    logits_N: np.ndarray  # float32


def embed(run: Path, root: Path, part: str, device: torch.device) -> Embedded:
    """Embed a part of the data in `root` with the weights that a run left in the folder `run`.

    Raises DataError where the folder holds no such weights or they were trained on other data.
    """
    try:
        sidecar = json.loads((run / "weights.json").read_text(encoding="utf-8"))
        config = check(sidecar["config"], RunConfig)
        model = build(config)
        model.load_state_dict(sealed.read(run / "weights.safetensors").tensors)
    except sealed.DamagedError as error:
        raise DataError(
            f"{run}: no weights of a run that can be loaded (weights.safetensors {error})"
        ) from None
    except (OSError, ValueError, KeyError, RuntimeError, ConfigError) as error:
        raise DataError(f"{run}: no weights of a run that can be loaded ({error})") from None
    data = _data_of(run, root, config, sidecar["hashes"], device)
    return forward(model.to(device, memory_format=torch.channels_last), data, part)  # type: ignore[call-overload]


def _data_of(
    run: Path, root: Path, config: RunConfig, hashes: dict[str, str], device: torch.device
) -> Data:
    """The data as the run saw it: curated as now, or not curated yet."""
    for curated in (True, False):
        data = load(
            str(root),
            split=config.split,
            train_pairs=config.train_pairs,
            align=config.align,
            device=device,
            curated=curated,
        )
        # The split too: inputs are standardised with statistics of the training part.
        wrong = [name for name in ("data", "split") if hashes[name] != data.hashes[name]]
        if not wrong:
            return data
    raise DataError(f"{run}: trained on another {wrong[0]} than {root} has now")


@torch.inference_mode()
def forward(model: nn.Module, data: Data, part: str) -> Embedded:
    """Run a part through the network, keeping what the last layer of its head sees."""
    kept: list[torch.Tensor] = []
    hook = last_layer(model).register_forward_pre_hook(
        lambda _, inputs: kept.append(inputs[0].cpu())
    )
    model.eval()
    try:
        logits = [model(b.rgb_BCHW, b.lidar_BCHW) for b in data.batches(part, EVALUATION_BATCH)]
    finally:
        hook.remove()
    return Embedded(
        data.parts[part].ids,
        torch.cat(kept).flatten(1).numpy(),
        torch.cat(logits).cpu().numpy(),
    )
