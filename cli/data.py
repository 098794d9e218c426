"""`runner.py data`: make, check and describe data sets."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import click

from contract.words import counted
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
    from fusion.data.store import store

    try:
        found = manifest.index(root, skip_bad=skip_bad)
    except layout.BadDataError as error:
        for problem in error.problems:
            click.echo(f"{problem.file}: {problem.reason}")
        raise layout.DataError(_summary(root, error)) from None
    for reasons in found.quarantined.values():
        for reason in reasons:
            click.echo(f"left out: {reason}")
    click.echo(
        f"wrote {store(root) / 'manifest.json'}: {len(found.pairs)} pairs, "
        f"{len(found.quarantined)} left out, data hash {found.data_hash[:16]}"
    )


def _summary(root: Path, error) -> str:
    pairs = {p.pair for p in error.problems if p.pair}
    text = f"{counted(len(error.problems), 'bad file')} in {root}"
    if any(not p.pair for p in error.problems):
        return f"{text}; angle files must be mended, leaving out pairs does not help"
    fix = f"runner.py data check {root} --skip-bad"
    return f"{text}; mend them, or leave {counted(len(pairs), 'pair')} out: {fix}"


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
    from fusion.data.store import store

    found = manifest.curate(root, file)
    click.echo(f"wrote {store(root) / 'manifest.json'}: {_curated(found)}")


def _curated(found) -> str:
    if found.curation is None:
        return "no pair is left out or moved by hand"
    c = found.curation
    out = counted(len(c.exclude), "pair")
    return f"{out} left out, {len(c.move)} moved (curation {c.sha256[:16]})"


@command.command()
@click.argument("root", type=FOLDER)
def info(root: Path) -> None:
    """Describe ROOT: where it comes from, how many pairs, how they are split."""
    from fusion.data import manifest, splits
    from fusion.data.store import store

    found = manifest.current(root)
    ids = [p.id for p in found.pairs]
    origin = ", ".join(f"{k} {v}" for k, v in found.generator.items()) or "not generated here"
    corruption = Counter(p.corruption or "unknown" for p in found.pairs)
    lines = {
        "folder": root,
        "manifest": store(root) / "manifest.json",
        "data hash": found.data_hash,
        "origin": origin,
        "pairs": f"{len(ids)} ({_classes(found, range(len(ids)))})",
        "corruption": ", ".join(f"{n} {kind}" for kind, n in sorted(corruption.items())),
        "left out": len(found.quarantined),
        "curation": _curated(found),
    }
    for scheme in splits.SCHEMES:
        lines[f"split {scheme}"] = "; ".join(
            f"{part} {len(rows)} ({_classes(found, rows)})"
            for part, rows in found.parts(scheme).items()
        )
    for name, value in lines.items():
        click.echo(f"{name:<14} {value}")


def _classes(found, rows) -> str:
    spheres = sum(found.pairs[row].label for row in rows)
    return f"{len(rows) - spheres} cubes, {spheres} spheres"
