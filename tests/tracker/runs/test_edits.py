"""Config, summary, tags and notes that a process and people from outside change: nobody's change
is lost, whoever has looked when.
"""

from __future__ import annotations

import json
import subprocess
import time
from typing import Any

import pytest

from tests.tracker.worlds import CLIENTS, Site, Tracker

UPSERT = "mutation($i: UpsertBucketInput!) { upsertBucket(input: $i) { bucket { id } } }"
EDITED = "config summaryMetrics tags notes displayName"
NET = {"depth": 3, "width": 8}
OWN = {
    "lr": {"value": 0.1},
    "net": {"value": NET},
    "_wandb": {"value": {"t": 1}},
}


def read(site: Site, fields: str = EDITED, agent: str = "") -> dict[str, Any]:
    """The run as somebody sees it; the public Api is given its stamps."""
    query = f'{{ project(name: "p", entityName: "local") {{ run(name: "r1") {{ {fields} }} }} }}'
    answer = site.http.post("/graphql", json={"query": query}, headers={"User-Agent": agent})
    run = answer.json()["data"]["project"]["run"]
    for field in ("config", "summaryMetrics"):
        run[field] = json.loads(run[field])
    return run


def values(site: Site) -> dict[str, Any]:
    """Config without what is the client's own."""
    config = read(site)["config"]
    return {key: entry["value"] for key, entry in config.items() if key != "_wandb"}


class Process:
    """Sends what wandb-core does: always everything it holds."""

    def __init__(self, site: Site) -> None:
        self.site, self.config, self.tags, self.notes = (
            site,
            json.loads(json.dumps(OWN)),
            ["a"],
            "n",
        )
        self.id: str | None = None
        self.tell()
        self.id = read(site, f"id {EDITED}")["id"]

    def tell(self) -> None:
        fields = {"config": json.dumps(self.config), "tags": self.tags, "notes": self.notes}
        self.site.gql(UPSERT, i={"name": "r1", "modelName": "p", "id": self.id, **fields})

    def summarise(self, **summary: Any) -> None:
        content = [json.dumps(summary)]
        self.site.stream(files={"wandb-summary.json": {"offset": 0, "content": content}})


class Outsider:
    """Does what wandb.Api does: reads, changes, and sends back everything that it has read."""

    def __init__(self, site: Site) -> None:
        self.site, self.run = site, read(site, f"id {EDITED}", "W&B Public Client 0.31.0")
        self.config: dict[str, Any] = self.run["config"]
        self.summary: dict[str, Any] = self.run["summaryMetrics"]
        self.tags: list[str] = self.run["tags"]

    def set(self, key: str, value: Any) -> None:
        self.config[key] = {"value": value, "desc": None}

    def update(self, **changes: Any) -> None:
        fields = {"tags": self.tags, "notes": self.run["notes"], **changes}
        fields |= {"displayName": self.run["displayName"], "config": json.dumps(self.config)}
        self.site.gql(UPSERT, i={"id": self.run["id"], **fields})

    def summarise(self) -> None:
        text = json.dumps(self.summary)
        self.site.gql(UPSERT, i={"id": self.run["id"], "summaryMetrics": text})


@pytest.fixture
def process(site: Site) -> Process:
    return Process(site)


def test_edits_survive_what_the_process_sends_without_having_seen_them(
    site: Site, process: Process
):
    process.summarise(loss=3)
    other = Outsider(site)
    other.set("ccc", "ddd")
    other.tags.append("outside")
    other.update(notes="better")
    other.summary["best"] = 1.5
    other.summarise()
    for late in (1, 2):
        process.config["late"] = {"value": late}
        process.tags = ["a", "late"]
        process.tell()
        process.summarise(loss=late)
        run = read(site)
        assert values(site) == {
            "lr": 0.1,
            "net": NET,
            "ccc": "ddd",
            "late": late,
        }
        assert run["tags"] == ["a", "outside", "late"]
        assert run["notes"] == "better"
        assert run["summaryMetrics"] == {"loss": late, "best": 1.5}


def test_where_both_change_one_key_the_later_one_wins(site: Site, process: Process):
    process.summarise(loss=3, acc=1)
    other = Outsider(site)
    other.set("lr", 0.2)
    other.update(notes="theirs")
    other.summary["loss"] = 30
    other.summarise()
    process.tell()
    process.summarise(loss=3, acc=2)
    assert (values(site)["lr"], read(site)["notes"]) == (0.2, "theirs")
    assert read(site)["summaryMetrics"] == {"loss": 30, "acc": 2}
    process.config["lr"] = {"value": 0.3}
    process.notes = "mine"
    process.tell()
    process.summarise(loss=4, acc=2)
    assert (values(site)["lr"], read(site)["notes"]) == (0.3, "mine")
    assert read(site)["summaryMetrics"] == {"loss": 4, "acc": 2}


