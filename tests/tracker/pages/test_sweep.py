"""The page of a sweep: its own axes, cells, progress, failures, agents, decisions, report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.tracker.pages.conftest import Tab
from tests.tracker.worlds import Site, Tracker

CONFIG = {
    "method": "grid",
    "name": "my grid",
    "metric": {"name": "val/acc", "goal": "maximize"},
    "parameters": {
        "fusion": {"values": ["add", "gate"]},
        "optimizer": {"parameters": {"lr": {"values": [0.1, 0.2]}}},
        "seed": {"values": [0, 1]},
        **{name: {"value": 1} for name in ("aa", "ab", "ac", "ad", "ae", "af", "ag")},
    },
}
UPSERT = "mutation($i: UpsertSweepInput!) { upsertSweep(input: $i) { sweep { name } } }"
AGENT = """mutation($s: String!) { createAgent(input: {host: "h", projectName: "p", sweep: $s}) {
    agent { id } } }"""
BEAT = """mutation($id: ID!, $r: JSONString) { agentHeartbeat(
    input: {id: $id, metrics: "{}", runState: $r}) { commands } }"""
RUN = "mutation($i: UpsertBucketInput!) { upsertBucket(input: $i) { bucket { id } } }"


class Agent:
    """Works on the sweep through `ask(query, **variables)` and `send(path, body)`."""

    def __init__(self, ask: Any, send: Any) -> None:
        self.ask, self.send = ask, send
        made = ask(UPSERT, i={"projectName": "p", "config": json.dumps(CONFIG)})
        self.sweep = made["upsertSweep"]["sweep"]["name"]
        self.id = ask(AGENT, s=self.sweep)["createAgent"]["agent"]["id"]

    def work(self, cells: int, failing: tuple[int, ...] = ()) -> None:
        for i in range(cells):
            answer = self.ask(BEAT, id=self.id, r="{}")["agentHeartbeat"]["commands"]
            command = json.loads(answer)[0]
            name = command["run_id"]
            config = {key: {"value": value["value"]} for key, value in command["args"].items()}
            run = {
                "name": name,
                "modelName": "p",
                "sweep": self.sweep,
                "config": json.dumps(config),
            }
            self.ask(RUN, i=run)
            rows = [json.dumps({"_step": s, "val/acc": 0.1 * s + i / 100}) for s in range(5)]
            lines = [f"2026-01-01T00:00:00 cell {i}", "ERROR 2026-01-01T00:00:00 out of memory"]
            self.send(
                f"/files/local/p/{name}/file_stream",
                {
                    "files": {
                        "wandb-history.jsonl": {"offset": 0, "content": rows},
                        "wandb-summary.json": {"offset": 0, "content": [rows[-1]]},
                        "output.log": {"offset": 0, "content": lines},
                    },
                    "complete": True,
                    "exitcode": int(i in failing),
                },
            )


def agent_of(site: Site) -> Agent:
    def send(path: str, body: dict[str, Any]) -> None:
        assert site.http.post(path, json=body).status_code == 200

    return Agent(site.gql, send)


def page(site: Site, agent: Agent) -> str:
    answer = site.http.get(f"/local/p/sweeps/{agent.sweep}")
    assert answer.status_code == 200
    return answer.text


def test_a_sweep_shows_its_own_axes_and_how_far_it_is(site: Site):
    agent = agent_of(site)
    agent.work(3)
    html = page(site, agent)
    assert "3 of 8" in html
    assert "1 of 1" in html  # agents alive
    heads = html.split("<h2>Runs")[1].split("</tr>")[0]
    for axis in ("fusion", "optimizer.lr", "seed"):
        assert f">{axis}<" in heads
    assert ">aa<" not in heads
    site.now += 3600
    assert "0 of 1" in page(site, agent)


def test_cells_lie_in_a_map_of_cell_by_seed(site: Site):
    agent = agent_of(site)
    agent.work(8)
    html = page(site, agent)
    table = html.split('class="map"')[1].split("</table>")[0]
    assert table.count("<tr>") == 1 + 4
    assert table.count("<td") == 8
    assert "shade0" in table and "shade7" in table


def test_learning_curves_are_coloured_by_a_chosen_axis(site: Site):
    agent = agent_of(site)
    agent.work(4)
    place = f"/local/p/sweeps/{agent.sweep}"
    for axis, value in (("fusion", "add"), ("optimizer.lr", "0.1"), ("seed", "0")):
        assert f"{axis} = {value} <span" in site.http.get(f"{place}?colour={axis}").text
    cells = site.http.get(place, params={"colour": "fusion × optimizer.lr"}).text
    assert cells.count("fusion = add, optimizer.lr = 0.1 <span") == 1


def test_failed_and_retried_cells_show_their_last_lines(site: Site):
    agent = agent_of(site)
    agent.work(4, failing=(1,))
    troubles = page(site, agent).split('id="troubles"')[1].split("</section>")[0]
    assert "out of memory" in troubles
    assert "fusion=add" in troubles
    assert ">cell 1<" in troubles
    assert ">cell 2<" not in troubles


def test_decisions_and_agents_are_listed(site: Site):
    agent = agent_of(site)
    agent.work(2)
    html = page(site, agent)
    assert "attempt 1 at fusion=add" in html
    assert "2 done" in html


def test_a_sweep_that_its_owner_stopped_says_stopped(site: Site):
    agent = agent_of(site)
    agent.work(1)
    storage = site.gql(
        'query($s: String!) { project(name: "p") { sweep(sweepName: $s) { id } } }', s=agent.sweep
    )["project"]["sweep"]["id"]
    site.gql(UPSERT, i={"id": storage, "state": "STOPPED"})
    assert 'class="state STOPPED">stopped<' in page(site, agent)


def test_the_report_of_a_sweep_is_a_page(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("FUSION_RUNNER_HOME", str(tmp_path))
    agent = agent_of(site)
    assert "/-/reports/" not in page(site, agent)
    folder = tmp_path / "reports" / "my-grid"
    folder.mkdir(parents=True)
    about = {"id": agent.sweep, "project": "p", "entity": "local"}
    (folder / "report.json").write_text(json.dumps({"sweep": about}))
    (folder / "report.md").write_text(
        "# My grid\n\n![a plot](plot.png)\n\n| a | b |\n|---|---|\n| 1 | <script>x</script> |\n"
        "\n![out](https://example.com/x.png) ![up](../x.png)\n"
    )
    (folder / "plot.png").write_bytes(b"\x89PNG")
    assert 'href="/-/reports/my-grid/"' in page(site, agent)
    html = site.http.get("/-/reports/my-grid/").text
    assert f'href="/local/p/sweeps/{agent.sweep}"' in html
    assert '<img src="/-/reports/my-grid/plot.png" alt="a plot">' in html
    assert html.count("<img") == 1
    assert "<script>x" not in html
    assert site.http.get("/-/reports/my-grid/plot.png").content == b"\x89PNG"
    for path in ("my-grid/report.json", "none/", "my-grid/..%2f..%2fkey"):
        assert site.http.get(f"/-/reports/{path}").status_code == 404


def test_what_is_dragged_over_is_kept(own_tracker: Tracker, browser):
    agent = Agent(own_tracker.ask, own_tracker.send)
    agent.work(7)
    tab = Tab(browser, own_tracker)
    page = tab.open(f"/local/p/sweeps/{agent.sweep}")
    assert page.locator(".parallel path").count() == 7
    grip = page.locator(".parallel .grip").first  # fusion: add below, gate above
    grip.scroll_into_view_if_needed()
    box = grip.bounding_box()
    assert box
    page.mouse.move(box["x"] + 14, box["y"] + 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 14, box["y"] + 40, steps=3)
    page.mouse.up()
    assert page.locator(".parallel").get_attribute("data-kept") == "3"
    assert page.locator("tr[data-run]:visible").count() == 3
    assert tab.drawn("val/acc").get_attribute("data-curves") == "7"
    page.get_by_role("button", name="Pause").click()
    assert page.locator("h1 .state").inner_text() == "paused"
    tab.context.close()
    assert not tab.complaints
