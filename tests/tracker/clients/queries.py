# type: ignore  (the client's annotations do not say what it gives)
"""wandb.Api: filters, order, paging, projects, deletion, a wrong key."""

from __future__ import annotations

import math
import sys

import wandb

PROJECT = sys.argv[1]
PATH = f"local/{PROJECT}"

for i in range(5):
    with wandb.init(
        project=PROJECT,
        id=f"f{i}",
        config={"lr": i / 10, "opt": {"name": "adam" if i % 2 else "sgd"}, "flag": i > 2}
        | [{}, {"dotted.name": 2}, {}, {"maybe": None}, {"dotted": {"name": 1}}][i],
        group=f"g{i % 2}",
        tags=["even"] if i % 2 == 0 else [],
    ) as run:
        if i != 4:
            run.log({"loss": [2, 1, math.inf, 0][i]})


def found(filters=None, **options) -> str:
    runs = wandb.Api().runs(PATH, filters=filters, per_page=2, **options)
    names = "".join(run.id[1:] for run in runs)
    assert len(runs) == len(names)
    return names


api = wandb.Api()
assert api.default_entity == "local"
assert api.viewer.entity == "local"
assert found() == "01234"
assert found(order="-created_at") == "43210"
assert found(order="+summary_metrics.loss") == "31024"
assert found(order="-summary_metrics.loss") == "01342"  # infinity is ahead of nothing
assert found({"config.lr": {"$gte": 0.2}}) == "234"
assert found({"config.lr.value": 0.2}) == "2"
assert found({"config.opt.name": "adam"}) == "13"
assert found({"config.flag": True}) == "34"
assert found({"$or": [{"config.lr": 0.1}, {"summary_metrics.loss": {"$lt": 1}}]}) == "13"
assert found({"$and": [{"group": "g0"}, {"state": "finished"}, {"name": {"$ne": "f0"}}]}) == "24"
assert found({"tags": {"$in": ["even"]}}, order="-created_at") == "420"
assert found({"summary_metrics.loss": {"$exists": False}}) == "4"
assert found({"display_name": {"$regex": "^f[12]$"}}) == "12" or found({"name": "f1"}) == "1"
assert found({"state": "running"}) == ""
assert found({"config.maybe": None}) == "01234"
assert found({"$and": [{"config.maybe": None}, {"config.maybe": {"$exists": True}}]}) == "3"
assert found(order="-config.opt.name.value") == "42031"
assert found(order="-config.dotted.name.value") == "14320"
assert found(order="+config.dotted.name.value") == "41023"

try:
    list(wandb.Api().runs(PATH, filters={"planet": "mars"}))
    raise SystemExit("a senseless filter was taken")
except Exception as error:
    assert "planet" in str(error) or "400" in str(error), error

runs = wandb.Api().runs(PATH, order="+created_at")
assert runs[3].config["lr"] == 0.3
assert runs[3].summary["loss"] == 0

assert PROJECT in [project.name for project in api.projects("local")]
wandb.Api().create_project(f"{PROJECT}-made", "local")
assert f"{PROJECT}-made" in [project.name for project in wandb.Api().projects("local")]

wandb.Api().run(f"{PATH}/f0").delete()
assert found() == "1234"
for path, kind in ((f"{PATH}/f0", Exception), ("local/nowhere/f1", Exception)):
    try:
        wandb.Api().run(path)
        raise SystemExit(f"{path} was found")
    except kind:
        pass
try:
    len(wandb.Api().runs("local/nowhere"))
    list(wandb.Api().runs("local/nowhere"))
    raise SystemExit("a project that is not there was listed")
except ValueError as error:
    assert "nowhere" in str(error)
try:
    print(wandb.Api(api_key="x" * 40).viewer)
    raise SystemExit("a wrong key was taken")
except SystemExit:
    raise
except Exception as error:
    print("refused:", error)
