# type: ignore  (the client's annotations do not say what it gives)
"""Artifacts and media: log, use, download, aliases, lineage, links, increments, tables, images."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import wandb

PROJECT = sys.argv[1]
PATH = f"local/{PROJECT}"


def get(name: str):
    return wandb.Api().artifact(f"{PATH}/{name}")


def names_in(folder) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in Path(folder).rglob("*") if p.is_file())


def data_set(folder: Path):
    artifact = wandb.Artifact("ds", type="dataset", metadata={"n": 1}, description="first")
    artifact.add_dir(str(folder))
    artifact.add_reference((folder.parent / "referred.txt").as_uri(), name="ref.txt")
    return artifact


def versions() -> None:
    folder = Path(tempfile.mkdtemp()) / "ds"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.txt").write_text("one")
    (folder.parent / "referred.txt").write_text("far")
    (folder / "sub" / "b.bin").write_bytes(os.urandom(100_000))
    with wandb.init(project=PROJECT, id="maker") as run:
        logged = run.log_artifact(data_set(folder), aliases=["best", "latest"], tags=["big"]).wait()
        assert (logged.version, logged.file_count, logged.size) == ("v0", 3, 100_006)
        assert sorted(logged.aliases) == ["best", "latest"]
        again = run.log_artifact(data_set(folder), aliases=["again"]).wait()
        assert again.version == "v0"
        (folder / "a.txt").write_text("two")
        assert run.log_artifact(data_set(folder)).wait().version == "v1"
    with wandb.init(project=PROJECT, id="user") as run:
        used = run.use_artifact("ds:v0")
        place = used.download(root=tempfile.mkdtemp())
        assert names_in(place) == ["a.txt", "ref.txt", "sub/b.bin"]
        assert (Path(place) / "a.txt").read_text() == "one"
        used.verify(root=place)
    found = get("ds:best")
    assert (found.version, found.metadata, found.description) == ("v0", {"n": 1}, "first")
    assert found.tags == ["big"]
    assert found.digest == found.manifest.digest()
    assert sorted(file.name for file in found.files()) == ["a.txt", "ref.txt", "sub/b.bin"]
    assert found.logged_by().id == "maker"
    assert [run.id for run in found.used_by()] == ["user"]
    assert get("ds:latest").version == "v1"
    api = wandb.Api()
    assert [a.version for a in api.run(f"{PATH}/maker").logged_artifacts()] == ["v0", "v1"]
    assert [a.name for a in api.run(f"{PATH}/user").used_artifacts()] == ["ds:v0"]
    assert api.artifact_exists(f"{PATH}/ds:v1")
    assert not api.artifact_exists(f"{PATH}/ds:v9")
    assert {t.name for t in api.artifact_types(PATH)} >= {"dataset"}
    kind = api.artifact_type("dataset", PATH)
    assert [c.name for c in kind.collections()] == ["ds"]
    assert [a.version for a in api.artifacts("dataset", f"{PATH}/ds")] == ["v1", "v0"]
    assert [a.version for a in api.artifacts("dataset", f"{PATH}/ds", tags=["big"])] == ["v0"]
    assert Path(found.get_entry("a.txt").download()).read_text() == "one"


def changes() -> None:
    found = get("ds:v0")
    found.aliases.append("new")
    found.aliases.remove("again")
    found.description, found.metadata["n"], found.tags = "changed", 2, ["small"]
    found.save()
    found = get("ds:new")
    assert sorted(found.aliases) == ["best", "new"]
    assert (found.description, found.metadata, found.tags) == ("changed", {"n": 2}, ["small"])
    found.link(f"{PATH}/portfolio", aliases=["prod"])
    linked = get("portfolio:prod")
    assert (linked.name, linked.source_name) == ("portfolio:prod", "ds:v0")
    linked.unlink()
    collection = wandb.Api().artifact_collection("dataset", f"{PATH}/ds")
    collection.description, collection.tags, collection.name = "about", ["q"], "renamed"
    collection.save()
    collection = wandb.Api().artifact_collection("dataset", f"{PATH}/renamed")
    assert (collection.description, collection.tags) == ("about", ["q"])
    assert sorted(collection.aliases) == ["best", "latest", "new"]
    latest = get("renamed:latest")
    try:
        latest.delete()
        raise SystemExit("an artifact with aliases was deleted")
    except Exception as error:
        assert "aliases" in str(error) or "400" in str(error), error
    latest.delete(delete_aliases=True)
    assert get("renamed:latest").version == "v0"
    collection.delete()
    assert not wandb.Api().artifact_collection_exists(f"{PATH}/renamed", "dataset")


def increments() -> None:
    for i in range(3):
        with wandb.init(project=PROJECT) as run:
            artifact = wandb.Artifact("inc", type="d", incremental=True)
            with artifact.new_file(f"f{i}") as file:
                file.write(str(i))
            run.log_artifact(artifact).wait()
    assert sorted(get("inc:latest").manifest.entries) == ["f0", "f1", "f2"]
    for i in range(2):
        with wandb.init(project=PROJECT, group="G") as run:
            artifact = wandb.Artifact("dist", type="d")
            with artifact.new_file(f"p{i}") as file:
                file.write(str(i))
            if i == 0:
                run.upsert_artifact(artifact, distributed_id="D")
            else:
                run.finish_artifact(artifact, distributed_id="D").wait()
    found = get("dist:latest")
    assert (found.version, sorted(found.manifest.entries)) == ("v0", ["p0", "p1"])
    assert names_in(found.download(root=tempfile.mkdtemp())) == ["p0", "p1"]
    with wandb.init(project=PROJECT) as run:
        draft = run.use_artifact("dist:latest").new_draft()
        draft.remove("p0")
        with draft.new_file("p2") as file:
            file.write("2")
        run.log_artifact(draft).wait()
    assert sorted(get("dist:v1").manifest.entries) == ["p1", "p2"]


def media() -> None:
    pixels = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    with wandb.init(project=PROJECT, id="media") as run:
        table = wandb.Table(columns=["a", "image"], data=[[1, wandb.Image(pixels)], [2, None]])
        run.log(
            {"table": table, "image": wandb.Image(pixels), "histogram": wandb.Histogram([1, 2])}
        )
        growing = wandb.Table(columns=["a"], log_mode="INCREMENTAL")
        for i in range(2):
            growing.add_data(i)
            run.log({"growing": growing})
    found = wandb.Api().run(f"{PATH}/media")
    logged = {a.name.partition(":")[0]: a for a in found.logged_artifacts()}
    table = logged["run-media-table"].get("table")
    assert table.columns == ["a", "image"]
    assert [row[0] for row in table.data] == [1, 2]
    image = np.asarray(table.data[0][1].image)
    assert (image == pixels).all()
    assert len(logged["run-media-incr-growing"].manifest.entries) == 2
    row = next(iter(found.scan_history(keys=["image", "histogram"])))
    assert row["histogram"]["_type"] == "histogram"
    file = found.file(row["image"]["path"]).download(root=tempfile.mkdtemp())
    from PIL import Image

    assert (np.asarray(Image.open(file.name)) == pixels).all()
    assert found.summary["table"]["nrows"] == 2


def after_the_run() -> None:
    """Declaring lineage with the public Api, on a run that has ended."""
    api = wandb.Api()
    run, artifact = api.run(f"{PATH}/media"), api.artifact(f"{PATH}/dist:v1")
    run.use_artifact(artifact)
    run.log_artifact(artifact)
    run = wandb.Api().run(f"{PATH}/media")
    assert "dist:v1" in [a.name for a in run.used_artifacts()]
    assert "dist:v1" in [a.name for a in run.logged_artifacts()]
    assert run.state == "finished"


def refusals() -> None:
    """Paths that the client itself lets nobody write: it is told at once, and goes on."""
    far = Path(tempfile.mkdtemp()) / "far.txt"
    far.write_text("far")
    with wandb.init(project=PROJECT) as run:
        for path in ("../../x", "/etc/x", "a/../../x", "nul\0x"):
            artifact = wandb.Artifact("escaping", type="d")
            artifact.add_reference(far.as_uri(), name="in")
            entry = artifact.manifest.entries.pop("in")
            artifact.manifest.entries[path] = entry
            entry.path = path
            try:
                run.log_artifact(artifact).wait(timeout=60)
                raise SystemExit(f"{path!r} was taken")
            except Exception as error:
                assert "entry" in str(error), error
        artifact = wandb.Artifact("staying", type="d")
        artifact.add_reference(far.as_uri(), name="in")
        assert run.log_artifact(artifact).wait().version == "v0"
    assert not wandb.Api().artifact_exists(f"{PATH}/escaping:latest")


versions()
changes()
refusals()
increments()
media()
after_the_run()
