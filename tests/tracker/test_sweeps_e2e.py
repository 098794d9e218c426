"""Sweeps with the real wandb command line, agents and Api against a server process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.tracker.lossy import LossyProxy
from tracker.server import find, stop
from tracker.sweeps import leases

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 900  # seconds, for what hangs
SERVE = """
import sys
from pathlib import Path
from tracker.settings import Settings
from tracker.server import serve
# stock agents beat every 5 s
run, agent = map(float, sys.argv[2:])
times = Settings(heartbeat_timeout=run, agent_timeout=agent, start_grace=2, tick_seconds=0.3)
serve(Path(sys.argv[1]), settings=times)
"""
# the client's own Agent, polling more often
AGENT = """
import sys
from wandb import wandb_agent
wandb_agent.Agent.POLL_INTERVAL = 0.2
wandb_agent.run_agent(sys.argv[1])
"""
# begins, says so, logs; TRAIN_* variables make it sick, or hold it at a step until it is released:
# one value of x, or all
HELD_AT = 5
PROGRAM = (
    f"HELD_AT = {HELD_AT}"
    + """
import os, sys, time
args = dict(arg.removeprefix("--").split("=", 1) for arg in sys.argv[1:])
if os.environ.get("TRAIN_SICK"):
    sys.exit(3)
import wandb
with wandb.init(resume="allow") as run:
    with open("started.txt", "a") as file:
        file.write(f"{run.id} {os.getpid()} {run.resumed} {' '.join(sys.argv[1:])}\\n")
    if os.environ.get("TRAIN_PREEMPT") and not run.resumed:
        run.log({"loss": 9.0, "at": 0})
        run.mark_preempting()
        sys.exit(1)
    held = os.environ.get("TRAIN_HELD") in (args["x"], "all")
    for step in range(run.starting_step, int(os.environ.get("TRAIN_STEPS", 3))):
        while step == HELD_AT and held and not os.path.exists("released"):
            time.sleep(0.05)
        run.log({"loss": float(args["x"]) + 1 / (step + 1), "at": step})
