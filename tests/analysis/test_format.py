"""The documentation of report.json is the models' own."""

from __future__ import annotations

from analysis import document


def test_the_page_is_up_to_date() -> None:
    """Write it anew with `python -m analysis.document`."""
    assert document.PAGE.read_text(encoding="utf-8") == document.page()


def test_every_field_is_described() -> None:
    for line in document.page().splitlines():
        if line.startswith("| `"):
            assert line.split("|")[3].strip(), line
