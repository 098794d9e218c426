"""Sweeps on the server: the one that a file repeats or extends, or a new one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from filelock import FileLock

from contract import places
from contract.sweepfile.file import SweepFile
from contract.sweepfile.points import GridError, axis_values, seed_of
from contract.values import key
from launch.count import unfinished
from launch.overlay import write
from launch.servers import Chosen

# Marks a sweep that is adding seeds to some of its cells (`--until-decided`): its seeds are not
# wanted for all cells.
ADDED_SEEDS = "seeds added to undecided cells"


class LaunchError(Exception):
    """The sweep could not be registered or found."""

    exit_code = 2


QUIET = ("WANDB_SILENT", "WANDB_QUIET")  # under which the client does not print a sweep's path


def register(file: Path, update: str | None = None) -> str:
    """Register `file` with the real `wandb sweep`; return "entity/project/id".

    `update`: the path of an existing sweep that gets this configuration instead.
    """
    command = [sys.executable, "-P", "-m", "wandb", "sweep"]
    command += ["--update", update] if update else []
    loud = {name: value for name, value in os.environ.items() if name not in QUIET}
    done = subprocess.run(
        [*command, str(file)], capture_output=True, text=True, cwd=places.home(), env=loud
    )
    output = click.unstyle(done.stdout + done.stderr)
    found = re.search(r"wandb agent '?([^\s']+)", output)
    if done.returncode != 0 or found is None:
        raise LaunchError(f"wandb sweep {file} was refused:\n{output.strip()}")
    path = found[1]
    if path.count("/") == 2:
        return path
    return "/".join([str(connect().default_entity), *path.split("/")])


def connect() -> Any:
    """Return a wandb.Api; LaunchError where its server cannot be reached or refuses the login."""
    import wandb

    try:
        return wandb.Api()
    except (wandb.Error, ValueError) as error:
        server = os.environ.get("WANDB_BASE_URL", "the W&B server of your login")
        raise LaunchError(
            f"{server} cannot be used: {error}\nLog in with `wandb login`, mend WANDB_BASE_URL and "
            "WANDB_API_KEY, or use --tracker embedded"
        ) from None


def find_existing(config: dict[str, Any], extend: bool) -> tuple[str, dict[str, Any]] | None:
    """Return path and configuration of the latest sweep that `config` repeats or extends.

    It is the same sweep where name, method, command and fixed parameters agree, and where each of
    its axes holds no value that `config` lacks. Seeds may differ: they are replicates. Without
    `extend` (a server that does not take new cells into a sweep that has run) nothing may differ.
    """
    from wandb.errors import CommError

    api = connect()
    try:
        sweeps = list(api.project(config["project"]).sweeps())
    except (ValueError, CommError):  # no such project yet
        return None
    for sweep in sorted(sweeps, key=lambda s: s._attrs.get("createdAt") or "", reverse=True):
        same = extends(config, sweep.config)
        if not extend:
            same = same and sweep.config["parameters"] == config["parameters"]
        if same and sweep._attrs.get("state") != "CANCELED":
            return "/".join(sweep.path), sweep.config
    return None


def extends(new: dict[str, Any], old: dict[str, Any]) -> bool:
    """Return whether the sweep `old` is `new`, or `new` with fewer values or other seeds."""
    if any(new.get(key) != old.get(key) for key in ("name", "method", "command", "program")):
        return False
    mine, theirs = new["parameters"], old.get("parameters", {})
    if new["method"] != "grid":
        return key(mine) == key(theirs)
    try:
        mine, theirs = dict(axis_values(mine)), dict(axis_values(theirs))
    except GridError:  # another server may hold what is no grid here
        return False
    return set(mine) == set(theirs) and all(
        {key(value) for value in had} <= {key(value) for value in mine[name]}
        for name, had in theirs.items()
        if name != seed_of(theirs)
    )


def values(spec: dict[str, Any]) -> list[Any]:
    """Return the values of one parameter of a grid."""
    return spec["values"] if "values" in spec else [spec.get("value")]


def with_seeds_of(config: dict[str, Any], old: dict[str, Any]) -> dict[str, Any]:
    """Return `config` with the seeds of the existing sweep kept beside its own."""
    name = seed_of(config["parameters"])
    narrowed = (old.get("description") or "").startswith(ADDED_SEEDS)
    if name not in config["parameters"] or narrowed:
        return config
    seeds = values(old["parameters"][name])
    added = [s for s in values(config["parameters"][name]) if s not in seeds]
    return {**config, "parameters": {**config["parameters"], name: {"values": [*seeds, *added]}}}


@contextmanager
def registering() -> Iterator[None]:
    """Let one command at a time look for a sweep and create it."""
    path = places.runs() / "register.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path):
        yield


def registered(sweep: SweepFile, server: Chosen) -> str:
    """Create the sweep, or extend the one that it repeats; return its path."""
    file = places.sweeps() / f"{sweep.config['name']}.yaml"
    with registering():
        found = find_existing(sweep.config, extend=server.data_dir is not None)
        if found is None:
            write(sweep.config, file)
            return register(file)
        path, old = found
        sweep.config = with_seeds_of(sweep.config, old)
        said = old.get("description") or ""
        narrowed = said.startswith(ADDED_SEEDS)  # --until-decided was killed
        if said:
            said = said.removeprefix(f"{ADDED_SEEDS}, ")
            sweep.config = {**sweep.config, "description": said}
        if sweep.config["method"] != "grid" or not (narrowed or unfinished(path, sweep.config)):
            return path
        click.echo(f"continuing sweep {path}")
        if server.data_dir is not None:
            write(sweep.config, file)
            register(file, update=path)
        return path
