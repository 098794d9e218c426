"""`runner.py report`: what a sweep's runs allow to be said."""

from __future__ import annotations

from pathlib import Path

import click

from cli.browser import browse
from cli.options import server_options
from contract import places
from launch.servers import choose


@click.command()
@click.argument("sweep", required=False)
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder to write to (default: reports/NAME in the checkout).",
)
@click.option(
    "--offline",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="SNAPSHOT",
    help="Render a snapshot.json.gz again; no server is asked.",
)
@click.option(
    "--population",
    type=click.Choice(["examples", "seeds"]),
    default=None,
    help="What metrics are about: new examples, or seeds (returns, losses of a stream).",
)
@click.option("--strict", is_flag=True, help="Exit with 3 where the grid is not complete.")
@click.option("--open", "show", is_flag=True, help="Write report.html too and open it.")
@click.option("--publish", is_flag=True, help="Also publish it as a W&B Report, where possible.")
@server_options
def command(
    sweep: str | None,
    output: Path | None,
    offline: Path | None,
    population: str | None,
    strict: bool,
    show: bool,
    publish: bool,
    tracker: str | None,
    data_dir: Path | None,
) -> None:
    """Write report.md, report.json, CSV and PNG for SWEEP (entity/project/id, project/id or id).

    Without SWEEP: for the sweep that `runner.py sweep` ran last.

    Exit codes: 0 written, 2 wrong usage, 3 incomplete with --strict, 4 nothing comparable. In the
    last two cases the report is written all the same.
    """
    from analysis import report as reports

    if offline is None and not sweep:
        if not places.latest().exists():
            raise click.UsageError("no sweep has run here yet; give SWEEP, or --offline SNAPSHOT")
        sweep = places.latest().read_text(encoding="utf-8").strip()
    if offline is not None and publish:
        raise click.UsageError("--publish needs a server; leave out --offline")
    if offline is None:
        click.echo(choose(tracker, data_dir).line)
    failure: reports.ReportError | None = None
    try:
        written = reports.report(
            sweep, output, offline=offline, strict=strict, population=population or ""
        )
    except (reports.IncompleteError, reports.NothingComparableError) as error:
        failure, written = error, error.written
    if show:
        page = reports.as_page(written)
        click.echo(f"page: {page}")
        browse(page.resolve().as_uri())
    if publish:
        from analysis.show.publish import publish as send

        click.echo(send(written))
    click.echo(f"wrote {written}")
    if failure is not None:
        raise failure
