"""The documentation of report.json is the models' own."""

from __future__ import annotations

import pytest

from analysis.schema import page
from analysis.show import text


def test_the_page_is_up_to_date() -> None:
    """Write it anew with `python -m analysis.schema.page`."""
    assert page.PAGE.read_text(encoding="utf-8") == page.page()


def test_every_field_is_described() -> None:
    for line in page.page().splitlines():
        if line.startswith("| `"):
            assert line.split("|")[3].strip(), line


@pytest.mark.parametrize(
    ("numbers", "shown"),
    [
        ((0.1234, 0.05, 0.2), "0.123 [0.050, 0.200]"),
        ((-0.0004, -0.05, 0.05), "0.000 [-0.050, 0.050]"),
        ((0.99999999, 0.99999997, 1.0), "1.000000 [1.000000, 1.000000]"),  # not 0.9999999900
        ((0.08, 0.00006, 0.165), "0.080 [0.00006, 0.165]"),  # the sign of a bound survives
        ((0.5, 0.5, 0.5), "0.5000"),
    ],
)
def test_a_value_and_its_interval_have_the_digits_that_mean_something(numbers, shown) -> None:
    assert text.with_span(*numbers) == shown
