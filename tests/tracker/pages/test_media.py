"""Pictures, tables, histograms and point clouds as such, of a run that the real client has made."""

from __future__ import annotations

import json

import pytest

from tests.tracker.pages.conftest import Tab
from tests.tracker.worlds import Site, Tracker
from tracker.errors import RequestError
from tracker.pages import media, notes


@pytest.fixture(scope="module")
def world(tracker: Tracker) -> Tracker:
    tracker.client("media")
    return tracker


def test_what_was_logged_is_shown(world: Tracker, tab: Tab):
    page = tab.open("/local/media/runs/media")
    assert page.locator("#media h3").count() == 6
    pictures = page.locator("#media img")
    assert pictures.count() == 3
    pictures.first.scroll_into_view_if_needed()
    page.wait_for_function("[...document.images].every(i => i.complete && i.naturalWidth === 24)")
    assert "<i>one</i>" in page.locator("figcaption", has_text="step 3").first.inner_text()
    for kind, n in (("histogram", "3"), ("cloud", "500")):
        canvas = page.locator(f"canvas.{kind}")
        canvas.scroll_into_view_if_needed()
        page.wait_for_selector(f"canvas.{kind}[data-drawn='{n}']")


def test_notes_are_markdown_that_asks_for_nothing(world: Tracker, tab: Tab):
    page = tab.open("/local/media/runs/media")
    assert page.locator(".notes strong").inner_text() == "bold"
    assert page.locator(".notes img, .notes b, .notes a[href^=javascript]").count() == 0
    assert "<b>raw</b>" in page.locator(".notes").inner_text()


def test_a_table_is_paged_and_sorted(world: Tracker, tab: Tab):
    page = tab.open("/local/media/runs/media")
    page.locator("#media a", has_text="250 rows").click()
    assert page.locator("td").first.inner_text() == "row 0"
    assert "rows 1 – 100 of 250" in page.locator(".pages").inner_text()
    page.get_by_role("link", name="value").click()
    page.get_by_role("link", name="value").click()
    assert page.locator("td").nth(1).inner_text() == "249"
    page.get_by_role("link", name="Later").click()
    assert "rows 101 – 200 of 250" in page.locator(".pages").inner_text()
    assert page.locator("td").nth(1).inner_text() == "149"


def test_several_that_are_logged_at_once_are_files_each():
    several = {"_type": "html", "html": [{"path": "media/html/a.html"}, {"path": "b.html"}]}
    (entry,) = [media.shown("k", [(0, several)])]
    assert [item["name"] for item in entry["items"]] == ["a.html", "b.html"]
    clouds = {"_type": "object3D", "filenames": ["x"], "objects": [{"path": "media/a.pts.json"}]}
    assert media.shown("k", [(0, clouds)])["items"][0]["path"] == "media/a.pts.json"


def test_a_row_may_come_before_its_files(site: Site):
    site.start_run()
    picture = {"_type": "image-file", "path": "media/images/a.png"}
    site.log("r1", {"_step": 0, "picture": picture})
    html = site.http.get("/local/p/runs/r1").text
    assert "a.png is not uploaded yet" in html
    assert "<img" not in html


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"columns": 1, "data": []}', b"\xff"])
def test_what_is_no_table_is_said_to_be_none(content: bytes):
    with pytest.raises(RequestError, match="no table"):
        media.read_table(content, "", 0)


@pytest.mark.parametrize("sort", ["", "+", "-x", "+9", "+0", "-0"])
def test_odd_rows_and_orders(sort: str):
    data = [[1], ["x", 2, 3], [], [None], [{"a": 1}], "no row", [float("nan")]]
    found = media.read_table(
        json.dumps({"columns": ["a", "b"], "data": data}).encode(), sort, 10**9
    )
    assert found["total"] == 6


def test_values_that_claim_to_be_media():
    for value in ({"_type": "images/separated", "filenames": [1, None, "a"], "captions": "x"},
                  {"_type": "image-file"}, {"_type": "table-file", "path": 1},
                  {"_type": "histogram", "values": [1], "bins": "x"}, {"_type": "?"},
                  {"_type": "html", "html": ["x", {}, {"path": None}]},
                  {"_type": "object3D", "filenames": "x", "objects": {}}):  # fmt: skip
        assert media.shown("k", [(0, value)])["total"] == 1


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "[x](javascript:alert(1))",
        "[x](data:text/html,x)",
        "![x](https://example.com/x.png)",
        '<img src=x onerror="alert(1)">',
        "[x](vbscript:x)",
        "<javascript:alert(1)>",
    ],
)
def test_notes_are_sanitised(text: str):
    html = notes.render(text)
    for tag in ("<script", "<img", 'href="javascript', 'href="data', 'href="vbscript'):
        assert tag not in html
