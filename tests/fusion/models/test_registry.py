"""The registry: every entry conforms, and the networks are the study's."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn

from contract import outside
from fusion.config import DOWNSAMPLES, FUSIONS, RunConfig
from fusion.data.shape import STUDY
from fusion.models.encoders import BlurPool, block, scaled
from fusion.models.networks import Late
from fusion.models.operators import concat
from fusion.models.registry import build
from fusion.testing import check
from fusion.training.freeze import count_trainable

ALL = [(fusion, downsample) for fusion in FUSIONS for downsample in DOWNSAMPLES]
# Of the study's table (its README), computed from its networks.
STUDY_PARAMETERS = {
    ("late", "maxpool"): 1_906_307,
    ("concat", "maxpool"): 13_354_851,
    ("add", "maxpool"): 6_684_751,
    ("matmul", "maxpool"): 6_684_751,
    ("late", "strided_append"): 3_572_407,
    ("concat", "strided_append"): 13_940_351,
    ("add", "strided_append"): 7_000_151,
    ("matmul", "strided_append"): 7_000_151,
}


def model_of(fusion: str, downsample: str = "maxpool", width: float = 0.1, seed: int = 0):
    torch.manual_seed(seed)
    return build(RunConfig(fusion=fusion, downsample=downsample, width=width))  # type: ignore[arg-type]


def inputs(count: int = 4, seed: int = 1) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    rgb = torch.randn(count, 3, 64, 64, generator=generator)
    return rgb, torch.randn(count, 4, 64, 64, generator=generator)


@pytest.mark.parametrize(("fusion", "downsample"), ALL)
def test_conformance(fusion, downsample):
    model = check(outside.load(FUSIONS[fusion].place, ""), downsample=downsample)
    rgb, lidar = inputs()
    logits = model(rgb, lidar)

    # both modalities change a fusion's output, and only its own that of a unimodal model
    other_rgb, other_lidar = inputs(seed=2)
    with torch.no_grad():
        by_rgb = not torch.equal(model(other_rgb, lidar), logits)
        by_lidar = not torch.equal(model(rgb, other_lidar), logits)
    assert (by_rgb, by_lidar) == (fusion != "lidar", fusion != "rgb")
    assert set(cast("dict[str, Any]", model.encoders)) == (
        {"rgb", "lidar"} if FUSIONS[fusion].two_encoders else set()
    )


@pytest.mark.parametrize("key", STUDY_PARAMETERS, ids="-".join)
def test_parameters_at_full_width_are_the_study_s(key):
    with torch.device("meta"):
        model = build(RunConfig(fusion=key[0], downsample=key[1], width=1))
    assert count_trainable(model) == STUDY_PARAMETERS[key]


@pytest.mark.parametrize("fusion", [*FUSIONS])
def test_only_strided_append_adds_parameters(fusion):
    counts = {d: count_trainable(model_of(fusion, d)) for d in DOWNSAMPLES}
    appended = counts.pop("strided_append")
    assert len(set(counts.values())) == 1
    assert appended > counts["maxpool"]


class StudyNet(nn.Module):
    """The study's networks as it wrote them: convolution, ReLU, pooling, in this order."""

    def __init__(self, fusion: str, strided: bool):
        super().__init__()
        self.fusion = fusion
        channels = (50, 100, 200, 200) if fusion == "late" else (50, 100)

        def encoder(size: int) -> nn.ModuleList:
            layers = nn.ModuleList()
            for out in channels:
                layers.append(nn.Conv2d(size, out, 3, padding=1))
                layers.append(nn.Conv2d(out, out, 3, 2, 1) if strided else nn.MaxPool2d(2))
                size = out
            if fusion == "late":
                layers.extend([nn.Linear(3200, 100), nn.Linear(100, 200)])
            return layers

        self.rgb, self.lidar = encoder(3), encoder(4)
        if fusion == "late":
            self.head = nn.ModuleList([nn.Linear(400, 128), nn.Linear(128, 1)])
        else:
            c = 200 if fusion == "concat" else 100
            self.shared = nn.Conv2d(c, c, 3, padding=1)
            self.pool = nn.Conv2d(c, c, 3, 2, 1) if strided else nn.MaxPool2d(2)
            sizes = (c * 64, 1000, 100, 1)
            self.head = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))

    def encode(self, layers: nn.ModuleList, x: Tensor) -> Tensor:
        convolutions = layers[:8] if self.fusion == "late" else layers
        for i in range(0, len(convolutions), 2):
            x = convolutions[i + 1](torch.relu(convolutions[i](x)))
        if self.fusion == "late":
            x = layers[9](torch.relu(layers[8](x.flatten(1))))
            x = x / x.norm(dim=1, keepdim=True)
        return x

    def forward(self, rgb: Tensor, lidar: Tensor) -> Tensor:
        a, b = self.encode(self.rgb, rgb), self.encode(self.lidar, lidar)
        merges = {"add": torch.add, "mul": torch.mul, "matmul": torch.matmul}
        x = merges[self.fusion](a, b) if self.fusion in merges else torch.cat([a, b], 1)
        if self.fusion != "late":
            x = self.pool(torch.relu(self.shared(x))).flatten(1)
        for layer in list(self.head)[:-1]:
            x = torch.relu(layer(x))
        return list(self.head)[-1](x).squeeze(1)


