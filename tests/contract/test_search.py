"""Grid, random and bayes as pure functions."""

from __future__ import annotations

import itertools
import math
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.sweepfile.read import parse
from contract.sweepfile.search import suggest
from contract.sweepfile.space import (
    Observation,
    SweepConfig,
    cell_key,
    is_cell,
    make_cell,
    values_of,
)
from contract.values import exact

METRIC = {"name": "loss", "goal": "minimize"}


def config(method: str, parameters: dict[str, Any], **rest: Any) -> SweepConfig:
    return parse({"method": method, "parameters": parameters, **rest})


def run_to_the_cap(config: SweepConfig, **options: Any) -> list[Any]:
    """The values of `x` in the order in which they are suggested, run_cap of them."""
    assert config.run_cap is not None
    cells = run_through(config, config.run_cap, **options)
    assert len(cells) == config.run_cap
    return [cell["x"] for cell in cells]


def run_through(config: SweepConfig, limit: int = 500, seed: str = "s") -> list[dict[str, Any]]:
    """All cells in the order in which they are suggested."""
    cells, seen, cursor = [], set(), 0
    while len(cells) < limit:
        suggestion = suggest(config, seed=seed, cursor=cursor, seen=seen.__contains__)
        if suggestion is None:
            break
        assert suggestion.cell.key not in seen
        seen.add(suggestion.cell.key)
        cells.append(suggestion.cell.args)
        cursor = suggestion.cursor
    return cells


# --- grid ---


def test_grid_order_is_seed_slowest_last_fastest() -> None:
    axes = {"b": {"values": ["x", "y"]}, "seed": {"values": [0, 1]}, "z": {"min": 1, "max": 2}}
    cells = [tuple(c[k] for k in ("seed", "b", "z")) for c in run_through(config("grid", axes))]
    assert cells == list(itertools.product([0, 1], ["x", "y"], [1, 2]))


def test_only_the_top_level_seed_is_the_replicate() -> None:
    axes = {"a": {"values": [0, 1]}, "n": {"parameters": {"seed": {"values": [0, 1]}}}}
    cells = [(c["a"], c["n"]["seed"]) for c in run_through(config("grid", axes))]
    assert cells == [(0, 0), (0, 1), (1, 0), (1, 1)]


def test_nested_parameters_are_nested_in_the_arguments() -> None:
    axes = {"opt": {"parameters": {"name": {"value": "adam"}, "lr": {"values": [0.1, 0.2]}}}}
    grid = config("grid", axes)
    assert run_through(grid) == [
        {"opt": {"name": "adam", "lr": 0.1}},
        {"opt": {"name": "adam", "lr": 0.2}},
    ]
    assert values_of(grid, {"opt": {"name": "adam", "lr": 0.2}}) == ["adam", 0.2]
    assert values_of(grid, {"opt": 3}) is None


def test_grid_enumerates_ranges_as_wandb_does() -> None:
    axes = {"i": {"min": -1, "max": 1}}
    assert [c["i"] for c in run_through(config("grid", axes))] == [-1, 0, 1]
    quantised = {"q": {"distribution": "q_uniform", "min": 0, "max": 0.4, "q": 0.1}}
    assert [c["q"] for c in run_through(config("grid", quantised))] == [0.0, 0.1, 0.2, 0.3]


def test_a_grid_of_a_billion_cells_is_not_unrolled() -> None:
    axes = {name: {"min": 0, "max": 999} for name in "abc"}
    grid = config("grid", axes)
    assert grid.size == 10**9
    last = suggest(grid, seed="", cursor=10**9 - 1, seen=lambda key: False)
    assert last is not None and last.cell.args == {"a": 999, "b": 999, "c": 999}
    assert suggest(grid, seed="", cursor=last.cursor, seen=lambda key: False) is None


