"""Values as they travel between YAML, command lines and JSON."""

from __future__ import annotations

import json
import math

import pytest

from contract import values


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        ("1e-3", 0.001, True),
        (1, 1.0, True),
        ("true", True, True),
        (True, 1, False),
        (0, False, False),
        (None, "None", False),
        ([1, "2"], (1.0, 2), True),
        ("late", "Late", False),
        ({"a": "1e0"}, {"a": 1}, True),
        ("nan", float("nan"), False),
    ],
)
def test_equality_by_meaning(left: object, right: object, same: bool) -> None:
    assert (values.key(left) == values.key(right)) is same


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1, 1.0),
        ("NaN", math.nan),
        ("-Infinity", -math.inf),
        ("1.5", None),
        (True, None),
        (None, None),
    ],
)
def test_numbers_as_wandb_writes_them(value: object, expected: float | None) -> None:
    found = values.number(value)
    if expected is not None and math.isnan(expected):
        assert found is not None and math.isnan(found)
    else:
        assert found == expected


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_json_lacks_travels_as_a_word_and_comes_back(value: float) -> None:
    sent = json.loads(json.dumps(values.plain({"a": [value]}), allow_nan=False))["a"][0]
    assert sent in values.WORDS
    assert str(values.number(sent)) == str(value)


def test_plain_takes_any_object() -> None:
    assert values.plain({1: (2, object)}) == {"1": [2, str(object)]}
    assert values.plain({"a": True, "b": None, "c": 1.5}) == {"a": True, "b": None, "c": 1.5}
