"""Frozen means frozen: no gradient, eval mode, and the same bits afterwards, checked."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


class FrozenError(Exception):
    """A module that had to stay as it was has changed: a fault of the code, not of the user."""


def digest(module: nn.Module) -> str:
    """Return the SHA-256 of all parameters and buffers: names, shapes, types and bits."""
    total = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        total.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
        flat = tensor.detach().cpu().contiguous().reshape(-1)
        total.update(flat.view(torch.uint8).numpy().tobytes())
    return total.hexdigest()


@contextmanager
def frozen(*modules: nn.Module) -> Iterator[list[str]]:
    """Hold modules in eval mode without gradients; yield their digests.

    Raises FrozenError on leaving where they changed anyway.

    `module.requires_grad = False` only sets an attribute of the module, which freezes nothing: the
    study's mistake. On leaving, parameters get their former `requires_grad` back.
    """
    before = [digest(module) for module in modules]
    flags = [(p, p.requires_grad) for module in modules for p in module.parameters()]
    for module in modules:
        module.eval().requires_grad_(False)
    try:
        yield before
        for module, expected in zip(modules, before, strict=True):
            name = type(module).__name__
            if any(part.training for part in module.modules()):
                raise FrozenError(f"{name} is frozen and was put in training mode")
            if digest(module) != expected:
                raise FrozenError(f"{name} is frozen and its weights changed")
    finally:
        for parameter, flag in flags:
            parameter.requires_grad_(flag)


def count_trainable(*modules: nn.Module) -> int:
    """Return how many weights of the modules an optimizer would change."""
    return sum(p.numel() for m in modules for p in m.parameters() if p.requires_grad)
