"""A sweep server without HTTP: the real store, schema and hooks, an injected clock, and agents and
runs that say what the real ones say, when the test wants them to."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from tracker import app
from tracker.api.engine import QueryEngine, load_schema
from tracker.context import Context
from tracker.http.signing import Signer
from tracker.runs import changes as run_changes
from tracker.runs import stream
from tracker.settings import Settings
from tracker.store.clocks import Watch
from tracker.store.database import Store
from tracker.sweeps import leases
from tracker.sweeps import states as sweep_states

TIMES = Settings(heartbeat_timeout=180, agent_timeout=60, start_grace=120, tick_seconds=5)
ENGINE = QueryEngine(load_schema(*(module.RESOLVERS for module in app.SUBJECTS)))
PROJECT = "p"

UPSERT_SWEEP = """mutation UpsertSweep($input: UpsertSweepInput!) { upsertSweep(input: $input) {
    sweep { id name state } configValidationWarnings } }"""
CREATE_AGENT = """mutation CreateAgent($sweep: String!) { createAgent(
    input: {host: "h", projectName: "p", sweep: $sweep}) { agent { id name } } }"""
HEARTBEAT = """mutation Heartbeat($id: ID!, $runState: JSONString) { agentHeartbeat(
    input: {id: $id, metrics: "{}", runState: $runState}) { agent { id } commands } }"""
UPSERT_BUCKET = """mutation UpsertBucket($name: String!, $sweep: String) { upsertBucket(
    input: {name: $name, modelName: "p", sweep: $sweep}) { bucket { id name } inserted } }"""
SWEEP = """query Sweep($name: String!) { project(name: "p") { sweep(sweepName: $name) {
    id state bestLoss runCount runCountExpected decisionLog } } }"""


class RefusedError(Exception):
    """An answer with errors."""


@dataclass
class Process:
    """A run's process as its agent sees it."""

    name: str
    args: dict[str, Any]
    begun: bool = False
    lines: int = 0


@dataclass
class Agent:
    id: str
    alive: bool = True
    processes: dict[str, Process] = field(default_factory=dict)
    log: list[tuple[str, str | None]] = field(default_factory=list)


