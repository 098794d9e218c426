"""The console: whole, in pages, in its colours."""

from __future__ import annotations

import pytest

from tests.tracker.worlds import Site
from tracker.pages.console import spans_of


@pytest.mark.parametrize(
    ("text", "spans"),
    [
        ("plain", [("", "plain")]),
        ("\x1b[31mred\x1b[0m x", [("f1", "red"), ("", " x")]),
        ("\x1b[1;92mok\x1b[22m.\x1b[39m!", [("bold f10", "ok"), ("f10", "."), ("", "!")]),
        ("\x1b[38;5;196mx\x1b[48;2;0;0;255my", [("f9", "x"), ("f9 b4", "y")]),
        ("\x1b[2K\x1b[1Ga\x1b]8;;http://x\x07b", [("", "ab")]),
        ("\x1b[mx\x1b[7my\x1b[27mz", [("", "x"), ("inverse", "y"), ("", "z")]),
        ("a\x00b\x1b", [("", "ab")]),
        ("\x1b[38;5m\x1b[38;2;1mx\x1b[999999999999mz", [("f0", "xz")]),
    ],
)
def test_colours(text: str, spans: list[tuple[str, str]]):
    assert spans_of(text)[0] == spans


def test_the_whole_console_in_pages(site: Site):
    site.start_run()
    lines = [f"2026-01-01T00:00:00 line {i}." for i in range(2500)]
    lines[10] = "2026-01-01T00:00:00 \x1b[32m<b>green\x1b[0m"
    lines[11] = "2026-01-01T00:00:00 10%\r50%\r100%"
    site.stream(files={"output.log": {"offset": 0, "content": lines}})
    run = site.http.get("/local/p/runs/r1").text
    assert "The last 200 of 2500 lines." in run
    last = site.http.get("/local/p/runs/r1/logs").text
    assert "lines 2001 – 2500 of 2500" in last
    assert "line 2499." in last
    first = site.http.get("/local/p/runs/r1/logs?from=0").text
    assert '<span class="f2">&lt;b&gt;green</span>' in first
    assert "100%" in first
    assert "50%" not in first
    whole = last + first + site.http.get("/local/p/runs/r1/logs?from=1000").text
    assert all(f"line {i}." in whole for i in range(2500) if i not in (10, 11))


@pytest.mark.parametrize("place", ["-1", "x", "9" * 40, ""])
def test_a_place_that_is_none(site: Site, place: str):
    site.start_run()
    assert "nothing was printed" in site.http.get(f"/local/p/runs/r1/logs?from={place}").text
