"""Training: reproducible to the bit, honest in its means, and continued as if never stopped."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from contract.names import EPOCH_METRICS
from fusion.config import RunConfig
from fusion.data.dataset import Batch, Data
from fusion.fit import evaluate, fit
from fusion.models.registry import build
from fusion.training import checkpoint
from fusion.training.loop import StoppedError, initialised

CPU = torch.device("cpu")


def weights(result) -> dict[str, Tensor]:
    return result.model.state_dict()


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def untrained(config: RunConfig, device: torch.device = CPU) -> nn.Module:
    return initialised(lambda: build(config), config.seed, device)


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
    expected, _ = evaluate(untrained(frozen), data, "train")
    assert row["train/loss"] == pytest.approx(expected["train/loss"], rel=1e-6)
    assert row["train/accuracy"] == expected["train/accuracy"]


def test_test_metrics_come_from_the_weights_of_the_best_epoch(config, data, finished):
    result = finished(config)
    losses = [row["val/loss"] for row in result.history]
    assert result.best_epoch == 1 + losses.index(min(losses))
    val, _ = evaluate(result.model, data, "val")
    assert val["val/loss"] == min(losses)
    metrics, logits = evaluate(result.model, data, "test")
    assert result.part == "test" and result.metrics == metrics
    assert np.array_equal(result.logits_N, logits)
    assert len(logits) == len(data.parts["test"].ids)


class Changed(Data):
    """The tiny data; from the `number`-th on, `change` is applied to the batches of a part."""

    def __init__(self, data: Data, part: str, number: int, change: Callable[[Batch], Batch]):
        self.__dict__.update(vars(data))
        self.part, self.left, self.change = part, number, change

    def batch(self, part: str, index_B: Tensor) -> Batch:
        batch = super().batch(part, index_B)
        self.left -= part == self.part
        return self.change(batch) if part == self.part and self.left < 0 else batch


def broken(value: float) -> Callable[[Batch], Batch]:
    def change(batch: Batch) -> Batch:
        batch.rgb_BCHW[0, 0, 0, 0] = value
        return batch

    return change


def test_a_worse_epoch_after_the_best_one_changes_nothing(config, data):
    def enlarge(batch: Batch) -> Batch:
        return batch._replace(rgb_BCHW=batch.rgb_BCHW * 1e6)

    # val is one batch: from its second validation on, inputs are a million times too large
    result = fit(config, Changed(data, "val", 1, enlarge), device=CPU)
    losses = [row["val/loss"] for row in result.history]
    assert result.best_epoch == 1 and losses[0] == min(losses)
    assert evaluate(result.model, data, "val")[0]["val/loss"] == losses[0]


@pytest.mark.parametrize("steps", [1, 9, 11])
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
    other = Changed(data, "", 0, broken(0))
    other.hashes = {**data.hashes, "data": "0"}
    with pytest.raises(checkpoint.CheckpointError, match="other data"):
        fit(short, other, device=CPU, checkpoint_path=path)


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


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_is_divergence(config, data, value):
    result = fit(config, Changed(data, "train", 8, broken(value)), device=CPU)
    assert result.diverged and len(result.history) == 1 and result.best_epoch == 1
    assert result.metrics == {} and result.logits_N.size == 0


def test_a_validation_that_is_not_finite_is_divergence_too(config, data):
    result = fit(config, Changed(data, "val", 0, broken(math.nan)), device=CPU)
    assert result.diverged and result.history == []


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_starts_from_the_weights_of_the_cpu(config):
    cpu, cuda = (untrained(config, torch.device(d)) for d in ("cpu", "cuda"))
    moved = {name: t.cpu() for name, t in cuda.state_dict().items()}
    assert same(cpu.state_dict(), moved)


def test_the_core_trains_without_what_it_does_not_need(config):
    """Neither wandb, nor what draws reports, nor torch.compile (1.8 s of every run)."""
    code = (
        "import sys, torch\n"
        "from fusion.config import RunConfig\n"
        "from fusion.data.dataset import load\n"
        "from fusion.fit import fit\n"
        "from fusion.models.registry import example\n"
        "from fusion.training import measure, output, provenance, tracking\n"
        "from fusion.contrastive import pipeline\n"
        "config = RunConfig.model_validate_json(sys.argv[1])\n"
        "cpu = torch.device('cpu')\n"
        "data = load(config.data, split=config.split, train_pairs=0, align=False, device=cpu)\n"
        "result = fit(config, data, device=cpu)\n"
        "measure.costs(result.model, *example())\n"
        "heavy = {'wandb', 'scipy', 'matplotlib', 'torch._dynamo', 'torch._inductor', 'sympy'}\n"
        "print(len(result.history), sorted(heavy & set(sys.modules)))"
    )
    text = config.model_copy(update={"epochs": 1}).model_dump_json()
    done = subprocess.run([sys.executable, "-c", code, text], capture_output=True, text=True)
    assert done.stdout.strip() == "1 []", done.stderr
