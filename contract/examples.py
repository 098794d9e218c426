"""Terms per example: what a run logs so that its report can speak about new examples.

`examples.csv`, in an artifact of type `examples`: a column `example` of ids, and one for each
metric under its name in the run's summary. A row is an example, and the mean of a column is the
run's metric. Any metric will do that is such a mean: top-1, squared error, a sentence's BLEU. With
this module:

    file = write(Path("examples.csv"), ids, {"test/top1": right})
    log(wandb.run, file)

and without it, `run.log_artifact("examples.csv", name=f"examples-{run.id}", type="examples")`. A
file of the run of that name is read as well, and so is `examples.parquet` where pyarrow is
installed.

`predictions.csv`, in an artifact of type `predictions`, is the same table of two classes: `pair`,
`label` (0 or 1), `logit`, and further logits of other classifiers.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from contract.files import write_atomic

# Types of artifacts; the file in one is called after it
EXAMPLES, PREDICTIONS = "examples", "predictions"
IDS = {EXAMPLES: "example", PREDICTIONS: "pair"}
LABEL, LOGIT = "label", "logit"


def names(kind: str) -> list[str]:
    """Return what files of that kind are called."""
    return [f"{kind}.csv"] + [f"{kind}.parquet"] * (kind == EXAMPLES)


def write(
    path: Path,
    ids: Sequence[str],
    columns: Mapping[str, Sequence[float] | np.ndarray],
    kind: str = EXAMPLES,
) -> Path:
    """Write a row for each of N examples, with a column (N,) for each name; return the path."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([IDS[kind], *columns])
    writer.writerows(zip(ids, *(map(str, column) for column in columns.values()), strict=True))
    write_atomic(path, buffer.getvalue())
    return path


def log(run: Any, path: Path) -> None:
    """Log the table at path, called examples.csv, with a run of the wandb client."""
    run.log_artifact(str(path), name=f"{EXAMPLES}-{run.id}", type=EXAMPLES)


def read(path: Path, kind: str = EXAMPLES) -> tuple[tuple[str, ...], dict[str, np.ndarray]]:
    """Return ids in their order and column -> numbers (N,), float64.

    Raises ValueError for what is no such table: no ids, one twice, or what is no number; a parquet
    file is none where pyarrow is not installed.
    """
    header, *rows = (_parquet if path.suffix == ".parquet" else _csv)(path) or [[]]
    if IDS[kind] not in header or len(set(header)) < len(header):
        raise ValueError(f"{path.name} has not one column {IDS[kind]!r} and others beside it")
    if not rows or any(len(row) != len(header) for row in rows):
        raise ValueError(f"{path.name} has not a value for each example and column")
    place = header.index(IDS[kind])
    rows.sort(key=lambda row: row[place])
    ids = tuple(row[place] for row in rows)
    if len(set(ids)) < len(ids):
        raise ValueError(f"{path.name} names an example twice")
    names = [name for name in header if name != IDS[kind]]
    columns = {name: np.array([float(row[header.index(name)]) for row in rows]) for name in names}
    return ids, columns


def _csv(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def _parquet(path: Path) -> list[list[str]]:
    try:
        from pyarrow import parquet  # type: ignore[import-not-found]
    except ImportError:
        raise ValueError(f"{path.name} needs pyarrow: pip install pyarrow, or log a CSV") from None
    table = parquet.read_table(path)
    columns = [map(str, column.to_pylist()) for column in table.columns]
    return [list(table.column_names), *map(list, zip(*columns, strict=True))]
