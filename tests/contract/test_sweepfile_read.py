"""What a sweep config may say, and the words with which the rest is refused."""

from __future__ import annotations

import math
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.sweepfile.distributions import DISTRIBUTIONS
from contract.sweepfile.read import SweepConfigError, parse
from contract.sweepfile.search import suggest
from contract.sweepfile.space import is_cell

AXIS = {"a": {"values": [1, 2]}}
METRIC = {"name": "loss", "goal": "minimize"}


def config(**changes: Any) -> dict[str, Any]:
    base: dict[str, Any] = {"method": "random", "parameters": AXIS}
    return {key: value for key, value in {**base, **changes}.items() if value is not ...}


def parameter(spec: Any, method: str = "random"):
    return parse({"method": method, "parameters": {"x": spec}}).parameters[0].distribution


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ({"value": 3}, "constant"),
        ({"value": None}, "constant"),
        ({"values": [1, "a", None, [1], {"b": 2}]}, "categorical"),
        ({"values": [1, 2], "probabilities": [0.3, 0.7]}, "categorical_w_probabilities"),
        ({"min": 1, "max": 9}, "int_uniform"),
        ({"min": 1.0, "max": 9.0}, "uniform"),
        ({"min": 0, "max": 0.5}, "uniform"),
        ({"min": 1, "max": 9, "distribution": "uniform"}, "uniform"),
        ({"min": 1.0, "max": 9, "distribution": "int_uniform"}, "int_uniform"),
        ({"distribution": "normal"}, "normal"),
        ({"distribution": "q_log_uniform_values", "min": 1, "max": 9, "q": 2}, None),
    ],
)
def test_a_distribution_is_given_or_implied(spec: dict, name: str | None) -> None:
    assert parameter(spec).name == (name or spec["distribution"])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"method": ...}, ["method", "None is not one of grid, random, bayes"]),
        ({"method": "gird"}, ["method", "'gird'", "did you mean 'grid'?"]),
        ({"method": "custom"}, ["method", "'custom' is not one of"]),
        ({"parameters": ...}, ["parameters", "must map at least one name"]),
        ({"parameters": {}}, ["parameters", "{}"]),
        ({"parameter": AXIS}, ["parameter: unknown key", "did you mean 'parameters'?"]),
        ({"job": "x"}, ["job", "Launch"]),
        ({"scheduler": {"engine": "ax"}}, ["scheduler", "not supported"]),
        ({"run_cap": 0}, ["run_cap", "0", "at least 1"]),
        ({"run_cap": True}, ["run_cap", "True"]),
        ({"metric": "loss"}, ["metric", "'loss'", "mapping"]),
        ({"metric": {"goal": "minimize"}}, ["metric.name"]),
        ({"metric": {**METRIC, "goal": "minimise"}}, ["metric.goal", "did you mean 'minimize'?"]),
        ({"metric": {**METRIC, "target": "low"}}, ["metric.target", "'low'", "finite number"]),
        ({"method": "bayes"}, ["metric", "method: bayes", "needs"]),
        ({"method": "bayes", "metric": METRIC, "parameters": {"a": {"value": 1}}}, ["bayes"]),
        ({"early_terminate": {"type": "hyperband", "min_iter": 1}}, ["metric", "early_terminate"]),
        ({"metric": METRIC, "early_terminate": {"type": "hb"}}, ["early_terminate.type", "'hb'"]),
        ({"metric": METRIC, "early_terminate": {"type": "hyperband", "s": 2}}, ["max_iter"]),
        (
            {"metric": METRIC, "early_terminate": {"type": "hyperband", "min_iter": 1, "eta": 1}},
            ["early_terminate.eta", "above 1"],
        ),
        (
            {"metric": METRIC, "early_terminate": {"type": "hyperband", "max_iter": 2, "s": 3}},
            ["no rung below max_iter 2"],
        ),
        ({"command": "python a.py"}, ["command", "must be a list"]),
        ({"command": ["python", None]}, ["command[1]"]),
        ({"controller": {"type": "local"}}, ["controller.type", "'local'"]),
        ({"controller": {"seed": 1.5}}, ["controller.seed", "whole number"]),
    ],
)
def test_a_config_that_cannot_run_as_written_is_refused(change: dict, words: list[str]) -> None:
    with pytest.raises(SweepConfigError) as error:
        parse(config(**change))
    for word in words:
        assert word in str(error.value)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (0.1, ["parameters.x", "write `x: {value: 0.1}`"]),
        ({}, ["parameters.x", "needs `value`"]),
        ({"valeus": [1]}, ["parameters.x.valeus", "did you mean 'values'?"]),
        ({"values": []}, ["at least one value"]),
        ({"values": 3}, ["at least one value", "3"]),
        ({"values": [math.nan]}, ["parameters.x"]),
        ({"value": 1, "values": [1]}, ["parameters.x.values", "unknown key for distribution"]),
        ({"min": 1}, ["parameters.x", "needs"]),
        ({"min": 5, "max": 5}, ["parameters.x.max", "above min (5)"]),
        ({"min": 1, "max": math.inf}, ["parameters.x.max", "finite"]),
        ({"min": "1", "max": 3}, ["parameters.x.min", "'1'"]),
        ({"min": 1, "max": 2.5, "distribution": "int_uniform"}, ["parameters.x.max", "whole"]),
        ({"distribution": "lognormal"}, ["'lognormal'", "did you mean 'log_normal'?"]),
        ({"distribution": "uniform", "min": 0}, ["distribution uniform needs `max`"]),
        ({"distribution": "normal", "sigma": 0}, ["parameters.x.sigma", "above 0"]),
        ({"distribution": "normal", "min": 0}, ["parameters.x.min", "unknown key"]),
        ({"distribution": "log_uniform_values", "min": 0, "max": 1}, ["parameters.x.min", "above"]),
        ({"distribution": "log_uniform", "min": 1, "max": 1000}, ["exponents of e"]),
        ({"distribution": "q_uniform", "min": 0.1, "max": 0.4, "q": 0.5}, ["no multiple of q"]),
        ({"values": [1, 2], "probabilities": [0.5]}, ["probabilities", "2 numbers"]),
        ({"values": [1, 2], "probabilities": [0.5, 0.6]}, ["sum to 1", "1.1"]),
        ({"distribution": "categorical", "values": [1], "probabilities": [1]}, ["probabilities"]),
        ({"parameters": {"y": 3}}, ["parameters.x.parameters.y"]),
        ({"parameters": {"y": {"value": 3}}, "value": 2}, ["parameters.x.value", "unknown key"]),
    ],
)
def test_a_parameter_that_makes_no_sense_is_refused(spec: Any, words: list[str]) -> None:
    with pytest.raises(SweepConfigError) as error:
        parameter(spec)
    for word in words:
        assert word in str(error.value)