"""
)


class Site:
    """A server, a folder to work in, and the environment that points wandb at the server."""

    def __init__(self, folder: Path, run_timeout: float = 20, agent_timeout: float = 20) -> None:
        self.folder, self.data = folder, folder / "data"
        self.timeouts = [str(run_timeout), str(agent_timeout)]
        self.processes: list[subprocess.Popen] = []
        (folder / "train.py").write_text(PROGRAM)
        self.start_server()

    def start_server(self) -> None:
        command = [sys.executable, "-c", SERVE, str(self.data), *self.timeouts]
        self.data.mkdir(exist_ok=True)
        with (self.data / "server.log").open("ab") as log:
            self.processes.append(
                subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, start_new_session=True)
            )
        server = wait_for(lambda: find(self.data))
        self.pid = server.pid
        self.env = {
            **{name: value for name, value in os.environ.items() if not name.startswith("WANDB_")},
            "WANDB_BASE_URL": server.url,
            "WANDB_API_KEY": server.key,
            "WANDB_DIR": str(self.folder),
            "WANDB_CONFIG_DIR": str(self.folder / "config"),
            "WANDB_CACHE_DIR": str(self.folder / "cache"),
            "WANDB_SILENT": "false",
            "WANDB_X_FILE_STREAM_TRANSMIT_INTERVAL": "1",
            "WANDB_AGENT_DISABLE_FLAPPING": "true",
            "WANDB_X_DISABLE_STATS": "true",
            "WANDB_X_DISABLE_META": "true",
            "WANDB_DISABLE_GIT": "true",
            "WANDB_CONSOLE": "off",
        }

    def kill_server(self) -> None:
        (process,) = (process for process in self.processes if process.pid == self.pid)
        process.kill()
        process.wait()

    def wandb(self, *arguments: str) -> str:
        command = [sys.executable, "-m", "wandb", *arguments]
        done = subprocess.run(
            command, cwd=self.folder, env=self.env, capture_output=True, text=True, timeout=PATIENCE
        )
        return done.stdout + done.stderr

    def sweep(self, parameters: dict[str, Any], method: str = "grid", **rest: Any) -> str:
        """Register a sweep as the client does (but in less time); returns its path."""
        self.write(parameters, method, **rest)
        config = (self.folder / "sweep.yaml").read_text()
        return f"local/p/{self.upsert(projectName='p', config=config)['name']}"

    def upsert(self, **input: Any) -> Any:
        query = "mutation M($i: UpsertSweepInput!) { upsertSweep(input: $i) { sweep { name } } }"
        return self.query(query, i=input)["upsertSweep"]["sweep"]

    def write(self, parameters: dict[str, Any], method: str = "grid", **rest: Any) -> None:
        config = {"method": method, "project": "p", "program": "train.py", "parameters": parameters}
        config |= {"command": [sys.executable, "${program}", "${args}"], **rest}
        (self.folder / "sweep.yaml").write_text(yaml.safe_dump(config))

    def agent(self, sweep: str, **env: str) -> subprocess.Popen:
        return self.spawn(["-c", AGENT, sweep], env)

    def spawn(self, arguments: list[str], env: dict[str, str]) -> subprocess.Popen:
        with (self.folder / "agents.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=self.folder,
                env=self.env | env,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def query(self, query: str, **variables: Any) -> Any:
        answer = httpx.post(
            f"{self.env['WANDB_BASE_URL']}/graphql",
            json={"query": query, "variables": variables},
            auth=("api", self.env["WANDB_API_KEY"]),
            timeout=PATIENCE,
        )
        return answer.json()["data"]

    def ask(self, sweep: str, fields: str) -> Any:
        """Fields of a sweep."""
        name = sweep.rpartition("/")[2]
        query = f'{{ project(name: "p") {{ sweep(sweepName: "{name}") {{ {fields} }} }} }}'
        return self.query(query)["project"]["sweep"]

    def state(self, sweep: str) -> str:
        return self.ask(sweep, "state")["state"]

    def runs(self, sweep: str) -> list[dict[str, Any]]:
        fields = "name state exitcode config summaryMetrics historyLineCount sampledHistory(specs: "
        fields += '["{}"])'
        edges = self.ask(sweep, f"runs(first: 500) {{ edges {{ node {{ {fields} }} }} }}")["runs"]
        return [edge["node"] | {"x": value(edge["node"], "x")} for edge in edges["edges"]]

    def explain(self, sweep: str) -> str:
        return "\n".join(self.ask(sweep, "decisionLog")["decisionLog"])

    def started(self, sweep: str | None = None) -> list[tuple[str, int, str]]:
        """(run, pid, resumed) of every start of the program, of one sweep or of all."""
        path = self.folder / "started.txt"
        words = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
        names = {run["name"] for run in self.runs(sweep)} if sweep else {w[0] for w in words}
        return [(w[0], int(w[1]), w[2]) for w in words if w[0] in names]

    def until(self, sweep: str, state: str = "FINISHED") -> None:
        self.wait_for(sweep, lambda: self.state(sweep) == state)

    def wait_for(self, sweep: str, check: Callable[[], Any]) -> Any:
        try:
            return wait_for(check)
        except AssertionError:
            log = (self.folder / "agents.log").read_text()[-3000:]
            raise AssertionError(f"{self.state(sweep)}\n{self.explain(sweep)}\n{log}") from None

    @contextlib.contextmanager
    def released(self) -> Iterator[None]:
        """Meanwhile, runs that are held go on."""
        file = self.folder / "released"
        file.touch()
        yield
        file.unlink()

    def close(self) -> None:
        stop(self.data)
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        for _, pid, _ in self.started():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def wait_for(check: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if result := check():
            return result
        time.sleep(0.05)
    raise AssertionError("waited in vain")


def value(run: dict[str, Any], name: str) -> Any:
    return json.loads(run["config"])[name]["value"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("site"))
    yield site
    site.close()


def registered(output: str) -> str:
    """The path of the sweep that `wandb sweep` printed."""
    found = re.search(r"wandb agent (\S+)", output)
    assert found, output
    return found.group(1)


def test_two_stock_agents_run_a_grid_and_the_api_reads_it(site: Site) -> None:
    axes = {"seed": {"values": [0, 1]}, "x": {"values": [1, 2.5]}}
    site.write(axes, name="stock", metric={"name": "loss", "goal": "minimize"})
    sweep = registered(site.wandb("sweep", "sweep.yaml"))
    assert site.state(sweep) == "PENDING"
    agents = [site.spawn(["-m", "wandb", "agent", sweep], {}) for _ in range(2)]
    assert [agent.wait(PATIENCE) for agent in agents] == [0, 0]
    assert site.state(sweep) == "FINISHED"
    assert Counter((value(r, "seed"), r["x"], r["state"]) for r in site.runs(sweep)) == {
        (seed, x, "finished"): 1 for seed in (0, 1) for x in (1, 2.5)
    }
    script = f"""
