"""Pre-trained encoders as initial weights: what is taken, what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from fusion.config import RunConfig
from fusion.contrastive.config import PretrainConfig
from fusion.contrastive.contrast import Pretraining
from fusion.contrastive.views import Views
from fusion.data.dataset import Data
from fusion.fit import fit
from fusion.models import transfer
from fusion.models.registry import build
from fusion.models.transfer import TransferError
from fusion.training import sealed
from fusion.training.config import ConfigError, check

INIT = "contrastive:somewhere"


@pytest.fixture
def stage(data: Data, tmp_path: Path) -> Path:
    """The folder of a contrastive stage (untrained: the weights are what matters here)."""
    config = PretrainConfig(inputs="fusion", width=0.04)
    torch.manual_seed(5)
    model = Pretraining(config, Views(data, "fusion"))
    weights = {name: t.contiguous() for name, t in model.state_dict().items()}
    save_file(weights, tmp_path / "weights.safetensors")
    write(tmp_path, {"inputs": "fusion", "width": 0.04, "downsample": "maxpool", "align": False})
    return tmp_path


def write(folder: Path, settings: dict[str, Any]) -> None:
    (folder / "stage.json").write_text(json.dumps({"settings": settings}))


def config(**changes: Any) -> RunConfig:
    return RunConfig(**{"fusion": "late", "width": 0.04, "init": INIT, **changes})


@pytest.mark.parametrize(("fusion", "blocks"), [("late", 4), ("concat", 2), ("matmul", 2)])
def test_the_convolutions_of_both_encoders_are_taken_and_nothing_else(
    stage: Path, fusion: str, blocks: int
) -> None:
    weights = transfer.read(stage, config(fusion=fusion))
    model = build(config(fusion=fusion))
    before = {name: p.clone() for name, p in model.named_parameters()}
    taken = transfer.initialise(model, weights)
    assert len(taken) == 2 * blocks * 2  # modalities, weight and bias
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, before[name]) == (name not in taken)
    part = "blocks." if fusion == "late" else ""
    parameters = dict(model.named_parameters())
    for modality in ("rgb", "lidar"):
        source = weights[f"encoders.{modality}.blocks.1.0.weight"]
        assert torch.equal(parameters[f"{modality}.{part}1.0.weight"], source)


def test_a_run_begins_with_them(stage: Path, data: Data) -> None:
    settings = config(epochs=1, learning_rate=1e-12)
    weights = transfer.read(stage, settings)
    result = fit(settings, data, device=torch.device("cpu"), pretrained=weights)
    trained = dict(result.model.named_parameters())["rgb.blocks.0.0.weight"]
    assert torch.allclose(trained, weights["encoders.rgb.blocks.0.0.weight"], atol=1e-6)


@pytest.mark.parametrize(
    ("settings", "parts"),
    [
        ({"inputs": "cilp"}, ["--inputs fusion"]),
        ({"width": 1.0}, ["--width is 1.0 there and 0.04 here"]),
        ({"downsample": "avgpool", "align": True}, ["--downsample", "--align is True there"]),
    ],
)
def test_encoders_of_another_kind_are_refused(
    stage: Path, settings: dict[str, Any], parts: list[str]
) -> None:
    known = json.loads((stage / "stage.json").read_text())["settings"]
    write(stage, {**known, **settings})
    with pytest.raises(TransferError) as caught:
        transfer.read(stage, config())
    assert all(part in str(caught.value) for part in [f"--init {INIT}", *parts])


def test_a_folder_without_a_stage_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TransferError, match=f"--init {INIT}"):
        transfer.read(tmp_path, config())


@pytest.mark.parametrize(
    "values",
    [
        {"init": "contrastive:"},
        {"init": "imagenet"},
        {"init": INIT, "fusion": "early"},
        {"init": INIT, "fusion": "rgb"},
    ],
)
def test_what_cannot_be_initialised_is_refused_before_anything_runs(values: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        check(values, RunConfig)
    assert "contrastive:ARTIFACT" in caught.value.problems["init"]


def test_a_flipped_bit_in_the_weights_is_refused(stage: Path) -> None:
    path = stage / "weights.safetensors"
    sealed.write(path, load_file(path), {"format": "pt"})
    transfer.read(stage, config())
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(TransferError, match=r"weights\.safetensors is damaged.* pretrain"):
        transfer.read(stage, config())


def test_weights_without_a_hash_are_taken_with_a_warning(stage: Path, caplog) -> None:
    transfer.read(stage, config())
    assert "weights.safetensors carries no hash" in caplog.text
