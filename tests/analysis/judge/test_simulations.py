"""What the methods promise, measured: coverage, false-positive rates, error of repeated looks."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.build import build
from analysis.judge import multiple, sequential, stats, terms
from benchmarks import nulls

TRIALS = 4000


@pytest.mark.parametrize("n", [3, 5, 10, 20])
def test_t_intervals_cover(n: int) -> None:
    draws = np.random.default_rng(n).normal(size=(TRIALS, n))
    half = stats.quantile(n - 1) * draws.std(1, ddof=1) / np.sqrt(n)
    coverage = (np.abs(draws.mean(1)) <= half).mean()
    assert 0.93 <= coverage <= 0.97


def equal_models(seeds: int, trials: int = 600, examples: int = 300) -> np.ndarray:
    """D_si of two models of equal population accuracy that are right on different examples."""
    rng = np.random.default_rng(seeds)
    shared = rng.normal(size=(trials, 1, 1, examples))
    own = 0.8 * rng.normal(size=(trials, 2, 1, examples))
    noise = 0.4 * rng.normal(size=(trials, 2, seeds, examples))
    level = 1.0 + 0.02 * rng.normal(size=(trials, 2, seeds, 1))
    right = (level + shared + own + noise > 0).astype(float)
    return right[:, 0] - right[:, 1]


@pytest.mark.parametrize("seeds", [3, 5, 10])
def test_crossed_intervals_hold_where_seeds_alone_do_not(seeds: int) -> None:
    difference = equal_models(seeds)
    crossed = float((stats.crossed(difference).p < 0.05).mean())
    means = difference.mean(-1)
    half = stats.quantile(seeds - 1) * means.std(1, ddof=1) / np.sqrt(seeds)
    seeds_only = float((np.abs(means.mean(1)) > half).mean())
    assert crossed <= 0.07
    assert seeds_only > 0.15


def test_f1_has_the_same_guarantee() -> None:
    rng = np.random.default_rng(0)
    trials, seeds, examples = 500, 5, 300
    labels = np.arange(examples) % 2
    shared = rng.normal(size=(trials, 1, 1, examples))
    own = 0.6 * rng.normal(size=(trials, 2, 1, examples))
    noise = 0.5 * rng.normal(size=(trials, 2, seeds, examples))
    logits = (2 * labels - 1) * (1.0 + shared + own + noise)
    of_f1 = terms.f1_terms(logits, labels)
    assert float((stats.crossed(of_f1[:, 0] - of_f1[:, 1]).p < 0.05).mean()) <= 0.07


def test_holm_keeps_the_family_where_naive_tests_do_not() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(size=(1500, 6, 5))
    pairs = [(i, j) for i in range(6) for j in range(i)]
    naive = corrected = 0
    for sweep in values:
        deltas = np.array([sweep[i] - sweep[j] for i, j in pairs])
        t = deltas.mean(1) / (deltas.std(1, ddof=1) / np.sqrt(5))
        p = 2 * stats.stats.t.sf(np.abs(t), 4)
        naive += (p < 0.05).any()
        corrected += min(multiple.holm(p.tolist())) < 0.05
    assert naive / len(values) > 0.3
    assert corrected / len(values) <= 0.06


@pytest.mark.parametrize("case", nulls.CASES)
def test_a_family_in_which_nothing_differs(case: str) -> None:
    """A hundred trials here; benchmarks/nulls.py runs two thousand at 3, 5, 8 and 10 seeds."""
    wrong, coverage, together = nulls.measure(case, 5, 100)
    assert wrong <= 0.11 and together >= 0.89
    assert 0.92 <= coverage <= 0.99


def test_equal_cells_are_not_called_different(sweep) -> None:
    """The same through whole reports: each metric's family holds its own level."""
    arms = {"fusion": ["late", "concat", "add", "matmul"]}
    found = {"test/loss": 0, "test/accuracy": 0, "test/f1": 0}
    for trial in range(30):
        made = build(sweep(arms, quality=lambda _: 1.4, rng=trial, n=200))
        for metric in found:
            verdicts = {c.verdict for c in made.contrasts if c.metric == metric}
            found[metric] += "DIFFERENT" in verdicts
    assert max(found.values()) <= 5, found


def test_planted_differences_are_found(sweep) -> None:
    right = total = 0
    for trial in range(20):
        made = sweep(
            {"fusion": ["late", "concat", "add"]},
            quality=lambda config: 2.2 if config["fusion"] == "concat" else 1.2,
            rng=1000 + trial,
        )
        for contrast in build(made).contrasts:
            labels = {contrast.a_label, contrast.b_label}
            if "concat" in labels:
                total += 1
                higher = contrast.statement.higher == "concat"
                wanted = higher != contrast.metric.endswith("loss")
                right += contrast.verdict == "DIFFERENT" and wanted
    assert right / total >= 0.95


@pytest.mark.parametrize(("first", "step", "looks"), [(5, 5, 4), (3, 2, 6)])
def test_looking_repeatedly_keeps_the_error(first: int, step: int, looks: int) -> None:
    rng = np.random.default_rng(2)
    draws = rng.normal(size=(TRIALS, first + step * (looks - 1)))
    ever, naive = np.zeros(TRIALS, bool), np.zeros(TRIALS, bool)
    for look in range(1, looks + 1):
        seen = draws[:, : first + step * (look - 1)]
        n = seen.shape[1]
        t = seen.mean(1) / (seen.std(1, ddof=1) / np.sqrt(n))
        p = 2 * stats.stats.t.sf(np.abs(t), n - 1)
        ever |= p < sequential.alpha_of_look(look, looks)
        naive |= p < 0.05
    assert ever.mean() <= 0.05
    assert naive.mean() > 0.09
