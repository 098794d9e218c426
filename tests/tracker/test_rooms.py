"""Rooms of the tracker know each other only downwards, and SQL stands where it is said to."""

from __future__ import annotations

import ast
import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.tracker.worlds import ROOT
from tracker import store

# Imports go down this list. Rooms are folders and files of tracker/; those of one floor do not know
# each other.
FLOORS = (
    ("errors", "settings"),
    ("documents", "work"),
    ("store",),
    ("http",),
    ("context", "server"),
    ("api",),
    ("runs",),
    ("artifacts", "sweeps"),
    ("pages",),
    ("handlers",),
    ("app",),
    ("serving",),
    ("__main__",),
)
FLOOR = {room: i for i, rooms in enumerate(FLOORS) for room in rooms}
TRACKER = ROOT / "tracker"


def modules() -> dict[str, Path]:
    """Name within the tracker (`runs.rows`; `runs` for the package itself) -> file."""
    return {
        ".".join(path.relative_to(TRACKER).with_suffix("").parts).removesuffix(".__init__"): path
        for path in sorted(TRACKER.rglob("*.py"))
    }


def imported(path: Path) -> set[str]:
    """Modules of the tracker that a file imports, also inside functions."""
    known, found = modules(), set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports by a relative name"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in (name.removeprefix("tracker.") for name in names if name[:8] == "tracker."):
            found.add(name if name in known else name.rpartition(".")[0])
    return found - {""}


def test_every_room_has_its_floor():
    assert {name.partition(".")[0] for name in modules()} == {"__init__", *FLOOR}


@pytest.mark.parametrize("name", [name for name in modules() if name != "__init__"])
def test_imports_go_down(name):
    room = name.partition(".")[0]
    others = {other for other in imported(modules()[name]) if other.partition(".")[0] != room}
    assert not {other for other in others if FLOOR[other.partition(".")[0]] >= FLOOR[room]}


def test_no_circle_of_files():
    graph = {name: imported(path) for name, path in modules().items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


SQL = re.compile(r"\b(SELECT|INSERT|UPDATE|DELETE FROM|PRAGMA|WITH \w+ AS|ORDER BY|IS NULL)\b")


def speaks_sql(path: Path) -> bool:
    """Whether a text of a file, docstrings aside, holds SQL."""
    tree = ast.parse(path.read_text())
    told = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    return any(
        isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in told
        and SQL.search(node.value)
        for node in ast.walk(tree)
    )


def test_sql_stands_where_the_store_says():
    words = set(re.findall(r"[a-z_/]+", store.__doc__ or ""))
    said = {name for name in modules() if name.replace(".", "/") in words}
    said |= {name for name in modules() if name[:6] == "store." and name[6:] in words}
    assert {name for name, path in modules().items() if speaks_sql(path)} == said
