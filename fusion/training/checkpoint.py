"""What a continued run needs, in one safetensors file: tensors, and scalars in its header.

The file carries a hash of itself, and the one before it is kept: where the last one is damaged, the
run goes on from there. No pickle: loading a checkpoint runs no code.
"""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fusion.training import sealed
from fusion.training.adam import Adam

VERSION = 3
UNCHECKED = 2  # the version before, which is the same without a hash
log = logging.getLogger(__name__)


class CheckpointError(Exception):
    """A checkpoint that cannot be continued from."""

    exit_code = 2


@dataclass
class Progress:
    """How far a run is. `batch`, `loss_sum`, `correct`, `seconds` are of the unfinished epoch."""

    epoch: int = 0  # finished epochs
    batch: int = 0  # finished optimizer steps of the next one
    loss_sum: float = 0.0  # over samples
    correct: int = 0
    seconds: float = 0.0
    best_epoch: int = 0  # 0: none yet
    history: list[dict[str, float]] = field(default_factory=list)


@dataclass
class State:
    """All that changes in training; `best` holds the weights of `progress.best_epoch`."""

    model: nn.Module
    optimizer: Adam
    best: dict[str, Tensor] = field(default_factory=dict)
    progress: Progress = field(default_factory=Progress)


def write(path: Path, state: State, identity: dict[str, Any]) -> None:
    """Write the checkpoint at `path`; the one that was there is kept as the previous one.

    `identity`: config and hashes of the data, JSON values.
    """
    tensors = {f"model/{name}": t for name, t in state.model.state_dict().items()}
    tensors |= {f"best/{name}": t for name, t in state.best.items()}
    tensors |= {f"optimizer/{name}": t for name, t in state.optimizer.state().items()}
    tensors["rng/cpu"] = torch.get_rng_state()
    if torch.cuda.is_available():
        tensors["rng/cuda"] = torch.cuda.get_rng_state()
    header = {"version": VERSION, "identity": identity, "progress": asdict(state.progress)}
    metadata = {"format": "pt", "state": json.dumps(header)}
    sealed.write(path, tensors, metadata, previous=previous(path))


def read(path: Path, state: State, identity: dict[str, Any]) -> None:
    """Fill `state` from the checkpoint at `path`; where there never was one, leave it.

    Where that file is damaged or missing, the previous one is taken, with a warning. Raises
    CheckpointError where none is whole, or it belongs to another config or other data.
    """
    reasons: list[str] = []
    for file in (path, previous(path)):
        try:
            header, tensors = _load(file)
        except sealed.DamagedError as error:
            reasons.append(f"{file.name} {error}")
            continue
        if header["identity"] != identity:
            raise CheckpointError(
                f"{file}: written for another configuration or other data; "
                "choose another --output, or remove this folder to start anew"
            )
        _fill(state, header, tensors)
        if file != path:
            done = f"{state.progress.epoch} epochs and {state.progress.batch} steps"
            log.warning("%s: %s; going on from %s: %s", path.parent, reasons[0], file.name, done)
            # Else the next one that is written would push out this one, and keep the damaged one
            file.replace(path)
        return
    if path.exists() or previous(path).exists():
        raise CheckpointError(
            f"{path.parent}: no checkpoint is whole ({'; '.join(reasons)}); "
            "choose another --output, or remove this folder to start anew"
        )


def remove(path: Path) -> None:
    """Remove the checkpoint at `path` and the previous one."""
    path.unlink(missing_ok=True)
    previous(path).unlink(missing_ok=True)


def previous(path: Path) -> Path:
    """Return where the checkpoint before the one at `path` is kept."""
    return path.with_stem(f"{path.stem}.previous")


def _load(file: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return header and tensors. Raises DamagedError, and CheckpointError of another version."""
    tensors, metadata, checked = sealed.read(file)
    try:
        header = json.loads(metadata["state"])
        version = header["version"]
    except (KeyError, TypeError, ValueError) as error:
        raise sealed.DamagedError(f"is damaged: no state in its header ({error!r})") from None
    if version == VERSION and not checked:
        raise sealed.DamagedError("is damaged: its SHA-256 is missing")
    if version == UNCHECKED and not checked:
        log.warning("%s carries no hash: damage to it would go unseen", file)
    elif version != VERSION:
        raise CheckpointError(
            f"{file}: written by another version of this program ({version}, this one writes "
            f"{VERSION}); choose another --output, or remove this folder to start anew"
        )
    return header, tensors


def _fill(state: State, header: dict[str, Any], tensors: dict[str, Tensor]) -> None:
    state.progress = Progress(**header["progress"])
    state.model.load_state_dict(_below("model/", tensors))
    state.best = _below("best/", tensors)
    moments = state.optimizer.state()
    for name, t in _below("optimizer/", tensors).items():
        moments[name].copy_(t)
    torch.set_rng_state(tensors["rng/cpu"])
    if "rng/cuda" in tensors and torch.cuda.is_available():
        torch.cuda.set_rng_state(tensors["rng/cuda"])


def _below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