def test_values_that_hold_keys_are_merged_key_by_key(site: Site, process: Process):
    other = Outsider(site)
    other.set("net", {"depth": 3, "width": 8, "name": "wide"})
    other.update()
    process.config["net"] = {"value": {"depth": 4, "width": 8}}
    process.tell()
    assert values(site)["net"] == {"depth": 4, "width": 8, "name": "wide"}


def test_media_are_one_value(site: Site, process: Process):
    process.summarise(image={"_type": "image-file", "path": "a", "sha256": "1"})
    other = Outsider(site)
    other.summary["image"] = {"_type": "image-file", "path": "b", "sha256": "2"}
    other.summarise()
    process.summarise(image={"_type": "image-file", "path": "a", "sha256": "3"})
    assert read(site)["summaryMetrics"]["image"]["path"] == "a"


def test_what_is_deleted_stays_deleted(site: Site, process: Process):
    process.summarise(loss=3, acc=1)
    other = Outsider(site)
    del other.config["lr"]
    other.tags.remove("a")
    other.update()
    del other.summary["acc"]
    other.summarise()
    process.config["late"] = {"value": 1}
    process.tell()
    process.summarise(loss=2, acc=1)
    assert set(values(site)) == {"net", "late"}
    assert read(site)["tags"] == []
    assert read(site)["summaryMetrics"] == {"loss": 2}
    del process.config["net"]
    process.tell()
    assert set(values(site)) == {"late"}


def test_an_outsider_who_has_read_long_ago_erases_nothing(site: Site, process: Process):
    """It sends everything that it has read, also what the process has changed since."""
    process.summarise(loss=3)
    other, third = Outsider(site), Outsider(site)
    process.config |= {"late": {"value": 1}, "lr": {"value": 0.3}}
    process.tags, process.notes = ["a", "late"], "new"
    process.tell()
    process.summarise(loss=2, acc=1)
    other.set("ccc", "ddd")
    other.update()
    other.summary["best"] = 1.5
    other.summarise()
    third.set("eee", 1)
    third.tags.append("third")
    third.update()
    third.summarise()
    for _ in range(2):
        run = read(site)
        assert values(site) == {
            "lr": 0.3,
            "net": NET,
            "late": 1,
            "ccc": "ddd",
            "eee": 1,
        }
        assert (run["tags"], run["notes"]) == (["a", "late", "third"], "new")
        assert run["summaryMetrics"] == {"loss": 2, "acc": 1, "best": 1.5}
        process.tell()  # and the process does not take it for an edit either
        process.summarise(loss=2, acc=1)


def test_the_clients_own_part_is_not_edited_from_outside(site: Site, process: Process):
    other = Outsider(site)
    process.config["_wandb"] = {"value": {"t": 2}}
    process.tell()
    other.set("ccc", 1)
    other.update()
    assert read(site)["config"]["_wandb"] == {"value": {"t": 2}}


def test_numbers_that_json_lacks_count_as_unchanged(site: Site, process: Process):
    process.summarise(loss=float("nan"), acc=1)
    other = Outsider(site)
    other.summary["loss"] = 1
    other.summarise()
    process.summarise(loss=float("nan"), acc=2)
    assert read(site)["summaryMetrics"] == {"loss": 1, "acc": 2}


def test_a_process_that_resumes_has_seen_the_edits(site: Site, process: Process):
    """What it says then is its word, though it repeats what was said before the edit."""
    other = Outsider(site)
    other.set("lr", 0.2)
    other.set("ccc", "ddd")
    other.update()
    site.stream(complete=True, exitcode=0)
    query = (
        '{ model(name: "p", entityName: "local")'
        ' { bucket(name: "r1", missingOk: true) { config } } }'
    )
    known = json.loads(site.gql(query)["model"]["bucket"]["config"])
    process.id, process.config = None, known | {"lr": {"value": 0.1}}
    process.tell()
    assert values(site) == {"lr": 0.1, "net": NET, "ccc": "ddd"}


def test_a_run_begun_anew_is_what_its_process_says(site: Site, process: Process):
    process.summarise(loss=3)
    other = Outsider(site)
    other.set("lr", 0.2)
    other.update()
    other.summary["best"] = 1.5
    other.summarise()
    site.stream(complete=True, exitcode=0)
    process.id = None
    process.tell()
    process.summarise(loss=9)
    assert values(site) == {"lr": 0.1, "net": NET}
    assert read(site)["summaryMetrics"] == {"loss": 9}


