"""Read a sweep through wandb.Api into a snapshot. The only module here that knows wandb.

Histories are read by full scan: `run.history()` samples 500 random rows. Runs that were finished in
an earlier snapshot and whose history has not grown since are not read again; their config, summary
and state come with the list of runs and are always fresh.
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

import numpy as np

from analysis.grid.cells import flatten
from analysis.judge.sequential import looks_in
from analysis.read.snapshot import Examples, Predictions, Run, Snapshot, Terms
from contract import examples as tables
from contract.values import number, plain

ATTEMPTS = 4
FIRST_WAIT = 0.5  # seconds; doubles with each further attempt
THREADS = 8
# The client's cache notes where a download goes in one place for all threads: two at once could
# give a run the predictions of another.
DOWNLOAD = Lock()
PER_PAGE = 200
SCAN_ROWS = 10_000  # rows of a page of the scan
MAX_VALUES = 400_000  # rows × metrics kept of one run; longer histories are thinned evenly
PROJECTS = 200  # projects in which a bare sweep id is looked for
ABSENT = re.compile(r"could not find|not found|does not exist|no such", re.IGNORECASE)
T = TypeVar("T")
log = logging.getLogger(__name__)


class FetchError(Exception):
    """A sweep that cannot be found or read."""

    exit_code = 2


@dataclass(frozen=True)
class Source:
    """A sweep on a server, not yet read, and how much of a history is read at once and kept."""

    api: Any
    info: dict[str, Any]
    scan_rows: int = SCAN_ROWS
    max_values: int = MAX_VALUES

    def read(self, previous: Snapshot | None = None) -> Snapshot:
        """Read the runs; those that `previous` holds as finished are taken from there."""
        known = {run.id: run for run in previous.runs} if previous else {}
        path = f"{self.info['entity']}/{self.info['project']}"
        with quiet(), tempfile.TemporaryDirectory(prefix="fusion-report-") as folder:
            listed = attempt(lambda: self._list(path), f"listing the runs of {path}")
            shared: dict[str, Examples] = {}
            for run in known.values():
                if run.predictions is not None:
                    shared.setdefault(run.predictions.examples.digest, run.predictions.examples)

            def read_one(item: Any) -> Run:
                run = read_run(item)
                earlier = known.get(run.id)
                if earlier is not None and unchanged(run, earlier):
                    run.history, run.predictions = earlier.history, earlier.predictions
                    run.terms = earlier.terms
                else:
                    self._read_files(item, run, Path(folder), shared)
                return run

            with ThreadPoolExecutor(THREADS) as pool:
                runs = list(pool.map(read_one, listed))
        return Snapshot(self.info, runs, looks_in(self.info["config"].get("description")))

    def _read_files(self, item: Any, run: Run, folder: Path, shared: dict[str, Examples]) -> None:
        run.history = attempt(
            lambda: read_history(item, self.scan_rows, self.max_values),
            f"reading the history of {run.id}",
        )
        if run.finished:
            run.predictions, run.terms = attempt(
                lambda: read_examples(item, folder / run.id, shared),
                f"reading the examples of {run.id}",
            )

    def _list(self, path: str) -> list[Any]:
        runs = self.api.runs(
            path, filters={"sweep": self.info["id"]}, per_page=PER_PAGE, lazy=False
        )
        return list(runs)


def find(sweep: str) -> Source:
    """The sweep "entity/project/id", "project/id" or "id" on the server in use.

    A bare id is looked for in the projects of the default entity. Raises FetchError.
    """
    import wandb

    parts = [part for part in sweep.strip("/").split("/") if part and part != "sweeps"]
    if not 1 <= len(parts) <= 3:
        raise FetchError(f"SWEEP {sweep!r}: allowed are entity/project/id, project/id and id")
    with quiet():
        api = attempt(lambda: wandb.Api(timeout=60), "connecting to the W&B server", 1)
        entity = parts[0] if len(parts) == 3 else api.default_entity
        if len(parts) > 1:
            projects = [parts[-2]]
        else:
            found = attempt(lambda: list(api.projects(entity)), "listing projects")
            projects = [project.name for project in found][:PROJECTS]
        for project in projects:
            with contextlib.suppress(LookupError):
                item = attempt(
                    lambda p=project: api.sweep(f"{entity}/{p}/{parts[-1]}"), f"reading {sweep}"
                )
                return Source(api, describe(item, str(entity), project))
    where = f"{entity}/{projects[0]}" if len(projects) == 1 else f"any project of {entity}"
    raise FetchError(
        f"SWEEP {sweep!r}: no sweep {parts[-1]!r} in {where} on {api.settings['base_url']}; "
        "`wandb sweep` prints the id"
    )


def describe(sweep: Any, entity: str, project: str) -> dict[str, Any]:
    """The sweep as the snapshot holds it."""
    return {
        "id": sweep.id,
        "name": sweep.name,
        "entity": entity,
        "project": project,
        "url": sweep.url,
        "state": str(getattr(sweep, "state", None) or sweep._attrs.get("state") or ""),
        "config": plain(sweep.config),
    }


def attempt(
    call: Callable[[], T], doing: str, attempts: int = ATTEMPTS, wait: float = FIRST_WAIT
) -> T:
    """call(), again after 0.5, 1 and 2 s where it fails; FetchError after the fourth failure.

    LookupError at once where the server says that there is no such thing.
    """
    for number_of_try in range(attempts):
        try:
            return call()
        except Exception as error:
            if ABSENT.search(str(error)):
                raise LookupError(str(error)) from error
            log.debug("%s failed: %s", doing, error)
            if number_of_try == attempts - 1:
                times = f" {attempts} times" if attempts > 1 else ""  # the client itself retried
                raise FetchError(f"{doing} failed{times}: {error}") from error
            time.sleep(wait * 2**number_of_try)
    raise AssertionError("unreachable")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep the client's own messages out of ours."""
    before = os.environ.get("WANDB_SILENT")
    os.environ["WANDB_SILENT"] = "true"
    try:
        yield
    finally:
        if before is None:
            del os.environ["WANDB_SILENT"]
        else:
            os.environ["WANDB_SILENT"] = before


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

    Of histories with more than `most` values every k-th row is kept: a snapshot stays readable.
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
    every = max(1, math.ceil(len(rows) * len(names) / most))
    if every > 1:
        rows = rows[::every] + ([] if (len(rows) - 1) % every == 0 else rows[-1:])
    return {name: np.array([row.get(name, math.nan) for row in rows]) for name in sorted(names)}


def read_examples(
    item: Any, folder: Path, shared: dict[str, Examples]
) -> tuple[Predictions | None, Terms | None]:
    """What the newest artifacts of types `predictions` and `examples` hold that the run logged."""
    newest = {artifact.type: artifact for artifact in sorted(item.logged_artifacts(), key=_version)}
    files: dict[str, tuple[Path, str]] = {}
    for kind in tables.IDS.keys() & newest.keys():
        artifact, name = newest[kind], f"{kind}.csv"
        if name in artifact.manifest.entries:
            with DOWNLOAD:
                entry = artifact.get_entry(name)
                path = Path(entry.download(root=str(folder), skip_cache=True))
            files[kind] = path, str((artifact.metadata or {}).get("part") or "test")
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
