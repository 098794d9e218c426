"""The report of a sweep: snapshot in, a folder with Markdown, JSON, CSV and PNG out."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

from analysis import build
from analysis.grid import cells
from analysis.judge import verdict
from analysis.read import snapshot
from analysis.read.snapshot import Snapshot
from analysis.schema.report import Report
from analysis.show import render
from analysis.show.pictures import cost as cost_plot
from analysis.show.pictures import curves, forest, panels
from analysis.show.pictures import results as plots
from contract import places
from contract.files import whole
from contract.sweepfile.points import SEED
from contract.words import slug

SNAPSHOT = "snapshot.json.gz"


class ReportError(Exception):
    """A report that cannot be made, or that was asked to be complete and is not."""

    exit_code = 2

    def __init__(self, message: str, written: Path = Path()) -> None:
        super().__init__(message)
        self.written = written


class IncompleteError(ReportError):
    """Asked for with strict: the grid is not done. The report was written."""

    exit_code = 3


class NothingComparableError(ReportError):
    """No run has finished, or no two cells may be compared. The report was written."""

    exit_code = 4


def report(
    sweep: str | None,
    output: Path | None = None,
    *,
    offline: Path | None = None,
    strict: bool = False,
    looks: tuple[int, int] | None = None,
    seeds: list[Any] | None = None,
    population: str = "",
) -> Path:
    """Write the report of `sweep` ("entity/project/id", "project/id" or "id"); return report.md.

    offline: render this snapshot and ask no server. looks: (this look, looks planned) of a
    procedure that adds seeds until contrasts are decided; it is remembered in the snapshot. seeds:
    the only ones that this look may see; runs with others are left out. population: "seeds" where
    the metrics are no means over a test set; it is remembered in the snapshot, too.
    Raises ReportError (exit code 2), IncompleteError (3) or NothingComparableError (4); in the last
    two cases the report is written first.
    """
    if offline is not None:
        taken = snapshot.load(offline)
        if sweep and sweep.split("/")[-1] != taken.sweep.get("id"):
            raise ReportError(f"{offline} holds sweep {taken.sweep.get('id')!r}, not {sweep!r}")
        folder = output or folder_of(taken)
    else:
        if not sweep:
            raise ReportError("SWEEP is missing: entity/project/id, project/id, id, or --offline")
        from analysis.read import fetch

        source = fetch.find(sweep)
        folder = output or folder_of(Snapshot(source.info, []))
        taken = source.read(previous(folder, source.info["id"]))
    if looks is not None:
        taken.looks = looks
    if population:
        taken.population = population
    if seeds is not None:
        seen = {cells.seed_label(seed) for seed in seeds}
        taken.runs = [
            run for run in taken.runs
            if cells.seed_label(cells.lookup(run.config, SEED, "")) in seen
        ]  # fmt: skip
    written = write(taken, folder, keep=output is None)
    check(written, folder, strict)
    return folder / "report.md"


def previous(folder: Path, sweep_id: str) -> Snapshot | None:
    """The snapshot of an earlier report of the same sweep; None where it cannot be used."""
    try:
        found = snapshot.load(folder / SNAPSHOT)
    except snapshot.SnapshotError:
        return None
    return found if found.sweep.get("id") == sweep_id else None


def write(taken: Snapshot, folder: Path, *, keep: bool = False) -> Report:
    """Write every file of the report. Nothing is written before everything is made.

    keep: the report of another sweep in `folder` is moved aside first.
    """
    packed, sha256 = snapshot.pack(taken)
    taken = snapshot.unpack(packed, SNAPSHOT)  # what is rendered is what the file says, always
    grid, design = build.arrange(taken)
    sections = build.of_guest(design, grid)
    made = build.build(taken, grid, design, sections, file=SNAPSHOT, sha256=sha256)
    figures = {
        "results.png": plots.results(made),
        "forest.png": forest.forest(made),
        "curves.png": curves.curves(made, grid),
        "cost.png": cost_plot.cost(made),
        "grid.png": panels.grid_map(made),
        "search.png": panels.search(made),
    }
    figures |= {name: draw() for part in sections for name, draw in part.pictures.items()}
    drawn = [name for name, picture in figures.items() if picture is not None]
    texts = render.tables(made)
    for part in sections:
        texts |= part.tables
    texts["report.json"] = to_json(made)
    texts["report.md"] = render.markdown(made, drawn, sections)
    files = {SNAPSHOT: packed}
    files |= {name: plots.png(picture) for name, picture in figures.items() if picture is not None}
    files |= {name: text.encode() for name, text in texts.items()}
    try:
        if keep:
            move_aside(folder, taken)
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            with whole(folder / name) as path:
                path.write_bytes(content)
        for name in figures.keys() - files.keys():
            (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise ReportError(
            f"{folder} cannot be written to ({error.strerror}); --output FOLDER names another"
        ) from error
    return made


def to_json(made: Report) -> str:
    """report.json: readable, strict JSON."""
    content: dict[str, Any] = {}
    for name, value in made.model_dump(by_alias=True).items():
        content |= value if name == "sections" else {name: value}
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def folder_of(taken: Snapshot) -> Path:
    """reports/<name>, or reports/<name>-<id> where an older report of this sweep was moved to.

    So the newest sweep of a name is always at the same place.
    """
    name, sweep_id = slug(str(taken.sweep.get("name") or "")), slug(str(taken.sweep["id"]))
    base, own = (places.reports() / part for part in (name or sweep_id, f"{name}-{sweep_id}"))
    return own if own.exists() else base


def move_aside(folder: Path, taken: Snapshot) -> None:
    """Move the report of another sweep of that name to <name>-<its id>: nothing is overwritten."""
    with contextlib.suppress(snapshot.SnapshotError):
        other = snapshot.load(folder / SNAPSHOT).sweep.get("id")
        aside = folder.with_name(f"{folder.name}-{slug(str(other))}")
        if other != taken.sweep["id"] and not aside.exists():
            folder.rename(aside)


def check(made: Report, folder: Path, strict: bool) -> None:
    """Raise what the exit code says; the report is already written."""
    written = folder / "report.md"
    where = f"report written to {written}"
    if made.grid.done == 0:
        raise NothingComparableError(f"no run of the sweep has finished; {where}", written)
    if made.contrasts and all(c.verdict == verdict.NOT_COMPARABLE for c in made.contrasts):
        keys = sorted({key for c in made.contrasts for key in c.differing})
        raise NothingComparableError(
            f"no two cells may be compared: runs differ in {', '.join(keys)}; {where}", written
        )
    if strict and made.grid.done < made.grid.expected:
        raise IncompleteError(
            f"--strict: {made.grid.done} of {made.grid.expected} cells × seeds are done; {where}",
            written,
        )


def as_page(report_md: Path) -> Path:
    """Write report.html beside report.md: one self-contained page."""
    body = report_md.read_text(encoding="utf-8")
    page = report_md.with_name("report.html")
    first = body.splitlines()[0].lstrip("# ") if body else "report"
    with whole(page) as path:
        path.write_text(render.html(first, body, report_md.parent), encoding="utf-8", newline="\n")
    return page
