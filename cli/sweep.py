"""`runner.py sweep`: from a sweep file to a report, in one idempotent command."""

from __future__ import annotations

from pathlib import Path

import click

from cli.options import server_options, warm_option
from contract.sweepfile.file import SweepFileError
from launch.servers import choose, require_online

UNSAID = f"{__name__}.run"  # in a context's meta: the word `run` was left out


class SweepCommands(click.Group):
    """`sweep FILE` runs a file; `sweep explain SWEEP` tells what the server decided, and why."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or args[0] not in self.commands:
            ctx.meta[UNSAID] = True
            args = ["run", *args]
        return super().parse_args(ctx, args)


class RunContext(click.Context):
    """Calls the command what the person typed: `sweep`, where they did not write `sweep run`."""

    @property
    def command_path(self) -> str:
        typed = self.parent if UNSAID in self.meta else None
        return typed.command_path if typed else super().command_path


class RunCommand(click.Command):
    context_class = RunContext


@click.group(cls=SweepCommands)
def command() -> None:
    """Run a sweep file, or explain a sweep."""


@command.command(
    cls=RunCommand,
    epilog="`runner.py sweep explain SWEEP` prints every lease, retry and stop with its reason.",
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--budget", metavar="NAME", help="Fixed parameters (smoke, default, paper).")
@click.option("--seeds", type=click.IntRange(min=1), help="Replicates: seeds 0 .. N-1.")
@click.option("--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Fix a parameter.")
@click.option("--agents", default=2, show_default=True, type=click.IntRange(min=1))
@click.option("--dry-run", is_flag=True, help="Check and list every cell; create nothing.")
@click.option("--register-only", is_flag=True, help="Register it and print its path; run nothing.")
@click.option("--until-decided", is_flag=True, help="Add seeds to the cells of open contrasts.")
@click.option("--max-seeds", type=click.IntRange(min=4), help="Most seeds of --until-decided.")
@warm_option
@server_options
def run(
    file: Path,
    budget: str | None,
    seeds: int | None,
    assignments: tuple[str, ...],
    agents: int,
    dry_run: bool,
    register_only: bool,
    until_decided: bool,
    max_seeds: int | None,
    warm: bool | None,
    tracker: str | None,
    data_dir: Path | None,
) -> None:
    """Check every cell of FILE, register the sweep, run agents, write the report.

    FILE: a path, or the bare name of a shipped sweep from whatever folder.

    Idempotent: called again, it runs only cells that are missing or failed; with more --seeds, or
    more values in the file, it adds those to the same sweep. Ctrl-C stops runs at a checkpoint, and
    the next call goes on from there.
    """
    if register_only and (dry_run or until_decided):
        raise SweepFileError("--register-only runs nothing; leave out --dry-run, --until-decided")
    if until_decided != (max_seeds is not None):
        raise SweepFileError("--until-decided and --max-seeds N belong together; give both")
    from contract.sweepfile.points import seed_of
    from contract.values import key
    from launch import job
    from launch.count import size
    from launch.crew import Crew
    from launch.prepare import checked_points, prepare
    from launch.program import program_of
    from launch.register import registered
    from launch.until_decided import planned

    sweep, notes = prepare(file, budget, seeds, assignments)
    points = checked_points(sweep)
    if max_seeds is not None:
        planned(len({key(point.get(seed_of(point))) for point in points}), max_seeds)
    server = None
    if dry_run:
        click.echo("W&B server: none is asked or started by --dry-run")
    else:
        require_online()
        server = choose(tracker, data_dir)
        click.echo(server.line)
    for line in [*(f"note: {note}" for note in notes), *size(sweep, points, 1000 * dry_run)]:
        click.echo(line)
    if server is None:
        return
    if register_only:
        click.echo(registered(sweep, server))
        return
    folders = (sweep.path.parent, Path.cwd())
    crew = Crew(agents, server, program_of(sweep), folders, warm)
    written, code = job.run(sweep, points, crew, max_seeds)
    click.echo(f"wrote {written}")
    if code:
        raise SystemExit(code)


@command.command()
@click.argument("sweep")
@server_options
def explain(sweep: str, tracker: str | None, data_dir: Path | None) -> None:
    """Print what the embedded tracker decided about SWEEP (entity/project/id), and why.

    Every lease of a cell, retry, resume, early stop (which rung, which threshold) and change.
    """
    from launch.explain import decision_log

    server = choose(tracker, data_dir)
    click.echo(server.line)
    for line in decision_log(server, sweep):
        click.echo(line)
