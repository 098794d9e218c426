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

Beside it: `cells.csv` (a row a cell and metric), `runs.csv` (a row a run, a column a metric),
`runs-long.csv` (a row a run and metric), `contrasts.csv`, `effects.csv`, `costs.csv`, `table.tex`
(for booktabs; bold by verdict, not by mean, a dagger where nothing was resolved) and `report.html`.

## Terms per example

What a run must log so that a verdict speaks of new examples (DIFFERENT): a table `examples.csv`, or
`examples.parquet` where pyarrow is installed, in an artifact of type `examples` or as a file of the
run. A column `example` of ids, and one for each metric under its own name; a row is an example, and
the mean of a column is the run's metric. Any metric will do that is such a mean.

```python
from contract import examples

examples.log(wandb.run, examples.write(Path("examples.csv"), ids, {{"test/top1": right}}))
```

## A plan

`NAME.plan.yaml` beside `NAME.yaml`, `report --plan FILE`, or what `report --write-plan` writes:

| key | meaning | flag |
|---|---|---|
| `seed_key` | config key that matches replicates; `none`: they are unpaired | `--seed-key` |
| `metrics` | names as runs log them; the first is primary | `--metric` |
| `better` | `lower` or `higher`; `facts: {{NAME: {{better: …}}}}` for one metric | `--better` |
| `at` | `last`, `best`, `min`, `max` or an epoch | `--at` |
| `axis` | the key whose values are the arms | `--axis` |
| `baseline` | the arm that others are contrasted with | `--baseline` |
| `by` | the other axes, where not all that vary | `--by` |
| `pooled` | further axes whose pooled effects belong to the family | – |
| `margins` | metric -> differences that are of no interest | `--margin` |
| `population` | `examples` or `seeds` | `--population` |
| `facts` | metric -> title, unit, better, bound, chance, population | – |
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