def test_an_edit_before_a_sweep_s_run_has_begun(site: Site):
    site.gql(UPSERT, i={"name": "r1", "modelName": "p", "state": "pending", "config": "{}"})
    other = Outsider(site)
    other.set("ccc", 1)
    other.tags.append("outside")
    other.update()
    Process(site)
    assert set(values(site)) == {"lr", "net", "ccc"}
    assert read(site)["tags"] == ["outside", "a"]


def test_several_processes_of_one_run_send_their_parts(site: Site):
    """wandb's mode="shared": each knows nothing of the others' config."""

    def tell(writer: str, config: dict[str, Any], summary: dict[str, Any]) -> None:
        fields = {"config": json.dumps(config), "tags": [writer]}
        body = {"query": UPSERT, "variables": {"i": {"name": "r1", "modelName": "p", **fields}}}
        several = {"X-WANDB-USE-ASYNC-FILESTREAM": "true"}
        headers = {"X-WANDB-CLIENT-ID": writer, **several}
        assert site.http.post("/graphql", json=body, headers=headers).status_code == 200
        content = {"offset": 0, "content": [json.dumps(summary)]}
        body = {"files": {"wandb-summary.json": content}}
        headers = {"X-WANDB-ASYNC-CLIENT-ID": writer, **several}
        answer = site.http.post("/files/local/p/r1/file_stream", json=body, headers=headers)
        assert answer.status_code == 200

    tell("w0", {"a": {"value": 1}, "gone": {"value": 1}}, {"la": 1})
    tell("w1", {"b": {"value": 1}}, {"lb": 1})
    other = Outsider(site)
    other.set("ccc", 1)
    other.summary["la"] = 5
    other.update()
    other.summarise()
    tell("w1", {"b": {"value": 2}}, {"lb": 2})
    tell("w0", {"a": {"value": 1}}, {"la": 1})
    assert values(site) == {"a": 1, "b": 2, "ccc": 1}
    assert read(site)["summaryMetrics"] == {"la": 5, "lb": 2}
    assert read(site)["tags"] == ["w0", "w1"]


# ----------------------------------------------------------------------------------- real clients


def start(tracker: Tracker, python: str, script: str, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [python, str(CLIENTS / f"{script}.py"), *words],
        env=tracker.environment,
        cwd=tracker.folder.parent,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def go_on(process: subprocess.Popen[str]) -> None:
    assert process.stdin
    process.stdin.write("\n")
    process.stdin.flush()


def hear(process: subprocess.Popen[str], word: str) -> None:
    assert process.stdout
    assert process.stdout.readline() == word + "\n"


@pytest.mark.e2e
@pytest.mark.timeout(180)
@pytest.mark.parametrize("restarted", [False, True], ids=["", "server-killed-between"])
def test_the_real_api_edits_a_run_that_goes_on(
    own_tracker: Tracker, wandb_python: str, restarted: bool
):
    """One edit by an Api that has just read the run, one by an Api that had read it before."""

    def ask() -> dict[str, Any]:
        query = (
            '{ project(name: "p", entityName: "local")'
            f' {{ run(name: "one") {{ state historyLineCount {EDITED} }} }} }}'
        )
        return own_tracker.ask(query)["project"]["run"]

    def until_logged(loss: int) -> None:
        while json.loads(ask()["summaryMetrics"]).get("loss") != loss:  # as long as the test may
            assert run.poll() is None
            time.sleep(0.1)

    def edit(outsider: subprocess.Popen[str]) -> None:
        go_on(outsider)
        assert outsider.wait(60) == 0
        if restarted:
            own_tracker.kill()
            own_tracker.start()

    run = start(own_tracker, wandb_python, "edited", "p")
    hear(run, "begun")
    until_logged(3)
    early = start(own_tracker, wandb_python, "edit", "local/p/one")
    late = start(own_tracker, wandb_python, "edit", "local/p/one")
    hear(early, "read")
    hear(late, "read")
    edit(early)
    go_on(run)
    hear(run, "gone on")
    until_logged(2)
    edit(late)
    go_on(run)
    assert run.wait(60) == 0
    found = ask()
    config = {k: v["value"] for k, v in json.loads(found["config"]).items() if k != "_wandb"}
    assert config == {
        "own": 1,
        "late": 1,
        "outside": "kept",
        "swept": {"steps": 2000, "scale": 0.1, "name": "kept"},
    }
    summary = json.loads(found["summaryMetrics"])
    assert {k: v for k, v in summary.items() if k[0] != "_"} == {
        "loss": 2,
        "still": 1,
        "test/best": 1.5,
    }
    assert (found["tags"], found["notes"]) == (["first", "outside", "last"], "own")
    assert (found["state"], found["historyLineCount"]) == ("finished", 2)
