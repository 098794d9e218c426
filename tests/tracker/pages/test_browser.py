"""Every page in a real browser: light on a desk, dark on a phone; live while something runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.tracker.pages.conftest import Tab
from tests.tracker.pages.test_sweep import RUN, Agent
from tests.tracker.worlds import Tracker

AXE = (Path(__file__).parent / "axe" / "axe.min.js").read_text(encoding="utf-8")
EVIL = """"><script>alert(1)</script><img src=x onerror=alert(1)>'{{7*7}}"""
DESK = {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light"}
PHONE = {"viewport": {"width": 390, "height": 800}, "color_scheme": "dark"}


@pytest.fixture(scope="module")
def world(tracker: Tracker) -> Tracker:
    """Project `p` with a sweep, `evil` whose every field is an attack, `media` by the client."""
    Agent(tracker.ask, tracker.send).work(7, failing=(1,))
    tracker.client("media")
    config = {EVIL: {"value": EVIL}, "lr": {"value": EVIL}}
    fields = {"displayName": EVIL, "notes": EVIL, "tags": [EVIL], "groupName": EVIL, "host": EVIL}
    fields |= {"jobType": EVIL, "description": EVIL, "modelName": "evil", "commit": EVIL}
    for n, name in enumerate(("e1", "e2")):
        own = json.dumps(config | {"n": {"value": name}})
        results = json.dumps({EVIL: EVIL, "loss": n})
        run = {"name": name, "config": own, "summaryMetrics": results, "jobProgram": EVIL}
        tracker.ask(RUN, i=fields | run)
        picture = {"_type": "image-file", "path": EVIL, "caption": EVIL}
        rows = [{"_step": i, EVIL: i, "loss": i, "picture": picture} for i in range(3)]
        log(tracker, "evil", name, rows, [f"ERROR 2026-01-01T00:00:00 {EVIL} \x1b[31m{EVIL}"])
        end(tracker, "evil", name)
    return tracker


def log(tracker: Tracker, project: str, run: str, rows: list[Any], lines: list[str], at: int = 0):
    chunk = {"offset": at, "content": [json.dumps(row) for row in rows]}
    files = {"wandb-history.jsonl": chunk, "output.log": {"offset": at, "content": lines}}
    tracker.send(f"/files/local/{project}/{run}/file_stream", {"files": files})


def end(tracker: Tracker, project: str, run: str) -> None:
    body = {"complete": True, "exitcode": 0}
    tracker.send(f"/files/local/{project}/{run}/file_stream", body)


def addresses(world: Tracker) -> list[str]:
    found = world.ask('{ project(name: "p") { sweeps { edges { node { name } } } } }')
    sweep = found["project"]["sweeps"]["edges"][0]["node"]["name"]
    runs = world.ask('{ project(name: "p") { runs { edges { node { name } } } } }')
    names = [edge["node"]["name"] for edge in runs["project"]["runs"]["edges"]]
    compared = "&".join(f"run={name}" for name in names[:4])
    return [
        "/", "/local", "/authorize", "/local/none",
        "/local/p", "/local/p?group=config.fusion", "/local/p?q=%22open", "/local/p/sweeps",
        "/local/p/overview", "/local/media/artifacts", f"/local/p/sweeps/{sweep}",
        f"/local/p/runs/{names[0]}", f"/local/p/runs/{names[0]}/logs",
        f"/local/p/compare?{compared}", f"/local/p/compare?{compared}&all=1&mean=fusion",
        "/local/media/runs/media", "/local/media/artifacts/run_table/run-media-table/v0",
        "/local/evil", "/local/evil/runs/e1", "/local/evil/runs/e1/logs",
        "/local/evil/compare?run=e1&run=e2", "/local/evil?group=config.lr",
    ]  # fmt: skip


@pytest.mark.parametrize("options", [DESK, PHONE], ids=["desk", "phone"])
def test_every_page_is_sound(world: Tracker, browser, options: dict[str, Any]):
    """No violation that axe finds, nothing wider than the screen, nothing asked of others."""
    tab = Tab(browser, world, **options)
    tab.page.on("dialog", lambda dialog: tab.complaints.append(dialog.message))
    for path in addresses(world):
        page = tab.open(path)
        if page.locator("figure canvas, figure[data-key]").count():
            page.locator("figure[data-key]").first.scroll_into_view_if_needed()
            page.locator("figure canvas").first.wait_for()
        width = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert width <= 0, f"{path} is {width} pixels too wide"
        assert page.title()
        page.evaluate(AXE)
        found = page.evaluate("axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa']})")
        wrong = [(v["id"], v["nodes"][0]["html"][:200], v["nodes"][0]["failureSummary"])
                 for v in found["violations"]]  # fmt: skip
        assert not wrong, f"{path}: {wrong}"
    tab.context.close()
    expected = ("status of 404", "status of 400")  # pages and files that are not there
    assert not [text for text in tab.complaints if not any(word in text for word in expected)]


def test_a_page_about_what_runs_is_live_and_then_rests(world: Tracker, browser):
    world.ask(RUN, i={"name": "live", "modelName": "live"})
    log(world, "live", "live", [{"_step": i, "loss": i} for i in range(5)], ["begun"])
    tab = Tab(browser, world)
    tab.page.clock.install()
    page = tab.open("/local/live/runs/live")
    figure = tab.drawn("loss")
    assert figure.get_attribute("data-points") == "5"
    page.evaluate("window.same = true")
    log(world, "live", "live", [{"_step": 5, "loss": 9, "late": 1}], ["and goes on"], at=5)
    page.clock.run_for(6_000)
    page.wait_for_selector('figure[data-key="loss"][data-points="6"]')
    page.wait_for_selector('figure[data-key="late"]')
    assert "and goes on" in page.locator("#console").inner_text()
    end(world, "live", "live")
    page.clock.run_for(6_000)
    page.wait_for_selector("h1 .finished")
    page.wait_for_selector('body[data-live=""]')
    assert page.evaluate("window.same")  # it was never loaded anew
    page.wait_for_load_state("networkidle")
    asked = len(tab.requests)
    page.clock.run_for(120_000)
    assert len(tab.requests) == asked
    tab.context.close()
    assert not tab.complaints


def test_pages_can_be_read_without_scripts(world: Tracker, browser):
    tab = Tab(browser, world, java_script_enabled=False)
    for path in addresses(world):
        page = tab.open(path)
        assert page.locator("h1").first.inner_text(), path
    page = tab.open("/local/p")
    page.locator("input[name=run]").first.check()
    page.get_by_role("button", name="Compare the chosen").click()
    assert "Compare 1 runs" in page.locator("h1").inner_text()
    tab.context.close()


def test_the_keyboard_reaches_everything(world: Tracker, browser):
    tab = Tab(browser, world)
    page = tab.open("/local/p")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.name || document.activeElement.tagName"))
    assert {"A", "q", "group", "SUMMARY", "run"} <= reached
    tab.context.close()
