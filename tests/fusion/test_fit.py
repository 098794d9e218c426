"""Training: reproducible to the bit, honest in its means, and continued as if never stopped."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import Tensor
from torchmetrics.functional.classification import binary_accuracy, binary_f1_score

from fusion.config import RunConfig
from fusion.data.dataset import Data
from fusion.fit import (
    StoppedError,
    evaluate,
    fit,
    initial_state,
    learning_rate,
    score,
    speed,
    stream,
    train_epoch,
)
from fusion.training import checkpoint
from fusion.training.tracking import EPOCH_METRICS

CPU = torch.device("cpu")


def weights(result) -> dict[str, Tensor]:
    return result.model.state_dict()


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def without_times(history: list[dict]) -> list[dict]:
    return [{k: v for k, v in row.items() if "second" not in k} for row in history]


class Stopper:
    """Says stop at the n-th time it is asked, and from then on."""

    def __init__(self, at: int):
        self.left = at

    def __call__(self) -> bool:
        self.left -= 1
        return self.left < 0


@pytest.fixture(scope="session")
def finished(data):
    """One whole training, to compare with; the config is the one of the fixture `config`."""

    def train(config: RunConfig):
        if config not in results:
            torch.set_num_threads(1)
            results[config] = fit(config, data, device=CPU)
        return results[config]

    results: dict = {}
    return train


def test_one_seed_one_result_to_the_bit_whatever_the_global_state(config, data, finished):
    torch.manual_seed(123)
    torch.rand(7)
    again = fit(config, data, device=CPU)
    assert same(weights(again), weights(finished(config)))
    assert np.array_equal(again.logits_N, finished(config).logits_N)
    assert without_times(again.history) == without_times(finished(config).history)
    other = fit(config.model_copy(update={"seed": 1}), data, device=CPU)
    assert not same(weights(other), weights(again))


def test_streams_are_independent_of_each_other_and_of_the_order_of_use():
    def draw(*key):
        return torch.rand(4, generator=stream(*key))

    first = draw(0, "order", 1)
    assert torch.equal(first, draw(0, "order", 1))
    others = [draw(0, "order", 2), draw(1, "order", 1), draw(0, "noise", 1)]
    assert not any(torch.equal(first, other) for other in others)


def test_rows_hold_every_metric_as_a_number(config, finished):
    history = finished(config).history
    assert [row["epoch"] for row in history] == [1, 2, 3]
    for row in history:
        assert tuple(row) == EPOCH_METRICS
        assert all(type(value) in (int, float) and math.isfinite(value) for value in row.values())


def test_losses_are_means_over_all_samples_though_the_last_batch_is_smaller(config, data):
    # Steps too small to change anything: train/loss must be the loss of the initial weights.
    frozen = config.model_copy(update={"learning_rate": 1e-30, "epochs": 1, "batch_size": 16})
    assert len(data.parts["train"].ids) % 16
    row = fit(frozen, data, device=CPU).history[0]
    model = initial_state(frozen, CPU).model
    expected, _ = evaluate(model, data, "train")
    assert row["train/loss"] == pytest.approx(expected["loss"], rel=1e-6)
    assert row["train/accuracy"] == expected["accuracy"]


def test_score_agrees_with_torchmetrics():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(99, generator=generator)
    labels = (torch.rand(99, generator=generator) < 0.3).float()
    found = score(logits, labels)
    chance = logits.sigmoid()
    assert found["accuracy"] == pytest.approx(binary_accuracy(chance, labels.int()).item())
    assert found["f1"] == pytest.approx(binary_f1_score(chance, labels.int()).item())
    assert found["loss"] == pytest.approx(
        torch.nn.functional.binary_cross_entropy(chance, labels).item(), rel=1e-5
    )
    assert score(-torch.ones(3), torch.zeros(3))["f1"] == 0.0


def test_test_metrics_come_from_the_weights_of_the_best_epoch(config, data, finished):
    result = finished(config)
    losses = [row["val/loss"] for row in result.history]
    assert result.best_epoch == 1 + losses.index(min(losses))
    val, _ = evaluate(result.model, data, "val")
    assert val["loss"] == min(losses)
    metrics, logits = evaluate(result.model, data, "test")
    assert result.part == "test" and result.metrics == metrics
    assert np.array_equal(result.logits_N, logits)
    assert len(logits) == len(data.parts["test"].ids)


def test_a_worse_epoch_after_the_best_one_changes_nothing(config, data):
    class Worsening(Changed):
        """From the second validation on, inputs are a million times too large."""

        def batches(self, part, batch_size, generator=None):
            validations.append(part == "val")
            factor = 1e6 if part == "val" and sum(validations) > 1 else 1.0
            for batch in self.inner.batches(part, batch_size, generator):
                yield batch._replace(rgb_B3HW=batch.rgb_B3HW * factor)

    validations: list[bool] = []
    result = fit(config, Worsening(data), device=CPU)  # type: ignore[arg-type]
    losses = [row["val/loss"] for row in result.history]
    assert result.best_epoch == 1 and losses[0] == min(losses)
    assert evaluate(result.model, data, "val")[0]["loss"] == losses[0]


@pytest.mark.parametrize("steps", [1, 9, 12])
def test_a_stopped_training_continues_to_the_same_bits(config, data, finished, tmp_path, steps):
    # 6 steps an epoch: stopped in the first one, in the middle of the second, at its very end
    path = tmp_path / "checkpoint.safetensors"
    rows: list[dict] = []
    with pytest.raises(StoppedError):
        fit(config, data, device=CPU, checkpoint_path=path, stop=Stopper(steps), log=rows.append)
    torch.rand(3)
    again: list[dict] = []
    result = fit(config, data, device=CPU, checkpoint_path=path, log=again.append)
    assert same(weights(result), weights(finished(config)))
    assert without_times(result.history) == without_times(finished(config).history)
    assert again == result.history and again[: len(rows)] == rows


def test_a_checkpoint_is_refused_by_another_config_and_other_data(config, data, tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    short = config.model_copy(update={"epochs": 1})
    fit(short, data, device=CPU, checkpoint_path=path)
    with pytest.raises(checkpoint.CheckpointError, match="another configuration"):
        fit(config, data, device=CPU, checkpoint_path=path)
    other = Changed(data)
    other.hashes = {**data.hashes, "data": "0"}
    with pytest.raises(checkpoint.CheckpointError, match="other data"):
        fit(short, other, device=CPU, checkpoint_path=path)  # type: ignore[arg-type]


def test_a_training_whose_checkpoint_was_damaged_ends_with_the_same_bits(
    config, data, finished, tmp_path
):
    path = tmp_path / "checkpoint.safetensors"
    with pytest.raises(StoppedError):  # in the third epoch: two checkpoints are there
        fit(config, data, device=CPU, checkpoint_path=path, stop=Stopper(14))
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    result = fit(config, data, device=CPU, checkpoint_path=path)
    assert same(weights(result), weights(finished(config)))
    assert without_times(result.history) == without_times(finished(config).history)


class Changed:
    """The tiny data with one value changed in one batch of one part."""

    hashes: dict[str, str]

    def __init__(self, data: Data, part: str = "", number: int = 0, value: float = 0.0):
        self.__dict__.update(vars(data))
        self.inner, self.part, self.number, self.value = data, part, number, value

    def batches(self, part, batch_size, generator=None):
        for number, batch in enumerate(self.inner.batches(part, batch_size, generator)):
            if part == self.part and number == self.number:
                batch.rgb_B3HW[0, 0, 0, 0] = self.value
            yield batch


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_stops_before_the_step(config, data, value):
    state = initial_state(config, CPU)
    poisoned = Changed(data, "train", 2, value)
    assert not train_epoch(state, config, poisoned, lambda: False)  # type: ignore[arg-type]
    assert state.progress.batch == 2
    clean = initial_state(config, CPU)
    with pytest.raises(StopIteration):
        train_epoch(clean, config, data, lambda: stop_after(clean, 2))
    assert same(state.model.state_dict(), clean.model.state_dict())

    result = fit(config, poisoned, device=CPU)  # type: ignore[arg-type]
    assert result.diverged and result.history == [] and result.best_epoch == 0
    assert result.metrics == {} and result.logits_N.size == 0


def stop_after(state, steps: int) -> bool:
    if state.progress.batch == steps:
        raise StopIteration
    return False


def test_a_gradient_that_is_not_finite_stops_before_the_step(config, data):
    state = initial_state(config, CPU)
    before = {name: t.clone() for name, t in state.model.state_dict().items()}
    next(state.model.parameters()).register_hook(lambda gradient: gradient * math.inf)
    assert not train_epoch(state, config, data, lambda: False)
    assert same(state.model.state_dict(), before)


def test_a_validation_that_is_not_finite_is_divergence_too(config, data):
    result = fit(config, Changed(data, "val", 0, math.nan), device=CPU)  # type: ignore[arg-type]
    assert result.diverged and result.history == []


def test_adam_is_torch_s_to_the_bit(config):
    ours, theirs = (initial_state(config, CPU) for _ in range(2))
    reference = torch.optim.Adam(theirs.model.parameters(), fused=True)
    generator = torch.Generator().manual_seed(0)
    for step in range(4):
        for group in reference.param_groups:
            group["lr"] = 0.01 / (step + 1)
        pairs = zip(ours.model.parameters(), theirs.model.parameters(), strict=True)
        for index, (mine, other) in enumerate(pairs):
            # one parameter without a gradient now and then: it has to be left alone
            gradient = torch.randn(mine.shape, generator=generator)
            mine.grad = None if index == step else torch.empty_like(mine).copy_(gradient)
            other.grad = None if index == step else torch.empty_like(other).copy_(gradient)
        ours.optimizer.step(0.01 / (step + 1))
        reference.step()
        assert same(ours.model.state_dict(), theirs.model.state_dict())


def test_training_does_not_load_what_it_does_not_need():
    code = (
        "import sys, torch\n"
        "from fusion.training import measure\n"
        "from fusion.config import RunConfig\n"
        "from fusion.fit import initial_state\n"
        "from fusion.models.registry import example\n"
        "state = initial_state(RunConfig(width=0.04), torch.device('cpu'))\n"
        "state.model(*example()).sum().backward()\n"
        "state.optimizer.step(0.1)\n"
        "measure.costs(state.model, *example())\n"
        "print(sorted({'torch._dynamo', 'torch._inductor', 'sympy', 'wandb'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_schedules():
    cosine = RunConfig(learning_rate=0.5, schedule="cosine")
    rates = [learning_rate(cosine, step, 100) for step in range(100)]
    assert rates[:5] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5])
    assert max(rates) == 0.5 and rates[5:] == sorted(rates[5:], reverse=True)
    assert 0 < rates[-1] < 0.001
    assert learning_rate(cosine, 0, 1) == 0.5
    constant = RunConfig(learning_rate=0.5, schedule="constant")
    assert {learning_rate(constant, step, 9) for step in range(9)} == {0.5}


def test_speed_leaves_out_the_first_epoch():
    history = [{"epoch_seconds": seconds} for seconds in (9.0, 2.0, 4.0, 3.0)]
    assert speed(history, 600) == {"epoch_seconds": 3.0, "samples_per_second": 200.0}
    assert speed(history[:1], 600)["epoch_seconds"] == 9.0
    assert speed([], 600) == {}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_starts_from_the_weights_of_the_cpu(config):
    cpu, cuda = (initial_state(config, torch.device(d)).model for d in ("cpu", "cuda"))
    moved = {name: t.cpu() for name, t in cuda.state_dict().items()}
    assert same(cpu.state_dict(), moved)


def test_the_core_trains_without_wandb(config):
    code = (
        "import sys; sys.modules['wandb'] = None\n"
        "import torch\n"
        "from fusion.config import RunConfig\n"
        "from fusion.data.dataset import load\n"
        "from fusion.fit import fit\n"
        "config = RunConfig.model_validate_json(sys.argv[1])\n"
        "data = load(config.data, split=config.split, train_pairs=0, align=False,\n"
        "            device=torch.device('cpu'))\n"
        "print(len(fit(config, data, device=torch.device('cpu')).history))"
    )
    text = config.model_copy(update={"epochs": 1}).model_dump_json()
    done = subprocess.run([sys.executable, "-c", code, text], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "1"
