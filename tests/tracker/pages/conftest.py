"""A real server, a real browser that is logged in, and what it complains about."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import Any, NoReturn
from urllib.parse import urlsplit

import pytest

from tests.tracker.worlds import Tracker
from tracker.server import make_link


def lacking(reason: str) -> NoReturn:
    """Skip, or fail where everything must be there."""
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(f"CI must have this installed: {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        lacking("a browser (chromium)")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        lacking("playwright (pip install -e '.[explore]')")
    with sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield started
        started.close()


class Tab:
    """A page of the browser. `complaints`: errors in its console, requests to anywhere else."""

    def __init__(self, browser: Any, tracker: Tracker, **options: Any) -> None:
        self.context = browser.new_context(**options)
        self.page = self.context.new_page()
        self.url = tracker.server.url
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", self.heard)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", self.asked)
        self.page.goto(make_link(tracker.server.url, tracker.server.key))

    def heard(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def asked(self, request: Any) -> None:
        self.requests.append(request.url)
        if urlsplit(request.url).netloc != urlsplit(self.url).netloc:
            self.complaints.append(f"asked {request.url}")

    def open(self, path: str) -> Any:
        """The page at a path, whose scripts have run."""
        self.page.goto(self.url + path)
        return self.page

    def drawn(self, key: str) -> Any:
        """The figure of a key, once it is drawn."""
        figure = self.page.locator(f'figure[data-key="{key}"]').first
        figure.scroll_into_view_if_needed()
        figure.locator("canvas").wait_for()
        return figure


@pytest.fixture
def tab(browser: Any, tracker: Tracker) -> Iterator[Tab]:
    made = Tab(browser, tracker)
    yield made
    made.context.close()
    assert not made.complaints
