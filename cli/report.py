"""`runner.py report`: what runs allow to be said, of a sweep, of several, or of a project."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from cli.browser import browse
from cli.options import server_options
from contract import places
from launch.servers import choose

QUERY = ("filter", "group", "tag", "name")


def options(command: Any) -> Any:
    """Add the options that choose runs, and those that say what is otherwise found."""
    added = [
        click.option(
            "--filter", multiple=True, metavar="JSON", help='Runs of a project: {"config.lr": 0.1}.'
        ),
        click.option("--group", multiple=True, help="Runs of a project: their group."),
        click.option("--tag", multiple=True, help="Runs of a project: one of their tags."),
        click.option(
            "--name", multiple=True, metavar="REGEX", help="Runs of a project: their name."
        ),
        click.option(
            "--plan",
            type=click.Path(path_type=Path, dir_okay=False, exists=True),
            help="A plan of the comparison (default: NAME.plan.yaml where there is one).",
        ),
        click.option("--metric", multiple=True, help="Metric to judge (default: the sweep's own)."),
        click.option("--better", multiple=True, metavar="lower|higher", help="Or METRIC=lower."),
        click.option(
            "--at", metavar="last|best|min|max|EPOCH", help="Where in a run (default: its summary)."
        ),
        click.option("--axis", metavar="KEY", help="Config key whose values are the arms."),
        click.option("--by", multiple=True, metavar="KEY", help="The other axes (default: all)."),
        click.option("--baseline", metavar="VALUE", help="Arm that others are contrasted with."),
        click.option(
            "--margin", multiple=True, metavar="SIZE", help="Or METRIC=SIZE: of no interest."
        ),
        click.option(
            "--seed-key", metavar="KEY|none", help="Config key that matches replicates."
        ),
        click.option(
            "--population",
            type=click.Choice(["examples", "seeds"]),
            help="What metrics are about: new examples, or seeds (returns, losses of a stream).",
        ),
    ]  # fmt: skip
    for option in reversed(added):
        command = option(command)
    return command


@click.command()
@click.argument("what", nargs=-1)
@options
@click.option("--write-plan", is_flag=True, help="Write what was found as a plan to edit.")
@click.option(
    "--confirm",
    type=click.IntRange(min=1),
    metavar="K",
    help="Write sweeps that run the first K points of a search again on fresh seeds.",
)
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
@click.option("--strict", is_flag=True, help="Exit with 3 where the grid is not complete.")
@click.option("--open", "show", is_flag=True, help="Open report.html.")
@click.option("--publish", is_flag=True, help="Also publish it as a W&B Report, where possible.")
@server_options
def command(
    what: tuple[str, ...],
    plan: Path | None,
    write_plan: bool,
    confirm: int | None,
    output: Path | None,
    offline: Path | None,
    strict: bool,
    show: bool,
    publish: bool,
    tracker: str | None,
    data_dir: Path | None,
    **flags: Any,
) -> None:
    """Write report.md, and the same as HTML, JSON, CSV, PNG and table.tex, for WHAT: a sweep
    (entity/project/id, project/id or id), several sweeps, or a project of which --filter, --group,
    --tag and --name choose runs.

    Without WHAT: for the sweep that `runner.py sweep` ran last. Nothing is ever written to the
    server, so a key that may only read will do. What no flag says is found, and the report says so.

    Exit codes: 0 written, 2 wrong usage, 3 incomplete with --strict, 4 nothing comparable. In the
    last two cases the report is written all the same.
    """
    from analysis import choices
    from analysis import report as reports

    said, query = choices.said(flags), query_of(flags)
    if query and (offline is not None or not what):
        raise click.UsageError("--filter, --group, --tag and --name choose runs of a PROJECT")
    if offline is None and not what:
        if not places.latest().exists():
            raise click.UsageError("no sweep has run here yet; give SWEEP, or --offline SNAPSHOT")
        what = (places.latest().read_text(encoding="utf-8").strip(),)
    if offline is not None and publish:
        raise click.UsageError("--publish needs a server; leave out --offline")
    if offline is None:
        click.echo(choose(tracker, data_dir).line)
    failure: reports.ReportError | None = None
    try:
        written = reports.report(
            what, output, offline=offline, strict=strict, query=query, said=said, plan=plan
        )
    except (reports.IncompleteError, reports.NothingComparableError) as error:
        failure, written = error, error.written
    if write_plan:
        click.echo(f"plan: {reports.write_plan(written)}")
    if confirm is not None:
        for file in reports.write_confirmation(written, confirm):
            click.echo(f"sweep: {file}")
        click.echo("run each, then `report` with all of their ids")
    if show:
        page = written.with_name("report.html")
        click.echo(f"page: {page}")
        browse(page.resolve().as_uri())
    if publish:
        from analysis.show.publish import publish as send

        click.echo(send(written))
    click.echo(f"wrote {written}")
    if failure is not None:
        raise failure


def query_of(flags: dict[str, Any]) -> dict[str, list[Any]] | None:
    """Return what --filter, --group, --tag and --name say; None where none was given."""
    query = {name: list(flags[name]) for name in QUERY if flags[name]}
    for i, text in enumerate(query.get("filter", [])):
        try:
            query["filter"][i] = json.loads(text)
        except ValueError:
            query["filter"][i] = None
        if not isinstance(query["filter"][i], dict):
            raise click.UsageError(
                f"""--filter {text!r}: W&B's filters are JSON, as '{{"config.lr": 0.1}}'"""
            )
    return query or None
