"""The table of runs: words of its box, orders, columns, groups, CSV; chosen runs side by side."""

from __future__ import annotations

import csv
import io
import json
import statistics

import pytest

from tests.tracker.pages.conftest import Tab
from tests.tracker.pages.test_addresses import Elements
from tests.tracker.worlds import Site, Tracker
from tracker.errors import RequestError
from tracker.pages import replicates, words

EVIL = "<script>alert('x')</script>\"'&"


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory):
    """Two fusions, two learning rates, three seeds; one run has failed."""
    site = Site(tmp_path_factory.mktemp("table"))
    for fusion in ("add", "gate"):
        for lr in (0.01, 0.1):
            for seed in range(3):
                site.now += 1
                name = f"{fusion}-{lr}-{seed}"
                values = {"fusion": fusion, "lr": lr, "seed": seed, "epochs": 50, "flag": seed > 0}
                site.start_run(
                    name,
                    displayName=f"{EVIL} {name}" if name == "add-0.1-0" else name,
                    config=json.dumps({key: {"value": value} for key, value in values.items()}),
                    summaryMetrics=json.dumps({"val/loss": lr + seed / 10, "best_epoch": 3}),
                    tags=["base line"] if fusion == "add" else [],
                )
                site.stream(name, complete=True, exitcode=int(name == "gate-0.1-2"))
    yield site
    site.close()


def names(site: Site, query: str = "") -> list[str]:
    answer = site.http.get(f"/local/p?{query}")
    assert answer.status_code == 200
    found = Elements(answer.text).found
    return [str(a["value"]) for tag, a in found if tag == "input" and a.get("name") == "run"]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 12),
        ("fusion=add", 6),
        ("fusion!=add lr>0.05", 3),
        ("lr>=0.01 and seed<1", 4),
        ("val/loss<0.1", 2),
        ("summary.val/loss<0.1", 2),
        ("config.fusion~^ga", 6),
        ("state=failed", 1),
        ("state=failed or fusion=add", 7),
        ("gate-0.1", 3),
        ('tags="base line"', 6),
        ('"base line"', 6),
        ("flag=true", 8),
        ("name:0.01", 6),
        ("nothing=null", 12),
        ('{"config.lr": {"$gt": 0.05}}', 6),
        ('"config.fusion"="gate"', 6),
    ],
)
def test_the_words_of_the_box(grid: Site, text: str, count: int):
    answer = grid.http.request("GET", "/local/p", params={"q": text})
    assert f'Runs <span class="soft">{count}</span>' in answer.text


@pytest.mark.parametrize(
    "text", ['"open', '{"a": ', "or fusion=add", "a" * 3000, "fusion~(", '{"x": {"$no": 1}}']
)
def test_what_is_wrong_with_the_words_is_said(grid: Site, text: str):
    answer = grid.http.request("GET", "/local/p", params={"q": text})
    assert answer.status_code == 200
    assert 'role="alert"' in answer.text


def test_words_are_a_filter_document():
    found = json.loads(words.document("lr>1 loss<2 x", {"loss"}) or "")
    assert found["$or"][0]["$and"][:2] == [{"config.lr": {"$gt": 1}}, {"summary.loss": {"$lt": 2}}]
    with pytest.raises(RequestError, match="quote"):
        words.document('a="b', ())


def test_orders(grid: Site):
    assert names(grid)[0] == "gate-0.1-2"
    assert names(grid, "sort=%2Bcreated_at")[0] == "add-0.01-0"
    assert names(grid, "sort=-summary.val/loss")[0] in ("add-0.1-2", "gate-0.1-2")
    assert names(grid, "sort=%2Bconfig.lr")[0].split("-")[1] == "0.01"


def test_columns_are_what_varies_unless_they_are_chosen(grid: Site):
    def columns(query: str) -> list[str]:
        found = Elements(grid.http.get(f"/local/p?{query}").text).found
        return [str(a["title"]) for tag, a in found if tag == "a" and "sort=" in str(a.get("href"))]

    assert columns("")[2:-1] == ["config.fusion", "config.lr", "config.seed", "config.flag",
                                 "summary.best_epoch", "summary.val/loss"]  # fmt: skip
    assert columns("col=config.epochs&col=tags")[2:-1] == ["config.epochs", "tags"]


def test_groups_have_mean_and_interval(grid: Site):
    html = grid.http.get("/local/p?group=fusion&group=config.lr&col=summary.val/loss").text
    values = [0.1, 0.2, 0.3000000000000001]
    found = replicates.interval(values)
    assert found["half"] == pytest.approx(4.30265 * statistics.stdev(values) / 3**0.5, rel=1e-4)
    assert f"{found['mean']:.6g} ± {found['half']:.2g}" in html
    href = next(
        str(a["href"]) for tag, a in Elements(html).found
        if tag == "a" and "fusion%22%3D" in str(a.get("href")) and "sort=" not in str(a["href"])
    )  # fmt: skip
    assert len(names(grid, href[1:])) == 3  # the runs of a group


