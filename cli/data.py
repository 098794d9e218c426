"""`runner.py data`: make, check and describe data sets."""

from __future__ import annotations

from pathlib import Path

import click

from fusion.data.spec import PROFILES

FOLDER = click.Path(file_okay=False, path_type=Path)


@click.group()
def command() -> None:
    """Make, check and describe data sets."""


@command.command()
@click.argument("root", type=FOLDER)
@click.option("--profile", type=click.Choice(PROFILES), default="fusion", show_default=True)
@click.option("--pairs", default=4000, show_default=True, help="Of both classes together.")
@click.option("--seed", default=0, show_default=True)
@click.option("--workers", type=click.IntRange(min=1), help="Processes; no influence on the bytes.")
def make(root: Path, profile: str, pairs: int, seed: int, workers: int | None) -> None:
    """Ray-cast a data set of cubes and spheres into the new folder ROOT.

    \b
    study   as the real data: clean images, one size
    fusion  in 30 % of the pairs RGB tells nothing, in another 30 % LiDAR
    bind    in half of the pairs only RGB and LiDAR together tell the shape
    """
    from fusion.data import generate

    made = generate.make(root, profile, pairs, seed, workers)
    click.echo(f"made {root}: {pairs} pairs, profile {profile}, data hash {made.data_hash[:16]}")


@command.command()
@click.argument("root", type=FOLDER)
@click.option(
    "--skip-bad",
    is_flag=True,
    help="Leave pairs with bad files out (noted in the manifest; nothing is deleted).",
)
def check(root: Path, skip_bad: bool) -> None:
    """Read every file of ROOT, list the bad ones with reasons, write the manifest.

    Exits 2 where a file is bad. Files that changed since the last manifest are accepted.
    """
    from fusion.data import layout, manifest
    from fusion.data.describe import unusable
    from fusion.data.store import store

    try:
        found = manifest.index(root, skip_bad=skip_bad)
    except layout.BadDataError as error:
        for problem in error.problems:
            click.echo(f"{problem.file}: {problem.reason}")
        raise layout.DataError(unusable(root, error.problems)) from None
    for reasons in found.quarantined.values():
        for reason in reasons:
            click.echo(f"left out: {reason}")
    click.echo(
        f"wrote {store(root) / 'manifest.json'}: {len(found.pairs)} pairs, "
        f"{len(found.quarantined)} left out, data hash {found.data_hash[:16]}"
    )


@command.command()
@click.argument("root", type=FOLDER)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def curate(root: Path, file: Path) -> None:
    """Leave pairs of ROOT out, or move them to another part, as FILE says.

    FILE holds the tags that were set in the App (runner.py explore ROOT --export-tags FILE) and
    takes the place of an earlier one; with none in it, ROOT is as it was. No data is changed. Runs
    record the file's hash, and reports show it.
    """
    from fusion.data import manifest
    from fusion.data.describe import curated
    from fusion.data.store import store

    found = manifest.curate(root, file)
    click.echo(f"wrote {store(root) / 'manifest.json'}: {curated(found)}")


@command.command()
@click.argument("root", type=FOLDER)
def info(root: Path) -> None:
    """Describe ROOT: where it comes from, how many pairs, how they are split."""
    from fusion.data.describe import describe

    for name, value in describe(root).items():
        click.echo(f"{name:<14} {value}")
