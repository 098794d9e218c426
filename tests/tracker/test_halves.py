"""Half of a character (a lone surrogate) from outside, and exit codes that are none. Neither may
break a page or a filter, which are about other runs too.
"""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.tracker.artifact_world import Writer
from tests.tracker.old_folder import FOLDERS, restore
from tests.tracker.worlds import Site
from tracker.store.database import Store

HALF, WHOLE = "a\ud800b", "a\ufffdb"
FIELDS = (
    "name displayName notes tags state config summaryMetrics systemMetrics historyKeys"
    " history(minStep: 0, maxStep: 100) events historyTail wandbConfig computeSeconds"
    " logLines { edges { node { line label } } }"
)


def stream(site: Site, body: dict[str, Any], name: str = "r1", status: int = 200) -> None:
    answer = site.http.post(
        f"/files/local/p/{name}/file_stream", content=json.dumps(body), headers=JSON
    )
    assert answer.status_code == status, answer.text


JSON = {"Content-Type": "application/json"}


def lines(**files: Any) -> dict[str, Any]:
    names = {"history": "wandb-history.jsonl", "events": "wandb-events.jsonl"}
    names |= {"summary": "wandb-summary.json", "log": "output.log"}
    content = {
        names[name]: {
            "offset": 0,
            "content": [x if isinstance(x, str) else json.dumps(x) for x in given],
        }
        for name, given in files.items()
    }
    return {"files": content}


def found(
    site: Site, condition: dict[str, Any] | None = None, order: str = "+created_at"
) -> list[str]:
    """The names of the runs that meet a condition."""
    data = site.gql(
        'query($f: JSONString, $o: String) { project(name: "p", entityName: "local")'
        " { runs(filters: $f, order: $o) { edges { node { name } } } } }",
        f=json.dumps(condition or {}),
        o=order,
    )
    return [edge["node"]["name"] for edge in data["project"]["runs"]["edges"]]


def all_is_well(site: Site) -> None:
    """Every page and every kind of filter, about a project with a run `r1` and a run `plain`."""
    for page in ("/", "/local", "/local/p", "/local/p/runs/r1", "/local/p/runs/plain"):
        assert site.http.get(page).status_code == 200, page
    assert site.run(FIELDS)
    for key in ("config.bad", f"config.{WHOLE}", "summary_metrics.bad", "summary_metrics.val.loss"):
        for condition in (
            {"$exists": True},
            {"$gt": 1},
            {"$regex": "a"},
            {"$ne": HALF},
            {"$lt": 10**400},
        ):
            assert set(found(site, {key: condition})) <= {"r1", "plain"}
        assert set(found(site, order=f"-{key}")) == {"r1", "plain"}
    assert found(site, {"tags": "plain"}) == ["plain"]


@pytest.fixture
def world(site: Site) -> Site:
    config = {"bad": {"value": 0}, "_wandb": {"value": {"t": {}}}}
    site.start_run("plain", config=json.dumps(config), tags=["plain"])
    return site


def test_half_a_character_becomes_the_sign_for_what_is_unknown(world: Site):
    config = {"bad": {"value": HALF}, HALF: {"value": [HALF, {HALF: 1}]}}
    made = world.start_run(
        config=json.dumps(config), displayName=HALF, notes=HALF, tags=[HALF], jobType=HALF
    )
    assert made["inserted"]
    structured = json.dumps({"content": HALF, "label": HALF, "ts": HALF, "level": HALF})
    stream(
        world,
        lines(
            history=[{"_step": 0, HALF: 1, "bad": HALF}],
            events=[{f"system.{HALF}": 1}],
            summary=[{"bad": HALF, HALF: 2}],
            log=[HALF, f"ERROR 2026-01-01T00:00:00 {HALF}", structured],
        ),
    )
    all_is_well(world)
    run = world.run(FIELDS)
    assert run
    assert (run["displayName"], run["notes"], run["tags"]) == (WHOLE, WHOLE, [WHOLE])
    assert json.loads(run["config"]) == {
        "bad": {"value": WHOLE},
        WHOLE: {"value": [WHOLE, {WHOLE: 1}]},
    }
    assert json.loads(run["summaryMetrics"]) == {"bad": WHOLE, WHOLE: 2}
    assert json.loads(run["history"][0]) == {"_step": 0, WHOLE: 1, "bad": WHOLE}
    assert [edge["node"]["line"] for edge in run["logLines"]["edges"]] == [WHOLE] * 3
    # and who asks for what was sent finds it
    assert found(world, {"config.bad": HALF}) == ["r1"]
    assert found(world, {"display_name": HALF}) == ["r1"]
    assert found(world, {"tags": {"$in": [HALF]}}) == ["r1"]


