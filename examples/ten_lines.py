"""Fit a polynomial to noisy points of a sine: ten lines that any W&B sweep can call."""

import argparse

import numpy as np
import wandb

parser = argparse.ArgumentParser()
parser.add_argument("--degree", type=int, default=3)
parser.add_argument("--seed", type=int, default=0)
run = wandb.init(config=vars(parser.parse_args()))
random = np.random.default_rng(run.config.seed)
x, grid = random.uniform(-1, 1, 30), np.linspace(-1, 1, 200)
y = np.sin(3 * x) + random.normal(0, 0.3, len(x))
fitted = np.polynomial.Polynomial.fit(x, y, run.config.degree)
run.log({"test/mse": np.mean((fitted(grid) - np.sin(3 * grid)) ** 2)})
run.finish()
