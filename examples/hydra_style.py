"""A tiny network on two rings, configured as with Hydra: `python hydra_style.py model.hidden=8`.

Hydra would make `config` of the same words. Nested values are axes of a sweep by dotted names.
"""

import sys

import numpy as np
import wandb
import yaml

config = {
    "seed": 0,
    "model": {"hidden": 8, "activation": "tanh"},
    "optimizer": {"learning_rate": 0.5, "steps": 300},
}
ACTIVATIONS = {"tanh": np.tanh, "relu": lambda x: np.maximum(x, 0)}
SLOPES = {"tanh": lambda y: 1 - y**2, "relu": lambda y: y > 0}

for word in sys.argv[1:]:
    name, _, text = word.partition("=")
    *path, last = name.split(".")
    place = config
    for part in path:
        place = place[part]
    if last not in place:
        sys.exit(f"no such key: {name}")
    place[last] = yaml.safe_load(text)

run = wandb.init(config=config)
random = np.random.default_rng(config["seed"])


def rings(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Points (N, 2) on two rings that overlap a little, and which ring (N,) each is on."""
    ring, angle = random.integers(0, 2, count), random.uniform(0, 2 * np.pi, count)
    radius = 1 + ring + random.normal(0, 0.3, count)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1), ring


(x, y), (x_test, y_test) = rings(200), rings(500)
model, steps = config["model"], config["optimizer"]["steps"]
activation, slope = ACTIVATIONS[model["activation"]], SLOPES[model["activation"]]
into = random.normal(0, 1, (2, model["hidden"]))
bias = random.normal(0, 1, model["hidden"])
out = random.normal(0, 1, model["hidden"]) / np.sqrt(model["hidden"])


def forward(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The hidden units (N, H) and the probability (N,) of the outer ring."""
    hidden = activation(points @ into + bias)
    return hidden, 1 / (1 + np.exp(-(hidden @ out)))


for step in range(1, steps + 1):
    hidden, probability = forward(x)
    error = (probability - y) / len(y)
    back = np.outer(error, out) * slope(hidden)
    rate = config["optimizer"]["learning_rate"]
    into, bias = into - rate * x.T @ back, bias - rate * back.sum(0)
    out = out - rate * hidden.T @ error
    if step % 30 == 0:
        _, probability = forward(x_test)
        right = np.mean((probability > 0.5) == y_test)
        chosen = np.clip(np.where(y_test, probability, 1 - probability), 1e-12, None)
        nll = -np.log(chosen).mean()
        run.log({"step": step, "test/error_percent": 100 * (1 - right), "test/nll": nll})
run.finish()
