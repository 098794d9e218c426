"""`runner.py explore`: look at the data, and at where models fail, in the FiftyOne App."""

from __future__ import annotations

import os
import signal
import sys
import webbrowser
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.embed import embedder
from cli.servers import ROOT, choose, server_options
from fusion.config import RunConfig

if TYPE_CHECKING:
    from analysis.explore.contrast import Contrast
    from analysis.explore.pairs import DataSet
    from analysis.explore.predictions import Predictions
    from analysis.explore.prepare import Prepared
    from analysis.snapshot import Snapshot

FOLDER = ROOT / ".explore"
REPORTS = ROOT / "reports"


@click.command()
@click.argument("root", required=False)
@click.option(
    "--runs",
    metavar="SWEEP",
    help="Runs whose predictions to show: a sweep (entity/project/id, project/id or id), the "
    "folder of a report, or a snapshot.json.gz (default: the newest report on this data).",
)
@click.option("--contrast", metavar="A,B", help="Open on the samples behind A − B of a report.")
@click.option(
    "--metric",
    type=click.Choice(["accuracy", "f1", "loss"]),
    default="accuracy",
    show_default=True,
    help="Metric of --contrast.",
)
@click.option(
    "--embed",
    type=click.Choice(["pca", "tsne", "umap"]),
    default="pca",
    show_default=True,
    help="How to draw maps of embeddings (tsne and umap take minutes).",
)
@click.option(
    "--export-tags",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the tags set in the App for `runner.py data curate ROOT FILE`; open nothing.",
)
@click.option(
    "--screenshot",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write pictures of the App to DIR with a browser without a screen; open nothing.",
)
@click.option("--prepare", "only_prepare", is_flag=True, help="Build everything; open nothing.")
@click.option("--rebuild", is_flag=True, help="Build everything anew (tags are kept).")
@click.option("--port", type=click.IntRange(1, 65535), help="Port of the App (default: 5151).")
@click.option("--no-browser", is_flag=True, help="Print the App's address; open no browser.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=FOLDER,
    help="Folder of the database and its files (default: .explore in the checkout).",
)
@server_options
def command(
    root: str | None,
    runs: str | None,
    contrast: str | None,
    metric: str,
    embed: str,
    export_tags: Path | None,
    screenshot: Path | None,
    only_prepare: bool,
    rebuild: bool,
    port: int | None,
    no_browser: bool,
    folder: Path,
    tracker: str | None,
    data_dir: Path | None,
) -> None:
    """Open the FiftyOne App on a data set and on the predictions of runs.

    ROOT is a folder or PROFILE:PAIRS[:SEED] (default: the data of the runs, else that of
    `runner.py train`).

    \b
    python runner.py explore --contrast concat,late
        the samples behind that contrast of the newest report
    python runner.py explore --export-tags tags.json
        what was tagged exclude, to-train, to-val or to-test

    The database is a cache in .explore: everything but tags can be built anew from the files.
    """
    from analysis.explore import contrast as contrasts
    from analysis.explore import curation, mongod

    names = contrasts.parse(contrast) if contrast is not None else None
    check(folder, embed, browser=screenshot is not None)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    server = runs is not None and connected(runs, tracker, data_dir)
    chosen = choose_data(root, runs, folder, names, metric)
    mongod.connect(folder)
    options = {
        "embed": embedder(chosen.data, folder, server=server),
        "method": embed,
        "rebuild": rebuild,
    }
    if export_tags is not None:
        found = prepared(chosen, folder, options).dataset
        tags = curation.collect(found)
        curation.write(tags, chosen.data, export_tags)
        click.echo(
            f"{tags.sentence}; take them up with: runner.py data curate {chosen.data.root} "
            f"{export_tags}"
        )
        click.echo(f"wrote {export_tags}")
    elif only_prepare:
        prepared(chosen, folder, options)
        click.echo(f"wrote {folder}")
    else:
        open_app(chosen, folder, options, port, screenshot, browser=not no_browser)


def check(folder: Path, embed: str, *, browser: bool) -> None:
    """Raise ExploreError, before any work, where something that will be needed is not there."""
    from analysis.explore import embeddings, lazy, mongod, screenshot

    lazy.require("fiftyone")
    mongod.find()
    mongod.make_folder(folder)
    embeddings.check_method(embed)
    if browser:
        lazy.require("playwright")
        screenshot.find_browser()


@dataclass(frozen=True)
class Chosen:
    """What to show: the data, the predictions on it where there are runs, a contrast of them."""

    data: DataSet
    predictions: Predictions | None = None
    contrast: Contrast | None = None


def connected(runs: str, tracker: str | None, data_dir: Path | None) -> bool:
    """Point this process at the server that has the runs, unless they are on disk."""
    from analysis.explore import runs as sources

    if sources.on_disk(runs) is not None:
        return False
    click.echo(choose(tracker, data_dir).line)
    return True


