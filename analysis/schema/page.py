"""docs/report-format.md, made from the models: `python -m analysis.schema.page` writes it."""

from __future__ import annotations

import types
import typing
from typing import Any

from pydantic import BaseModel

from analysis.schema.report import SCHEMA, Report
from contract import places

PAGE = places.CODE / "docs" / "report-format.md"
INTRODUCTION = f"""# report.json

Version: `{SCHEMA}` (the value of `schema`). A new field raises the minor
version; a changed or removed field raises the major one. This page is made from
`analysis/schema/`.

Numbers have ten significant digits. `null` stands for what is undefined or unknown: an interval of
one value, a quality of a run that diverged. Cells are joined by `config`: `a` and `b` of a contrast
equal the `config` of two cells. Intervals named `low` and `high` are 95 % intervals over seeds and
can be recomputed from `values` and `deltas`; `crossed` intervals take examples as samples too.
"""


def page(introduction: str = INTRODUCTION, root: type[BaseModel] = Report) -> str:
    """The whole page about a model and those inside it."""
    models: dict[str, type[BaseModel]] = {}
    _collect(root, models)
    return "\n".join([introduction, *(_section(model) for model in models.values())])


def _collect(model: type[BaseModel], found: dict[str, type[BaseModel]]) -> None:
    if model.__name__ in found:
        return
    found[model.__name__] = model
    for field in model.model_fields.values():
        for inner in _models_in(field.annotation):
            _collect(inner, found)


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in typing.get_args(annotation) for model in _models_in(part)]


def _section(model: type[BaseModel]) -> str:
    rows = [
        f"| `{field.alias or name}` | {_type(field.annotation)} | {_line(field.description)} |"
        for name, field in model.model_fields.items()
        if not field.exclude
    ]
    head = [f"## {model.__name__}", "", _line(model.__doc__), ""]
    return "\n".join([*head, "| field | type | meaning |", "|---|---|---|", *rows]) + "\n"


def _line(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", "\\|")


def _type(annotation: Any) -> str:
    if annotation is Any:
        return "any"
    if annotation is type(None):
        return "null"
    if isinstance(annotation, type) and not typing.get_args(annotation):
        names = {"str": "text", "int": "integer", "float": "number", "bool": "boolean"}
        name = annotation.__name__
        return names.get(name, f"[{name}](#{name.lower()})")
    origin, parts = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _type(parts[0])
    if origin in (types.UnionType, typing.Union):
        return " or ".join(_type(part) for part in parts)
    if origin is dict:
        return f"object of {_type(parts[1])}"
    return f"list of {_type(parts[0])}"


def main() -> None:
    """Write the page."""
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