def test_one_replicate_has_no_interval():
    assert replicates.interval([1.0]) == {"n": 1, "mean": 1.0, "half": None}
    assert replicates.interval([])["mean"] is None


def test_csv(grid: Site):
    answer = grid.http.get("/local/p/runs.csv?q=fusion=add&col=config.lr&col=summary.val/loss")
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.reader(io.StringIO(answer.text)))
    assert rows[0] == ["id", "name", "state", "config.lr", "summary.val/loss"]
    assert len(rows) == 7
    assert rows[1][3:] == ["0.1", "0.30000000000000004"]


def test_csv_runs_nothing_in_a_spreadsheet(site: Site):
    site.start_run("r", displayName="=cmd()")
    assert "'=cmd()" in site.http.get("/local/p/runs.csv").text


def test_side_by_side_stands_what_differs_and_by_how_much(grid: Site):
    query = "run=add-0.01-0&run=gate-0.1-1&run=gate-0.1-0&baseline=gate-0.1-0"
    html = grid.http.get(f"/local/p/compare?{query}").text
    rows = [str(a) for tag, a in Elements(html).found if tag == "th" and a.get("scope") == "row"]
    assert len(rows) == 5  # fusion, lr, seed, flag; val/loss
    assert ">epochs<" not in html
    assert "-0.09</span>" in html  # 0.01 - 0.1
    assert "+0.1</span>" in html
    assert ">epochs<" in grid.http.get(f"/local/p/compare?{query}&all=1").text


@pytest.mark.parametrize(
    ("query", "status"),
    [("", 400), ("run=none", 404)],
)
def test_what_cannot_be_compared(grid: Site, query: str, status: int):
    assert grid.http.get(f"/local/p/compare?{query}").status_code == status


def test_what_is_chosen_goes_along_to_the_next_page(site: Site):
    for i in range(130):
        site.now += 1
        site.start_run(f"r{i}")
    html = site.http.get("/local/p?q=r&run=r129&run=r3").text
    assert 'value="r129" aria-label="choose r129" checked' in html
    assert '<input type="hidden" name="run" value="r3">' in html
    assert "1 chosen on other pages" in html
    after = next(str(a["value"]) for tag, a in Elements(html).found if a.get("name") == "after")
    html = site.http.request(
        "GET", "/local/p", params={"q": "r", "run": ["r129", "r3"], "after": after}
    ).text
    assert 'value="r3" aria-label="choose r3" checked' in html
    assert '<input type="hidden" name="run" value="r129">' in html
    query = "&".join(f"run=r{i}" for i in range(45))
    html = site.http.get(f"/local/p/compare?{query}").text
    assert "Compare 40 runs" in html
    assert "5 more were chosen" in html


def test_mean_curves_have_a_band(site: Site):
    for seed in range(3):
        config = {"fusion": {"value": "add"}, "seed": {"value": seed}}
        site.start_run(f"r{seed}", config=json.dumps(config))
        site.log(
            f"r{seed}", *({"_step": i, "_runtime": i + seed / 7, "a": i + seed} for i in range(9))
        )
    query = "run=r0&run=r1&run=r2&key=a&mean=fusion"
    (found,) = site.http.get(f"/local/p/series?{query}").json()["curves"]
    assert found["y"] == [i + 1 for i in range(9)]
    assert found["high"][0] - found["y"][0] == pytest.approx(4.30265 / 3**0.5, rel=1e-4)
    (found,) = site.http.get(f"/local/p/series?{query}&axis=_runtime").json()["curves"]
    assert 9 <= len(found["x"]) <= 200


def test_runs_are_chosen_compared_and_drawn(own_tracker: Tracker, browser):
    for seed in range(2):
        own_tracker.ask(
            "mutation($i: UpsertBucketInput!) { upsertBucket(input: $i) { bucket { id } } }",
            i={"name": f"r{seed}", "modelName": "p", "config": json.dumps({"s": {"value": seed}})},
        )
        rows = [json.dumps({"_step": i, "loss": i + seed}) for i in range(20)]
        body = {"files": {"wandb-history.jsonl": {"offset": 0, "content": rows}}, "complete": True}
        own_tracker.send(f"/files/local/p/r{seed}/file_stream", body | {"exitcode": 0})
    tab = Tab(browser, own_tracker)
    page = tab.open("/local/p?q=s<5")
    assert page.get_by_role("searchbox", name="Filter").input_value() == "s<5"
    for box in page.locator("input[name=run]").all():
        box.check()
    page.get_by_role("button", name="Compare the chosen").click()
    figure = tab.drawn("loss")
    assert figure.get_attribute("data-curves") == "2"
    assert figure.get_attribute("data-points") == "40"
    tab.context.close()
    assert not tab.complaints