class World:
    def __init__(self, folder: Path, settings: Settings = TIMES) -> None:
        self.path = folder / "tracker.db"
        self.settings = settings
        self.now = 1_000_000.0
        self.processes_started: list[Process] = []
        self.starts = 0
        self.lease = ""  # what requests name, as those of our own agents' processes do
        self.open()

    def open(self) -> None:
        """Start the server, perhaps anew, as a process of its own."""
        self.starts += 1
        leases.PROCESS = f"server process {self.starts}"
        self.store = Store(self.path)
        self.hooks = app.gather_hooks(self.settings)
        self.watch = Watch(self.settings.start_grace)

    def restart(self) -> None:
        self.store.close()
        self.open()

    @property
    def context(self) -> Context:
        where, signer = self.path.parent, Signer("k" * 40)
        context = Context(self.store, self.now, "", signer, where, self.settings, self.hooks)
        return replace(context, lease=self.lease)

    def query(self, text: str, **variables: Any) -> Any:
        _, answer = ENGINE.run({"query": text, "variables": variables}, self.context)
        if "errors" in answer:
            raise RefusedError(answer["errors"][0]["message"])
        return answer["data"]

    def tick(self, seconds: float = 5) -> None:
        """Let time pass; the server looks after silent runs and agents as `app.tick` does."""
        self.now += seconds
        with self.store.write() as db:
            if self.watch.hears(db, self.now):
                timeout = self.settings.heartbeat_timeout
                run_changes.tick(db, self.now, timeout, self.hooks.run_ended)
                for hook in self.hooks.tick:
                    hook(db, self.now)

    def wait(self, seconds: float) -> None:
        """Let time pass in small ticks, while nobody says anything."""
        for _ in range(int(seconds // 5)):
            self.tick()

    # --- sweeps ---

    def sweep(self, parameters: dict[str, Any], method: str = "grid", **rest: Any) -> str:
        config = {"method": method, "parameters": parameters, "program": "t.py", **rest}
        data = self.upsert(projectName=PROJECT, config=yaml.dump(config))
        self.sweep_id, self.sweep_name = data["sweep"]["id"], data["sweep"]["name"]
        return self.sweep_name

    def upsert(self, **input: Any) -> Any:
        return self.query(UPSERT_SWEEP, input=input)["upsertSweep"]

    def change(self, parameters: dict[str, Any], method: str = "grid", **rest: Any) -> None:
        config = {"method": method, "parameters": parameters, "program": "t.py", **rest}
        self.upsert(id=self.sweep_id, config=yaml.dump(config))

    def set_state(self, state: str) -> None:
        self.upsert(id=self.sweep_id, state=state)

    def read(self) -> dict[str, Any]:
        return self.query(SWEEP, name=self.sweep_name)["project"]["sweep"]

    @property
    def state(self) -> str:
        return self.read()["state"]

    def rows(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        with self.store.read() as db:
            return [dict(row) for row in db.execute(sql, values)]

    def cells(self) -> list[tuple[str, dict[str, Any]]]:
        """(state, args) of every cell that was handed out and belongs to the sweep."""
        rows = self.rows("SELECT state, args FROM cells WHERE state != 'dropped' ORDER BY id")
        return [(row["state"], json.loads(row["args"])) for row in rows]

    def attempts(self) -> list[dict[str, Any]]:
        return self.rows(
            "SELECT attempts.*, runs.name, runs.state, runs.display_name FROM attempts"
            " JOIN runs ON runs.id = run_id ORDER BY attempts.id"
        )

    def run_state(self, name: str) -> str:
        return self.rows("SELECT state FROM runs WHERE name = ?", name)[0]["state"]

    def explain(self) -> list[str]:
        with self.store.read() as db:
            row = self.rows("SELECT id FROM sweeps WHERE name = ?", self.sweep_name)[0]
            return sweep_states.explain(db, row["id"])

    # --- agents and runs ---

    def agent(self) -> Agent:
        data = self.query(CREATE_AGENT, sweep=self.sweep_name)
        return Agent(data["createAgent"]["agent"]["id"])

    def beat(self, agent: Agent, *, obey: bool = True) -> list[dict[str, Any]]:
        """One heartbeat of an agent; it does what it is told (unless the reply is lost)."""
        state = json.dumps({name: True for name in agent.processes})
        data = self.query(HEARTBEAT, id=agent.id, runState=state)
        commands = json.loads(data["agentHeartbeat"]["commands"])
        for command in commands if obey else ():
            agent.log.append((command["type"], command.get("run_id")))
            if command["type"] in ("run", "resume"):
                args = {name: value["value"] for name, value in command["args"].items()}
                process = Process(command["run_id"], args)
                agent.processes[process.name] = process
                self.processes_started.append(process)
            elif command["type"] == "stop":
                agent.processes.pop(command["run_id"])  # SIGTERM: ends without a word
            elif command["type"] == "exit":
                agent.processes.clear()
                agent.alive = False
        return commands

    def take(self, agent: Agent) -> Process:
        """A heartbeat that must bring a run, which then begins."""
        commands = self.beat(agent)
        assert [c["type"] for c in commands] in (["run"], ["resume"]), commands
        process = agent.processes[commands[0]["run_id"]]
        self.begin(process)
        return process

    def begin(self, process: Process) -> None:
        """wandb.init"""
        self.query(UPSERT_BUCKET, name=process.name, sweep=self.sweep_name)
        process.begun = True

    def stream(self, process: Process, body: dict[str, Any]) -> bool:
        """Send to file_stream; true if the run is asked to stop."""
        entity = self.settings.entity
        return stream.receive(self.context, entity, PROJECT, process.name, body)["stopped"]

    def log(self, process: Process, *rows: dict[str, Any]) -> bool:
        lines = [json.dumps(row | {"_step": process.lines + i}) for i, row in enumerate(rows)]
        chunk = {"offset": process.lines, "content": lines}
        process.lines += len(rows)
        return self.stream(process, {"files": {"wandb-history.jsonl": chunk}})

    def end(self, agent: Agent, process: Process, code: int = 0) -> None:
        """The run ends in good order and its process with it."""
        if not process.begun:
            self.begin(process)
        self.stream(process, {"complete": True, "exitcode": code})
        agent.processes.pop(process.name, None)

    def work(self, agents: list[Agent], rounds: int = 500) -> None:
        """Healthy agents run whatever is left."""
        for _ in range(rounds):
            for agent in agents:
                if agent.alive:
                    for process in list(agent.processes.values()):
                        self.end(agent, process)
                    self.beat(agent)
            self.tick(1)
            if not any(agent.alive for agent in agents):
                return
        raise AssertionError("\n".join(self.explain()[-20:]))
