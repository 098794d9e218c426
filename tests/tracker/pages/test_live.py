"""Pages about what runs: what comes while they are open is shown, and what was there stays."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.tracker.pages.conftest import Tab
from tests.tracker.pages.test_sweep import Agent
from tests.tracker.worlds import CLIENTS, Tracker


@pytest.fixture
def clocked(own_tracker: Tracker, browser):
    """A tab whose clock the test moves on."""
    tab = Tab(browser, own_tracker)
    tab.page.clock.install()
    yield tab
    tab.context.close()
    assert not tab.complaints


def until(tab: Tab, there: Callable[[], bool]) -> None:
    while not there():
        tab.page.clock.run_for(5_000)
        tab.page.wait_for_load_state("networkidle")


def test_media_come_while_the_page_is_open(own_tracker: Tracker, clocked: Tab):
    run = subprocess.Popen(
        [sys.executable, str(CLIENTS / "live_media.py")],
        env=own_tracker.environment,
        cwd=own_tracker.folder.parent,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert run.stdin and run.stdout

    def say(line: str) -> None:
        run.stdin.write(line + "\n")  # type: ignore[union-attr]
        run.stdin.flush()  # type: ignore[union-attr]

    assert run.stdout.readline() == "begun\n"
    page = clocked.open("/local/live/runs/live")
    clocked.drawn("loss")
    page.evaluate("window.same = true")
    assert page.locator("#media").count() == 0
    say("all")
    until(clocked, lambda: page.locator("#media img").count() == 1)
    until(clocked, lambda: page.locator("canvas.cloud").count() == 1)
    until(clocked, lambda: page.locator("#media td").count() > 0)
    for kind, n in (("histogram", "1"), ("cloud", "500")):
        page.locator(f"canvas.{kind}").scroll_into_view_if_needed()
        page.wait_for_selector(f"canvas.{kind}[data-drawn='{n}']")
    assert page.locator("#media td").nth(3).inner_text() == "1"
    assert clocked.drawn("acc/top").get_attribute("data-points") == "1"
    page.evaluate("for (const e of document.querySelectorAll('canvas, #media img')) e.mine = true")
    say("picture")
    until(clocked, lambda: page.locator("#media img").count() == 2)
    kept = "[...document.querySelectorAll('canvas, #media img')].filter(e => !e.mine).length"
    assert page.evaluate(kept) == 1  # the new picture: nothing else was made anew
    run.stdin.close()
    assert run.wait() == 0
    until(clocked, lambda: page.locator("body[data-live='']").count() == 1)
    assert page.locator("h1 .finished").count() == 1
    assert page.evaluate("window.same")
    page.wait_for_function("() => [...document.images].every(i => i.naturalWidth === 24)")


def test_a_sweep_fills_its_page_while_it_runs(own_tracker: Tracker, clocked: Tab):
    agent = Agent(own_tracker.ask, own_tracker.send)
    page = clocked.open(f"/local/p/sweeps/{agent.sweep}")
    assert page.locator("#parallel, #charts-history").count() == 0
    agent.work(3, failing=(1,))
    until(clocked, lambda: page.locator(".parallel path").count() == 3)
    assert clocked.drawn("val/acc").get_attribute("data-curves") == "3"
    assert "out of memory" in page.locator("#troubles").inner_text()
    order = page.evaluate("[...document.querySelectorAll('main > [id]')].map(e => e.id)")
    assert " ".join(order) == (
        "heading about orders map parallel colouring charts-history troubles agents runs"
        " decisions config"
    )
    page.evaluate("document.querySelector('.parallel svg').mine = true")
    page.clock.run_for(5_000)
    page.wait_for_load_state("networkidle")
    assert page.evaluate("document.querySelector('.parallel svg').mine")
    agent.work(5)
    until(clocked, lambda: page.locator(".parallel path").count() == 8)
    until(clocked, lambda: clocked.drawn("val/acc").get_attribute("data-curves") == "8")
    assert page.locator("tr[data-run]").count() == 8
