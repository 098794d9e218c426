"""The grid that a sweep file asks for."""

from __future__ import annotations

import pytest

from contract.sweepfile import points


def test_seed_is_slowest_and_the_last_parameter_fastest() -> None:
    config = {
        "method": "grid",
        "parameters": {
            "downsample": {"values": ["maxpool", "strided"]},
            "fusion": {"values": ["late", "add"]},
            "epochs": {"value": 3},
            "seed": {"values": [0, 1]},
        },
    }
    found = points.expand(config)
    assert len(found) == 8
    assert found[0] == {"downsample": "maxpool", "fusion": "late", "epochs": 3, "seed": 0}
    assert [(p["seed"], p["downsample"], p["fusion"]) for p in found[:4]] == [
        (0, "maxpool", "late"),
        (0, "maxpool", "add"),
        (0, "strided", "late"),
        (0, "strided", "add"),
    ]
    assert [p["seed"] for p in found] == [0] * 4 + [1] * 4


def test_values_that_mean_the_same_are_one_value() -> None:
    config = {"parameters": {"learning_rate": {"values": ["1e-3", 0.001, "0.0010", 1e-2]}}}
    assert [p["learning_rate"] for p in points.expand(config)] == ["1e-3", 1e-2]


def test_lists_ranges_and_nested_parameters() -> None:
    config = {
        "parameters": {
            "channels": {"values": [[1, 2], [1.0, 2], [3]]},
            "depth": {"min": 1, "max": 3},
            "rate": {"distribution": "q_uniform", "min": 0, "max": 0.4, "q": 0.2},
            "optimizer": {"parameters": {"name": {"values": ["adam", "sgd"]}}},
        }
    }
    found = points.expand(config)
    assert len(found) == 2 * 3 * 2 * 2
    # As W&B's server runs it: below the maximum
    assert sorted({p["rate"] for p in found}) == [0, 0.2]
    assert found[0]["optimizer.name"] == "adam"


def test_a_continuous_parameter_names_itself() -> None:
    with pytest.raises(points.GridError, match=r"learning_rate.*values"):
        points.expand({"parameters": {"learning_rate": {"min": 0.1, "max": 0.2}}})


def test_no_parameters_no_points() -> None:
    assert points.expand({"method": "grid"}) == []
