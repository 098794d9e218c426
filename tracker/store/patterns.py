"""Patterns that come from outside. RE2 matches in time linear in the text, whatever the pattern,
and without Python's lock, so that other requests go on.

The syntax is RE2's, as in W&B's own filters: Python's and Mongo's without look-around and
back-references; `\\d`, `\\w`, `\\s` and `\\b` are about ASCII, `$` is the end of the text.
"""

from __future__ import annotations

from functools import lru_cache

import re2

from tracker.errors import RequestError

MAX_CHARS = 2_000  # of a pattern
MAX_PROGRAM = 2_000  # instructions; time is at most their number times the characters of the text
MAX_TEXT = 100_000  # characters of a text that are looked at: about two seconds at the very most
MEMORY = 2 << 20  # bytes of one compiled pattern
COMPILED = 32

OPTIONS = re2.Options()
OPTIONS.max_mem = MEMORY
OPTIONS.log_errors = False
OPTIONS.never_capture = True


@lru_cache(maxsize=COMPILED)
def compiled(pattern: str) -> re2._Regexp:
    return re2.compile(pattern.encode(errors="surrogatepass"), OPTIONS)


def check(pattern: str) -> str:
    """The pattern, if it can be matched; else RequestError."""
    shown = f"the pattern {pattern!r:.80}"
    if len(pattern) > MAX_CHARS:
        raise RequestError(f"{shown} is longer than {MAX_CHARS} characters")
    try:
        size = compiled(pattern).programsize
    except re2.error as error:
        reason = error.args[0].decode(errors="replace")
        raise RequestError(
            f"{shown}: {reason} (RE2 syntax: there is no look-around and no back-reference)"
        ) from None
    if size > MAX_PROGRAM:
        raise RequestError(f"{shown} repeats too much: expanded, it is too large")
    return pattern


def found(pattern: str, text: str) -> bool:
    """Whether a pattern that `check` has let pass is anywhere in the text."""
    return compiled(pattern).search(text[:MAX_TEXT].encode(errors="surrogatepass")) is not None


def of_like(pattern: str) -> str:
    """The pattern, checked, for one of LIKE: `%` is any text, `_` one character; in any case."""
    parts = {"%": ".*", "_": "."}
    return check(r"(?is)\A" + "".join(parts.get(c) or re2.escape(c) for c in pattern) + r"\z")