def choose_data(
    root: str | None, runs: str | None, folder: Path, names: tuple[str, str] | None, metric: str
) -> Chosen:
    """Find runs and data that belong together.

    Without --runs: the newest report on this data that has the contrast; without any, the data
    alone. Raises ExploreError where what was asked for is not there.
    """
    from analysis.explore.errors import ExploreError

    refusals = []
    for snapshot in snapshots(runs, folder):
        try:
            return choice(root, snapshot, names, metric)
        except Exception as error:
            if runs is not None or not hasattr(error, "exit_code"):
                raise
            refusals.append(str(error))
    if names is not None:
        why = f"; the newest: {refusals[0]}" if refusals else ""
        raise ExploreError(
            f"--contrast {','.join(names)}: no report below {REPORTS} has it{why}. Name the runs: "
            "--runs SWEEP"
        )
    data = dataset_of(root or RunConfig().data, "ROOT")
    click.echo(f"runs: no report below {REPORTS} has any on {data.root}")
    return Chosen(data)


def snapshots(runs: str | None, folder: Path) -> Iterator[Snapshot]:
    """The snapshot that --runs names, or those of all reports, newest first."""
    from analysis import snapshot
    from analysis.explore import runs as sources

    if runs is None:
        yield from sources.reported(REPORTS)
    elif (path := sources.on_disk(runs)) is not None:
        yield snapshot.load(path)
    else:
        yield sources.fetch(runs, folder, REPORTS)


def choice(
    root: str | None, snapshot: Snapshot, names: tuple[str, str] | None, metric: str
) -> Chosen:
    """Fit a snapshot to the data that is asked for, or else was used."""
    from analysis.explore import contrast, predictions, runs

    data = (
        dataset_of(root, "ROOT")
        if root is not None
        else dataset_of(runs.data_of(snapshot) or RunConfig().data, "data of the runs")
    )
    found = predictions.collect(snapshot, data)
    asked = contrast.contrast(found, *names, metric) if names is not None else None
    name = snapshot.sweep.get("name") or snapshot.sweep.get("id")
    runs_shown = sum(len(arm.seeds) for arm in found.arms)
    line = f"runs: {runs_shown} of {len(found.arms)} cells of {name}, on the {found.part} part"
    for reason, count in found.left_out.items():
        line += f"; left out: {count} {reason}"
    click.echo(line)
    if asked is not None:
        click.echo(asked.sentence)
    return Chosen(data, found, asked)


@cache
def dataset_of(data: str, said_by: str) -> DataSet:
    """The data set of a folder or a spec, checked against its manifest; made where it must be.

    said_by: what to call it in errors.
    """
    from analysis.explore import pairs
    from fusion import manifest
    from fusion.generate import resolve

    root = resolve(data, said_by)
    manifest.current(root)
    return pairs.read(root, manifest.store(root) / "manifest.json")


def prepared(chosen: Chosen, folder: Path, options: dict[str, Any]) -> Prepared:
    """Build what is not there yet."""
    from analysis.explore.prepare import prepare
    from fusion.progress import track

    return prepare(
        chosen.data,
        folder,
        track,
        predictions=chosen.predictions,
        contrast=chosen.contrast,
        **options,
    )


def open_app(
    chosen: Chosen,
    folder: Path,
    options: dict[str, Any],
    port: int | None,
    screenshot: Path | None,
    *,
    browser: bool,
) -> None:
    """Open the App until it is interrupted, or take its pictures."""
    from analysis.explore import app

    # The server starts while the dataset is built.
    with app.server(port) as server:
        ready = prepared(chosen, folder, options)
        with app.session(server, ready.dataset, ready.view) as session:
            if screenshot is not None:
                from analysis.explore.screenshot import take

                written = take(session, ready, screenshot)
                click.echo(f"wrote {', '.join(str(path) for path in written)}")
                return
            click.echo(f"FiftyOne App: {session.url} (Ctrl-C ends it)")
            if browser and has_screen():
                webbrowser.open(session.url)
            with suppress(KeyboardInterrupt):
                session.wait(-1)
        remind(chosen.data, ready)


def has_screen() -> bool:
    """Whether a browser can show something."""
    names = ("DISPLAY", "WAYLAND_DISPLAY")
    return sys.platform in ("darwin", "win32") or any(os.environ.get(name) for name in names)


def remind(data: DataSet, ready: Prepared) -> None:
    """Say that tags do not curate by themselves, where some are not in the manifest yet."""
    from analysis.explore.curation import collect

    tags = collect(ready.dataset)
    known = data.curation
    if (tags.exclude, tags.move) != (known.get("exclude", []), known.get("move", {})):
        click.echo(f"{tags.sentence}; write them down with: runner.py explore --export-tags FILE")
