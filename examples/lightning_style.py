"""A classifier of three blobs in the way of Lightning: a model, a trainer, metrics of every epoch.

`python lightning_style.py fit --model.hidden 16 --trainer.max_epochs 50`, as its command line would
have it. It stops early, leaves a checkpoint that a run which was killed goes on from, and logs what
each test example contributed, so that a report can speak of new examples and not of seeds alone.
"""

import argparse
import csv
import os
from pathlib import Path

import numpy as np
import wandb

parser = argparse.ArgumentParser()
parser.add_argument("command", choices=["fit"])
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--model.hidden", type=int, default=16)
parser.add_argument("--model.learning_rate", type=float, default=0.5)
parser.add_argument("--data.noise", type=float, default=1.0)
parser.add_argument("--trainer.max_epochs", type=int, default=40)
parser.add_argument("--trainer.patience", type=int, default=5)
asked = vars(parser.parse_args())
CLASSES = 3


class Blobs:
    """Points around three centres; the test set is the same for every seed."""

    def __init__(self, noise: float, seed: int) -> None:
        self.train = self.draw(300, noise, np.random.default_rng([seed, 1]))
        self.val = self.draw(300, noise, np.random.default_rng([seed, 2]))
        self.test = self.draw(400, noise, np.random.default_rng(12345))

    @staticmethod
    def draw(count: int, noise: float, random: np.random.Generator):
        """Points (N, 2) and their classes (N,)."""
        y = random.integers(0, CLASSES, count)
        angle = 2 * np.pi * y / CLASSES
        centre = 1.5 * np.stack([np.cos(angle), np.sin(angle)], 1)
        return centre + random.normal(0, noise, (count, 2)), y


class Model:
    """One hidden layer, cross entropy, plain gradient descent."""

    def __init__(self, hidden: int, learning_rate: float, seed: int) -> None:
        random = np.random.default_rng([seed, 3])
        self.rate = learning_rate
        self.weights = {
            "into": random.normal(0, 1, (2, hidden)),
            "bias": random.normal(0, 1, hidden),
            "out": random.normal(0, 1, (hidden, CLASSES)) / np.sqrt(hidden),
        }

    def forward(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Hidden units (N, H) and class probabilities (N, 3)."""
        hidden = np.tanh(x @ self.weights["into"] + self.weights["bias"])
        logits = hidden @ self.weights["out"]
        exponentials = np.exp(logits - logits.max(1, keepdims=True))
        return hidden, exponentials / exponentials.sum(1, keepdims=True)

    def training_step(self, x: np.ndarray, y: np.ndarray) -> float:
        """One step down the gradient; returns the loss before it."""
        hidden, probability = self.forward(x)
        error = (probability - np.eye(CLASSES)[y]) / len(y)
        back = error @ self.weights["out"].T * (1 - hidden**2)
        slopes = {"into": x.T @ back, "bias": back.sum(0), "out": hidden.T @ error}
        for name, slope in slopes.items():
            self.weights[name] = self.weights[name] - self.rate * slope
        return self.losses(probability, y).mean()

    def evaluate(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Cross entropy (N,) and whether the class is right (N,), of each example."""
        _, probability = self.forward(x)
        return self.losses(probability, y), probability.argmax(1) == y

    @staticmethod
    def losses(probability: np.ndarray, y: np.ndarray) -> np.ndarray:
        return -np.log(np.clip(probability[np.arange(len(y)), y], 1e-12, None))


def fit(run, model: Model, data: Blobs, max_epochs: int, patience: int) -> None:
    """Train until val/loss has not fallen for `patience` epochs; ends with the best weights."""
    checkpoint = Path(os.environ.get("WANDB_DIR", "."), "checkpoints", f"{run.id}.npz")
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    epoch, best_loss, best_epoch, best = 0, np.inf, 0, model.weights
    if checkpoint.exists():  # this run was killed, and the agent starts it again
        kept = np.load(checkpoint)
        epoch, best_loss, best_epoch = (
            int(kept["epoch"]),
            kept["best_loss"],
            int(kept["best_epoch"]),
        )
        model.weights = {name: kept[name] for name in model.weights}
        best = {name: kept[f"best_{name}"] for name in model.weights}

    while epoch < max_epochs and epoch - best_epoch < patience:
        epoch += 1
        steps = [model.training_step(*data.train) for _ in range(3)]
        loss, right = model.evaluate(*data.val)
        run.log({
            "epoch": epoch,
            "trainer/global_step": 3 * epoch,
            "train/loss_step": steps[-1],
            "train/loss_epoch": np.mean(steps),
            "val/loss": loss.mean(),
            "val/acc": 100 * right.mean(),
            "lr-SGD": model.rate,
        })  # fmt: skip
        if loss.mean() < best_loss:
            best_loss, best_epoch, best = loss.mean(), epoch, model.weights
        kept = {**model.weights, **{f"best_{name}": array for name, array in best.items()}}
        temporary = checkpoint.with_suffix(".new.npz")
        np.savez(temporary, epoch=epoch, best_loss=best_loss, best_epoch=best_epoch, **kept)
        temporary.replace(checkpoint)
    model.weights = best
    run.summary["best_epoch"] = best_epoch


def test(run, model: Model, data: Blobs) -> None:
    """Log the test metrics, and the term of every example in them."""
    loss, right = model.evaluate(*data.test)
    terms = {"test/loss": loss, "test/acc": 100.0 * right}
    run.log({name: column.mean() for name, column in terms.items()})
    artifact = wandb.Artifact(f"examples-{run.id}", type="examples")
    with artifact.new_file("examples.csv") as file:
        writer = csv.writer(file)
        writer.writerow(["example", *terms])
        writer.writerows(zip(range(len(loss)), *terms.values(), strict=True))
    run.log_artifact(artifact)


with wandb.init(config=asked, resume="allow") as run:
    data = Blobs(asked["data.noise"], asked["seed"])
    model = Model(asked["model.hidden"], asked["model.learning_rate"], asked["seed"])
    fit(run, model, data, asked["trainer.max_epochs"], asked["trainer.patience"])
    test(run, model, data)