import json, wandb
sweep = wandb.Api().sweep({sweep!r})
print(json.dumps([
    sweep.state, sweep.name, sweep.expected_run_count, sweep.config["method"],
    sweep.best_run().config["x"], len(sweep.runs), 
    sorted(len(agent.runs()) for agent in sweep.agents()),
    sweep.id in [s.id for s in wandb.Api().project("p", sweep.path[0]).sweeps()],
    [round(row["loss"], 3) for row in sweep.best_run().scan_history()],
]))
"""
    read = subprocess.run(
        [sys.executable, "-c", script],
        env=site.env,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    answer = json.loads(read.stdout.splitlines()[-1])
    assert answer[:6] == ["FINISHED", "stock", 4, "grid", 1, 4], read
    assert sum(answer[6]) == 4 and answer[7] is True
    assert answer[8] == [2.0, 1.5, 1.333]


def test_random_and_bayes(site: Site) -> None:
    axes = {"x": {"min": 0.0, "max": 1.0}, "opt": {"parameters": {"lr": {"values": [0.1, 0.2]}}}}
    sweeps = [site.sweep(axes, m, metric={"name": "loss"}, run_cap=2) for m in ("random", "bayes")]
    agents = [site.agent(sweep) for sweep in sweeps]
    for sweep in sweeps:
        site.until(sweep)
        runs = site.runs(sweep)
        assert [run["state"] for run in runs] == ["finished"] * 2
        assert len({run["x"] for run in runs}) == 2 and all(0 <= run["x"] <= 1 for run in runs)
        assert all(value(run, "opt")["lr"] in (0.1, 0.2) for run in runs)
        best = min(run["x"] for run in runs) + 1 / 3
        assert site.ask(sweep, "bestLoss")["bestLoss"] == pytest.approx(best)
    assert [agent.wait(PATIENCE) for agent in agents] == [0, 0]


def test_hyperband_stops_a_run_early_and_says_why(site: Site) -> None:
    early = {"type": "hyperband", "min_iter": 2, "eta": 4}
    metric = {"name": "loss", "goal": "minimize"}
    sweep = site.sweep({"x": {"values": [1, 9]}}, metric=metric, early_terminate=early)
    agent = site.agent(sweep, TRAIN_STEPS="40", TRAIN_HELD="9")
    site.until(sweep)
    assert agent.wait(PATIENCE) == 0
    good, bad = sorted(site.runs(sweep), key=lambda run: run["x"])
    assert (good["state"], good["historyLineCount"]) == ("finished", 40)
    assert bad["state"] == "killed" and bad["historyLineCount"] == HELD_AT
    assert f"{bad['name']}: stop: loss 9.5 at rung 2 is outside the top 1/4 of 2 runs" in (
        site.explain(sweep)
    )


def test_an_agent_a_run_and_the_server_are_killed_and_every_cell_is_done_once(site: Site) -> None:
    sweep = site.sweep({"x": {"min": 1, "max": 4}})
    held = {"TRAIN_STEPS": "10", "TRAIN_HELD": "all"}
    agents = [site.agent(sweep, **held), site.agent(sweep, **held)]

    wait_for(lambda: len(site.started(sweep)) >= 2)
    killed_run, pid, _ = site.started(sweep)[0]
    wait_for(lambda: all(run["historyLineCount"] == HELD_AT for run in site.runs(sweep)))
    os.kill(pid, signal.SIGKILL)  # a run

    wait_for(lambda: len(site.started(sweep)) >= 3)
    site.kill_server()
    site.start_server()

    agents[0].send_signal(signal.SIGKILL)  # an agent; its run lives on
    agents.append(site.agent(sweep, **held))
    with site.released():
        site.until(sweep)
        assert [agent.wait(PATIENCE) for agent in agents[1:]] == [0, 0]
    runs = site.runs(sweep)
    assert Counter(run["x"] for run in runs if run["state"] == "finished") == dict.fromkeys(
        range(1, 5), 1
    ), site.explain(sweep)
    assert (killed_run, "True") in [(run, resumed) for run, _, resumed in site.started(sweep)]
    for run in runs:
        assert [row["at"] for row in run["sampledHistory"][0]] == list(range(10)), run["name"]


def test_agent_and_run_killed_together_go_on_elsewhere(site: Site) -> None:
    sweep = site.sweep({"x": {"values": [1]}})
    agent = site.agent(sweep, TRAIN_STEPS="10", TRAIN_HELD="all")
    ((run, pid, _),) = wait_for(lambda: site.started(sweep))
    wait_for(lambda: site.runs(sweep)[0]["historyLineCount"] == HELD_AT)
    agent.send_signal(signal.SIGKILL)
    os.kill(pid, signal.SIGKILL)
    site.agent(sweep, TRAIN_STEPS="30")
    site.until(sweep)
    assert [(name, resumed) for name, _, resumed in site.started(sweep)] == [
        (run, "False"),
        (run, "True"),
    ]
    assert "crashed; cell waiting" in site.explain(sweep)


def test_a_preempted_run_is_offered_again_and_resumes(site: Site) -> None:
    sweep = site.sweep({"x": {"values": [1]}})
    assert site.agent(sweep, TRAIN_PREEMPT="1").wait(PATIENCE) == 0
    (run,) = site.runs(sweep)
    assert [row["at"] for row in run["sampledHistory"][0]] == [0, 1, 2]
    assert [(name, resumed) for name, _, resumed in site.started(sweep)] == [
        (run["name"], "False"),
        (run["name"], "True"),
    ]
    assert f"{run['name']}: interrupted (exit code 1); cell waiting" in site.explain(sweep)


# the stock agent ends by itself at its fifth failure
PATIENT = {"WANDB_AGENT_MAX_INITIAL_FAILURES": "1000"}


def test_replies_to_a_stock_agent_are_lost_and_no_cell_is_burnt(site: Site) -> None:
    sweep = site.sweep({"x": {"values": [1, 2]}})
    with LossyProxy(site.env["WANDB_BASE_URL"], lose=3) as proxy:
        agent = site.agent(sweep, WANDB_BASE_URL=proxy.url)
        assert agent.wait(PATIENCE) == 0
    assert len(set(proxy.lost)) == 1 and len(proxy.lost) == 3
    runs = site.runs(sweep)
    assert [run["state"] for run in runs] == ["finished"] * 2 and site.state(sweep) == "FINISHED"
    assert proxy.lost[0] in [run["name"] for run in runs]
    told = site.explain(sweep)
    assert f"{proxy.lost[0]}: offered again, 2 of 8 times" in told and "unstarted" not in told


def test_a_program_that_does_not_start_fails_its_cell_and_ends_its_agent(site: Site) -> None:
    sweep = site.sweep({"x": {"values": [1]}})
    agent = site.agent(sweep, TRAIN_SICK="1", **PATIENT)
    assert agent.wait(PATIENCE) == 0 and site.state(sweep) == "FINISHED"
    assert [run["state"] for run in site.runs(sweep)] == ["crashed"] * 3
    told = site.explain(sweep)
    assert told.count("offered again") < leases.OFFERS  # none where a heartbeat saw it alive
    assert "cell failed after 3 faults" in told


def test_an_agent_that_gives_up_by_itself_fails_its_last_cell(site: Site) -> None:
    sweep = site.sweep({"x": {"values": [1]}})
    # at its own pace, which leaves the program the time to end between two heartbeats
    agent = site.spawn(["-m", "wandb", "agent", sweep], {"TRAIN_SICK": "1"})
    assert agent.wait(PATIENCE) == 0
    site.until(sweep)
    assert {run["state"] for run in site.runs(sweep)} == {"crashed"}
    assert "cell failed after 3 faults" in site.explain(sweep)


def test_a_sick_agent_is_sent_away_and_a_healthy_one_does_the_work(site: Site) -> None:
    sweep = site.sweep({"x": {"min": 1, "max": 3}})
    sick = site.agent(sweep, TRAIN_SICK="1", **PATIENT)
    assert sick.wait(PATIENCE) == 0
    healthy = site.agent(sweep)
    site.until(sweep)
    assert healthy.wait(PATIENCE) == 0
    states = Counter(run["state"] for run in site.runs(sweep))
    assert states == {"finished": 3, "crashed": 3}
    assert "is dismissed: 3 runs in a row failed on it" in site.explain(sweep)


def test_pause_resume_cancel_update_and_stop_from_the_command_line(site: Site) -> None:
    sweep = site.sweep({"x": {"values": [1, 2]}})
    agent = site.agent(sweep, TRAIN_STEPS="10", TRAIN_HELD="1")
    wait_for(lambda: site.started(sweep))
    assert "Done" in site.wandb("sweep", "--pause", sweep) and site.state(sweep) == "PAUSED"
    assert "Done" in site.wandb("sweep", "--resume", sweep) and site.state(sweep) == "RUNNING"
    assert "Done" in site.wandb("sweep", "--cancel", sweep)
    assert agent.wait(PATIENCE) == 0 and site.state(sweep) == "CANCELED"
    assert [run["state"] for run in site.runs(sweep)] == ["killed"]

    sweep_id = site.ask(sweep, "id")["id"]
    site.upsert(id=sweep_id, state="RUNNING")
    site.write({"x": {"values": [1, 2, "1e1"]}})
    assert "Updating sweep with ID" in site.wandb("sweep", "--update", sweep, "sweep.yaml")
    assert site.agent(sweep).wait(PATIENCE) == 0 and site.state(sweep) == "FINISHED"
    assert {r["x"]: r["state"] for r in site.runs(sweep)} == dict.fromkeys((1, 2, 10), "finished")

    site.write({"x": {"min": 0.0, "max": 1.0}}, "random")
    site.upsert(id=sweep_id, config=(site.folder / "sweep.yaml").read_text())
    endless = site.agent(sweep, TRAIN_STEPS="10", TRAIN_HELD="all")
    wait_for(lambda: len(site.runs(sweep)) == 4)
    assert "Done" in site.wandb("sweep", "--stop", sweep)
    with site.released():
        assert endless.wait(PATIENCE) == 0
    assert site.state(sweep) == "FINISHED"
    assert site.runs(sweep)[-1]["state"] == "finished"


def test_wandb_sweep_says_why_a_config_is_refused(site: Site) -> None:
    site.write({"x": {"min": 0.0, "max": 1.0}})
    output = site.wandb("sweep", "sweep.yaml")
    assert "parameters.x: a grid cannot enumerate uniform" in output


def test_prior_runs_are_results_of_their_cells(site: Site) -> None:
    first = site.sweep({"x": {"values": [1]}}, metric={"name": "loss"})
    assert site.agent(first).wait(PATIENCE) == 0
    (run,) = site.runs(first)
    second = registered(site.wandb("sweep", "-R", run["name"], "sweep.yaml"))
    edges = site.ask(second, "priorRuns { edges { node { name } } }")["priorRuns"]["edges"]
    assert [edge["node"]["name"] for edge in edges] == [run["name"]]
    assert site.agent(second).wait(PATIENCE) == 0
    assert site.state(second) == "FINISHED"
    for sweep in (first, second):  # it stands in both
        assert [found["name"] for found in site.runs(sweep)] == [run["name"]]
        assert site.ask(sweep, "bestLoss runCount") == {
            "bestLoss": pytest.approx(4 / 3),
            "runCount": 1,
        }
    script = f"""
