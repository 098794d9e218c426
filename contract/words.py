"""Words for people: counts, suggestions for a misspelt word, names that a file system takes."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable


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


def slug(text: str, most: int = 80) -> str:
    """Return a file name: letters, digits, dot, hyphen and underscore, at most `most` characters.

    Neither empty parts nor a leading dot: no name hides, and none leads out of its folder.
    """
    return re.sub(r"[^\w.-]+", "-", text).strip("-.")[:most]


def identifier(text: str) -> str:
    """Return lower-case ASCII letters, digits and underscores: "A · b_c" becomes a_b_c."""
    return re.sub(r"\W+", "_", text, flags=re.ASCII).strip("_").lower()