SCALARS = (
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(-2, 2) | st.text("a1", max_size=2)
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from("abcd"), st.lists(SCALARS, min_size=1, max_size=4)))
def test_a_grid_gives_every_cell_once(values: dict[str, list[Any]]) -> None:
    if not values:
        return
    grid = config("grid", {name: {"values": listed} for name, listed in values.items()})
    cells = [exact(cell) for cell in run_through(grid)]
    wanted = {
        exact(dict(zip(values, point, strict=True)))
        for point in itertools.product(*values.values())
    }
    assert len(cells) == len(set(cells)) == grid.size
    assert set(cells) == wanted


def test_equal_values_make_equal_cells_and_nothing_else_does() -> None:
    assert cell_key({"a": 0.0}) == cell_key({"a": 0}) == cell_key({"a": -0.0})
    assert cell_key({"a": 3e6}) == cell_key({"a": 3000000})
    assert cell_key({"a": 1, "b": 2}) == cell_key({"b": 2, "a": 1})
    different = [1, True, "1", 1.5, None, "true", [1], {"a": 1}]
    assert len({cell_key({"a": value}) for value in different}) == len(different)


def test_a_point_that_left_the_space_is_no_cell() -> None:
    grid = config("grid", {"a": {"values": [1, 2]}, "b": {"min": 1, "max": 3}})
    assert is_cell(grid, {"a": 1.0, "b": 3})
    assert not is_cell(grid, {"a": 3, "b": 3})
    assert not is_cell(grid, {"a": 1, "b": 4})
    assert not is_cell(grid, {"a": 1})
    assert not is_cell(grid, {"a": 1, "b": 3, "c": 0})
    steps = config("random", {"q": {"distribution": "q_uniform", "min": 0, "max": 1, "q": 0.5}})
    assert is_cell(steps, {"q": 0.5}) and not is_cell(steps, {"q": 0.3})
    line = config("random", {"x": {"min": 0.0, "max": 1.0}})
    assert is_cell(line, {"x": 0.3}) and not is_cell(line, {"x": 1.3})


# --- random ---


def test_random_is_seeded_by_the_config_or_by_the_sweep() -> None:
    axes = {"x": {"min": 0.0, "max": 1.0}}
    free, seeded = config("random", axes), config("random", axes, controller={"seed": 7})
    assert run_through(free, 5, "one") == run_through(free, 5, "one")
    assert run_through(free, 5, "one") != run_through(free, 5, "two")
    assert run_through(seeded, 5, "one") == run_through(seeded, 5, "two")


def test_random_over_a_finite_space_gives_every_cell_once_and_ends() -> None:
    skewed = {"values": list("abcd"), "probabilities": [0.9999, 0.0001, 0.0, 0.0]}
    axes = {"w": skewed, "i": {"min": 1, "max": 7}, "q": {"distribution": "q_beta", "q": 0.25}}
    cells = run_through(config("random", axes))
    assert len(cells) == 2 * 7 * 5
    assert {cell["w"] for cell in cells} == {"a", "b"}  # probability 0 is never drawn


def test_random_that_can_only_repeat_itself_ends() -> None:
    narrow = {"distribution": "q_normal", "mu": 0, "sigma": 1e-6}
    assert run_through(config("random", {"x": narrow})) == [{"x": 0}]


SKEWED = {"values": [1, 2, 3, 4], "probabilities": [0.9, 0.1, 0.0, 0.0]}


@pytest.mark.parametrize("method", ["random", "bayes"])
@pytest.mark.parametrize(
    ("spec", "points"),
    [
        ({"values": ["a", "b", None]}, 3),
        (SKEWED, 2),
        ({"distribution": "q_normal", "mu": 0, "sigma": 1e-6}, 1),
    ],
    ids=str,
)
def test_each_point_comes_once_before_any_is_repeated(method: str, spec: dict, points: int) -> None:
    space = config(method, {"x": spec}, run_cap=20, metric=METRIC)
    drawn = run_to_the_cap(space)
    assert len(set(drawn[:points])) == points == len(set(drawn))


def test_repeated_points_are_drawn_by_their_distribution() -> None:
    drawn = run_to_the_cap(config("random", {"x": SKEWED}, run_cap=400))
    assert drawn[2:].count(2) == pytest.approx(40, abs=20)


