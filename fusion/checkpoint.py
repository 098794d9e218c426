"""What a continued run needs, in one safetensors file: tensors, and scalars in its header.

No pickle: loading a checkpoint runs no code.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from contract.files import write_atomic
from fusion.adam import Adam

VERSION = 2


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
    """Replace the checkpoint at `path`. `identity`: config and hashes of the data, JSON values."""
    tensors = {f"model/{name}": t for name, t in state.model.state_dict().items()}
    tensors |= {f"best/{name}": t for name, t in state.best.items()}
    tensors |= {f"optimizer/{name}": t for name, t in state.optimizer.state().items()}
    tensors["rng/cpu"] = torch.get_rng_state()
    if torch.cuda.is_available():
        tensors["rng/cuda"] = torch.cuda.get_rng_state()
    header = {"version": VERSION, "identity": identity, "progress": asdict(state.progress)}
    # safetensors knows only contiguous tensors: channels_last comes back when values are copied in
    packed = {name: t.detach().cpu().contiguous() for name, t in tensors.items()}
    write_atomic(path, save(packed, {"format": "pt", "state": json.dumps(header)}))


def read(path: Path, state: State, identity: dict[str, Any]) -> None:
    """Fill `state` from the checkpoint at `path`.

    Raises CheckpointError where the file is damaged or belongs to another config or other data.
    """
    try:
        with safe_open(path, "pt") as file:
            header = json.loads(file.metadata()["state"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path}: not a checkpoint of this project: {error}") from None
    if header["version"] != VERSION or header["identity"] != identity:
        raise CheckpointError(
            f"{path}: written for another configuration, other data or another version; "
            "choose another --output, or remove this folder to start anew"
        )
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
