"""W&B's filters and orders over runs, and exact paging."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.tracker.api.queries import QUERY, found
from tests.tracker.worlds import START, Site
from tracker.api import filters
from tracker.api.operands import read_time
from tracker.errors import RequestError
from tracker.runs.keys import run_operand
from tracker.store import patterns

RUNS: dict[str, dict[str, Any]] = {
    "a": {"config": {"lr": 0.1, "opt": {"name": "adam"}, "flag": True, "n": 1}, "loss": 3},
    "b": {"config": {"lr": 0.2, "opt": {"name": "sgd"}, "flag": False, "n": "1"}, "loss": 1},
    "c": {"config": {"lr": 0.3, "opt.name": "adam", "lr2": None}, "loss": float("nan")},
    "d": {"config": {"list": [1, 2], "lr2": 0.5}, "loss": float("inf")},
    "e": {"config": {}},
}


@pytest.mark.parametrize(
    ("filter", "names"),
    [
        ({}, "abcde"),
        (None, "abcde"),
        ({"name": "b"}, "b"),
        ({"display_name": "B"}, "b"),
        ({"displayName": {"$in": ["A", "C", "Z"]}}, "ac"),
        ({"state": "finished"}, "b"),
        ({"state": {"$ne": "finished"}}, "acde"),
        ({"state": {"$nin": ["finished", "failed"]}}, "ade"),
        ({"group": "g1"}, "ab"),
        ({"group": None}, "cde"),
        ({"group": {"$exists": True}}, "ab"),
        ({"group": {"$exists": False}}, "cde"),
        ({"config.lr": 0.2}, "b"),
        ({"config.lr.value": 0.2}, "b"),
        ({"config.lr": {"$gt": 0.1, "$lte": 0.3}}, "bc"),
        ({"config.lr": {"$not": {"$gt": 0.1}}}, "ade"),
        ({"config.opt.name": "adam"}, "ac"),  # nested, or with a dot in its name
        ({"config.opt.value.name": "adam"}, "a"),
        ({"config.flag": True}, "a"),
        ({"config.flag": {"$ne": True}}, "bcde"),
        ({"config.n": 1}, "a"),
        ({"config.n": "1"}, "b"),
        ({"config.n": {"$gt": 0}}, "a"),  # a text is no number
        ({"config.list": [1, 2]}, "d"),
        ({"config.opt": {"name": "sgd"}}, "b"),
        ({"config.nope": {"$exists": False}}, "abcde"),
        ({"summary_metrics.loss": {"$lt": 2}}, "b"),
        ({"summaryMetrics.loss": {"$gt": 2}}, "ad"),
        ({"config.opt.name.value": "adam"}, "ac"),  # as the whole key's
        ({"config.opt.name": {"$exists": False}}, "de"),
        ({"config.opt.name.value": {"$exists": True}}, "abc"),
        # a key whose value is null is there
        ({"config.lr2": None}, "abce"),
        ({"config.lr2": {"$exists": True}}, "cd"),
        ({"config.lr2": {"$exists": False}}, "abe"),
        ({"$and": [{"config.lr2": None}, {"config.lr2": {"$exists": True}}]}, "c"),
        ({"config.lr2": {"$ne": None}}, "d"),
        ({"config.lr2": {"$in": [None, 0.5]}}, "abcde"),
        ({"summary_metrics.loss": {"$exists": True}}, "abcd"),
        ({"summary_metrics.loss": {"$ne": None}}, "abd"),  # NaN is no value
        ({"tags": "odd"}, "ace"),
        ({"tags": {"$in": ["first", "zzz"]}}, "a"),
        ({"tags": {"$nin": ["odd"]}}, "bd"),
        ({"tags": {"$all": ["odd", "first"]}}, "a"),
        ({"$or": [{"name": "a"}, {"config.lr": 0.2}]}, "ab"),
        ({"$and": [{"tags": "odd"}, {"$or": [{"name": "a"}, {"name": "e"}]}]}, "ae"),
        ({"$nor": [{"name": "a"}, {"name": "e"}]}, "bcd"),
        ({"$not": {"tags": "odd"}}, "bd"),
        ({"name": {"$in": ["a"]}, "tags": {"$in": ["odd"]}}, "a"),
        ({"name": {"$in": []}}, ""),
        ({"$or": []}, ""),
        ({"$and": []}, "abcde"),
        ({"display_name": {"$regex": "^[A-C]$"}}, "abc"),
        ({"display_name": {"$regex": "b"}}, ""),
        ({"display_name": {"$regex": "(?i)b"}}, "b"),
        ({"config.opt.name": {"$regex": "da"}}, "ac"),
        ({"notes": {"$contains": "50%"}}, "b"),
        ({"username": "local"}, "abcde"),
        ({"created_at": {"$gte": "2027-01-15T10:00:00"}}, "cde"),
        ({"createdAt": {"$lt": "2027-01-15T10:00:00Z"}}, "ab"),
        ({"created_at": {"$gt": START + 3600}}, "cde"),
    ],
    ids=str,
)
def test_filters(world: Site, filter: Any, names: str):
    assert found(world, filter) == names


@pytest.mark.parametrize(
    ("order", "names"),
    [
        (None, "abcde"),
        ("+created_at", "abcde"),
        ("created_at", "abcde"),
        ("-created_at", "edcba"),
        ("-createdAt", "edcba"),
        # what is missing, NaN or infinite stands last either way
        ("+summary_metrics.loss", "bacde"),
        ("-summary_metrics.loss", "abedc"),
        ("+config.opt.name.value", "acbde"),
        ("-config.opt.name.value", "bcaed"),
        # a text is no measure
        ("+config.n", "abcde"),
        ("-config.n", "abedc"),
        ("+config.lr.value", "abcde"),
        ("-config.lr", "cbaed"),
        ("-display_name", "edcba"),
        ("+state", "cbade"),
    ],
)
@pytest.mark.parametrize("page", [1, 2, 5])
def test_orders(world: Site, order: str | None, names: str, page: int):
    assert found(world, {}, order, page) == names


@pytest.mark.parametrize(
    "filter",
    [
        {"planet": "mars"},
        {"name": {"$gtx": 1}},
        {"$where": "1"},
        {"name": {"$in": "a"}},
        {"$or": {"name": "a"}},
        {"$or": ["a"]},
        [],
        [1],
        "text",
        {"config.x": {"$gt": [1]}},
        {"config.x": {"$gt": None}},
        {"created_at": {"$gt": "yesterday"}},
        {"display_name": {"$regex": "("}},
        {"display_name": {"$regex": r"(a)\1"}},
        {"display_name": {"$regex": "(?=a)b"}},
        {"display_name": {"$regex": "(?<!a)b"}},
        {"display_name": {"$regex": "(?>a)b"}},
        {"display_name": {"$regex": "((a{100}){100}){100}"}},
        {"display_name": {"$regex": "([ab]{1,30}){1,40}"}},
        {"display_name": {"$regex": "x" * (patterns.MAX_CHARS + 1)}},
        {"display_name": {"$regex": 5}},
    ],
    ids=str,
)
def test_what_is_not_understood_is_refused_in_words(world: Site, filter: Any):
    if filter == []:  # an empty list states no condition
        assert found(world, filter) == "abcde"
        return
    assert "filters: " in world.refused(QUERY, f=json.dumps(filter), n=10)


@pytest.mark.parametrize("order", ["+planet", "-", "+config", "$name"])
def test_unknown_orders_are_refused(world: Site, order: str):
    assert world.refused(QUERY, f="{}", o=order, n=10)


def test_filters_are_bounded(world: Site):
    many = {"$or": [{"name": str(i)} for i in range(filters.MAX_CONDITIONS)]}
    assert "more than" in world.refused(QUERY, f=json.dumps(many), n=10)
    deep: Any = {"name": "a"}
    for _ in range(filters.MAX_LEVELS + 1):
        deep = {"$and": [deep]}
    assert "nested" in world.refused(QUERY, f=json.dumps(deep), n=10)
    assert world.refused(QUERY, f="[" * 100_000, n=10)
    # but a long list of values is one condition
    names = {"name": {"$in": [str(i) for i in range(20_000)] + ["a"]}}
    assert found(world, names) == "a"


@pytest.mark.parametrize("cursor", ["x", "bnVsbA==", "WyJ4Il0=", "W10=", "!" * 100])
def test_foreign_cursors_are_refused(world: Site, cursor: str):
    assert "cursor" in world.refused(QUERY, f="{}", n=1, after=cursor)


def test_a_filter_cannot_write_sql(world: Site):
    for text in ("' OR 1=1 --", '"; DROP TABLE runs; --', "$.a')", "a) OR (1=1"):
        assert found(world, {"name": text}) == ""
        assert found(world, {"config." + text.replace('"', ""): 1}) == ""
        assert found(world, {"tags": {"$in": [text]}}) == ""
    assert found(world, {}) == "abcde"


values = st.one_of(st.none(), st.booleans(), st.integers(-3, 3), st.sampled_from(["", "a", "NaN"]))


tests = st.one_of(
    values.map(lambda v: v),
    st.builds(lambda o, v: {o: v}, st.sampled_from(["$eq", "$ne"]), values),
    st.builds(
        lambda o, v: {o: v}, st.sampled_from(["$gt", "$gte", "$lt", "$lte"]), st.integers(-3, 3)
    ),
    st.builds(lambda o, v: {o: v}, st.sampled_from(["$in", "$nin"]), st.lists(values, max_size=3)),
    st.booleans().map(lambda v: {"$exists": v}),
)


documents = st.recursive(
    st.builds(lambda k, t: {k: t}, st.sampled_from(["config.x", "config.y"]), tests),
    lambda inner: st.one_of(
        st.builds(
            lambda o, m: {o: m},
            st.sampled_from(["$and", "$or", "$nor"]),
            st.lists(inner, min_size=1, max_size=3),
        ),
        inner.map(lambda d: {"$not": d}),
    ),
    max_leaves=5,
)


configs = st.lists(
    st.dictionaries(st.sampled_from("xy"), values.filter(lambda v: v != "NaN"), max_size=2),
    min_size=1,
    max_size=4,
)


def matches(document: dict[str, Any], config: dict[str, Any]) -> bool:
    """What a filter means, over plain values; a missing value is equal to null."""
    return all(entry(key, value, config) for key, value in document.items())


def entry(key: str, value: Any, config: dict[str, Any]) -> bool:
    if key == "$not":
        return not matches(value, config)
    if key in ("$and", "$or", "$nor"):
        found = [matches(member, config) for member in value]
        return {"$and": all(found), "$or": any(found), "$nor": not any(found)}[key]
    name = key.removeprefix("config.")
    tests = value if isinstance(value, dict) else {"$eq": value}
    return all(
        (name in config) == other if operator == "$exists" else holds(operator, have, other)
        for operator, other in tests.items()
        for have in [config.get(name)]
    )


def holds(operator: str, have: Any, other: Any) -> bool:
    def same(a: Any, b: Any) -> bool:
        return (
            a is b
            if a is None or b is None
            else isinstance(a, str) == isinstance(b, str) and a == b
        )

    if operator in ("$eq", "$ne"):
        return same(have, other) == (operator == "$eq")
    if operator in ("$in", "$nin"):
        return any(same(have, member) for member in other) == (operator == "$in")
    if have is None or isinstance(have, str):
        return False
    return {"$gt": have > other, "$gte": have >= other, "$lt": have < other, "$lte": have <= other}[
        operator
    ]


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(document=documents, runs=configs)
def test_filters_mean_what_mongo_means(
    world: Site, document: dict[str, Any], runs: list[dict[str, Any]]
):
    condition = filters.parse(json.dumps(document), run_operand)
    with world.store.read() as db:
        for config in runs:
            text = json.dumps({key: {"value": value} for key, value in config.items()})
            hit = db.execute(
                f"SELECT coalesce(({condition.sql}), 0) FROM (SELECT ? AS config)",
                [*condition.values, text],
            ).fetchone()[0]
            assert bool(hit) == matches(document, config), (document, config)


def test_runs_that_come_or_change_between_pages_shift_nothing(site: Site):
    for i in range(6):
        site.now = START + i
        site.start_run(f"r{i}", project="p")
    first = site.gql(QUERY, f="{}", o="-created_at", n=3)["project"]["runs"]
    site.now = START + 100
    site.start_run("new")
    second = site.gql(QUERY, f="{}", o="-created_at", n=9, after=first["pageInfo"]["endCursor"])
    names = [e["node"]["name"] for e in first["edges"] + second["project"]["runs"]["edges"]]
    assert names == ["r5", "r4", "r3", "r2", "r1", "r0"]


def test_times_are_read_in_every_form():
    assert read_time("1970-01-01T00:01:00") == 60
    assert read_time("1970-01-01T00:01:00Z") == 60
    assert read_time("1970-01-01T01:01:00+01:00") == 60
    assert read_time("1970-01-02") == 86400
    with pytest.raises(RequestError):
        read_time(True)


@pytest.mark.parametrize(
    ("filter", "count"),
    [
        ({"username": "local"}, 1),
        ({"user": {"$in": ["local", "x"]}}, 1),
        ({"username": "openrl"}, 0),
        ({"entity": "openrl"}, 1),
    ],
    ids=str,
)
def test_the_user_is_the_same_in_every_entity(site: Site, filter: dict[str, Any], count: int):
    """As `run.user.username` says: openrlbenchmark asks with it."""
    site.start_run("r1", entityName="openrl")
    data = site.gql(
        'query($f: JSONString) { project(name: "p", entityName: "openrl") { runCount(filters: $f)'
        ' run(name: "r1") { user { username } } } }',
        f=json.dumps(filter),
    )["project"]
    assert data == {"runCount": count, "run": {"user": {"username": "local"}}}
