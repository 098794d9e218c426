"""Fusions of a person's own: what is built of them, checked, and refused."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from contract.outside import OutsideError
from fusion.config import RunConfig
from fusion.models.registry import FusionError, assemble, build
from fusion.testing import ConformanceError, check

SOURCE = """
import torch
from torch import nn

class Gate(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.weigh = nn.Conv2d(2 * channels, channels, 1, bias=False)

    def forward(self, rgb, lidar):
        return rgb + torch.sigmoid(self.weigh(torch.cat([rgb, lidar], 1))) * lidar

class Film(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.condition = nn.Linear(channels, 2 * channels)
        nn.init.zeros_(self.condition.weight)

    def forward(self, rgb, lidar):
        scale, shift = self.condition(rgb.mean((2, 3)))[..., None, None].chunk(2, 1)
        return lidar * (1 + scale) + shift
"""


class Film(nn.Module):
    """The image scales and shifts the LiDAR's channels; at first it does neither."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.condition = nn.Sequential(
            nn.Linear(channels, 8), nn.ReLU(), nn.Linear(8, 2 * channels)
        )
        nn.init.zeros_(self.condition[2].weight)  # type: ignore[arg-type]
        nn.init.zeros_(self.condition[2].bias)  # type: ignore[arg-type]

    def forward(self, rgb: Tensor, lidar: Tensor) -> Tensor:
        scale, shift = self.condition(rgb.mean((2, 3)))[..., None, None].chunk(2, 1)
        return lidar * (1 + scale) + shift


class Attention(nn.Module):
    """Positions of the image attend to those of the LiDAR."""

    def __init__(self, channels: int, width: float) -> None:
        super().__init__()
        self.attend = nn.MultiheadAttention(channels, 1, dropout=0.1, batch_first=True, bias=False)

    def forward(self, rgb: Tensor, lidar: Tensor) -> Tensor:
        query, keys = (x.flatten(2).transpose(1, 2) for x in (rgb, lidar))
        found = self.attend(query, keys, keys, need_weights=False)[0]
        return rgb + found.transpose(1, 2).unflatten(2, rgb.shape[2:])


class Whole(nn.Module):
    """A network without a bias, and without encoders that others could begin."""

    def __init__(self, width: float) -> None:
        super().__init__()
        self.mix = nn.Conv2d(7, 4, 3, stride=8, bias=False)
        self.head = nn.Linear(4 * 64, 1, bias=False)

    def forward(self, rgb: Tensor, lidar: Tensor) -> Tensor:
        return self.head(self.mix(torch.cat([rgb, lidar], 1)).relu().flatten(1)).squeeze(1)


def largest(rgb: Tensor, lidar: Tensor) -> Tensor:
    return torch.maximum(rgb, lidar)


def film_of(channels: int) -> nn.Module:
    return Film(channels)


@pytest.mark.parametrize("fusion", [Film, Attention, Whole, largest, film_of, torch.minimum])
def test_merges_learned_or_not_factories_and_whole_networks_conform(fusion) -> None:
    model = check(fusion)
    assert (fusion is Whole) != hasattr(model, "trunk")


def test_what_a_person_brings_keeps_the_weights_that_it_began_with(tmp_path, monkeypatch) -> None:
    (tmp_path / "film_of_a_test.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    model: Any = build(RunConfig(fusion="film_of_a_test:Film", width=0.1))
    assert not model.merge.condition.weight.any() and model.merge.condition.bias.any()
    assert not model.trunk.head[1].bias.any()  # a layer of ours


@pytest.mark.parametrize(
    ("fusion", "words"),
    [
        (nn.Linear, "asks for in_features, out_features; it can ask for: channels, of each"),
        (Film(3), "is an object, whose weights would not follow the seed; name its class"),
        (3, "is an object"),
        (lambda a, b: a.mean(), r"must give one, not \(\)"),
        (lambda a, b: a @ b[:, :1, :3], "cannot merge the maps of both encoders: .*size"),
        (lambda: Film, "cannot merge the maps of both encoders"),
    ],
)
def test_what_cannot_be_built_is_told_in_one_line(fusion, words) -> None:
    with pytest.raises(FusionError, match=words) as caught:
        assemble(fusion, 0.1, "maxpool", name="mine:It")
    assert "\n" not in str(caught.value) and "--fusion mine:It" in str(caught.value)


def noisy(self, rgb: Tensor, lidar: Tensor) -> Tensor:
    return Whole.forward(self, rgb, lidar) + torch.rand(len(rgb))


def centred(self, rgb: Tensor, lidar: Tensor) -> Tensor:
    logits = Whole.forward(self, rgb, lidar)
    return logits - logits.mean() / 2


@pytest.mark.parametrize(
    ("forward", "words"),
    [
        (lambda self, a, b: self.head(self.mix(torch.cat([a, b], 1)).flatten(1)),
         r"give logits \(4, 1\), not \(4,\)"),
        (lambda self, a, b: Whole.forward(self, a, b).double(), "torch.float64, not float32"),
        (lambda self, a, b: self.head(a[:, :1].flatten(1)[:, :256]).squeeze(1),
         "no gradient reaches mix.weight"),
        (noisy, "other logits in evaluation"),
        (centred, "depend on those beside it"),
        (lambda self, a, b: Whole.forward(self, a, b) / 0, "not finite"),
        (lambda self, a, b: a.view(3, 7), "raise RuntimeError"),
    ],
)  # fmt: skip
def test_every_fault_of_a_network_has_a_line(forward, words) -> None:
    with pytest.raises(ConformanceError, match=words) as caught:
        check(type("Changed", (Whole,), {"forward": forward}))
    assert all(line.startswith("Changed: ") for line in str(caught.value).splitlines())


def test_a_name_that_is_nowhere_is_told() -> None:
    with pytest.raises(OutsideError, match=r"^--fusion nowhere:X cannot be imported: No module"):
        build(RunConfig(fusion="nowhere:X"))


def test_a_learned_merge_stopped_in_the_middle_ends_with_the_same_weights(
    data_root: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine.py").write_text(SOURCE)

    def train(output: str, code: int = 0) -> str:
        words = ["--fusion", "mine:Gate", "--data", str(data_root), "--epochs", "2"]
        words += ["--width", "0.04", "--output", output, "--tracking", "disabled"]
        runner = Path(__file__).resolve().parents[3] / "runner.py"
        done = subprocess.run(
            [sys.executable, runner, "train", *words], cwd=tmp_path, capture_output=True, text=True
        )
        assert done.returncode == code, done.stderr
        return done.stderr

    train("whole")
    train("again")
    kept = tmp_path / "again"
    (kept / "summary.json").unlink()
    (kept / "checkpoint.previous.safetensors").replace(kept / "checkpoint.safetensors")
    train("again")
    found = [load_file(tmp_path / name / "weights.safetensors") for name in ("whole", "again")]
    assert "merge.weigh.weight" in found[0] and found[0].keys() == found[1].keys()
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])
    assert json.loads((kept / "summary.json").read_text())["provenance"]["fusion_hash"]

    (kept / "summary.json").unlink()
    (tmp_path / "mine.py").write_text(SOURCE.replace("rgb + ", "rgb - "))
    assert "written for another configuration" in train("again", code=2)
