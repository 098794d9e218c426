"""`runner.py explore`: look at the data, and at where models fail, in the FiftyOne App."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import click

from cli.browser import browse
from cli.options import server_options
from contract import places
from contract.words import called
from launch.servers import choose


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
    help="Folder of the database and its files (default: .explore).",
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
    folder: Path | None,
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
    from explore import mongod
    from explore import runs as sources

    folder = folder or places.explore()
    mongod.check_folder(folder)
    server = runs is not None and connected(runs, tracker, data_dir)
    asked = None if runs is None else sources.opened(runs, folder, places.reports())

    from explore import contrast as contrasts
    from explore import curation
    from explore.choose import choose_data
    from explore.visit import check, open_app, prepared
    from explore.weights import embedder

    names = contrasts.parse(contrast) if contrast is not None else None
    check(folder, embed, browser=screenshot is not None)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    chosen = choose_data(root, asked, names, metric)
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
        how = called(f"runner.py data curate {chosen.data.root} {export_tags}")
        click.echo(f"{tags.sentence}; take them up with: {how}")
        click.echo(f"wrote {export_tags}")
    elif only_prepare:
        prepared(chosen, folder, options)
        click.echo(f"wrote {folder}")
    else:
        open_app(chosen, folder, options, port, screenshot, None if no_browser else browse)


def connected(runs: str, tracker: str | None, data_dir: Path | None) -> bool:
    """Point this process at the server that has the runs, unless they are on disk."""
    from explore import runs as sources

    if sources.on_disk(runs) is not None:
        return False
    click.echo(choose(tracker, data_dir).line)
    return True
