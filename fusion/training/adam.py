"""Adam, as torch.optim.Adam(fused=True) computes it, without loading torch.compile."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


class Adam:
    """The same kernel and the same bits as torch.optim.Adam(fused=True) (tested).

    The first use of any class of torch.optim imports torch.compile, only to tell it to keep out:
    1.8 s of every run, more than a quarter of what a short one costs.
    """

    def __init__(self, parameters: Iterable[Tensor]) -> None:
        self.parameters = list(parameters)
        self.first = [torch.zeros_like(p) for p in self.parameters]
        self.second = [torch.zeros_like(p) for p in self.parameters]
        self.steps = [torch.zeros((), device=p.device) for p in self.parameters]

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        """Change the parameters that have a gradient along it."""
        gradients = {i: p.grad for i, p in enumerate(self.parameters) if p.grad is not None}
        used = list(gradients)
        for i in used:
            self.steps[i] += 1
        torch._fused_adam_(  # type: ignore[reportPrivateImportUsage]
            [self.parameters[i] for i in used],
            list(gradients.values()),
            [self.first[i] for i in used],
            [self.second[i] for i in used],
            [],
            [self.steps[i] for i in used],
            lr=learning_rate,
            beta1=BETA1,
            beta2=BETA2,
            weight_decay=0.0,
            eps=EPSILON,
            amsgrad=False,
            maximize=False,
        )

    def state(self) -> dict[str, Tensor]:
        """Return the tensors that a continued training needs; copy values into them to restore."""
        named = {"first": self.first, "second": self.second, "steps": self.steps}
        return {f"{name}/{i}": t for name, ts in named.items() for i, t in enumerate(ts)}
