# type: ignore  (the client's annotations do not say what it gives)
"""wandb.Api: lists that say how long they are, what is deleted twice, members, default projects."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import wandb
from wandb.agents import pyagent

PROJECT = sys.argv[1]
PATH = f"local/{PROJECT}"
ATTEMPTS = 2  # of everything that is deleted


def lengths(listed) -> tuple[int, int]:
    """As the list says, and as it is."""
    return len(listed), len(list(listed))


def fill() -> None:
    folder = Path(tempfile.mkdtemp())
    for name in ("a.txt", "b.txt", "c.bin"):
        (folder / name).write_text(name)
    with wandb.init(project=PROJECT, id="maker", settings={"x_disable_meta": True}) as run:
        for path in folder.iterdir():
            run.save(str(path), base_path=str(folder))
        artifact = wandb.Artifact("ds", type="dataset")
        artifact.add_dir(str(folder))
        run.log_artifact(artifact).wait()


def files() -> None:
    run = wandb.Api().run(f"{PATH}/maker")
    every = [file.name for file in run.files()]
    assert {"a.txt", "b.txt", "c.bin"} < set(every)
    assert lengths(run.files()) == (len(every), len(every))
    assert lengths(run.files(per_page=1)) == (len(every), len(every))
    assert lengths(run.files(names=["a.txt", "c.bin"])) == (2, 2)
    assert lengths(run.files(names=["a.txt", "c.bin", "none"], per_page=1)) == (3, 3)
    assert lengths(run.files(pattern="%.txt")) == (len([n for n in every if n[-4:] == ".txt"]),) * 2
    assert lengths(run.files(pattern="%.none")) == (0, 0)
    # a name that is not there: of size 0, and without a content
    (missing,) = run.files(names=["none"])
    assert (missing.size, missing.md5) == (0, "0")
    root = tempfile.mkdtemp()
    assert wandb.restore("a.txt", PATH + "/maker", root=root).read() == "a.txt"
    try:
        wandb.restore("none", PATH + "/maker", root=root)
        raise SystemExit("what is not there was restored")
    except ValueError as error:
        assert "not found" in str(error), error
    artifact = wandb.Api().artifact(f"{PATH}/ds:v0")
    assert lengths(artifact.files()) == (3, 3)
    assert lengths(artifact.files(per_page=1)) == (3, 3)
    assert lengths(artifact.files(names=["a.txt", "c.bin"])) == (2, 2)
    assert lengths(artifact.files(names=["a.txt", "c.bin"], per_page=1)) == (2, 2)


def grid(name: str) -> dict:
    return {"name": name, "method": "grid", "parameters": {"x": {"values": [1, 2]}}}


def sweeps() -> None:
    made = [wandb.sweep(grid(name), project=PROJECT) for name in ("one", "two", "three")]
    project = wandb.Api().project(PROJECT, "local")
    assert lengths(project.sweeps()) == lengths(project.sweeps(per_page=1)) == (3, 3)
    if hasattr(wandb.apis.public.sweeps, "_SWEEP_FILTERS_MIN_SERVER_VERSION"):
        assert lengths(project.sweeps(filters={"name": made[1]})) == (1, 1)
        assert lengths(project.sweeps(filters={"state": "FINISHED"})) == (0, 0)
    runs = wandb.Api().runs(PATH, filters={"sweep": made[0]})
    assert lengths(runs) == (0, 0)


def nothing_named() -> None:
    """A sweep, its agent and its runs without a word of a project."""
    for name in ("WANDB_PROJECT", "WANDB_ENTITY"):
        os.environ.pop(name, None)
    pyagent.Agent.HEARTBEAT_SLEEP_SECONDS = 0.2
    seen = []

    def train() -> None:
        with wandb.init() as run:
            seen.append((run.project, run.config.x))

    sweep = wandb.sweep(grid("unnamed"))
    # forgotten again, as in another process
    for name in ("WANDB_PROJECT", "WANDB_ENTITY"):
        os.environ.pop(name, None)
    wandb.agent(sweep, function=train)
    assert sorted(seen) == [("uncategorized", 1), ("uncategorized", 2)], seen
    found = wandb.Api().sweep(f"local/uncategorized/{sweep}")
    assert (found.state, lengths(found.runs)) == ("FINISHED", (2, 2))
    sweep = wandb.sweep(command())
    stock = subprocess.run(
        [sys.executable, "-m", "wandb", "agent", "--count", "1", sweep],
        env={k: v for k, v in os.environ.items() if k not in ("WANDB_PROJECT", "WANDB_ENTITY")},
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert stock.returncode == 0, stock.stdout + stock.stderr
    assert [run.state for run in wandb.Api().runs("uncategorized", {"sweep": sweep})] == [
        "finished"
    ]


def command() -> dict:
    program = "import wandb; wandb.init().finish()"
    return {
        "method": "grid",
        "parameters": {"x": {"values": [3]}},
        "command": [sys.executable, "-c", program],
    }


def deletion() -> None:
    """Two clients know of it, and both delete it."""
    runs = [wandb.Api().run(f"{PATH}/maker") for _ in range(ATTEMPTS)]
    some = [next(iter(run.files(names=["c.bin"]))) for run in runs]
    for file in some:
        file.delete()
    assert wandb.Api().run(f"{PATH}/maker").file("c.bin").md5 == "0"
    versions = [wandb.Api().artifact(f"{PATH}/ds:v0") for _ in range(ATTEMPTS)]
    versions[0].link(f"{PATH}/portfolio")
    linked = [wandb.Api().artifact(f"{PATH}/portfolio:latest") for _ in range(ATTEMPTS)]
    for link in linked:
        link.unlink()
    for version in versions:
        version.delete(delete_aliases=True)
    api = wandb.Api()
    for name in ("ds", "portfolio"):
        collections = [
            api.artifact_collection("dataset", f"{PATH}/{name}") for _ in range(ATTEMPTS)
        ]
        for collection in collections:
            collection.delete()
        assert not wandb.Api().artifact_collection_exists(f"{PATH}/{name}", "dataset")
    for run in runs:
        run.delete()
        run.delete(delete_artifacts=True)
    assert lengths(wandb.Api().runs(PATH)) == (0, 0)


def people() -> None:
    api = wandb.Api()
    for team in ("local", "another"):
        found = api.team(team)
        assert found.name == team
        assert [repr(member) for member in found.members] == ["<Member local (USER)>"]
    assert api.viewer.teams == ["local"]
    assert [user.username for user in api.users("local")] == ["local"]
    assert api.user("local").entity == api.user("local@localhost").entity == "local"
    assert api.user("nobody") is None
    assert len(api.users("nobody")) == 0


fill()
files()
sweeps()
deletion()
people()
nothing_named()
