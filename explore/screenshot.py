"""Pictures of the App, taken by a real browser without a screen."""

from __future__ import annotations

import io
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from contract.files import write_atomic
from explore import app
from explore.errors import ExploreError
from explore.lazy import require
from explore.prepare import Prepared

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SIZE = (1600, 900)  # pixels
PATIENCE = 120.0  # seconds for one picture: the software renderer is slow on a busy machine
FLAGS = [
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    # The 3D view needs WebGL: in software where there is no graphics card.
    "--ignore-gpu-blocklist",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
]
GRID, LOOKER = "[data-cy=fo-grid]", "[data-cy=looker]"
CLOUD, PICTURE = "[data-cy=looker3d] canvas", "[data-cy=modal-looker-container]"
MAP, COLOUR_BY = "[data-cy=panel-content-Embeddings] canvas", ".emb-colorby"
# FiftyOne's notices lie over each other, so they are not clicked with the mouse.
DISMISS = """() => [...document.querySelectorAll("*")]
    .filter(e => !e.children.length && e.textContent.trim() === "Dismiss")
    .forEach(e => e.click())"""


def find_browser() -> str:
    """A Chromium or Chrome on PATH. Raises ExploreError, with what to install, without one."""
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        raise ExploreError(
            f"--screenshot needs one of the browsers {', '.join(BROWSERS)} on PATH "
            "(Debian, Ubuntu: apt-get install chromium)"
        )
    return found


def take(session: Any, ready: Prepared, folder: Path) -> list[Path]:
    """Write grid.png, sample.png (with its 3D view) and embeddings.png to `folder`.

    session: the running App. Raises ExploreError where something is not drawn in time.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    with _browser() as browser:
        for name, shoot in (("grid", _grid), ("sample", _sample), ("embeddings", _embeddings)):
            on_map = name == "embeddings"
            session.spaces = app.spaces(ready.brain_key if on_map else None)
            session.view = ready.map_view if on_map else ready.view
            page = browser.new_page(viewport={"width": SIZE[0], "height": SIZE[1]})
            try:
                page.set_default_timeout(1000 * PATIENCE)
                page.goto(session.url)
                picture = shoot(page, ready.brain_key)
            except Exception as error:
                why = str(error).splitlines()[0]
                raise ExploreError(f"--screenshot: {name} was not drawn: {why}") from error
            finally:
                page.close()
            written.append(folder / f"{name}.png")
            write_atomic(written[-1], picture)
    return written


@contextmanager
def _browser() -> Iterator[Any]:
    require("playwright")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_browser(), args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


def _grid(page: Any, _: str) -> bytes:
    return _settle(page, GRID)


def _sample(page: Any, _: str) -> bytes:
    _settle(page, GRID)
    page.locator(LOOKER).first.click()
    _settle(page, CLOUD)
    # Wider for the point cloud: the handle lies between it and the picture.
    box = page.locator(CLOUD).bounding_box()
    page.mouse.move(box["x"] - 1, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] - 0.4 * box["width"], box["y"] + box["height"] / 2, steps=4)
    page.mouse.up()
    # The sidebar shows the fields of what was clicked last; predictions stand on the picture.
    box = page.locator(PICTURE).first.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] - 20)
    return _settle(page, CLOUD)


def _embeddings(page: Any, brain_key: str) -> bytes:
    _settle(page, GRID)
    page.get_by_text(brain_key, exact=True).first.click()
    _click_until(page, COLOUR_BY, f"{COLOUR_BY} input")
    page.locator(f"{COLOUR_BY} input").fill("ground_truth.label")
    page.keyboard.press("Enter")
    return _settle(page, MAP, share=0.0005)


def _click_until(page: Any, button: str, opened: str) -> None:
    """Click until `opened` is there: a click is lost where the panel is drawn anew meanwhile."""
    patience = 2000  # milliseconds
    while page.locator(opened).count() == 0 and patience < 1000 * PATIENCE:
        page.locator(button).click()
        with suppress(Exception):
            page.wait_for_selector(opened, timeout=patience)
        patience *= 2


def _settle(page: Any, selector: str, share: float = 0.002) -> bytes:
    """The page as PNG, once `selector` shows colours and nothing moves any more."""
    page.wait_for_selector(selector)
    deadline = time.monotonic() + PATIENCE
    before = b""
    while time.monotonic() < deadline:
        page.evaluate(DISMISS)
        page.wait_for_timeout(700)
        box = page.locator(selector).first.bounding_box()
        picture = page.screenshot()
        if picture == before and box is not None and _colourful(picture, box, share):
            return picture
        before = picture
    raise ExploreError(f"{selector} stayed empty or kept changing for {PATIENCE:g} s")


def _colourful(picture: bytes, box: dict[str, float], share: float) -> bool:
    """Whether at least a share of the pixels in the box is no shade of grey."""
    left, top = max(int(box["x"]), 0), max(int(box["y"]), 0)
    right, bottom = int(box["x"] + box["width"]), int(box["y"] + box["height"])
    with Image.open(io.BytesIO(picture)) as image:
        pixels = np.asarray(image.convert("RGB").crop((left, top, right, bottom)), dtype=int)
    return float((np.ptp(pixels, axis=-1) > 60).mean()) > share
