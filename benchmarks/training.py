"""How much faster an optimizer step is than the study's: ratios, measured side by side in one run.

    python -m benchmarks.training [--width 0.1667] [--steps 30]

Arms, all with the same network, batch size 32 and one thread, interleaved step by step so that
whatever else the machine does hits all of them alike:

- study: a DataLoader over a list of samples, default memory order, convolution-ReLU-pool, plain
  Adam, `.item()` on the loss in every step, as the study's notebooks do;
- ours: what fusion.training does in a step;
- micro 2x16: ours, with the batch in two halves whose gradients add up (not used: no gain).

Printed: the median step of each arm in ms of CPU time, and how many times faster than the study's.
"""

from __future__ import annotations

import argparse
import platform
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fusion.config import RunConfig
from fusion.models.registry import build
from fusion.training.adam import Adam
from fusion.training.loop import Plan, learning_rate

BATCH = 32
CASES = [
    ("late", "maxpool"),
    ("concat", "maxpool"),
    ("add", "maxpool"),
    ("matmul", "maxpool"),
    ("concat", "strided_append"),
    ("concat", "strided_replace"),
]
Step = Callable[[], None]


def study_order(model: nn.Module) -> nn.Module:
    """Put ReLU before pooling, where the study has it."""
    for module in model.modules():
        layers = list(module.children()) if isinstance(module, nn.Sequential) else []
        if len(layers) == 3 and isinstance(layers[1], nn.MaxPool2d):
            module[1], module[2] = layers[2], layers[1]  # type: ignore[index]
    return model


def samples(count: int) -> list[tuple[Tensor, Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(0)
    return [
        (
            torch.randn(3, 64, 64, generator=generator),
            torch.randn(4, 64, 64, generator=generator),
            torch.randint(2, (), generator=generator).float(),
        )
        for _ in range(count)
    ]


def study(config: RunConfig) -> Step:
    model = study_order(build(config))
    optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate)
    loader = torch.utils.data.DataLoader(
        samples(256),  # type: ignore[arg-type]
        BATCH,
        shuffle=True,
        drop_last=True,
    )

    def forever() -> Iterator[list[Tensor]]:
        while True:
            yield from loader

    batches = forever()
    total = 0.0

    def step() -> None:
        nonlocal total
        rgb, lidar, labels = next(batches)
        optimizer.zero_grad()
        loss = nn.functional.binary_cross_entropy_with_logits(model(rgb, lidar), labels)
        loss.backward()
        optimizer.step()
        total += loss.item()

    return step


def ours(config: RunConfig, parts: int = 1) -> Step:
    model = build(config).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = Adam(model.parameters())
    rgb, lidar, labels = (torch.stack(ts) for ts in zip(*samples(256), strict=True))
    # As fusion.data.dataset hands them out: channels last, sliced from memory
    rgb, lidar = (t.to(memory_format=torch.channels_last) for t in (rgb, lidar))
    taken = 0
    plan = Plan(config.seed, config.epochs, BATCH, config.learning_rate, config.schedule)

    def step() -> None:
        nonlocal taken
        index = torch.randint(256, (BATCH,))
        model.zero_grad()
        losses = []
        for rows in index.split(BATCH // parts):
            logits = model(rgb[rows], lidar[rows])
            loss = nn.functional.binary_cross_entropy_with_logits(logits, labels[rows]) / parts
            loss.backward()
            losses.append(loss.detach())
        norm = nn.utils.get_total_norm([p.grad for p in model.parameters() if p.grad is not None])
        torch.stack([*losses, norm]).tolist()
        optimizer.step(learning_rate(plan, taken, 10**6))
        taken += 1

    return step


def measure(arms: dict[str, Step], steps: int) -> dict[str, float]:
    """Return the median milliseconds of CPU time of a step, warm-up left out."""
    spent: dict[str, list[float]] = {name: [] for name in arms}
    for turn in range(steps + 3):
        for name, step in arms.items():
            started = time.process_time()
            step()
            if turn >= 3:
                spent[name].append(1000 * (time.process_time() - started))
    return {name: median(times) for name, times in spent.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description="Step times against the study's loop.")
    parser.add_argument("--width", type=float, default=0.1667)
    parser.add_argument("--steps", type=int, default=30)
    args = parser.parse_args()
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, {platform.machine()}, width {args.width}, 1 thread")
    for fusion, downsample in CASES:
        config = RunConfig(fusion=fusion, downsample=downsample, width=args.width)  # type: ignore[arg-type]
        arms = {"study": study(config), "ours": ours(config), "micro 2x16": ours(config, parts=2)}
        found = measure(arms, args.steps)
        cells = [f"{n} {ms:.1f} ms ({found['study'] / ms:.2f}x)" for n, ms in found.items()]
        print(f"{fusion:7}{downsample:16}" + "  ".join(cells), flush=True)


if __name__ == "__main__":
    main()