import json, wandb
for sweep in (wandb.Api().sweep({first!r}), wandb.Api().sweep({second!r})):
    print(json.dumps([[run.id for run in sweep.runs], len(sweep.runs), sweep.best_run().id]))
"""
    read = subprocess.run(
        [sys.executable, "-c", script],
        env=site.env,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    lists = [json.loads(line) for line in read.stdout.splitlines() if line.startswith("[")]
    assert lists == [[[run["name"]], 1, run["name"]]] * 2, read


FUNCTION = """
import sys, wandb
from wandb.agents import pyagent
pyagent.Agent.HEARTBEAT_SLEEP_SECONDS = 0.2
def train():
    with wandb.init() as run:
        if run.config.x == 2 and not getattr(train, "failed", False):
            train.failed = True
            raise ValueError("once")
        run.log({"loss": run.config.x})
sweep = wandb.sweep({"method": "grid", "parameters": {"x": {"values": [1, 2, 3]}}}, project="p")
print("SWEEP", sweep)
wandb.agent(sweep, function=train, project="p")
"""


def test_agents_that_call_a_function(site: Site) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FUNCTION],
        cwd=site.folder,
        # with the variable that switches off the client's own rule, pyagent ends at any failure
        env={k: v for k, v in site.env.items() if k != "WANDB_AGENT_DISABLE_FLAPPING"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    found = re.search(r"SWEEP (\S+)", done.stdout)
    assert found, done.stdout + done.stderr
    states = [(run["x"], run["state"]) for run in site.runs(found.group(1))]
    assert sorted(states) == [(1, "finished"), (2, "failed"), (2, "finished"), (3, "finished")]
    assert site.state(found.group(1)) == "FINISHED"
