# type: ignore  (the client's annotations do not say what it gives)
"""init, log, finish, resume, rewind, fork, preemption; files, console, write-back, read-back."""

from __future__ import annotations

import json
import math
import os
import sys
import tempfile
import time
from pathlib import Path

import wandb

PROJECT = sys.argv[1]
PATH = f"local/{PROJECT}"
NEW = hasattr(wandb.apis.public.Run, "console_logs")


def fresh(name: str):
    return wandb.Api().run(f"{PATH}/{name}")


def steps(name: str) -> list[tuple[int, float]]:
    return [(row["_step"], row["m"]) for row in fresh(name).scan_history(keys=["_step", "m"])]


def first_run() -> None:
    folder = Path(tempfile.mkdtemp())
    (folder / "notes.txt").write_text("saved")
    run = wandb.init(
        project=PROJECT,
        id="w1",
        name="shown",
        config={"lr": 0.1, "net": {"depth": 2}},
        group="g",
        job_type="j",
        notes="n",
        tags=["t"],
    )
    run.config.update({"later": 3})
    run.define_metric("epoch")
    run.define_metric("m", step_metric="epoch", summary="min")
    for i in range(20):
        run.log({"epoch": i, "m": 20 - i, "only": i, "nested": {"x": i}})
    run.log({"m": 7, "odd": math.inf, "hist": wandb.Histogram([1, 2, 2])})
    run.summary["best"] = 5
    print("to the console")
    print("to stderr", file=sys.stderr)
    run.save(str(folder / "notes.txt"), base_path=str(folder))
    assert run.url.endswith(f"/{PATH}/runs/w1")
    run.finish()

    found = fresh("w1")
    assert (found.state, found.name, found.group, found.job_type) == ("finished", "shown", "g", "j")
    assert (found.notes, found.tags, found.entity) == ("n", ["t"], "local")
    assert found.config == {"lr": 0.1, "net": {"depth": 2}, "later": 3}
    assert found.summary["best"] == 5
    assert found.summary["m"]["min"] == 1
    rows = list(found.scan_history())
    assert [row["_step"] for row in rows] == list(range(21))
    assert [row["m"] for row in rows] == [*range(20, 0, -1), 7]
    assert rows[3]["nested"] == {"x": 3} or rows[3]["nested.x"] == 3
    assert found.lastHistoryStep == 20
    assert [row["only"] for row in found.scan_history(keys=["only"])] == list(range(20))
    assert [row["only"] for row in found.scan_history(keys=["only", "odd"])] == []
    assert [r["m"] for r in found.scan_history(keys=["m"], min_step=5, max_step=8)] == [15, 14, 13]
    assert [r["m"] for r in found.scan_history(page_size=3)] == [*range(20, 0, -1), 7]
    assert [r["m"] for r in found.scan_history(keys=["m"], page_size=3)] == [*range(20, 0, -1), 7]
    assert len(found.history(samples=5, pandas=False)) == 5
    assert found.history(keys=["m"], pandas=False)[0]["m"] == 20
    assert found.summary["hist"]["_type"] == "histogram"
    assert found.metadata["program"].endswith("lifecycle.py")
    if NEW:
        lines = list(found.console_logs())
        assert "to the console" in [line.content for line in lines]
        assert [line.level for line in lines if line.content == "to stderr"] == ["error"]
        assert found.console_logs(last=1)[0].number == lines[-1].number


def write_back() -> None:
    found = fresh("w1")
    found.config["extra"] = [1, {"a": None}]
    found.tags.append("t2")
    found.name, found.notes, found.group = "renamed", "other", "g2"
    found.update()
    found.summary["acc"] = 0.5
    found.summary.update({"acc2": 0.7})
    again = fresh("w1")
    assert again.config["extra"] == [1, {"a": None}]
    assert again.config["lr"] == 0.1
    assert (again.name, again.notes, again.group) == ("renamed", "other", "g2")
    assert again.tags == ["t", "t2"]
    assert (again.summary["acc"], again.summary["acc2"], again.summary["best"]) == (0.5, 0.7, 5)
    assert again.state == "finished"