DISTRIBUTIONS = [
    {"distribution": "uniform", "min": -2, "max": 3},
    {"distribution": "log_uniform", "min": -3, "max": 1},
    {"distribution": "log_uniform_values", "min": 1e-5, "max": 10},
    {"distribution": "inv_log_uniform", "min": -1, "max": 3},
    {"distribution": "inv_log_uniform_values", "min": 0.01, "max": 10},
    {"distribution": "normal", "mu": 1, "sigma": 2},
    {"distribution": "log_normal", "mu": -1, "sigma": 0.5},
    {"distribution": "beta", "a": 2, "b": 5},
]
QUANTISED = [
    {"distribution": "q_uniform", "min": 0.25, "max": 0.95, "q": 0.1},
    {"distribution": "q_uniform", "min": 0, "max": 11},
    {"distribution": "q_log_uniform", "min": 0, "max": 3, "q": 2},
    {"distribution": "q_log_uniform_values", "min": 3, "max": 50, "q": 0.5},
    {"distribution": "q_normal", "mu": 3, "sigma": 5, "q": 0.2},
    {"distribution": "q_log_normal", "sigma": 2, "q": 3},
    {"distribution": "q_beta", "a": 2, "b": 2, "q": 0.05},
]


@pytest.mark.parametrize("spec", DISTRIBUTIONS, ids=lambda spec: spec["distribution"])
def test_quantile_and_probability_are_inverse(spec: dict) -> None:
    dist = config("random", {"x": spec}).parameters[0].distribution
    units = [0.0, 0.001, 0.3, 0.5, 0.9, 1.0]
    values = [dist.at(unit) for unit in units]
    assert values == sorted(values)
    assert [dist.unit(value) for value in values] == pytest.approx(units, abs=1e-6)
    assert dist.unit("a") is None and dist.unit(True) is None


def test_distributions_have_the_moments_of_their_definition() -> None:
    def sample(spec: dict) -> list[float]:
        dist = config("random", {"x": spec}).parameters[0].distribution
        return [dist.at((i + 0.5) / 4000) for i in range(4000)]

    def mean(values: list[float]) -> float:
        return sum(values) / len(values)

    uniform, log_uniform, _, inverse, _, normal, log_normal, beta = map(sample, DISTRIBUTIONS)
    assert mean(uniform) == pytest.approx(0.5, abs=0.01)
    assert mean([math.log(x) for x in log_uniform]) == pytest.approx(-1, abs=0.01)
    assert mean([math.log(1 / x) for x in inverse]) == pytest.approx(1, abs=0.01)
    assert mean(normal) == pytest.approx(1, abs=0.01)
    assert mean([math.log(x) for x in log_normal]) == pytest.approx(-1, abs=0.01)
    assert mean(beta) == pytest.approx(2 / 7, abs=0.01)


@pytest.mark.parametrize("spec", QUANTISED, ids=str)
@settings(deadline=None)
@given(unit=st.floats(0, 1))
def test_quantised_values_are_multiples_within_the_bounds(spec: dict, unit: float) -> None:
    dist = config("random", {"x": spec}).parameters[0].distribution
    value, q = dist.at(unit), spec.get("q", 1)
    assert type(value) is type(q)
    assert value == pytest.approx(round(value / q) * q, abs=1e-9)
    assert len(repr(value)) < 8, "no rounding noise such as 0.30000000000000004"
    if dist.support is not None:
        assert value in list(dist.support)
    if "min" in spec and spec["distribution"] != "q_log_uniform":
        assert spec["min"] <= value <= spec["max"]


@pytest.mark.parametrize("unit", [0.0, 0.1999, 0.2, 0.99, 1.0])
def test_listed_values_have_their_probabilities(unit: float) -> None:
    spec = {"values": ["a", "b"], "probabilities": [0.2, 0.8]}
    dist = config("random", {"x": spec}).parameters[0].distribution
    assert dist.at(unit) == ("a" if unit < 0.2 else "b")


