"""Runs by GraphQL: begin, resume, fork, rewind, change, delete; history and its sampling."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.tracker.worlds import Site
from tracker.runs import history

ASK = (
    'query { model(name: "p", entityName: "local") { bucket(name: "r1", missingOk: true)'
    ' { historyLineCount wandbConfig(keys: ["t"]) } } }'
)


def log(site: Site, name: str, start: int, stop: int) -> None:
    site.log(name, *({"_step": i} for i in range(start, stop)), offset=start)


def steps(site: Site, name: str = "r1") -> list[int]:
    run = site.run("history(minStep: 0, maxStep: 1000)", name)
    assert run
    return [json.loads(row)["_step"] for row in run["history"]]


def test_begin_makes_project_and_run(site: Site):
    made = site.start_run(config='{"lr": {"value": 1}}')
    assert made["inserted"] is True
    assert made["bucket"]["state"] == "running"
    assert json.loads(made["bucket"]["config"]) == {"lr": {"value": 1}}
    again = site.start_run(tags=["a"])
    assert again["inserted"] is False
    assert again["bucket"]["id"] == made["bucket"]["id"]
    assert json.loads(again["bucket"]["config"]) == {"lr": {"value": 1}}  # null is unchanged


def test_a_client_that_asks_goes_on_and_one_that_does_not_begins_anew(site: Site):
    """The line count in the answer is the true one: a client that begins anew puts its first row
    behind all others too, and the row's step says which one it replaces."""
    site.start_run()
    log(site, "r1", 0, 5)
    site.stream(complete=True, exitcode=0)
    assert site.gql(ASK)["model"]["bucket"]["historyLineCount"] == 5
    assert site.start_run()["bucket"]["historyLineCount"] == 5  # it had asked
    site.stream(complete=True, exitcode=0)
    site.log("r1", {"_step": 0, "new": 1}, offset=5)
    assert steps(site) == [0, 1, 2, 3, 4]
    assert site.start_run()["bucket"]["historyLineCount"] == 5  # it has not
    assert steps(site) == [0, 1, 2, 3, 4]  # nothing is dropped before new rows come
    site.log("r1", {"_step": 0, "new": 1}, offset=5)
    assert steps(site) == [0]


def test_an_old_question_is_no_question(site: Site):
    site.start_run()
    log(site, "r1", 0, 5)
    site.gql(ASK)
    site.now += 601
    assert site.start_run()["bucket"]["historyLineCount"] == 5
    site.log("r1", {"_step": 0, "new": 1}, offset=5)
    assert steps(site) == [0]  # begun anew


def test_a_pending_run_has_not_begun(site: Site):
    """How a client tells a run that a sweep has made from one that it resumes."""
    site.start_run(state="pending", config='{"_wandb": {"value": {"t": {"1": []}}}}')
    assert site.gql(ASK)["model"]["bucket"]["wandbConfig"] == "{}"
    site.start_run()
    assert "t" in json.loads(site.gql(ASK)["model"]["bucket"]["wandbConfig"])


def test_a_fork_of_no_run_is_refused(site: Site):
    point = {"_wandb": {"value": {"branch_point": {"run_id": "nobody", "step": 3}}}}
    query = "mutation($i: UpsertBucketInput!) { upsertBucket(input: $i) { inserted } }"
    fields = {"name": "fork", "modelName": "p", "config": json.dumps(point)}
    assert "run nobody, to fork from" in site.refused(query, i=fields)
    assert site.gql('{ project(name: "p", entityName: "local") { id } }')["project"] is None


def test_a_fork_begins_with_its_parents_history(site: Site):
    site.start_run()
    log(site, "r1", 0, 9)
    point = {"_wandb": {"value": {"branch_point": {"run_id": "r1", "step": 3}}}}
    made = site.start_run("fork", config=json.dumps(point))
    assert made["bucket"]["historyLineCount"] == 4
    site.log("fork", {"_step": 4}, {"_step": 5}, offset=4)
    assert steps(site, "fork") == [0, 1, 2, 3, 4, 5]
    assert steps(site) == list(range(9))


def test_rewind_forgets_later_rows(site: Site):
    site.start_run()
    log(site, "r1", 0, 9)
    query = (
        'mutation($v: Float!) { rewindRun(input: {runName: "r1", entityName: "local",'
        ' projectName: "p", metricName: "_step", metricValue: $v}) {'
        " rewoundRun { historyLineCount } } }"
    )
    assert site.gql(query, v=3)["rewindRun"]["rewoundRun"]["historyLineCount"] == 4
    assert steps(site) == [0, 1, 2, 3]
    run = site.run("historyKeys")
    assert run
    assert run["historyKeys"]["lastStep"] == 3


def test_changes_by_id_do_not_begin_the_run(site: Site):
    made = site.start_run()["bucket"]
    site.stream(complete=True, exitcode=1)
    query = "mutation($i: UpsertBucketInput!) { upsertBucket(input: $i) { bucket { state tags } } }"
    changed = site.gql(query, i={"id": made["id"], "tags": ["x"], "notes": "n"})
    assert changed["upsertBucket"]["bucket"] == {"state": "failed", "tags": ["x"]}