@pytest.mark.parametrize("strided", [False, True])
@pytest.mark.parametrize("fusion", ["late", "concat", "matmul"])
def test_same_function_as_the_study_with_the_same_weights(fusion, strided):
    torch.manual_seed(0)
    study = StudyNet(fusion, strided)
    ours = model_of(fusion, "strided_append" if strided else "maxpool", width=1.0)
    with torch.no_grad():
        for mine, theirs in zip(ours.parameters(), study.parameters(), strict=True):
            mine.copy_(theirs)
        ours = ours.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        rgb, lidar = inputs(2)
        torch.testing.assert_close(ours(rgb, lidar), study(rgb, lidar), rtol=1e-4, atol=1e-5)


def test_operators():
    a, b = torch.randn(2, 3, 4, 4), torch.randn(2, 3, 4, 4)
    operators = {"add": torch.add, "mul": torch.mul, "matmul": torch.matmul, "concat": concat}
    merged = {name: merge(a, b) for name, merge in operators.items()}
    assert merged["concat"].shape == (2, 6, 4, 4)
    row_by_column = sum(a[1, 2, 3, k] * b[1, 2, k, 0] for k in range(4))
    torch.testing.assert_close(merged["matmul"][1, 2, 3, 0], row_by_column)
    assert merged["mul"][1, 2, 3, 0] == a[1, 2, 3, 0] * b[1, 2, 3, 0]
    assert merged["add"][1, 2, 3, 0] == a[1, 2, 3, 0] + b[1, 2, 3, 0]
    assert torch.equal(merged["concat"][:, 3:], b)


@pytest.mark.parametrize("downsample", DOWNSAMPLES)
def test_blocks_halve_and_do_what_their_name_says(downsample):
    torch.manual_seed(0)
    layers = block(2, 3, downsample)
    images = torch.randn(1, 2, 8, 8)
    weights = [p.detach() for p in layers.parameters()]
    convolve = nn.functional.conv2d
    full = convolve(images, weights[0], weights[1], padding=1).relu()
    expected = {
        "maxpool": lambda: nn.functional.max_pool2d(full, 2),
        "avgpool": lambda: full.unfold(2, 2, 2).unfold(3, 2, 2).mean((-1, -2)),
        "strided_append": lambda: convolve(full, weights[2], weights[3], stride=2, padding=1),
        # every second pixel of the full convolution: no more, no less
        "strided_replace": lambda: full[..., ::2, ::2],
        "blurpool": lambda: BlurPool()(full),
    }[downsample]()
    torch.testing.assert_close(layers(images), expected, rtol=1e-4, atol=1e-5)


def test_blurpool_removes_the_frequency_that_subsampling_would_alias():
    stripes = torch.ones(1, 2, 8, 8)
    stripes[..., ::2] = -1
    assert torch.equal(BlurPool()(stripes), torch.zeros(1, 2, 4, 4))
    assert torch.equal(BlurPool()(torch.ones(1, 2, 8, 8)), torch.ones(1, 2, 4, 4))


def test_width_scales_channels_and_hidden_units_and_never_to_nothing():
    assert [scaled(50, w) for w in (1.0, 0.16, 1 / 6, 0.001)] == [50, 8, 8, 1]
    model = model_of("concat", width=0.001)
    assert model(*inputs(1)).shape == (1,)
    shapes = [tuple(p.shape) for n, p in model_of("late", width=0.5).named_parameters()]
    assert shapes[0] == (25, 3, 3, 3)
    assert shapes[-2:] == [(1, 64), (1,)]


def test_random_is_what_torch_draws_by_itself():
    config = RunConfig(fusion="late", width=0.1, init="random")
    torch.manual_seed(3)
    model = build(config)
    torch.manual_seed(3)
    own = Late(0.1, "maxpool", STUDY)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), own.parameters(), strict=True))


@pytest.mark.parametrize("fusion", ["late", "concat", "add", "matmul"])
def test_signals_reach_the_logit_of_deep_networks(fusion):
    """With torch's own initialisation these did not leave chance within the default budget."""
    spread = {}
    for init in ("lecun", "random"):
        config = RunConfig(fusion=fusion, downsample="strided_append", init=init)
        torch.manual_seed(0)
        model = build(config)
        with torch.no_grad():
            spread[init] = model(*inputs(16)).std().item()
    assert spread["lecun"] > 5 * spread["random"]