@pytest.mark.parametrize("name", ["a b", "--a", "a=b", "", "1a", 3])
def test_a_name_that_is_no_flag_is_refused(name: Any) -> None:
    with pytest.raises(SweepConfigError, match="no parameter name"):
        parse(config(parameters={name: {"value": 1}}))


@pytest.mark.parametrize(
    "spec",
    [
        {"min": 0.0, "max": 1.0},
        {"distribution": "normal"},
        {"values": [1, 2], "probabilities": [0.5, 0.5]},
        {"distribution": "q_normal"},
    ],
)
def test_a_grid_over_what_cannot_be_enumerated_is_refused(spec: dict) -> None:
    with pytest.raises(SweepConfigError, match="a grid cannot enumerate"):
        parameter(spec, "grid")


def test_what_wandb_only_warns_of_runs_with_a_warning() -> None:
    repeated = parse(config(method="grid", parameters={"a": {"values": [1, 2, 1.0]}}))
    assert repeated.size == 2
    assert "listed more than once" in repeated.warnings[0]
    exponents = config(parameters={"a": {"distribution": "log_uniform", "min": -3, "max": 0}})
    assert "exponents of e" in parse(exponents).warnings[0]


def test_scientific_notation_is_a_number() -> None:
    """PyYAML reads 1e-4 as text; W&B's server, and the person who wrote it, mean a number."""
    text = yaml.dump({"method": "grid", "parameters": {"lr": {"values": ["1e-4", "1e3", 0.5]}}})
    assert parse(text).parameters[0].distribution.choices == (0.0001, 1000.0, 0.5)
    bounds = "{method: random, parameters: {lr: {min: 1e-5, max: 1e-1}}}"
    assert parse(bounds).parameters[0].distribution.spec == {"min": 1e-5, "max": 0.1}


