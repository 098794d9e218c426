"""Patterns that come from outside."""

from __future__ import annotations

import re
import sqlite3

import pytest

from tests.tracker.worlds import Site
from tracker.api import filters
from tracker.store import patterns

USEFUL = {
    "^(ab|c)$": (["ab", "c"], ["abc", "xab", ""]),
    "[a-z]+-\\d{2,3}": (["sweep-12", "x a-123 y"], ["sweep-1", "A-12"]),
    "x?y*": ([""], []),
    "": (["", "x"], []),
    "a.b": (["a-b", "aäb"], ["ab", "a\nb"]),
    "(?i)ADAM": (["adam", "Adam"], ["ad am"]),
    "(?:lr|wd)=(0\\.1|1e-4)+": (["lr=0.10.1", "wd=1e-4"], ["lr=1"]),
    "^baseline|^ablation": (["ablation 1"], ["my ablation"]),
    "\\bseed\\b": (["a seed b"], ["seeds"]),
    "[äö]": (["schön"], ["schon"]),
    r"run\.": (["run."], ["runs"]),
    "(a|aa)+$": (["aaa"], ["aaax"]),
    "a*a*a*a*b": (["aab"], ["aaaa"]),
    "x" * 1000: (["x" * 1000], ["x" * 999]),
}


@pytest.mark.parametrize(("pattern", "texts"), USEFUL.items(), ids=lambda value: str(value)[:30])
def test_useful_patterns_mean_what_they_mean(pattern: str, texts: tuple[list[str], list[str]]):
    """To Python, to Mongo and here."""
    filters.check_regex(pattern)
    for text in (*texts[0], *texts[1]):
        assert patterns.found(pattern, text) == (text in texts[0]), text
        assert patterns.found(pattern, text) == (re.search(pattern, text) is not None)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("(a|aa)" * 25 + "x", "a" * patterns.MAX_TEXT),
        (".*.*.*x", "a" * patterns.MAX_TEXT),
        ("(x+x+)+y", "x" * patterns.MAX_TEXT),
        ("(.|..|...)*" * 10 + "y", "x" * patterns.MAX_TEXT),
        ("a?" * 50 + "a" * 50 + "x", "a" * 50),
        (patterns.of_like("%a" * 60 + "b"), "a" * patterns.MAX_TEXT),
    ],
    ids=lambda value: value[:20],
)
def test_no_pattern_takes_for_ever(pattern: str, text: str):
    """With backtracking, none of these would be done before the end of the world."""
    assert not patterns.found(filters.check_regex(pattern), text)


@pytest.mark.parametrize(
    "pattern",
    ["%", "a.txt", "a_b", "%.txt", "a%b", "", "%ö%", "x\\_", "(.*)", "_%/%.png", "__"],
)
def test_a_file_pattern_is_that_of_like(pattern: str):
    texts = ["a.txt", "A.TXT", "a%b", "a_b", "a\nb", "", "schön", "x\\y", "(.*)", "media/a.png"]
    db = sqlite3.connect(":memory:")
    for text in texts:
        like = db.execute("SELECT ? LIKE ?", (text, pattern)).fetchone()[0]
        assert patterns.found(patterns.of_like(pattern), text) == bool(like), text
    db.close()


def test_a_text_in_a_text_is_found_in_linear_time(world: Site):
    """With SQLite's instr() this takes the product of both lengths."""
    with world.store.read() as db:
        sql, n = "SELECT contains(?, ?)", 4_000_000
        assert db.execute(sql, ("a" * n, "a" * (n // 2) + "b")).fetchone()[0] == 0
        assert db.execute(sql, ("xay", "a")).fetchone()[0] == 1
        assert db.execute(sql, (None, "a")).fetchone()[0] == 0


def test_matching_ends_with_its_query(world: Site):
    refused = pytest.raises(sqlite3.OperationalError)
    with world.store.bounded(lambda: True), world.store.read() as db, refused:
        db.execute("SELECT 'a' REGEXP 'a'").fetchone()