def test_what_is_no_half_stays_as_it_was(world: Site):
    smile = "\U0001f600 \\ud800 é"  # a pair in JSON; a backslash in words
    config = json.dumps({"bad": {"value": smile}})
    world.start_run(config=config, notes=smile)
    stream(world, lines(log=[smile]))
    run = world.run("notes config logLines { edges { node { line } } }")
    assert run
    assert json.loads(run["config"])["bad"]["value"] == run["notes"] == smile
    assert run["logLines"]["edges"][0]["node"]["line"] == smile


def test_names_with_half_a_character(world: Site):
    """They are refused rather than changed: the client would go on by the name that it gave."""
    query = "mutation($i: UpsertBucketInput!) { upsertBucket(input: $i) { inserted } }"
    for name, project in ((HALF, "p"), ("x", HALF)):
        assert "not text" in world.refused(query, i={"name": name, "modelName": project})
    query = (
        'query($n: String!) { project(name: "p", entityName: "local") { run(name: $n) { id } } }'
    )
    assert "not text" in world.refused(query, n=HALF)
    query = "mutation($i: UpsertModelInput!) { upsertModel(input: $i) { inserted } }"
    assert "not text" in world.refused(query, i={"name": "p", "description": HALF})
    assert world.http.get("/local/a%ED%A0%80b").status_code == 404
    assert found(world) == ["plain"]
    assert world.http.get("/").text.count("/local/p") == 1


def test_sweeps_with_half_a_character(world: Site):
    config = {"method": "grid", "name": HALF, "parameters": {"bad": {"values": [HALF, "x"]}}}
    fields = {"entityName": "local", "projectName": "p", "config": json.dumps(config)}
    query = "mutation($i: UpsertSweepInput!) { upsertSweep(input: $i) { sweep { id name } } }"
    sweep = world.gql(query, i=fields)["upsertSweep"]["sweep"]
    agent = world.gql(
        'mutation($s: String!) { createAgent(input: {sweep: $s, host: "h", projectName: "p",'
        ' entityName: "local"}) { agent { id } } }',
        s=sweep["name"],
    )["createAgent"]["agent"]["id"]
    query = (
        'mutation($a: ID!) { agentHeartbeat(input: {id: $a, metrics: "{}", runState: "{}"})'
        " { commands } }"
    )
    (command,) = json.loads(world.gql(query, a=agent)["agentHeartbeat"]["commands"])
    assert command["args"]["bad"]["value"] in (WHOLE, "x")
    assert world.http.get(f"/local/p/sweeps/{sweep['name']}").status_code == 200
    assert found(world, {"config.bad": {"$regex": "[ax]"}}) == [command["run_id"]]


def test_metadata_of_artifacts(world: Site):
    writer = Writer(world)
    for metadata in ("no json", "[1]", json.dumps({"a": {"b": 1}})[:-1]):
        fields = {"metadata": metadata, "digest": "d"}
        with pytest.raises(AssertionError, match="metadata"):
            writer.create("made", **fields)
    version = writer.log("made", {"a.txt": b"1"}, metadata=json.dumps({"bad": HALF, HALF: 1}))
    assert version
    assert world.http.get("/local/p/artifacts/dataset/made/v0").status_code == 200


@pytest.mark.parametrize("code", ["x", "0", 1.5, True, [0], {}, 10**400, 2**32, -(2**31) - 1])
def test_an_exit_code_that_is_none_ends_nothing(site: Site, code: Any):
    site.start_run()
    body = lines(history=[{"a": 1}]) | {"complete": True, "exitcode": code}
    stream(site, body, status=400)
    assert site.run("state historyLineCount") == {"state": "running", "historyLineCount": 0}


@pytest.mark.parametrize(
    ("code", "stored"),
    [(None, 0), (0, 0), (255, 255), (-11, -11), (2**32 - 11, -11)],
)
def test_exit_codes(site: Site, code: int | None, stored: int):
    site.start_run()
    stream(site, {"complete": True, "exitcode": code})
    state = "failed" if stored else "finished"
    assert site.run("state exitcode") == {"state": state, "exitcode": stored}


def test_a_folder_with_halves_of_characters_in_it_is_mended(tmp_path: Path):
    """Written before they were kept out."""
    (kept,) = FOLDERS.glob("schema-2")
    folder = tmp_path / "data"
    restore(kept, folder)
    db = sqlite3.connect(folder / "tracker.db")
    for column in ("config", "summary", "system_metrics"):
        db.execute(f"UPDATE runs SET {column} = ?", (json.dumps({HALF: {"value": HALF}}),))
    db.execute("UPDATE artifacts SET metadata = ?", (json.dumps({HALF: HALF}),))
    db.commit()
    db.close()
    store = Store(folder / "tracker.db")
    with store.read() as db:
        for column in ("config", "summary", "system_metrics"):
            for row in db.execute(f"SELECT {column} FROM runs"):
                assert json.loads(row[0]) == {WHOLE: {"value": WHOLE}}
        metadata = {row[0] for row in db.execute("SELECT metadata FROM artifacts")}
    assert metadata == {json.dumps({WHOLE: WHOLE})}
    store.close()