@pytest.mark.parametrize("text", ["123e4567", "v1e-4", "'0.1'", "e5"])
def test_text_that_only_looks_like_a_number_stays_text(text: str) -> None:
    config = parse(f"{{method: grid, parameters: {{a: {{value: {text}}}}}}}")
    assert config.parameters[0].distribution.choices == (text.strip("'"),)


@pytest.mark.parametrize(
    "text", ["", "[]", "method: [", "a: &x [1]\nb: *x", "a: !!python/name:os.system", "\x00"]
)
def test_yaml_that_is_no_config_is_refused(text: str) -> None:
    with pytest.raises(SweepConfigError):
        parse(text)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.integers()
    | st.floats()
    | st.sampled_from(["a", "categorical", "q_uniform", "log_uniform", "q_beta", "int_uniform"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["value", "values", "min", "max", "distribution", "q", "parameters"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=6,
)


@settings(deadline=None)
@given(
    st.sampled_from(["grid", "random", "bayes"]),
    st.dictionaries(st.sampled_from("ab"), JSON, max_size=2),
    st.dictionaries(
        st.sampled_from(["metric", "early_terminate", "run_cap", "command", "controller", "name"]),
        JSON,
        max_size=2,
    ),
)
def test_any_config_is_read_or_refused_in_words(method: str, tree: dict, rest: dict) -> None:
    try:
        read = parse({"method": method, "parameters": tree, **rest})
    except SweepConfigError as error:
        assert str(error).startswith("sweep config: ")
    else:
        assert read.size is None or read.size >= 1
        suggestion = suggest(read, seed="s", cursor=0, seen=lambda key: False)
        assert suggestion is not None and is_cell(read, suggestion.cell.args)


RANGES = st.fixed_dictionaries(
    {"min": st.floats(allow_nan=False), "max": st.floats(allow_nan=False)},
    optional={
        "q": st.floats(0, allow_nan=False),
        "distribution": st.sampled_from([n for n in DISTRIBUTIONS if "uniform" in n]),
    },
)


@settings(deadline=None)
@given(st.sampled_from(["grid", "random"]), RANGES)
def test_any_range_is_searched_within_its_bounds_or_refused(method: str, spec: dict) -> None:
    try:
        read = parse({"method": method, "parameters": {"x": spec}})
    except SweepConfigError:
        return
    suggestion = suggest(read, seed="s", cursor=0, seen=lambda key: False)
    assert suggestion is not None and is_cell(read, suggestion.cell.args), suggestion
    if "log" not in str(spec.get("distribution")):
        assert spec["min"] <= suggestion.cell.args["x"] <= spec["max"]


@settings(deadline=None)
@given(st.text())
def test_any_text_is_read_or_refused_in_words(text: str) -> None:
    with pytest.raises(SweepConfigError):
        parse(text)


def test_expected_number_of_cells() -> None:
    grid = {"a": {"values": [1, 2, 3]}, "b": {"min": 1, "max": 4}, "c": {"value": 0}}
    assert parse(config(method="grid", parameters=grid)).expected == 12
    assert parse(config(method="grid", parameters=grid, run_cap=5)).expected == 5
    assert parse(config(parameters={"a": {"min": 0.0, "max": 1.0}})).expected is None
    assert parse(config(parameters={"a": {"min": 0.0, "max": 1.0}}, run_cap=7)).expected == 7
