"""Frozen modules: bit-identical, in eval mode, without gradients; every breach is noticed."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from fusion.training.freeze import FrozenError, count_trainable, digest, frozen


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 1))


def train(*modules: nn.Module, through: nn.Module) -> None:
    parameters = [p for m in modules for p in m.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(parameters, lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        through(torch.randn(8, 3)).square().mean().backward()
        optimizer.step()


def test_the_digest_sees_one_bit_and_names() -> None:
    model, other = network(), network()
    assert digest(model) == digest(other)
    with torch.no_grad():
        weight = next(other.parameters())
        weight.view(torch.int32)[0, 0] ^= 1
    assert digest(model) != digest(other)
    assert digest(nn.Sequential(model)) != digest(model), "names are part of the digest"


def test_training_behind_a_frozen_module_leaves_it_bit_identical() -> None:
    fixed, free = network(), nn.Linear(3, 3)
    before, free_before = digest(fixed), digest(free)
    fixed.train()
    with frozen(fixed):
        assert count_trainable(fixed, free) == count_trainable(free) == 12
        assert not any(module.training for module in fixed.modules())
        train(fixed, free, through=nn.Sequential(free, fixed).eval())
        assert all(p.grad is None for p in fixed.parameters())
    assert digest(fixed) == before
    assert digest(free) != free_before
    assert all(p.requires_grad for p in fixed.parameters())


def test_the_studys_mistake_trains_every_weight() -> None:
    model = network().eval()
    before = digest(model)
    model.requires_grad = False  # pyright: ignore[reportArgumentType]
    train(model, through=model)
    assert digest(model) != before


def test_changed_weights_and_training_mode_are_noticed() -> None:
    model = network()
    with pytest.raises(FrozenError, match="weights changed"), frozen(model), torch.no_grad():
        next(model.parameters()).add_(1e-3)
    with pytest.raises(FrozenError, match="training mode"), frozen(model):
        model.train()
    with pytest.raises(FrozenError), frozen(model):  # batch norm's running mean moves in training
        model[1].train()(torch.randn(8, 4))
        model.eval()
    assert all(p.requires_grad for p in model.parameters())


def test_an_error_inside_is_not_hidden() -> None:
    with pytest.raises(KeyError), frozen(network()):
        raise KeyError
