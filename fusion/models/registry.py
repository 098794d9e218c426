"""From a name to a network: `build(config)`, for fusions of ours and for those of a person's own.

What `--fusion package.module:attribute` names is one of two things, told apart by its `head`:

- a merge of two feature maps, learned or not. Encoders, trunk and head are those of our operators.
- a whole network, as in `networks`: it has `head`, and may have `encoders`.

A class, and a function that asks for nothing but what MADE_WITH lists, is called with those of them
that it names. Any other function is a merge as it stands.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from contract import outside
from fusion.config import RunConfig
from fusion.data.shape import STUDY, Shape
from fusion.models.fusions import FUSIONS
from fusion.models.networks import Intermediate

MADE_WITH = {
    "channels": "of each of the two maps that are merged",
    "width": "factor on all numbers of channels and units",
    "downsample": "how maps are halved",
    "shape": "a fusion.data.shape.Shape: channels and size of the inputs, classes",
}


class FusionError(Exception):
    """A fusion of a person's own that cannot be built."""

    exit_code = 2


def build(config: RunConfig, shape: Shape = STUDY) -> nn.Module:
    """Return the network of `config`, initialised from torch's global random state.

    `init: lecun` is for layers of ours: what a person brings has initialised itself. Raises
    FusionError, OutsideError.
    """
    known = FUSIONS.get(config.fusion)
    found = outside.load(known.place if known else config.fusion, "--fusion")
    model = assemble(found, config.width, config.downsample, shape, config.fusion)
    if config.init == "lecun" and (known or isinstance(model, Intermediate)):
        keep_variance(model)
    return model


def check(config: RunConfig, shape: Shape = STUDY) -> None:
    """Raise what `build` does; no weights are made."""
    with torch.device("meta"):
        build(config, shape)


def source(config: RunConfig) -> dict[str, str]:
    """Return what else decides a run of a person's own fusion: a hash of its module's source."""
    if config.fusion in FUSIONS:
        return {}
    module = inspect.getmodule(outside.load(config.fusion, "--fusion"))
    file = getattr(module, "__file__", None)
    content = Path(file).read_bytes() if file else b""
    return {"fusion_hash": hashlib.sha256(content).hexdigest()}


def assemble(
    found: Any, width: float, downsample: str, shape: Shape = STUDY, name: str = ""
) -> nn.Module:
    """Return the network of a class, factory or function; errors call it `name`."""
    label = f"--fusion {name or getattr(found, '__name__', found)}"
    offered = {"width": width, "downsample": downsample, "shape": shape}
    if isinstance(found, nn.Module) or not callable(found):
        raise FusionError(
            f"{label} is an object, whose weights would not follow the seed; name its class, or a "
            "function that makes one"
        )
    names = arguments(found, label)
    if names is None:
        return intermediate(lambda channels: found, width, downsample, shape, label)
    if "channels" not in names:
        made = found(**{name: offered[name] for name in names})
        if hasattr(made, "head"):
            return whole(made, label)
        return intermediate(lambda channels: made, width, downsample, shape, label)

    def merge(channels: int) -> Any:
        return found(**{n: {**offered, "channels": channels}[n] for n in names})

    return intermediate(merge, width, downsample, shape, label)


def arguments(found: Callable[..., Any], label: str) -> list[str] | None:
    """Return the names of MADE_WITH with which a class or factory is called; None for a merge."""
    try:
        parameters = list(inspect.signature(found).parameters.values())
    except ValueError:  # a builtin, such as torch.add
        return None
    named = [p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    unknown = [p.name for p in named if p.name not in MADE_WITH and p.default is p.empty]
    if not unknown:
        return [p.name for p in named if p.name in MADE_WITH]
    if not inspect.isclass(found):
        return None
    known = "; ".join(f"{name}, {text}" for name, text in MADE_WITH.items())
    raise FusionError(f"{label} asks for {', '.join(unknown)}; it can ask for: {known}")


def intermediate(
    make_merge: Callable[[int], Any], width: float, downsample: str, shape: Shape, label: str
) -> nn.Module:
    """Return encoders, a merge and our trunk as one network."""
    try:
        return Intermediate(make_merge, width, downsample, shape)
    except Exception as error:  # whatever their merge raises
        raise FusionError(
            f"{label} cannot merge the maps of both encoders: {error}. A whole network says so by "
            "an attribute `head`"
        ) from error


def whole(model: Any, label: str) -> nn.Module:
    """Return a network of a person's own after a look at what all of them must have."""
    if not isinstance(model, nn.Module) or not isinstance(model.head, nn.Module):
        raise FusionError(f"{label}: the network and its `head` must be torch.nn.Module")
    return model


def last_layer(model: nn.Module) -> nn.Module:
    """Return the layer of a network's head that sees the embedding and gives the logits."""
    head = model.head
    return head[-1] if isinstance(head, nn.Sequential) else head  # type: ignore[return-value]


def example(device: torch.device | str = "cpu", shape: Shape = STUDY) -> tuple[Tensor, Tensor]:
    """Return the inputs of one sample, zeros: (1, C, H, W) of both modalities."""
    size = shape.height, shape.width
    rgb_1CHW = torch.zeros(1, shape.rgb, *size, device=device)
    return rgb_1CHW, torch.zeros(1, shape.lidar, *size, device=device)


@torch.no_grad()
def keep_variance(model: nn.Module) -> None:
    """Initialise as LeCun et al., "Efficient BackProp": variance 1 / fan-in, no biases.

    torch's own weights have a third of that variance, and random biases that soon outweigh the
    shrinking signal: the logits of `late` with strided_append then differ by 4e-5 between samples,
    and a budget of some hundred steps ends before the network has left chance. He's variance,
    twice as large, lets the products of matmul explode. The logit begins close to 0. A learned
    merge keeps what it began with: a gate, say, may have to begin open.
    """
    merge = getattr(model, "merge", None)
    theirs = set(merge.modules()) if isinstance(merge, nn.Module) else set()
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear) and layer not in theirs:
            nn.init.kaiming_normal_(layer.weight, nonlinearity="linear")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    last_layer(model).weight.mul_(0.1)  # type: ignore[operator]