@pytest.mark.parametrize(
    "fields",
    [{"config": "no json"}, {"summaryMetrics": "[1]"}, {"state": "sleeping"}],
    ids=str,
)
def test_senseless_changes_are_refused(site: Site, fields: dict[str, Any]):
    site.start_run()
    query = "mutation($i: UpsertBucketInput!) { upsertBucket(input: $i) { inserted } }"
    assert site.refused(query, i={"name": "r1", "modelName": "p", **fields})


@pytest.mark.parametrize("name", ["a/b", "../x", "x" * 129, "a\nb"])
@pytest.mark.parametrize("field", ["name", "modelName", "entityName"])
def test_names_that_fit_in_no_address_are_refused(site: Site, field: str, name: str):
    query = "mutation($i: UpsertBucketInput!) { upsertBucket(input: $i) { inserted } }"
    why = site.refused(query, i={"name": "r", "modelName": "p", field: name})
    assert ("not text" if "\n" in name else "slash") in why


def test_unknown_input_fields_of_newer_clients_are_dropped(site: Site):
    made = site.start_run(notYetInvented={"a": 1}, groupName="g")
    assert made["inserted"]
    assert site.run("group") == {"group": "g"}


@pytest.mark.parametrize(
    ("start", "target", "allowed"),
    [
        ("failed", "pending", True),
        ("running", "pending", True),
        ("running", "failed", True),
        ("finished", "pending", False),
        ("finished", "failed", False),
        ("running", "finished", False),
    ],
)
def test_transitions_by_update_run_state(site: Site, start: str, target: str, allowed: bool):
    made = site.start_run()["bucket"]
    if start != "running":
        site.stream(complete=True, exitcode={"failed": 1, "finished": 0}[start])
    query = "mutation($i: UpdateRunStateInput!) { updateRunState(input: $i) { success } }"
    answer = site.post(query, {"i": {"id": made["id"], "state": target}})
    assert (answer.status_code == 200) is allowed
    assert ("invalid state transition" in answer.text) is not allowed
    run = site.run("state")
    assert run
    assert run["state"] == (target if allowed else start)


def test_a_deleted_run_is_gone_with_all_that_belongs_to_it(site: Site):
    made = site.start_run()["bucket"]
    log(site, "r1", 0, 5)
    site.stream(files={"output.log": {"offset": 0, "content": ["a"]}})
    query = "mutation($id: ID!) { deleteRun(input: {id: $id}) { clientMutationId } }"
    site.gql(query, id=made["id"])
    assert site.run("id") is None
    with site.store.read() as db:
        for table in ("history", "logs", "runs"):
            assert db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] == 0
    assert site.http.post("/files/local/p/r1/file_stream", json={}).status_code == 404
    site.gql(query, id=made["id"])  # told twice, as where the first answer was lost
    # an id is not given to another run
    assert site.start_run()["bucket"]["id"] != made["id"]


def test_ids_of_another_kind_are_refused(site: Site):
    site.start_run()
    project = site.gql('{ project(name: "p", entityName: "local") { id } }')["project"]["id"]
    query = "mutation($id: ID!) { deleteRun(input: {id: $id}) { clientMutationId } }"
    for wrong in (project, "", "x", "UnVuOng=", "MQ=="):
        assert "is not the id of a Run" in site.refused(query, id=wrong)


def test_an_error_of_the_program_is_told_and_logged(site: Site, caplog: pytest.LogCaptureFixture):
    site.store.error = ZeroDivisionError("a mistake")
    answer = site.post('{ viewer { id } project(name: "p") { id } }', {})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["path"] == ["project"]
    assert answer.json()["data"]["viewer"]["id"]
    assert "ZeroDivisionError" in caplog.text


# ----------------------------------------------------------------------------------------- history


def test_bounds_of_history_and_sampled_history(site: Site):
    """`history` excludes its maxStep, `sampledHistory` includes it, as in W&B."""
    site.start_run()
    site.log("r1", *({"_step": i, "x": i, **({"y": i} if i % 2 else {})} for i in range(10)))
    specs = [
        json.dumps({"keys": ["_step", "x"], "minStep": 2, "maxStep": 5, "samples": 100}),
        json.dumps({"keys": ["y"], "samples": 100}),
    ]
    run = site.run(f"history(minStep: 2, maxStep: 5) sampledHistory(specs: {json.dumps(specs)})")
    assert run
    assert [json.loads(row)["_step"] for row in run["history"]] == [2, 3, 4]
    first, second = run["sampledHistory"]
    assert first == [{"_step": i, "x": i} for i in (2, 3, 4, 5)]
    assert second == [{"y": i} for i in (1, 3, 5, 7, 9)]  # only rows that hold every key


