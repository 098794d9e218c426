"""One visit: what it needs, what is built for it, and the App until it is left."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from contract.extras import require
from contract.words import called
from explore import app, embeddings, mongod, screenshot
from explore.choose import Chosen
from explore.curation import collect
from explore.pairs import DataSet
from explore.prepare import Prepared, prepare
from fusion.training.progress import track


def check(folder: Path, embed: str, *, browser: bool) -> None:
    """Raise an error, before any work, where something that will be needed is not there."""
    require("fiftyone")
    mongod.find()
    mongod.check_folder(folder)
    embeddings.check_method(embed)
    if browser:
        require("playwright")
        screenshot.find_browser()


def prepared(chosen: Chosen, folder: Path, options: dict[str, Any]) -> Prepared:
    """Build what is not there yet."""
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
    pictures: Path | None,
    show: Callable[[str], None] | None,
) -> None:
    """Open the App until it is interrupted, or take its `pictures`; `show` opens its address."""
    # The server starts while the dataset is built.
    with app.server(port) as server:
        ready = prepared(chosen, folder, options)
        with app.session(server, ready.dataset, ready.view) as session:
            if pictures is not None:
                written = screenshot.take(session, ready, pictures)
                click.echo(f"wrote {', '.join(str(path) for path in written)}")
                return
            click.echo(f"FiftyOne App: {session.url} (Ctrl-C ends it)")
            if show is not None:
                show(session.url)
            with suppress(KeyboardInterrupt):
                session.wait(-1)
        remind(chosen.data, ready)


def remind(data: DataSet, ready: Prepared) -> None:
    """Say that tags do not curate by themselves, where some are not in the manifest yet."""
    tags = collect(ready.dataset)
    known = data.curation
    if (tags.exclude, tags.move) != (known.get("exclude", []), known.get("move", {})):
        how = called("runner.py explore --export-tags FILE")
        click.echo(f"{tags.sentence}; write them down with: {how}")
