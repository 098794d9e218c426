"""Curves in a real browser, of runs that the real client has logged."""

from __future__ import annotations

import pytest

from tests.tracker.pages.conftest import Tab
from tests.tracker.worlds import Tracker


@pytest.fixture(scope="module")
def world(tracker: Tracker) -> Tracker:
    tracker.client("curves")
    return tracker


def test_every_point_of_a_lightning_style_run_is_drawn(world: Tracker, tab: Tab):
    tab.open("/local/curves/runs/lightning")
    for key, points, axis in (
        ("eval/loss", 10, "eval/batch"),
        ("val/accuracy", 10, "_step"),
        ("train/loss", 999, "_step"),
    ):
        figure = tab.drawn(key)
        assert figure.get_attribute("data-points") == str(points)
        assert figure.get_attribute("data-axis") == axis
    assert "1 not finite" in tab.drawn("train/loss").locator(".note").inner_text()


def test_the_axis_can_be_chosen_and_stands_in_the_address(world: Tracker, tab: Tab):
    page = tab.open("/local/curves/runs/lightning")
    tab.drawn("val/accuracy")
    page.locator("#charts-history select[name=axis]").select_option("epoch")
    page.wait_for_selector('figure[data-key="val/accuracy"][data-axis="epoch"]')
    assert "axis=epoch" in page.url
    page.reload()
    figure = tab.drawn("val/accuracy")
    assert figure.get_attribute("data-axis") == "epoch"
    assert figure.get_attribute("data-points") == "10"


def test_a_hundred_metrics_stand_in_sections_and_are_found(world: Tracker, tab: Tab):
    page = tab.open("/local/curves/runs/hundred")
    assert page.locator("#charts-history figure").count() == 100
    assert page.locator("#charts-history details").count() == 5
    assert page.locator("#charts-history details[open]").count() == 1
    assert tab.drawn("a/m0").get_attribute("data-points") == "300"
    page.locator("#charts-history input[name=find]").fill("m99")
    assert page.locator("#charts-history figure:visible").count() == 1
    assert tab.drawn("e/m99").get_attribute("data-points") == "300"
    page.reload()
    assert page.locator("#charts-history figure:visible").count() == 1


def test_zoom_smoothing_and_log_axis(world: Tracker, tab: Tab):
    page = tab.open("/local/curves/runs/lightning?log=1&smooth=0.9")
    figure = tab.drawn("train/loss")
    box = figure.locator(".u-over").bounding_box()
    assert box
    page.mouse.move(box["x"] + 30, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + 120, box["y"] + 40, steps=4)
    page.mouse.up()
    page.wait_for_selector('figure[data-key="train/loss"][data-zoomed="yes"]')
    assert figure.locator(".u-legend .u-value").last.inner_text() not in ("", "–")
    page.mouse.dblclick(box["x"] + 60, box["y"] + 40)
    page.wait_for_selector('figure[data-key="train/loss"][data-zoomed=""]')


def test_the_console_has_its_colours(world: Tracker, tab: Tab):
    page = tab.open("/local/curves/runs/lightning/logs")
    assert page.locator(".console .f1").first.inner_text() == "red"
    assert page.locator(".console .bold.f4").first.inner_text() == "bold blue"