@pytest.mark.parametrize(
    ("agent", "name", "samples", "last"),
    [
        ("W&B Public Client 0.31.0", "SampledHistoryPage", 4, 5),
        ("W&B Public Client 0.28.0", "SampledHistoryPage", 4, 5),
        ("wandb-core", "SampledHistoryPage", 3, 4),  # 0.27.1, beta_scan_history before it
        ("wandb-core", None, 1000, 4),  # 0.27.0
        ("W&B Public Client 0.25.0", None, 1000, 4),
        ("W&B Public Client 0.25.0", None, 4, 4),  # the last page of a scan
        ("curl/8.0", None, 1000, 5),
    ],
)
def test_clients_differ_in_the_bound_of_a_page(
    site: Site, agent: str, name: str | None, samples: int, last: int
):
    """As each version was seen to ask for steps 2 … 4 (up to 0.27) or 2 … 5 (from 0.28)."""
    site.start_run()
    log(site, "r1", 0, 10)
    spec = json.dumps({"keys": ["_step"], "minStep": 2, "maxStep": 5, "samples": samples})
    query = {
        "query": 'query SampledHistoryPage($s: [JSONString!]!) { project(name: "p",'
        ' entityName: "local") { run(name: "r1") { sampledHistory(specs: $s) } } }',
        "variables": {"s": [spec]},
        "operationName": name,
    }
    rows = site.http.post("/graphql", json=query, headers={"User-Agent": agent}).json()["data"]
    expected = [{"_step": step} for step in range(2, last + 1)]
    assert rows["project"]["run"]["sampledHistory"] == [expected]


def test_clients_are_told_where_live_rows_begin(site: Site):
    """Without it, wandb 0.27.1 finds that a run has no history at all."""
    site.start_run()
    field = 'parquetHistory(liveKeys: ["_step"]) { parquetUrls liveData }'
    assert site.run(field) == {"parquetHistory": {"parquetUrls": [], "liveData": []}}
    site.log("r1", {"_step": 3, "x": 1}, {"_step": 4, "x": 1})
    found = site.run(field)
    assert found == {"parquetHistory": {"parquetUrls": [], "liveData": [{"_step": 3}]}}


def test_special_numbers_pass_through(site: Site):
    site.start_run()
    line = '{"_step": 0, "a": NaN, "b": Infinity, "c": -Infinity}'
    site.stream(files={"wandb-history.jsonl": {"offset": 0, "content": [line]}})
    run = site.run(
        'history(minStep: 0, maxStep: 1) historyKeys sampledHistory(specs: ["{\\"keys\\": []}"])'
    )
    assert run
    assert run["history"] == [line]
    assert run["sampledHistory"][0][0]["a"] == "NaN"  # JSON has no such number
    assert run["historyKeys"]["keys"]["b"]["typeCounts"] == [{"type": "number", "count": 1}]


@pytest.mark.parametrize(("n", "samples"), [(0, 5), (1, 5), (5, 5), (6, 5), (1000, 7), (10, 1)])
def test_thin_keeps_first_and_last(n: int, samples: int):
    thinned = history.thin(list(range(n)), samples)
    assert len(thinned) == min(n, samples)
    assert thinned == sorted(set(thinned))
    if n:
        assert thinned[-1] == n - 1
    if n and samples > 1:
        assert thinned[0] == 0


@pytest.mark.parametrize(
    ("key", "value"),
    [("a.b", 1), ("c.d", 2), ("c", {"d": 2}), ("e.f.g", 3), ("e.f", {"g": 3}), ("h.i.j", 4)],
)
def test_a_dot_is_part_of_a_key_or_parts_two_levels(key: str, value: Any):
    row = {"a.b": 1, "c": {"d": 2}, "e": {"f": {"g": 3}}, "h.i": {"j": 4}}
    assert history.lookup(row, key) == value
    assert history.lookup(row, key + ".none") is history.MISSING


def test_media_are_one_value():
    keys = history.merge_keys({}, [{"img": {"_type": "image-file", "path": "x"}, "d": {}}], 0)
    assert {k: v["typeCounts"][0]["type"] for k, v in keys["keys"].items()} == {
        "img": "image-file",
        "d": "map",
    }


# ---------------------------------------------------------------------------------------- projects


def test_projects_are_made_listed_described_and_deleted(site: Site):
    query = "mutation($i: UpsertModelInput!) { upsertModel(input: $i) { inserted project { id } } }"
    ids = []
    for name in ("a", "b", "c"):
        made = site.gql(query, i={"name": name, "entityName": "team", "description": "d"})
        assert made["upsertModel"]["inserted"] is True
        ids.append(made["upsertModel"]["project"]["id"])
    assert (
        site.gql(query, i={"name": "a", "entityName": "team"})["upsertModel"]["inserted"] is False
    )
    found, after = [], None
    for _ in range(3):
        page = site.gql(
            'query($after: String) { models(entityName: "team", first: 1, after: $after) {'
            " edges { node { name description } } pageInfo { endCursor hasNextPage } } }",
            after=after,
        )["models"]
        found += [edge["node"]["name"] for edge in page["edges"]]
        after = page["pageInfo"]["endCursor"]
    assert found == ["a", "b", "c"]
    assert page["pageInfo"]["hasNextPage"] is False
    site.gql(
        "mutation($i: DeleteModelInput!) { deleteModel(input: $i) { success } }", i={"id": ids[0]}
    )
    assert site.gql('{ project(name: "a", entityName: "team") { id } }')["project"] is None
