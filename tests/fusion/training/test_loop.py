"""The loop: streams of its own, whole epochs, and nothing broken that reaches the weights."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from fusion.training import loop
from fusion.training.adam import Adam
from fusion.training.freeze import digest
from fusion.training.loop import (
    DivergedError,
    Job,
    Loss,
    Plan,
    learning_rate,
    speed,
    split,
    stream,
    train,
)

CPU = torch.device("cpu")
PLAN = Plan(0, 2, 4, 1e-3, "cosine", "x")


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))


def test_streams_are_independent_of_each_other_and_of_the_order_of_use():
    def draw(*key):
        return torch.rand(4, generator=stream(*key))

    first = draw(0, "order", "", 1)
    assert torch.equal(first, draw(0, "order", "", 1))
    others = [draw(0, "order", "", 2), draw(1, "order", "", 1), draw(0, "noise", "", 1)]
    others += [draw(0, "order", "a", 1)]
    assert not any(torch.equal(first, other) for other in others)


def test_few_samples_are_repeated_so_that_training_is_as_long() -> None:
    plan = Plan(0, 1, 4, 1e-3, "cosine", steps=7)
    batches = list(split(torch.arange(6), plan, torch.Generator().manual_seed(0)))
    assert [len(b) for b in batches] == [4, 2, 4, 2, 4, 2, 4]
    whole = Plan(0, 1, 4, 1e-3, "cosine", whole_batches=True)
    batches = list(split(torch.arange(6), whole, torch.Generator().manual_seed(0)))
    assert [len(b) for b in batches] == [4]


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("where", ["loss", "gradient", "validation"])
def test_divergence_ends_training_before_it_reaches_the_weights(value: float, where: str) -> None:
    model = network()
    asked: list[str] = []

    def loss(index_B: Tensor) -> Loss:
        asked.append(digest(model))
        factor = value if where == "loss" and len(asked) == 4 else 1.0
        mean = model(torch.ones(len(index_B), 2)).square().mean() * factor
        if where == "gradient" and len(asked) == 4:
            mean.register_hook(lambda gradient: gradient * value)
        return Loss(mean)

    def validate() -> dict[str, float]:
        return {"val/loss": value if where == "validation" and len(asked) == 4 else 1.0}

    rows: list[dict[str, float]] = []
    with pytest.raises(DivergedError, match=r"^x: .*(not finite in step 3|val/loss is)") as caught:
        train(model, PLAN, Job(log=rows.append), torch.arange(8), loss, validate, CPU)
    # Two steps an epoch: the second one ends in its last step, or after it
    assert len(asked) == 4 and (digest(model) == asked[-1]) == (where != "validation")
    assert caught.value.progress.history == rows and len(rows) == 1
    assert caught.value.progress.best_epoch == 1


def test_rows_say_more_where_a_plan_asks(tmp_path) -> None:
    model = network()

    def loss(index_B: Tensor) -> Loss:
        return Loss(model(torch.ones(len(index_B), 2)).mean(), torch.tensor(len(index_B) // 2))

    details = set()
    for detailed in (False, True):
        plan = Plan(0, 1, 4, 1e-3, "constant", detailed=detailed)
        progress = train(model, plan, Job(), torch.arange(8), loss, lambda: {"val/loss": 1.0}, CPU)
        (row,) = progress.history
        details = set(row) - details
    assert details == set(loop.DETAILS)
    assert row["train/accuracy"] == 0.5 and row["train/learning_rate"] == 1e-3


def test_adam_is_torch_s_to_the_bit():
    ours, theirs = (network() for _ in range(2))
    optimizer = Adam(ours.parameters())
    reference = torch.optim.Adam(theirs.parameters(), fused=True)
    generator = torch.Generator().manual_seed(0)
    for step in range(4):
        for group in reference.param_groups:
            group["lr"] = 0.01 / (step + 1)
        pairs = zip(ours.parameters(), theirs.parameters(), strict=True)
        for index, (mine, other) in enumerate(pairs):
            # one parameter without a gradient now and then: it has to be left alone
            gradient = torch.randn(mine.shape, generator=generator)
            mine.grad = None if index == step else torch.empty_like(mine).copy_(gradient)
            other.grad = None if index == step else torch.empty_like(other).copy_(gradient)
        optimizer.step(0.01 / (step + 1))
        reference.step()
        assert digest(ours) == digest(theirs)


def test_schedules():
    cosine = Plan(0, 1, 1, 0.5, "cosine")
    rates = [learning_rate(cosine, step, 100) for step in range(100)]
    assert rates[:5] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5])
    assert max(rates) == 0.5 and rates[5:] == sorted(rates[5:], reverse=True)
    assert 0 < rates[-1] < 0.001
    assert learning_rate(cosine, 0, 1) == 0.5
    constant = Plan(0, 1, 1, 0.5, "constant")
    assert {learning_rate(constant, step, 9) for step in range(9)} == {0.5}


def test_speed_leaves_out_the_first_epoch():
    history = [{"epoch_seconds": seconds} for seconds in (9.0, 2.0, 4.0, 3.0)]
    assert speed(history, 600) == {"epoch_seconds": 3.0, "samples_per_second": 200.0}
    assert speed(history[:1], 600)["epoch_seconds"] == 9.0
    assert speed([], 600) == {}
