"""Read runs through wandb.Api into a snapshot.

Histories are read by full scan: `run.history()` samples 500 random rows. Runs that were finished in
an earlier snapshot and whose history has not grown since are not read again; their config, summary
and state come with the list of runs and are always fresh.
"""

from __future__ import annotations

import logging
import math
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from analysis.grid.configs import flatten
from analysis.judge.sequential import looks_in
from analysis.read.ask import attempt, quiet
from analysis.read.snapshot import Examples, Predictions, Run, Snapshot, Terms
from contract import examples as tables
from contract.values import number, plain

THREADS = 8
# The client's cache notes where a download goes in one place for all threads: two at once could
# give a run the predictions of another.
DOWNLOAD = Lock()
PER_PAGE = 200
SCAN_ROWS = 10_000  # rows of a page of the scan
MAX_VALUES = 400_000  # rows × metrics kept of one run; longer histories are thinned evenly
ALL_VALUES = 40_000_000  # the same of all runs together
FEWEST_VALUES = 2_000  # of one run, however many there are
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Source:
    """Runs on a server, not yet read, and how much of a history is read at once and kept.

    wanted: (entity/project, filters, id of the sweep where there are several) of each list of runs.
    """

    api: Any
    info: dict[str, Any]
    wanted: tuple[tuple[str, dict[str, Any], str], ...]
    scan_rows: int = SCAN_ROWS
    max_values: int = MAX_VALUES

    def read(self, previous: Snapshot | None = None) -> Snapshot:
        """Read the runs; those that `previous` holds as finished are taken from there."""
        known = {run.id: run for run in previous.runs} if previous else {}
        with quiet(), tempfile.TemporaryDirectory(prefix="fusion-report-") as folder:
            listed = self._list()
            # a snapshot stays readable, however many runs it holds
            most = min(self.max_values, max(FEWEST_VALUES, ALL_VALUES // max(len(listed), 1)))
            shared: dict[str, Examples] = {}
            for run in known.values():
                for held in (run.predictions, run.terms):
                    if held is not None:
                        shared.setdefault(held.examples.digest, held.examples)

            def read_one(found: tuple[Any, str]) -> Run:
                item, sweep = found
                run = read_run(item)
                run.sweep = sweep
                earlier = known.get(run.id)
                if earlier is not None and unchanged(run, earlier):
                    run.history, run.predictions = earlier.history, earlier.predictions
                    run.terms = earlier.terms
                else:
                    self._read_files(item, run, Path(folder), shared, most)
                return run

            with ThreadPoolExecutor(THREADS) as pool:
                runs = list(pool.map(read_one, listed))
        return Snapshot(self.info, runs, looks_in(self.info["config"].get("description")))

    def _read_files(
        self, item: Any, run: Run, folder: Path, shared: dict[str, Examples], most: int
    ) -> None:
        run.history = attempt(
            lambda: read_history(item, self.scan_rows, most),
            f"reading the history of {run.id}",
        )
        if run.finished:
            run.predictions, run.terms = attempt(
                lambda: read_examples(item, folder / run.id, shared),
                f"reading the examples of {run.id}",
            )

    def _list(self) -> list[tuple[Any, str]]:
        """Every run once, with its sweep."""
        found: dict[str, tuple[Any, str]] = {}
        for path, filters, sweep in self.wanted:
            runs = attempt(
                lambda p=path, f=filters: list(
                    self.api.runs(p, filters=f, per_page=PER_PAGE, lazy=False)
                ),
                f"listing the runs of {path}",
            )
            for run in runs:
                found.setdefault(run.id, (run, sweep))
        return list(found.values())


def unchanged(run: Run, earlier: Run) -> bool:
    """Whether history and artifacts are what they were in an earlier snapshot."""
    return earlier.finished and run.finished and earlier.marker == run.marker


def read_run(item: Any) -> Run:
    """One run without its history and its artifacts."""
    attributes = item._attrs
    marker = f"{attributes.get('historyLineCount')}:{attributes.get('heartbeatAt')}"
    summary = dict(item.summary_metrics)
    provenance = summary.pop("provenance", None)
    return Run(
        id=item.id,
        name=item.name or item.id,
        state=str(item.state),
        created_at=str(attributes.get("createdAt") or ""),
        heartbeat_at=str(attributes.get("heartbeatAt") or ""),
        url=item.url,
        config=plain(dict(item.config)),
        summary={
            name: plain(value)
            for name, value in flatten(summary).items()
            if not name.startswith("_") and not isinstance(value, list)
        },
        provenance=plain(provenance) if isinstance(provenance, dict) else {},
        marker=marker,
    )


def read_history(item: Any, page: int, most: int) -> dict[str, np.ndarray]:
    """metric -> values per logged row, by full scan of pages; NaN where a row lacks the metric.

    Of histories with more than `most` values every k-th row is kept, and those that hold a metric's
    lowest, highest and last value: a snapshot stays readable, and what it says of them exact.
    """
    rows = [
        {
            name: value
            for name, raw in flatten(row).items()
            if (value := number(raw)) is not None and (name == "_step" or name[0] != "_")
        }
        for row in item.scan_history(page_size=page, use_cache=False)
    ]
    names = list(dict.fromkeys(name for row in rows for name in row))
    table = {name: np.array([row.get(name, math.nan) for row in rows]) for name in sorted(names)}
    every = max(1, math.ceil(len(rows) * len(names) / most))
    if every == 1:
        return table
    kept = {*range(0, len(rows), every), len(rows) - 1}
    for column in table.values():
        known = np.flatnonzero(np.isfinite(column))
        if known.size:
            kept |= {int(known[i(column[known])]) for i in (np.argmin, np.argmax)} | {
                int(known[-1])
            }
    return {name: column[sorted(kept)] for name, column in table.items()}


def read_examples(
    item: Any, folder: Path, shared: dict[str, Examples]
) -> tuple[Predictions | None, Terms | None]:
    """What the newest artifacts of types `predictions` and `examples` hold that the run logged; or
    a file of the run that is called like one in the latter."""
    newest = {artifact.type: artifact for artifact in sorted(item.logged_artifacts(), key=_version)}
    files: dict[str, tuple[Path, str]] = {}
    for kind in tables.IDS.keys() & newest.keys():
        artifact = newest[kind]
        found = [name for name in tables.names(kind) if name in artifact.manifest.entries]
        for name in found[:1]:
            with DOWNLOAD:
                entry = artifact.get_entry(name)
                path = Path(entry.download(root=str(folder), skip_cache=True))
            files[kind] = path, str((artifact.metadata or {}).get("part") or "test")
    if tables.EXAMPLES not in newest:
        asked = item.files(names=tables.names(tables.EXAMPLES))
        for file in (file for file in asked if file.size):  # one that is not there has none
            with DOWNLOAD, file.download(root=str(folder), replace=True) as opened:
                files.setdefault(tables.EXAMPLES, (Path(opened.name), "test"))
    predictions = files.get(tables.PREDICTIONS)
    terms = files.get(tables.EXAMPLES)
    return (
        parse_predictions(*predictions, shared) if predictions else None,
        parse_terms(terms[0], shared) if terms else None,
    )


def _version(artifact: Any) -> int:
    return int(str(artifact.version).lstrip("v") or 0)


def parse_terms(path: Path, shared: dict[str, Examples]) -> Terms | None:
    """The terms in a file; None where it is malformed. `shared`: as of parse_predictions."""
    try:
        ids, columns = tables.read(path)
    except ValueError as error:
        log.warning("%s is no table of examples: %s", path.name, error)
        return None
    examples = Examples(ids, np.zeros(0, dtype=np.int8))
    return Terms(shared.setdefault(examples.digest, examples), columns)


def parse_predictions(path: Path, part: str, shared: dict[str, Examples]) -> Predictions | None:
    """The predictions in a file, in the order of the pairs' ids; None where it is malformed.

    Further columns hold the logits of other classifiers that the run evaluated. `shared` holds the
    example sets seen so far, so that equal ones are one object.
    """
    try:
        pairs, columns = tables.read(path, tables.PREDICTIONS)
        labels, logits = columns.pop(tables.LABEL), columns.pop(tables.LOGIT)
    except (KeyError, ValueError) as error:
        log.warning("%s is no predictions file: %r", path.name, error)
        return None
    if set(labels.tolist()) - {0, 1}:
        return None
    examples = Examples(pairs, labels.astype(np.int8))
    examples = shared.setdefault(examples.digest, examples)
    others = {name: column.astype(np.float32) for name, column in columns.items()}
    return Predictions(examples, logits.astype(np.float32), part, others)
