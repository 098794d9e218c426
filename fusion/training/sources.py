"""Which of our modules a module imports, and a hash of them: the code that decides a result."""

from __future__ import annotations

import ast
import functools
import hashlib
from collections.abc import Iterator
from pathlib import Path

from contract import places

PACKAGES = ("contract", "fusion")  # all that modules of this package may import of ours


@functools.cache
def digest(name: str, root: Path = places.CODE) -> str:
    """Return a hash of the sources of a module and of all that it imports (64 hex digits)."""
    total = hashlib.sha256()
    for module, file in modules(name, root).items():
        total.update(f"{module}\0".encode() + file.read_bytes())
    return total.hexdigest()


def modules(name: str, root: Path = places.CODE) -> dict[str, Path]:
    """Return module -> file, of a module of ours, all that it imports, and all that those import.

    `root` holds the packages. Imports for type checkers alone do not count: they are never run.
    """
    found: dict[str, Path] = {}
    left = [name]
    while left:
        name = left.pop()
        place = root.joinpath(*name.split("."))
        files = [f for f in (place.with_suffix(".py"), place / "__init__.py") if f.is_file()]
        if name in found or name.split(".")[0] not in PACKAGES or not files:
            continue
        found[name] = files[0]
        left += [name.rpartition(".")[0], *imports(ast.parse(files[0].read_bytes()))]
    return dict(sorted(found.items()))


def imports(node: ast.AST) -> Iterator[str]:
    """Yield what a tree imports: modules, and names of modules, which may be modules themselves."""
    children = ast.iter_child_nodes(node)
    match node:
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            children = node.orelse
        case ast.Import():
            yield from (alias.name for alias in node.names)
        case ast.ImportFrom(module=str(module)):
            yield from (module, *(f"{module}.{alias.name}" for alias in node.names))
    for child in children:
        yield from imports(child)
