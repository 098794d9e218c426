"""Which runs to look at: a sweep on a server, a snapshot on disk, or those of the newest report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from analysis import report
from analysis.grid.plan import declared_for
from analysis.read import snapshot
from analysis.read.snapshot import Snapshot, SnapshotError
from contract.study import load
from explore.errors import ExploreError


def reported(reports: Path) -> Iterator[Snapshot]:
    """The snapshots of all reports below a folder, newest first."""
    files = [path for path in reports.glob(f"*/{report.SNAPSHOT}") if path.is_file()]
    for path in sorted(files, key=lambda path: path.stat().st_mtime, reverse=True):
        try:
            yield snapshot.load(path)
        except SnapshotError:
            continue


def on_disk(name: str) -> Path | None:
    """The snapshot that `name` is the file or the report's folder of; None for a sweep's path."""
    path = Path(name)
    if path.is_dir():
        path = path / report.SNAPSHOT
        if not path.is_file():
            raise ExploreError(f"--runs {name}: the folder has no {report.SNAPSHOT}")
    return path if path.is_file() else None


def viewed(runs: Snapshot) -> bool:
    """Whether the plan of their sweep names a study whose examples can be opened."""
    plan = declared_for(runs)
    return plan is not None and load(plan.study).viewed


def opened(name: str, folder: Path, reports: Path) -> Snapshot:
    """The runs that --runs names. Raises ExploreError where their examples cannot be opened."""
    path = on_disk(name)
    found = fetch(name, folder, reports) if path is None else snapshot.load(path)
    if not viewed(found):
        raise ExploreError(
            f"--runs {name}: no plan of this sweep names a study whose examples can be opened "
            "(`study:` in a .plan.yaml); `runner.py report` shows its numbers"
        )
    return found


def fetch(sweep: str, folder: Path, reports: Path) -> Snapshot:
    """Read a sweep from the server in use; what an earlier call or a report has read is not again.

    Raises FetchError.
    """
    from analysis.read import find as server

    source = server.find(sweep)
    kept = folder / "snapshots" / f"{source.info['id']}.json.gz"
    try:
        previous = snapshot.load(kept)
    except SnapshotError:
        same = (s for s in reported(reports) if s.sweep.get("id") == source.info["id"])
        previous = next(same, None)
    found = source.read(previous)
    snapshot.save(found, kept)
    return found


def data_of(runs: Snapshot) -> str | None:
    """The `data` that most runs were trained on, as they name it; None where they do not."""
    named = Counter(run.config["data"] for run in runs.runs if "data" in run.config)
    return str(named.most_common(1)[0][0]) if named else None
