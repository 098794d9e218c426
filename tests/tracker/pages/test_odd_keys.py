"""Keys of every kind of sign: found by filters, orders, groups, columns and curves alike."""

from __future__ import annotations

import json
import re
from urllib.parse import urlencode

import pytest

from tests.tracker.worlds import Site

KEYS = [
    "é", "größe/μ", "学习率", "🙂", 'say "x"', "back\\slash", "tab\there", "a<b>&c", "a.b.é",
    "it's", "a b", "x=1", "$[0]", "100%",
]  # fmt: skip


@pytest.fixture(scope="module", params=[True, False], ids=["escaped", "as it is"])
def odd(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    """Three runs; clients write such keys with escapes or without."""
    site = Site(tmp_path_factory.mktemp("odd"))
    for n in range(3):
        values = {key: {"value": n} for key in KEYS}
        results = {key: n / 2 for key in KEYS} | {"nested": {"é": n}}
        site.start_run(
            f"r{n}",
            config=json.dumps(values, ensure_ascii=request.param),
            summaryMetrics=json.dumps(results, ensure_ascii=request.param),
        )
        rows = [{"_step": i, **{key: i for key in KEYS}} for i in range(4)]
        lines = [json.dumps(row, ensure_ascii=request.param) for row in rows]
        site.stream(f"r{n}", files={"wandb-history.jsonl": {"offset": 0, "content": lines}})
    yield site
    site.close()


def count(site: Site, filter: str) -> int:
    html = site.http.get("/local/p?" + urlencode({"q": filter})).text
    found = re.search(r'<h2>Runs <span class="soft">(\d+)</span>', html)
    assert found, html
    return int(found[1])


@pytest.mark.parametrize("key", KEYS)
def test_a_key_is_found_everywhere(odd: Site, key: str):
    assert count(odd, json.dumps({f"config.{key}": {"$gte": 1}})) == 2
    assert count(odd, json.dumps({f"summary_metrics.{key}": 0.5})) == 1
    assert count(odd, json.dumps({f"config.{key}": {"$exists": False}})) == 0
    quoted = re.sub(r'(["\\])', r"\\\1", key)
    assert count(odd, f'"config.{quoted}">=1') == 2
    order = urlencode({"sort": f"-summary.{key}"})
    html = odd.http.get(f"/local/p?{order}").text
    assert re.findall(r'name="run" value="(\w+)"', html) == ["r2", "r1", "r0"]
    group = urlencode({"group": f"config.{key}", "col": f"summary.{key}"})
    html = odd.http.get(f"/local/p?{group}").text
    assert 'Groups <span class="soft">3</span>' in html
    found = odd.http.get("/local/p/series?" + urlencode({"run": "r0", "key": key})).json()
    assert found["curves"][0]["y"] == [0, 1, 2, 3]


def test_odd_keys_of_inner_levels(odd: Site):
    assert count(odd, '{"summary_metrics.nested.é": 2}') == 1
    assert count(odd, '{"summary_metrics.nested.é": {"$exists": true}}') == 3
    assert count(odd, '{"summary_metrics.none.é": {"$exists": true}}') == 0
