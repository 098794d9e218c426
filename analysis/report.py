"""The report of a sweep: snapshot in, a folder with Markdown, JSON, CSV and PNG out."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from analysis import build, choices, confirm
from analysis.grid.configs import lookup, seed_label
from analysis.judge import verdict
from analysis.read import snapshot
from analysis.read.snapshot import Snapshot
from analysis.schema.report import Report
from analysis.show import render
from analysis.show.pictures import cost as cost_plot
from analysis.show.pictures import curves, forest, panels
from analysis.show.pictures import results as plots
from contract import places
from contract.files import whole, write_atomic
from contract.plan import file_of, load
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
    what: str | Sequence[str] | None,
    output: Path | None = None,
    *,
    offline: Path | None = None,
    strict: bool = False,
    looks: tuple[int, int] | None = None,
    seeds: tuple[str, list[Any]] | None = None,
    query: Mapping[str, Any] | None = None,
    said: Mapping[str, Any] | None = None,
    plan: Path | None = None,
    beside: Path | None = None,
) -> Path:
    """Write the report of `what` and return report.md.

    what: one sweep or several ("entity/project/id", "project/id" or "id"), or a project of which
    `query` chooses runs. offline: render this snapshot and ask no server. looks: (this look, looks
    planned) of a procedure that adds seeds until contrasts are decided. seeds: their key, and the
    only ones that this look may see; runs with others are left out. said: what is to be otherwise
    than found or planned, as `analysis.choices.said` makes it. plan: the plan's file, else the one
    that is found for the sweep, in the folder `beside` first. Looks, plan and what was said are
    remembered in the snapshot.
    Raises ReportError (exit code 2), IncompleteError (3) or NothingComparableError (4); in the last
    two cases the report is written first.
    """
    taken, folder = _offline(offline, what) if offline else _online(what, query, output)
    folder = output or folder
    if looks is not None:
        taken.looks = looks
    if file := plan or (None if offline else _plan_of(taken, beside)):
        taken.plan = load(file).model_dump(
            mode="json", exclude_defaults=True, exclude={"budgets", "beside"}
        )
    if said:
        taken.choices = {**taken.choices, **said}
    if seeds is not None:
        name, seen = seeds[0], {seed_label(seed) for seed in seeds[1]}
        taken.runs = [run for run in taken.runs if seed_label(lookup(run.config, name, "")) in seen]
    written = write(taken, folder, keep=output is None)
    check(written, folder, strict)
    return folder / "report.md"


def _offline(file: Path, what: str | Sequence[str] | None) -> tuple[Snapshot, Path]:
    """A snapshot and the folder of its report."""
    taken = snapshot.load(file)
    asked = [what] if isinstance(what, str) else list(what or [])
    if asked and [one.split("/")[-1] for one in asked] != [taken.sweep.get("id")]:
        raise ReportError(f"{file} holds sweep {taken.sweep.get('id')!r}, not {' '.join(asked)!r}")
    return taken, folder_of(taken)


def _online(
    what: str | Sequence[str] | None, query: Mapping[str, Any] | None, output: Path | None
) -> tuple[Snapshot, Path]:
    """The runs as the server has them now, and the folder of their report."""
    asked = [what] if isinstance(what, str) else list(what or [])
    if not asked:
        raise ReportError("SWEEP is missing: entity/project/id, project/id, id, or --offline")
    from analysis.read.find import find

    source = find(*asked, query=query)
    folder = output or folder_of(Snapshot(source.info, []))
    taken = source.read(previous(folder, source.info["id"]))
    if not taken.runs and "what" in source.info and "parts" not in source.info:
        raise ReportError(f"no run of the project fits {' '.join(source.info['what'])}")
    return taken, folder


def _plan_of(taken: Snapshot, beside: Path | None) -> Path | None:
    """The file of a plan that somebody wrote for the sweep; those that are shipped stay there."""
    sweep = taken.sweep
    named = {"name": sweep.get("name"), "project": sweep.get("project")}
    config = sweep.get("config") or {}
    file = file_of({**config, **named}, beside) if config else None
    return file if file and file.parent != places.SWEEPS else None


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
    files["report.html"] = render.html(made.sweep.name, texts["report.md"], files).encode()
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


def write_plan(report_md: Path) -> Path:
    """Write what a report found as NAME.plan.yaml in the current folder, to edit; return the file.

    From there it is found by itself. Raises ReportError where there is another.
    """
    taken = snapshot.load(report_md.with_name(SNAPSHOT))
    grid, design = build.arrange(taken)
    judged, _, _ = build.report_metrics(taken, grid, design)
    text = choices.as_plan(grid, build.margin_of_primary(design, judged), judged)
    file = Path(f"{slug(str(taken.sweep.get('name') or taken.sweep['id']))}{places.PLAN}")
    if file.exists() and file.read_text(encoding="utf-8") != text:
        raise ReportError(
            f"--write-plan: {file} is there already; move it away, or use it as it is"
        )
    write_atomic(file, text)
    return file


def write_confirmation(report_md: Path, count: int) -> list[Path]:
    """Write sweeps that run the first `count` points of a search again on fresh seeds, in the
    current folder; return the files. Raises ConfirmError, and ReportError where there are others.
    """
    taken = snapshot.load(report_md.with_name(SNAPSHOT))
    grid, design = build.arrange(taken)
    judged, _, _ = build.report_metrics(taken, grid, design)
    made = confirm.sweeps(taken, grid, judged[0] if judged else None, count)
    texts = {
        Path(f"{slug(sweep['name'])}.yaml"): yaml.safe_dump(sweep, sort_keys=False)
        for sweep in made
    }
    for file, text in texts.items():
        if file.exists() and file.read_text(encoding="utf-8") != text:
            raise ReportError(f"--confirm: {file} is there already; move it away")
    for file, text in texts.items():
        write_atomic(file, text)
    return list(texts)
