"""Console output as people have seen it: colours, and lines that were written over."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from tracker.runs import console

LINES_PER_PAGE = 1_000
MOST_CHARS = 20_000  # of a line that are shown
# CSI and OSC sequences, and the two-character escapes; only SGR (…m) says anything here
ESCAPE = re.compile(r"\x1b(?:\[([0-9;:?]*)[ -/]*([@-~])|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
FLAGS = {1: "bold", 2: "faint", 3: "italic", 4: "underline", 7: "inverse", 9: "strike"}
LEVELS = (0, 95, 135, 175, 215, 255)  # of a channel, where 256 colours are numbered
BASE = (  # the 16 colours, as xterm has them
    (0, 0, 0), (205, 0, 0), (0, 205, 0), (205, 205, 0),
    (0, 0, 238), (205, 0, 205), (0, 205, 205), (229, 229, 229),
    (127, 127, 127), (255, 0, 0), (0, 255, 0), (255, 255, 0),
    (92, 92, 255), (255, 0, 255), (0, 255, 255), (255, 255, 255),
)  # fmt: skip


@dataclass(frozen=True)
class Style:
    """`front` and `back`: one of the 16 colours, which the style sheet shows readably."""

    front: int | None = None
    back: int | None = None
    flags: frozenset[str] = frozenset()

    @property
    def classes(self) -> str:
        names = sorted(self.flags)
        names += [] if self.front is None else [f"f{self.front}"]
        names += [] if self.back is None else [f"b{self.back}"]
        return " ".join(names)


PLAIN = Style()


def rendered(lines: Iterable[tuple[int, str]]) -> list[dict[str, Any]]:
    """(number, text as the client sent it) -> lines with `spans` [(classes, text)], level, time."""
    style, found = PLAIN, []
    for number, text in lines:
        line = console.read_line(number, text)
        shown = line["line"].rstrip("\r")
        shown = shown[shown.rfind("\r") + 1 :]  # of a progress bar, what stood there in the end
        spans, style = spans_of(shown[:MOST_CHARS], style)
        found.append({**line, "spans": spans, "cut": len(shown) > MOST_CHARS})
    return found


def spans_of(text: str, style: Style = PLAIN) -> tuple[list[tuple[str, str]], Style]:
    """(classes, text) of a line that begins in `style`, and the style in which it ends."""
    spans: list[tuple[str, str]] = []
    place = 0
    for escape in ESCAPE.finditer(text):
        add(spans, style, text[place : escape.start()])
        place = escape.end()
        if escape[2] == "m":
            style = changed(style, escape[1])
    add(spans, style, text[place:])
    return spans, style


def add(spans: list[tuple[str, str]], style: Style, text: str) -> None:
    text = CONTROL.sub("", text)
    if text and spans and spans[-1][0] == style.classes:
        text = spans.pop()[1] + text
    if text:
        spans.append((style.classes, text))


def changed(style: Style, parameters: str) -> Style:
    """The style after an SGR sequence, such as `1;31` or `38;5;208`."""
    codes = iter(
        [int(part[:4]) if part.isdecimal() else 0 for part in re.split("[;:]", parameters)]
    )
    for code in codes:
        if code == 0:
            style = PLAIN
        elif code in FLAGS:
            style = replace(style, flags=style.flags | {FLAGS[code]})
        elif code == 22:
            style = replace(style, flags=style.flags - {"bold", "faint"})
        elif code - 20 in FLAGS:
            style = replace(style, flags=style.flags - {FLAGS[code - 20]})
        elif code in (38, 48):
            side = "front" if code == 38 else "back"
            style = replace(style, **{side: long_colour(codes)})
        elif code in (39, 49):
            style = replace(style, **{"front" if code == 39 else "back": None})
        elif 30 <= code <= 37 or 90 <= code <= 97:
            style = replace(style, front=code - 30 if code < 40 else code - 82)
        elif 40 <= code <= 47 or 100 <= code <= 107:
            style = replace(style, back=code - 40 if code < 50 else code - 92)
    return style


def long_colour(codes: Iterator[int]) -> int | None:
    """The one of the 16 that is nearest to `5;n` or `2;r;g;b`."""
    kind = next(codes, 0)
    if kind == 5:
        n = min(next(codes, 0), 255)
        if n < 16:
            return n
        if n >= 232:
            return nearest(*[8 + 10 * (n - 232)] * 3)
        n -= 16
        return nearest(LEVELS[n // 36], LEVELS[n // 6 % 6], LEVELS[n % 6])
    if kind == 2:
        return nearest(next(codes, 0), next(codes, 0), next(codes, 0))
    return None


def nearest(red: int, green: int, blue: int) -> int:
    wanted = (red, green, blue)
    return min(
        range(16),
        key=lambda i: sum((a - b) ** 2 for a, b in zip(BASE[i], wanted, strict=True)),
    )