def files() -> None:
    found = fresh("w1")
    folder = Path(tempfile.mkdtemp())
    names = {file.name for file in found.files()}
    wanted = {"notes.txt", "config.yaml", "wandb-metadata.json", "requirements.txt"}
    assert wanted | {"wandb-summary.json", "output.log"} >= names >= wanted
    file = found.file("notes.txt")
    assert file.size == 5
    file.download(root=str(folder))
    assert (folder / "notes.txt").read_text() == "saved"
    os.chdir(folder)
    Path("up.txt").write_text("uploaded")
    assert found.upload_file("up.txt").size == 8
    assert fresh("w1").state == "finished"
    assert [file.name for file in found.files(pattern="%.txt")] == [
        name for name in [f.name for f in found.files()] if name.endswith(".txt")
    ]
    assert found.file("nothing.txt").size == 0
    found.file("up.txt").delete()
    assert "up.txt" not in {file.name for file in fresh("w1").files()}


def system_metrics() -> None:
    settings = wandb.Settings(x_stats_sampling_interval=1, x_file_stream_transmit_interval=1)
    with wandb.init(project=PROJECT, id="sys", settings=settings) as run:
        run.log({"m": 1})
        while not fresh("sys").history(stream="system", pandas=False):
            time.sleep(0.2)
    found = fresh("sys")
    events = found.history(stream="system", pandas=False)
    assert events
    assert any(key.startswith("system.") for key in events[0])
    assert found.system_metrics


def resuming() -> None:
    try:
        wandb.init(project=PROJECT, id="none", resume="must")
        raise SystemExit("resume=must began a run that is not there")
    except wandb.errors.UsageError:
        pass
    for i in range(3):
        run = wandb.init(project=PROJECT, id="r1", resume="allow", config={f"c{i}": i})
        assert run.resumed is bool(i)
        run.log({"m": i})
        run.log({"m": i + 0.5})
        run.finish(exit_code=1 if i == 1 else 0)
        assert fresh("r1").state == ("failed" if i == 1 else "finished")
    assert fresh("r1").config == {"c0": 0, "c1": 1, "c2": 2}
    assert steps("r1") == [(0, 0), (1, 0.5), (2, 1), (3, 1.5), (4, 2), (5, 2.5)]
    with wandb.init(project=PROJECT, id="r1", resume="must") as run:
        assert run.resumed
        run.log({"m": 9})
    assert steps("r1")[-1] == (6, 9)
    # begun anew
    with wandb.init(project=PROJECT, id="r1") as run:
        run.log({"m": 100})
    assert steps("r1") == [(0, 100)]


def branching() -> None:
    with wandb.init(project=PROJECT, id="b1") as run:
        for i in range(6):
            run.log({"m": i})
    with wandb.init(project=PROJECT, fork_from="b1?_step=2") as run:
        run.log({"m": 33})
        fork = run.id
    assert steps(fork) == [(0, 0), (1, 1), (2, 2), (3, 33)]
    with wandb.init(project=PROJECT, resume_from="b1?_step=3") as run:
        run.log({"m": 44})
    assert steps("b1") == [(0, 0), (1, 1), (2, 2), (3, 3), (4, 44)]


def preemption() -> None:
    run = wandb.init(project=PROJECT, id="p1")
    run.log({"m": 1})
    run.mark_preempting()
    run.finish(exit_code=1)
    assert fresh("p1").state == "preempted"
    with wandb.init(project=PROJECT, id="p1", resume="allow") as run:
        assert run.resumed
        run.log({"m": 2})
    assert fresh("p1").state == "finished"
    assert steps("p1") == [(0, 1), (1, 2)]


first_run()
write_back()
files()
system_metrics()
resuming()
branching()
preemption()
# in a process that ends here: the client keeps the id in use
try:
    wandb.init(project=PROJECT, id="w1", resume="never")
    raise SystemExit("resume=never began a run that is there")
except wandb.errors.UsageError:
    pass
print(json.dumps({"ok": True}))
