"""Every address that the client prints leads to a page that is safe to look at."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import pytest

from tests.tracker.artifact_world import Writer
from tests.tracker.worlds import KEY, Site

EVIL = "<script>alert('x')</script>\"'&"


class Elements(HTMLParser):
    """Tags with their attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def links(html: str) -> list[str]:
    return [str(attributes["href"]) for tag, attributes in Elements(html).found if tag == "a"]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory):
    site = Site(tmp_path_factory.mktemp("pages"))
    site.start_run(
        "r1",
        displayName=EVIL,
        notes=EVIL,
        tags=[EVIL],
        config=json.dumps({EVIL: {"value": EVIL}, "lr": {"value": 0.1}}),
        summaryMetrics=json.dumps({"val/loss": 0.123456789, EVIL: EVIL}),
    )
    rows = [{"_step": i, "epoch": i, "val/loss": 1 / (i + 1), EVIL: i} for i in range(500)]
    site.log("r1", *rows)
    site.stream(
        files={"output.log": {"offset": 0, "content": [f"ERROR 2026-01-01T00:00:00 {EVIL}"]}}
    )
    site.start_run("b c?d#é&<i>", displayName="odd")
    site.gql(
        "mutation($i: UpsertSweepInput!) { upsertSweep(input: $i) { sweep { name } } }",
        i={
            "entityName": "local",
            "projectName": "p",
            "config": json.dumps(
                {
                    "method": "grid",
                    "name": EVIL,
                    "metric": {"name": "val/loss", "goal": "minimize"},
                    "parameters": {"a": {"values": [1, 2]}},
                }
            ),
        },
    )
    yield site
    site.close()


def sweep_name(world: Site) -> str:
    data = world.gql(
        '{ project(name: "p", entityName: "local") { sweeps { edges { node { name } } } } }'
    )
    return data["project"]["sweeps"]["edges"][0]["node"]["name"]


def addresses(world: Site) -> dict[str, str]:
    sweep = sweep_name(world)
    return {
        "/": "local/p",
        "/local": "local/p",
        "/local/p": "odd",
        "/local/p/workspace": "odd",
        "/local/p/sweeps": sweep,
        "/local/p/runs": "odd",
        "/local/p/runs/r1": "val/loss",
        "/local/p/runs/r1/overview": "val/loss",
        "/local/p/runs/b%20c%3Fd%23%C3%A9%26%3Ci%3E": "odd",
        f"/local/p/sweeps/{sweep}": "val/loss",
    }


def test_addresses_lead_to_pages(world: Site):
    for path, text in addresses(world).items():
        answer = world.http.get(path)
        assert answer.status_code == 200, path
        assert answer.headers["content-type"].startswith("text/html")
        assert text in answer.text, path


@pytest.mark.parametrize(
    "path", ["/local/none", "/local/p/runs/none", "/local/p/sweeps/none", "/x/p/artifacts/t/c/v0"]
)
def test_what_is_not_there_is_said_to_be_missing(world: Site, path: str):
    answer = world.http.get(path)
    assert answer.status_code == 404
    assert "There is no" in answer.text


@pytest.mark.parametrize("credentials", [f"Bearer {KEY}", ""], ids=["logged in", "not yet"])
def test_where_the_client_sends_people_for_their_key(site: Site, credentials: str):
    answer = site.http.get("/authorize", headers={"Authorization": credentials})
    assert answer.status_code == (200 if credentials else 401)
    assert "runner.py env" in answer.text
    assert KEY not in answer.text


def test_pages_hold_nothing_from_outside_and_no_script_of_others(world: Site):
    for path in addresses(world):
        answer = world.http.get(path)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "alert('x')" not in answer.text.replace("&#39;", "'") or "&lt;script" in answer.text
        for tag, attributes in Elements(answer.text).found:
            assert tag not in {"iframe", "object", "embed", "base", "style"}
            assert not [name for name in attributes if name.startswith("on")]
            assert "style" not in attributes
            for name in ("href", "src", "action", "data-url"):
                address = attributes.get(name) or ""
                assert not re.match(r"(?i)\s*(https?:|//|javascript:|data:)", address), address
            if tag == "script":
                assert str(attributes["src"]).startswith("/-/static/")
                assert f"'nonce-{attributes['nonce']}'" in policy


def test_styles_and_scripts_are_there_before_the_login_and_kept(world: Site):
    html = world.http.get("/local/p/runs/r1").text
    found = [str(a.get("src") or a.get("href")) for _, a in Elements(html).found]
    files = [address for address in found if address.startswith("/-/static/")]
    assert len(files) >= 4
    for address in files:
        answer = world.http.get(address, headers={"Authorization": ""})
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
    for name in ("..%2fviews.py", "uplot/LICENSE", "none.js"):
        assert world.http.get(f"/-/static/{name}").status_code == 404


def test_links_lead_somewhere(world: Site):
    seen, waiting = set(), ["/"]
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        answer = world.http.get(path)
        assert answer.status_code == 200, path
        waiting += [link for link in links(answer.text) if link.startswith("/")]
    assert len(seen) >= 6


def test_a_run_page_shows_its_curves_config_results_and_console(world: Site):
    html = world.http.get("/local/p/runs/r1").text
    keys = [a["data-key"] for tag, a in Elements(html).found if tag == "figure"]
    assert sorted(map(str, keys)) == sorted(["epoch", "val/loss", EVIL])
    assert "0.123457" in html
    assert "&lt;script&gt;" in html
    assert 'class="line error"' in html


def test_pages_of_what_is_running_refresh_themselves_without_scripts_too(site: Site):
    site.start_run()
    assert 'http-equiv="refresh"' in site.http.get("/local/p/runs/r1").text
    site.stream(complete=True, exitcode=0)
    assert 'http-equiv="refresh"' not in site.http.get("/local/p/runs/r1").text


def test_a_project_page_has_pages(site: Site):
    for i in range(103):
        site.now += 1
        site.start_run(f"r{i:03}")
    first = site.http.get("/local/p").text
    assert "r102" in first
    assert "r002" not in first
    after = next(str(a["value"]) for tag, a in Elements(first).found if a.get("name") == "after")
    assert "r002" in site.http.request("GET", "/local/p", params={"after": after}).text


def test_an_artifact_page(site: Site):
    writer = Writer(site)
    writer.log("ds", {"a b.txt": b"content"}, metadata='{"k": "<b>"}')
    html = site.http.get("/local/p/artifacts/dataset/ds/v0").text
    assert "a b.txt" in html
    assert "&lt;b&gt;" in html
    download = next(
        str(a["href"]) for _, a in Elements(html).found if "/storage/" in str(a.get("href"))
    )
    assert site.http.get(download, headers={"Authorization": ""}).content == b"content"
    assert "ds:v0" in site.http.get("/local/p/runs/r1").text
