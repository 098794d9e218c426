"""Terms per example: what a run logs so that its report can speak about new examples.

`examples.csv`, in an artifact of type `examples`: a column `example` of ids, and one for each
metric under its name in the run's summary. A row is an example, and the mean of a column is the
run's metric. `write(Path("examples.csv"), ids, {"test/top1": right})` makes one.

`predictions.csv`, in an artifact of type `predictions`, is the same table of two classes: `pair`,
`label` (0 or 1), `logit`, and further logits of other classifiers.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from contract.files import write_atomic

# Types of artifacts; the file in one is called after it
EXAMPLES, PREDICTIONS = "examples", "predictions"
IDS = {EXAMPLES: "example", PREDICTIONS: "pair"}
LABEL, LOGIT = "label", "logit"


def write(
    path: Path, ids: Sequence[str], columns: Mapping[str, np.ndarray], kind: str = EXAMPLES
) -> None:
    """Write a row for each of N examples, with a column (N,) for each name."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([IDS[kind], *columns])
    writer.writerows(zip(ids, *(map(str, column) for column in columns.values()), strict=True))
    write_atomic(path, buffer.getvalue())


def read(path: Path, kind: str = EXAMPLES) -> tuple[tuple[str, ...], dict[str, np.ndarray]]:
    """Return ids in their order and column -> numbers (N,), float64.

    Raises ValueError for what is no such table: no ids, one twice, or what is no number.
    """
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = list(csv.reader(file)) or [[]]
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
