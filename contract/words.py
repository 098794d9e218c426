"""Words for people: counts, suggestions for a misspelt word, names that a file system takes."""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Iterable
from pathlib import Path

INSTALLED = "fusion-runner"
OWN = re.compile(r"(?:python )?runner\.py (?=[a-z])")


def counted(number: int, thing: str) -> str:
    """Return "1 seed", "2 seeds", "0 seeds"."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


def nearest(word: object, known: Iterable[object]) -> str | None:
    """Return the word of `known` that `word` was probably meant to be, or None."""
    near = difflib.get_close_matches(str(word), [str(k) for k in known], n=1)
    return near[0] if near else None


def suggest(word: object, known: Iterable[object]) -> str:
    """Return "; did you mean …?" for the nearest word of `known`, else the list of them."""
    known = [str(k) for k in known]
    near = nearest(word, known)
    return f"; did you mean {near!r}?" if near else f"; known: {', '.join(known)}"


def called(text: str, by: str | None = None) -> str:
    """Return a message with the commands in it as its reader calls them. They are written as
    `runner.py COMMAND`, the name in a checkout; installed, there is none to be seen.

    by: the name that this process was called by, unless another is given.
    """
    by = Path(sys.argv[0]).name if by is None else by
    return OWN.sub(f"{INSTALLED} ", text) if by == INSTALLED else text


def slug(text: str, most: int = 80) -> str:
    """Return a file name: letters, digits, dot, hyphen and underscore, at most `most` characters.

    Neither empty parts nor a leading dot: no name hides, and none leads out of its folder.
    """
    return re.sub(r"[^\w.-]+", "-", text).strip("-.")[:most]


def identifier(text: str) -> str:
    """Return lower-case ASCII letters, digits and underscores: "A · b_c" becomes a_b_c."""
    return re.sub(r"\W+", "_", text, flags=re.ASCII).strip("_").lower()
