"""Encoders that were pre-trained contrastively, as the initial weights of a fusion model.

What is transferred are convolutions: the blocks of both embedders that the fusion model has too,
all four for late fusion, the first two for an intermediate one. Dense layers and heads stay random:
they belong to the task that they were trained for.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from fusion.config import CONTRASTIVE, RunConfig
from fusion.training import sealed

WEIGHTS, SETTINGS = "weights.safetensors", "stage.json"
MODALITIES = ("rgb", "lidar")
# Fields that must be equal for the encoders to see what they were trained on, in their shapes
EQUAL = ("width", "downsample", "align")
log = logging.getLogger(__name__)


class TransferError(Exception):
    """Weights that cannot begin this run."""

    exit_code = 2


def check(config: RunConfig, *, online: bool) -> None:
    """Raise TransferError where `config.init` names what cannot be had.

    Artifacts only a server knows: of those, nothing is said here but that one is needed.
    """
    name = config.init.removeprefix(CONTRASTIVE)
    if name == config.init:
        return
    if Path(name).is_dir():
        read(Path(name), config)
    elif not online:
        raise TransferError(
            f"--init {config.init}: {name} is no folder, and an artifact needs --tracking online"
        )


def encoders(
    config: RunConfig, folder: Path, use: Callable[[str], Any]
) -> dict[str, Tensor] | None:
    """Return the weights that `config.init` names; None where it names none.

    From a folder, or from an artifact, which `use` finds and which is downloaded into `folder`.
    """
    name = config.init.removeprefix(CONTRASTIVE)
    if name == config.init:
        return None
    if not Path(name).is_dir():
        return read(Path(use(name).download(root=str(folder / "init"))), config)
    return read(Path(name), config)


def read(folder: Path, config: RunConfig) -> dict[str, Tensor]:
    """Return the weights of a contrastive stage's folder, or downloaded artifact, for `config`."""
    flag = f"--init {config.init}"
    try:
        settings = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))["settings"]
        inputs = settings["inputs"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TransferError(
            f"{flag}: {folder} holds no stage `contrastive` of `runner.py pretrain`: {error}"
        ) from None
    if inputs != "fusion":
        raise TransferError(
            f"{flag}: these encoders see RGBA and raw depth; pre-train with --inputs fusion, "
            "so that they see what a fusion model sees"
        )
    differing = [
        f"--{name} is {settings[name]!r} there and {getattr(config, name)!r} here"
        for name in EQUAL
        if settings[name] != getattr(config, name)
    ]
    if differing:
        raise TransferError(f"{flag}: {', '.join(differing)}")
    try:
        found = sealed.read(folder / WEIGHTS)
    except sealed.DamagedError as error:
        raise TransferError(
            f"{flag}: {folder / WEIGHTS} {error}; run `runner.py pretrain` again, or fetch it again"
        ) from None
    if not found.checked:
        log.warning("%s carries no hash: damage to it would go unseen", folder / WEIGHTS)
    return found.tensors


def initialise(model: nn.Module, weights: Mapping[str, Tensor]) -> list[str]:
    """Copy the blocks of both encoders into `model`, in place; return the parameters' names.

    Of an encoder, what is named as in the pre-trained one is taken, with or without `blocks.`
    before it. Raises TransferError where that is nothing, or has another shape.
    """
    flag = f"--init {CONTRASTIVE}…"
    found = getattr(model, "encoders", {})
    if absent := [modality for modality in MODALITIES if modality not in found]:
        raise TransferError(f"{flag}: `encoders` of this network has no {' and no '.join(absent)}")
    names = {parameter: name for name, parameter in model.named_parameters()}
    taken = []
    for modality in MODALITIES:
        for name, parameter in found[modality].named_parameters():
            # late: blocks.0.0.weight; intermediate: 0.0.weight
            source = weights.get(f"encoders.{modality}.blocks.{name.removeprefix('blocks.')}")
            if source is None:
                continue
            if source.shape != parameter.shape:
                raise TransferError(
                    f"{flag}: {names[parameter]} is {tuple(parameter.shape)} here and "
                    f"{tuple(source.shape)} there"
                )
            parameter.data.copy_(source)
            taken.append(names[parameter])
    if not taken:
        raise TransferError(f"{flag}: the weights hold no encoder of this model")
    return taken
