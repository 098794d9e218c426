"""`runner.py sweep`: from a sweep file to a report, in one idempotent command."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from cli import sweepfile
from cli.servers import Chosen, choose, require_online, server_options
from contract import places
from contract.files import write_atomic
from contract.sweepfile.file import SweepFile, SweepFileError, located
from contract.sweepfile.points import SEED, ends, expand
from contract.values import key
from contract.words import counted

# Exit code where the agents are through and some cells are not done, as `report --strict`.
INCOMPLETE = 3
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
@click.option("--budget", type=click.Choice(sweepfile.budget_names()), help="Fixed parameters.")
@click.option("--seeds", type=click.IntRange(min=1), help="Replicates: seeds 0 .. N-1.")
@click.option("--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Fix a parameter.")
@click.option("--agents", default=2, show_default=True, type=click.IntRange(min=1))
@click.option("--dry-run", is_flag=True, help="Check and list every cell; create nothing.")
@click.option("--until-decided", is_flag=True, help="Add seeds to the cells of open contrasts.")
@click.option("--max-seeds", type=click.IntRange(min=4), help="Most seeds of --until-decided.")
@server_options
def run(
    file: Path,
    budget: str | None,
    seeds: int | None,
    assignments: tuple[str, ...],
    agents: int,
    dry_run: bool,
    until_decided: bool,
    max_seeds: int | None,
    tracker: str | None,
    data_dir: Path | None,
) -> None:
    """Check every cell of FILE, register the sweep, run agents, write the report.

    FILE: a path, or the bare name of a shipped sweep from whatever folder.

    Idempotent: called again, it runs only cells that are missing or failed; with more --seeds, or
    more values in the file, it adds those to the same sweep. Ctrl-C stops runs at a checkpoint, and
    the next call goes on from there.
    """
    if until_decided != (max_seeds is not None):
        raise SweepFileError("--until-decided and --max-seeds N belong together; give both")
    sweep, notes = prepare(file, budget, seeds, assignments)
    points = checked_points(sweep)
    check_data(sweep.config, points)
    if max_seeds is not None:
        from cli.adaptive import planned

        planned(len({point.get("seed") for point in points}), max_seeds)
    if dry_run:
        click.echo("W&B server: none is asked or started by --dry-run")
        describe_cells(sweep, points, notes)
        return
    require_online()
    server = choose(tracker, data_dir)
    click.echo(server.line)
    describe_cells(sweep, points, notes, most=0)
    make_data(points)
    path = registered(sweep, server)
    code = run_agents(path, sweep.config, agents, server)
    from analysis.report import report

    if max_seeds is None or code:
        written = report(path)
    else:
        from cli.adaptive import until_decided as add_seeds

        try:
            written, code = add_seeds(sweep, path, max_seeds, agents, server)
        except KeyboardInterrupt:
            click.echo("stopped; the same command goes on from here", err=True)
            raise SystemExit(130) from None
    write_atomic(places.latest(), path)
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
    from cli import launch

    server = choose(tracker, data_dir)
    click.echo(server.line)
    if server.data_dir is None:
        raise launch.LaunchError(f"{server.url} keeps no decision log; only the embedded one does")
    for line in launch.decision_log(server.url, sweep):
        click.echo(line)


def prepare(
    file: Path, budget: str | None, seeds: int | None, assignments: tuple[str, ...]
) -> tuple[SweepFile, list[str]]:
    """Read FILE and lay budget, --seeds and --set over it, in this order."""
    sweep = SweepFile(located(file))
    sweepfile.check_program(sweep)
    notes: list[str] = []
    method = sweep.config["method"]
    if method != "grid" and seeds is not None:
        raise SweepFileError(
            f"--seeds: {sweep.path} has method {method!r}; seeds are replicates of a "
            "grid. Set `run_cap` in the file for other methods"
        )
    sweep.config.setdefault("name", sweep.path.stem)
    sweep.config.setdefault("project", sweep.path.stem)
    if budget is not None:
        count, parameters = sweepfile.read_budget(budget, sweep.config.get("command"))
        notes = sweep.lay_over(parameters, f"--budget {budget}")
        seeds = seeds or count
        if budget != "default":
            sweep.config["name"] += f"-{budget}"
    if seeds is not None:
        sweep.set_seeds(seeds)
    sweep.set(assignments)
    return sweep, notes


def checked_points(sweep: SweepFile) -> list[dict[str, Any]]:
    """Return the points of the sweep after the program's own check of each of them.

    For a grid these are all its points; for random and bayes the ends of every parameter.
    """
    sweep.parse()  # with what flags and budget have made of it
    config = sweep.config
    grid = config if config["method"] == "grid" else {"parameters": ends(config["parameters"])}
    points = expand(grid)
    check = program_check(config)
    if check is not None:
        sweep.check(points, check)
    return points


def program_check(config: dict[str, Any]) -> Callable[[dict[str, Any]], Any] | None:
    """Return what checks one cell: the config of the command called; None for a foreign program."""
    command = config.get("command", [])
    if config.get("program") != sweepfile.PROGRAM:
        return None
    if "train" in command:
        from fusion.config import RunConfig
        from fusion.training.config import check

        return lambda point: check(point, RunConfig)
    if "pretrain" in command:
        from fusion.contrastive.config import PretrainConfig
        from fusion.training.config import check

        return lambda point: check(point, PretrainConfig)
    return None


def describe_cells(
    sweep: SweepFile, points: list[dict[str, Any]], notes: list[str], most: int = 1000
) -> None:
    """Print the size of the sweep, what the budget replaced, and up to `most` cells."""

    for note in notes:
        click.echo(f"note: {note}")
    name, method = sweep.config["name"], sweep.config["method"]
    if method != "grid":
        cap = sweep.config.get("run_cap")
        size = counted(cap, "run") if cap else "runs without end (`run_cap` ends them)"
        click.echo(f"{name}: {method}, {size}; the ends of every parameter checked")
        return
    parameters = sweep.config["parameters"]
    axes = [n for n in parameters if n != SEED and len({key(p.get(n)) for p in points}) > 1]
    cells: dict[str, list[Any]] = {}
    for point in points:
        cells.setdefault(", ".join(f"{n}={point[n]}" for n in axes), []).append(point.get(SEED))
    for cell, seeds in list(cells.items())[:most]:
        click.echo(f"  {cell or 'one cell'}  seeds {seeds}")
    seeds = counted(len(points) // max(1, len(cells)), "seed")
    click.echo(
        f"{name}: {counted(len(cells), 'cell')} × {seeds} = {counted(len(points), 'run')}, "
        "every cell checked"
    )


def check_data(config: dict[str, Any], points: list[dict[str, Any]]) -> None:
    """Refuse data that is not there, or too small for a cell, before anything is begun."""
    check = program_check(config)
    if check is None:
        return
    from fusion.data import parts

    cells = [check(point) for point in points]
    for data, split, train_pairs in sorted({(c.data, c.split, c.train_pairs) for c in cells}):
        parts.check(data, split, train_pairs)


def make_data(points: list[dict[str, Any]]) -> None:
    """Make or check the data of all cells once, before two agents want it at the same time."""
    from fusion.data.dataset import resolve

    for data in sorted({point["data"] for point in points if "data" in point}):
        resolve(data)


@contextmanager
def registering() -> Iterator[None]:
    """Let one command at a time look for a sweep and create it."""
    path = places.runs() / "register.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def registered(sweep: SweepFile, server: Chosen) -> str:
    """Create the sweep, or extend the one that it repeats; return its path."""
    from cli import launch

    file = places.sweeps() / f"{sweep.config['name']}.yaml"
    with registering():
        found = launch.find_existing(sweep.config, extend=server.data_dir is not None)
        if found is None:
            sweepfile.write(sweep.config, file)
            return launch.register(file)
        path, old = found
        sweep.config = launch.with_seeds_of(sweep.config, old)
        said = old.get("description") or ""
        narrowed = said.startswith(launch.ADDED_SEEDS)  # --until-decided was killed
        if said:
            said = said.removeprefix(f"{launch.ADDED_SEEDS}, ")
            sweep.config = {**sweep.config, "description": said}
        if sweep.config["method"] != "grid" or not (narrowed or unfinished(path, sweep.config)):
            return path
        click.echo(f"continuing sweep {path}")
        if server.data_dir is not None:
            sweepfile.write(sweep.config, file)
            launch.register(file, update=path)
        return path


def unfinished(path: str, config: dict[str, Any]) -> int:
    """Return how many cells × seeds of the sweep are not done."""
    counts = counter(path, config)()
    return sum(number for state, number in counts.items() if state != "done")


def counter(path: str, config: dict[str, Any]) -> Callable[[], dict[str, int]]:
    """Return a function that counts cells × seeds by state, asking the server anew.

    A cell × seed is done where any run of it finished, whatever became of other attempts.
    """
    import wandb

    entity, project, sweep_id = path.split("/")
    points = expand(config) if config["method"] == "grid" else []
    names = list(points[0]) if points else []
    states = {"finished": "done", "running": "running", "pending": "running"}
    order = ["done", "running", "failed"]

    def count() -> dict[str, int]:
        best: dict[str, str] = {}
        runs = wandb.Api().runs(
            f"{entity}/{project}", filters={"sweep": sweep_id}, per_page=1000, lazy=False
        )
        for run in runs:
            point = key({n: run.config.get(n) for n in names}) if points else run.id
            state = states.get(run.state, "failed")
            best[point] = min(best.get(point, state), state, key=order.index)
        wanted = [key(point) for point in points] or list(best)
        found = [best.get(point, "missing") for point in wanted]
        return {state: found.count(state) for state in (*order, "missing")}

    return count


def run_agents(path: str, config: dict[str, Any], agents: int, server: Chosen) -> int:
    """Run agents until the sweep is through; return the exit code that its state deserves."""
    from cli import launch

    count = counter(path, config)
    before = count()
    expected = sum(before.values()) if config["method"] == "grid" else config.get("run_cap", 0)
    if config["method"] == "grid" and before["done"] == expected:
        click.echo(f"sweep {path}: all {expected} cells × seeds are done; nothing to run")
        return 0
    logs = places.runs() / "agents"
    click.echo(f"sweep {path}: {counted(agents, 'agent')}; logs are in {logs}")
    crew = launch.Agents(path)
    with launch.terminated_as_interrupt():
        try:
            crew.start(agents)
            after = launch.watch(crew, server, count, expected)
        except KeyboardInterrupt:
            click.echo("\nstopping: every run writes its checkpoint …", err=True)
            crew.stop()
            launch.tell_stopped(server, path)
            click.echo("stopped; the same command goes on from here", err=True)
            raise SystemExit(130) from None
    left = expected - after["done"]
    if config["method"] == "grid" and left:
        click.echo(
            f"{left} of {expected} cells × seeds are not done; the reasons stand in "
            f"{', '.join(str(log) for log in crew.logs)}. The same command runs them again",
            err=True,
        )
        return INCOMPLETE
    return 0
