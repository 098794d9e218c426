"""Curves without a browser: what is kept of them, over what, and what is said of the rest."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tracker.worlds import Site
from tracker.pages import series

VALUES = st.floats(allow_nan=True, allow_infinity=True, width=32)


@given(st.lists(VALUES, max_size=400), st.integers(8, 60))
def test_thinning_keeps_the_ends_the_extremes_and_what_is_not_finite(ys: list[float], most: int):
    points = [(float(i), y) for i, y in enumerate(ys)]
    kept = series.thin(points, most)
    assert len(kept) <= max(most, 0) or kept == points
    assert [x for x, _ in kept] == sorted({x for x, _ in kept})
    if not points:
        return
    assert (kept[0][0], kept[-1][0]) == (points[0][0], points[-1][0])
    finite = [y for y in ys if math.isfinite(y)]
    shown = [y for _, y in kept if math.isfinite(y)]
    if finite:
        assert (min(shown), max(shown)) == (min(finite), max(finite))
    assert any(not math.isfinite(y) for y in ys) == any(not math.isfinite(y) for _, y in kept)


def curve(site: Site, key: str, **query: str) -> dict:
    query = {"run": "r1", "key": key, **query}
    answer = site.http.get("/local/p/series", params=query)
    assert answer.status_code == 200, answer.text
    found = answer.json()["curves"]
    assert len(found) == 1
    return found[0]


def test_a_rare_key_among_many_rows_is_drawn_whole(site: Site):
    site.start_run()
    rows = [
        {"_step": i, "train": i} | ({"eval/loss": i} if i % 100 == 99 else {}) for i in range(1000)
    ]
    site.log("r1", *rows)
    found = curve(site, "eval/loss")
    assert found["x"] == found["y"] == [99 + 100 * i for i in range(10)]
    assert found["note"] == ""


def test_a_long_key_is_thinned_and_says_so(site: Site):
    site.start_run()
    site.log("r1", *({"_step": i, "a": -1000 if i == 777 else i % 7} for i in range(5000)))
    found = curve(site, "a")
    assert len(found["x"]) <= series.MOST_POINTS
    assert (min(found["y"]), max(found["y"]), found["total"]) == (-1000, 6, 5000)
    assert f"{len(found['x'])} of 5000 points" in found["note"]


def test_gaps_are_told_from_rows_without_the_key(site: Site):
    site.start_run()
    values = [1, None, math.nan, 2, math.inf, 3]
    lines = [
        json.dumps({"_step": i} | ({} if v is None else {"a": v})) for i, v in enumerate(values)
    ]
    site.stream(files={"wandb-history.jsonl": {"offset": 0, "content": lines}})
    found = curve(site, "a")
    assert found["x"] == [0, 2, 3, 4, 5]
    assert found["y"] == [1, None, 2, None, 3]
    assert found["marks"] == [[2, "NaN"], [4, "Infinity"]]
    assert found["note"] == "2 not finite"


METRICS = [
    {"1": "batch"},
    {"1": "acc", "5": 1},
    {"2": "eval/*", "5": 1},
    {"2": "eval/late/*", "5": 5},
    {"1": "late"},
]


@pytest.mark.parametrize(
    ("key", "axis"),
    [("acc", "batch"), ("loss", "_step"), ("eval/x", "batch"), ("eval/late/x", "late")],
)
def test_the_axis_is_the_step_unless_define_metric_says_otherwise(site: Site, key: str, axis: str):
    config = json.dumps({"_wandb": {"value": {"m": METRICS}}})
    site.start_run(config=config)
    rows = [{"_step": i, "epoch": i // 2, "batch": 10 * i, "late": i * i, key: i} for i in range(4)]
    site.log("r1", *rows)
    assert curve(site, key)["axis"] == axis
    by_epoch = curve(site, key, axis="epoch")
    assert by_epoch["x"] == [0, 0, 1, 1]


def test_an_axis_that_some_rows_lack(site: Site):
    site.start_run()
    site.log("r1", {"_step": 0, "a": 1, "epoch": 0}, {"_step": 1, "a": 2})
    found = curve(site, "a", axis="epoch")
    assert (found["x"], found["note"]) == ([0], "1 without epoch")


@pytest.mark.parametrize(
    "key", ['qu"ote', "a.b", "a", "é ü/x", "$", "[0]", "a&b", "a\\b", "a.b.c.d.e.f.g"]
)
def test_every_name_of_a_key(site: Site, key: str):
    site.start_run()
    site.log("r1", {"_step": 0, key: 1.5, "NaN": "NaN"}, {"_step": 1, key: 2})
    assert curve(site, key)["y"] == [1.5, 2]


def test_a_nested_key(site: Site):
    site.start_run()
    site.log(
        "r1",
        {"_step": 0, "a": {"b": {"c": 1}}},
        {"_step": 1, "a": {"b.c": 2}},
        {"_step": 2, "a.b.c": 3},
    )
    assert curve(site, "a.b.c")["y"] == [1, 2, 3]


@pytest.mark.parametrize("axis", ["", "_runtime"])
def test_rows_out_of_order_are_drawn_in_order(site: Site, axis: str):
    site.start_run()
    site.log("r1", *({"_step": s, "_runtime": s, "a": s} for s in (0, 5, 3)))
    assert curve(site, "a", axis=axis)["x"] == sorted(curve(site, "a", axis=axis)["y"])


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("", 400),
        ("run=r1", 400),
        ("run=no&key=a", 404),
        ("run=r1&" + "&".join(["key=a"] * 99), 400),
    ],
)
def test_what_is_refused(site: Site, query: str, status: int):
    site.start_run()
    answer = site.http.get(f"/local/p/series?{query}")
    assert answer.status_code == status
    assert answer.json()["error"]


def test_system_metrics(site: Site):
    site.start_run()
    rows = [json.dumps({"_runtime": i, "system.cpu": 50 + i}) for i in range(3)]
    site.stream(files={"wandb-events.jsonl": {"offset": 0, "content": rows}})
    found = curve(site, "system.cpu", of="system")
    assert (found["axis"], found["x"], found["y"]) == ("_runtime", [0, 1, 2], [50, 51, 52])
    assert "system.cpu" in site.http.get("/local/p/runs/r1").text