# --- bayes ---

BOWL = {
    "x": {"min": -5.0, "max": 5.0},
    "lr": {"distribution": "log_uniform_values", "min": 1e-5, "max": 1e-1},
    "kind": {"values": ["good", "bad", "worse"]},
    "width": {"values": [16, 32, 64]},
    "fixed": {"value": 3},
}


def bowl(args: dict[str, Any]) -> float:
    return (
        (args["x"] - 2) ** 2
        + (math.log10(args["lr"]) + 3) ** 2
        + 2 * ["good", "bad", "worse"].index(args["kind"])
        + abs(args["width"] - 32) / 16
    )


def search_bowl(goal: str, rounds: int, method: str = "bayes") -> list[float]:
    space = config(method, BOWL, metric={"name": "loss", "goal": goal})
    sign = 1 if goal == "minimize" else -1
    told: list[Observation] = []
    for cursor in range(rounds):
        suggestion = suggest(
            space, seed="s", cursor=cursor, seen=lambda key: False, observations=lambda: told
        )
        assert suggestion is not None and is_cell(space, suggestion.cell.args)
        told.append(Observation(suggestion.cell.args, sign * bowl(suggestion.cell.args)))
    return [sign * o.value for o in told if o.value is not None]


@pytest.mark.parametrize("goal", ["minimize", "maximize"])
def test_bayes_learns_in_the_direction_of_the_goal(goal: str) -> None:
    learned, guessed = search_bowl(goal, 40), search_bowl(goal, 40, "random")
    assert sum(learned[-15:]) / 15 < 0.6 * sum(guessed) / 40


def test_bayes_is_the_same_for_the_same_observations() -> None:
    assert search_bowl("minimize", 15) == search_bowl("minimize", 15)


def test_bayes_keeps_parallel_agents_apart() -> None:
    """A pending neighbour repels; without it the next suggestion would be the same point."""
    space = config("bayes", {"x": {"min": 0.0, "max": 1.0}}, metric=METRIC)
    rng = random.Random(0)
    told = [Observation({"x": x}, abs(x - 0.5)) for x in (rng.random() for _ in range(30))]

    def ask(pending: list[Observation]) -> float:
        suggestion = suggest(
            space, seed="s", cursor=1, seen=lambda key: False, observations=lambda: told + pending
        )
        assert suggestion is not None
        return suggestion.cell.args["x"]

    alone = ask([])
    crowd = [Observation({"x": alone + d / 1000}, None, pending=True) for d in range(-5, 6)]
    assert abs(ask(crowd) - alone) > abs(ask([]) - alone) == 0


def test_bayes_over_a_finite_space_never_repeats_and_ends() -> None:
    space = config(
        "bayes", {"a": {"values": [1, 2, 3]}, "b": {"values": ["x", "y"]}}, metric=METRIC
    )
    told: list[Observation] = []
    seen: set[str] = set()
    while suggestion := suggest(
        space, seed="s", cursor=len(told), seen=seen.__contains__, observations=lambda: told
    ):
        seen.add(suggestion.cell.key)
        told.append(Observation(suggestion.cell.args, float(suggestion.cell.args["a"])))
    assert len(told) == 6


def test_bayes_ignores_points_outside_the_space() -> None:
    space = config("bayes", {"x": {"min": 0.0, "max": 1.0}}, metric=METRIC)
    strange = [
        Observation({"x": 7.0}, 1.0),
        Observation({"y": 1}, 1.0),
        Observation({"x": 0.5}, None),
    ]
    suggestion = suggest(
        space, seed="s", cursor=0, seen=lambda key: False, observations=lambda: strange
    )
    assert suggestion is not None and 0 <= suggestion.cell.args["x"] <= 1


def test_make_cell_keeps_the_stored_order() -> None:
    space = config("grid", {"b": {"value": 1}, "a": {"value": 2}})
    assert list(make_cell(space, (1, 2)).args) == ["b", "a"]
