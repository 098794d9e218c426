"""GraphQL operations inside an installed wandb package: in Python strings, generated modules and
the Go binary, each with where it was found.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator
from pathlib import Path

START = re.compile(r"^\s*(?:#graphql\s*)?(?:query|mutation)\b[^{]*\{", re.DOTALL)
ANYWHERE = re.compile(r"\b(?:query|mutation)\s+\w+\s*[({]")
IN_BINARY = re.compile(rb"\n(?:query|mutation) ([A-Za-z0-9_]+) ?[({]")
DEFINITION = re.compile(rb"\s*(query|mutation|subscription|fragment) [A-Za-z0-9_]+")
MAX_OPERATION = 20_000


def in_package(package: Path) -> Iterator[tuple[str, str]]:
    """(place, document) of every operation."""
    for path in sorted(package.rglob("*.py")):
        text = path.read_text(errors="replace")
        if "vendor" not in path.parts and ANYWHERE.search(text):
            for line, document in in_module(text):
                yield f"{path.relative_to(package)}:{line}", document
    for binary in (package / "bin").glob("wandb-core*"):
        for name, document in in_binary(binary.read_bytes()):
            yield f"{binary.name}:{name}", document


def in_module(text: str) -> Iterator[tuple[int, str]]:
    with warnings.catch_warnings():  # escapes in the client's own strings
        warnings.simplefilter("ignore")
        tree = ast.parse(text)
    constants = module_constants(tree)
    joined = [node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)]
    inside = {id(part) for node in joined for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            document = "".join(filled(part, constants) for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            document = "" if id(node) in inside else node.value
        else:
            continue
        if START.match(document):
            yield node.lineno, document


def module_constants(tree: ast.Module) -> dict[str, str]:
    found = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            for target in node.targets:
                if isinstance(target, ast.Name) and isinstance(node.value.value, str):
                    found[target.id] = node.value.value
    return found


def filled(part: ast.expr, constants: dict[str, str]) -> str:
    """A part of an f-string: its text, a constant of the module, or the name in braces."""
    if isinstance(part, ast.Constant):
        return str(part.value)
    assert isinstance(part, ast.FormattedValue)
    if isinstance(part.value, ast.Name):
        return constants.get(part.value.id, f"«{part.value.id}»")
    return f"«{ast.unparse(part.value)}»"


def in_binary(data: bytes) -> Iterator[tuple[str, str]]:
    """Documents with the fragments that follow them; Go keeps its strings without separators."""
    seen = set()
    for found in IN_BINARY.finditer(data):
        document = balanced(data, found.start()).decode(errors="replace").strip()
        if document and document not in seen:
            seen.add(document)
            yield found.group(1).decode(), document


def balanced(data: bytes, start: int) -> bytes:
    end = start
    while True:
        head = DEFINITION.match(data, end)
        if not head or (end > start and head.group(1) != b"fragment"):
            return data[start:end]
        close = closing_brace(data, head.end())
        if close is None:
            return data[start:end]
        end = close


def closing_brace(data: bytes, start: int) -> int | None:
    braces = parentheses = 0
    for place in range(start, min(len(data), start + MAX_OPERATION)):
        match data[place : place + 1]:
            case b"(":
                parentheses += 1
            case b")":
                parentheses -= 1
            case b"{":
                braces += 1
            case b"}":
                braces -= 1
                if braces == 0 and parentheses == 0:
                    return place + 1
    return None
