"""`runner.py serve`: the embedded W&B-compatible server."""

from __future__ import annotations

from pathlib import Path

import click

from contract import places


@click.command()
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="What the server keeps: database, files, key (default: .tracker).",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help="Port to listen on.  [default: the one of last time]",
)
@click.option(
    "--allow-host", multiple=True, metavar="NAME", help="A further name clients may call it by."
)
@click.option("--durable", is_flag=True, help="Survive the loss of power, not only of the process.")
@click.option("--stop", "action", flag_value="stop", help="Stop the server of this data folder.")
@click.option(
    "--link", "action", flag_value="link", help="Print an address that logs a browser in, once."
)
@click.option(
    "--repair",
    "action",
    flag_value="repair",
    help="Save what can be read of a damaged database into DATA_DIR/recovered.",
)
@click.option(
    "--heartbeat-timeout",
    type=click.FloatRange(min=1),
    default=180.0,
    show_default=True,
    help="Seconds without a word after which a run counts as crashed.",
)
def command(
    data_dir: Path | None,
    host: str,
    port: int | None,
    allow_host: tuple[str, ...],
    durable: bool,
    action: str | None,
    heartbeat_timeout: float,
) -> None:
    """Run the embedded W&B-compatible server in the foreground, until Ctrl-C."""
    from tracker import server

    data_dir = data_dir or places.tracker()
    if action == "stop":
        stopped = server.stop(data_dir)
        click.echo(f"stopped the tracker of {data_dir}" if stopped else "no tracker is running")
    elif action == "link":
        link = server.login_link(data_dir)
        if link is None:
            raise server.TrackerError(
                f"no tracker is running for {data_dir}: start it with `runner.py serve`"
            )
        click.echo(link)
    elif action == "repair":
        repair_data(data_dir)
    else:
        from tracker.serving import serve
        from tracker.settings import Settings

        serve(
            data_dir,
            host=host,
            port=port,
            durable=durable,
            allow_hosts=allow_host,
            show_link=True,
            settings=Settings(heartbeat_timeout=heartbeat_timeout),
        )


def repair_data(data_dir: Path) -> None:
    from tracker import server
    from tracker.store.repair import repair

    pid = server.holder(data_dir)
    if pid is not None:
        raise server.TrackerError(
            f"process {pid} serves {data_dir}: stop it first, with `runner.py serve --stop`"
        )
    outcome = repair(data_dir)
    for line in outcome.lines():
        click.echo(line)
    click.echo(f"saved to {outcome.folder}; serve it with --data-dir {outcome.folder}")
