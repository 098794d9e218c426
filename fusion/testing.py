"""Whether a fusion of your own does what training needs: `fusion.testing.check(Gate)`.

The fusions of ours pass the same check. `runner.py models package.module:Class` runs it, too.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from fusion.data.shape import STUDY, Shape
from fusion.models.registry import assemble, example, last_layer

BATCH = 4


class ConformanceError(AssertionError):
    """What is wrong with a fusion, a line for each fault."""

    exit_code = 2


def check(
    fusion: Any, *, width: float = 0.1, downsample: str = "maxpool", shape: Shape = STUDY
) -> nn.Module:
    """Return the network that `fusion` gives, a class or factory as `--fusion` takes it.

    Raises ConformanceError that lists every fault, FusionError where it cannot even be built.
    """

    def build(seed: int = 0) -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return assemble(fusion, width, downsample, shape)

    model = build()
    inputs = random_inputs(shape)
    faults = [*shapes(model, inputs, shape)]
    if not faults:  # the rest asks about its results
        faults = [*learning(model, inputs), *same_again(model, build(), inputs)]
        faults += [*alone(model, inputs), *readers(model, inputs, build)]
    if faults:
        name = getattr(fusion, "__name__", str(fusion))
        raise ConformanceError("\n".join(f"{name}: {fault}" for fault in faults))
    return build()


def random_inputs(shape: Shape, seed: int = 1) -> tuple[Tensor, Tensor]:
    """Return BATCH samples of both modalities."""
    generator = torch.Generator().manual_seed(seed)
    rgb, lidar = example(shape=shape)
    return (
        torch.randn(BATCH, *rgb.shape[1:], generator=generator),
        torch.randn(BATCH, *lidar.shape[1:], generator=generator),
    )


def shapes(model: nn.Module, inputs: tuple[Tensor, Tensor], shape: Shape) -> list[str]:
    """Logits of the right shape and type, for whole batches and for a single sample."""
    faults = []
    for count in (BATCH, 1):
        wanted = (count,) if shape.logits == 1 else (count, shape.logits)
        given = " and ".join(str((count, *x.shape[1:])) for x in inputs)
        try:
            logits = model.eval()(*(x[:count] for x in inputs))
        except Exception as error:
            faults.append(f"inputs {given} raise {type(error).__name__}: {error}")
            continue
        if tuple(logits.shape) != wanted:
            faults.append(f"inputs {given} give logits {tuple(logits.shape)}, not {wanted}")
        elif logits.dtype != torch.float32:
            faults.append(f"logits are {logits.dtype}, not float32")
        elif not logits.isfinite().all():
            faults.append(f"inputs {given} give logits that are not finite")
    return faults


def learning(model: nn.Module, inputs: tuple[Tensor, Tensor]) -> list[str]:
    """Every parameter gets a gradient: those that get none never learn.

    Asked a step away from where it begins: what begins at 0, as a gate may, lets nothing through.
    """
    model = copy.deepcopy(model).train()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.02 * torch.randn(parameter.shape))
    model(*inputs).square().sum().backward()
    named = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
    dead = [n for n, p in named if p.grad is None or not p.grad.any()]
    bad = [n for n, p in named if p.grad is not None and not p.grad.isfinite().all()]
    faults = [f"no gradient reaches {', '.join(dead)}"] if dead else []
    return [*faults, *([f"the gradient of {', '.join(bad)} is not finite"] if bad else [])]


@torch.no_grad()
def same_again(model: nn.Module, twin: nn.Module, inputs: tuple[Tensor, Tensor]) -> list[str]:
    """The same seed gives the same weights, a checkpoint all there is, evaluation no noise."""
    faults = []
    own, other = dict(model.named_parameters()), dict(twin.named_parameters())
    if own.keys() != other.keys() or not all(torch.equal(own[n], other[n]) for n in own):
        faults.append("the same seed gives other weights: draw them from torch's random state")
        return faults
    logits = model.eval()(*inputs)
    if not torch.equal(logits, model(*inputs)):
        faults.append("the same inputs give other logits in evaluation: noise belongs to training")
    twin.load_state_dict(model.state_dict())
    if not torch.equal(logits, twin.eval()(*inputs)):
        faults.append("its state_dict does not hold all that decides its logits")
    return faults


@torch.no_grad()
def alone(model: nn.Module, inputs: tuple[Tensor, Tensor]) -> list[str]:
    """The logits of a sample do not depend on its batch."""
    together = model.eval()(*inputs)
    each = [model(*(x[i : i + 1] for x in inputs)) for i in range(BATCH)]
    if not torch.allclose(torch.cat(each), together, rtol=1e-3, atol=1e-4):
        return ["in evaluation, the logits of a sample depend on those beside it"]
    return []


@torch.no_grad()
def readers(model: nn.Module, inputs: tuple[Tensor, Tensor], build: Any) -> list[str]:
    """What reads a network: its head, its costs without weights, inputs that make a difference."""
    faults: list[str] = []
    seen: list[Tensor] = []
    hook = last_layer(model).register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    logits = model.eval()(*inputs)
    hook.remove()
    if len(seen) != 1 or len(seen[0]) != BATCH:
        faults.append("the last layer of `head` does not see each sample once: its input is the "
                      "embedding")  # fmt: skip
    others = random_inputs(Shape(inputs[0].shape[1], inputs[1].shape[1], *inputs[0].shape[2:]), 2)
    changed = [not torch.equal(model(others[0], inputs[1]), logits)]
    changed.append(not torch.equal(model(inputs[0], others[1]), logits))
    if not any(changed):
        faults.append("its logits do not depend on its inputs")
    try:
        with torch.device("meta"):
            build()(*(x[:1].to("meta") for x in inputs))
    except Exception as error:
        faults.append(f"it does not run on the device meta, where costs are counted: {error}")
    return faults
