"""Leases under everything that can happen, in any order: a state machine and a soak.

The machine drives the real store, resolvers, file_stream and hooks. Whatever happens, a cell has at
most one open lease, a result is never run again, faults stay within their bound, and when healthy
agents are left alone in the end, every cell ends.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from contract.values import exact
from tests.tracker.sweep_world import Agent, Process, World
from tracker.sweeps import attempts as rules

WHICH = st.integers(0, 50)  # which of the agents or processes at hand
CONFIGS = [
    {"a": {"values": [1, 2, 3]}},
    {"a": {"values": [1, 2, 3]}, "seed": {"values": [0, 1]}},
    {"a": {"values": [2, 3, 4]}},
    {"a": {"values": [5]}},
]


class LeaseMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="leases-"))
        self.world = World(self.folder)
        self.world.sweep(CONFIGS[0])
        self.agents: list[Agent] = []
        self.orphans: list[Process] = []  # living runs of dead agents
        self.config = CONFIGS[0]

    def teardown(self) -> None:
        try:
            self.settle_down()
        finally:
            self.world.store.close()
            shutil.rmtree(self.folder)

    def living(self) -> list[Agent]:
        return [agent for agent in self.agents if agent.alive]

    def runs(self) -> list[tuple[Agent | None, Process]]:
        held = [(agent, p) for agent in self.living() for p in agent.processes.values()]
        return [*held, *((None, process) for process in self.orphans)]

    def forget(self, agent: Agent | None, process: Process) -> None:
        if agent:
            agent.processes.pop(process.name, None)
        else:
            self.orphans.remove(process)

    # --- agents ---

    @precondition(lambda self: len(self.living()) < 4)
    @rule()
    def agent_starts(self) -> None:
        self.agents.append(self.world.agent())

    @precondition(lambda self: self.living())
    @rule(which=WHICH)
    def agent_beats(self, which: int) -> None:
        living = self.living()
        agent = living[which % len(living)]
        was_done = self.finished_cells()
        for command in self.world.beat(agent):
            if command["type"] in ("run", "resume"):
                args = {name: value["value"] for name, value in command["args"].items()}
                assert exact(args) not in was_done, "a result is run again"

    @precondition(lambda self: self.living())
    @rule(which=WHICH)
    def agent_is_killed(self, which: int) -> None:
        living = self.living()
        agent = living[which % len(living)]
        agent.alive = False
        self.orphans += agent.processes.values()

    @precondition(lambda self: self.living())
    @rule(which=WHICH)
    def reply_is_lost_with_the_server(self, which: int) -> None:
        living = self.living()
        self.world.beat(living[which % len(living)], obey=False)
        self.world.restart()

    @precondition(lambda self: self.living())
    @rule(which=WHICH, times=st.integers(1, 12))
    def replies_are_lost(self, which: int, times: int) -> None:
        living = self.living()
        for _ in range(times):
            self.world.beat(living[which % len(living)], obey=False)

    # --- runs ---

    @precondition(lambda self: self.runs())
    @rule(which=WHICH)
    def run_begins(self, which: int) -> None:
        _, process = self.runs()[which % len(self.runs())]
        self.world.begin(process)

    @precondition(lambda self: self.runs())
    @rule(which=WHICH, loss=st.floats(0, 1))
    def run_logs(self, which: int, loss: float) -> None:
        _, process = self.runs()[which % len(self.runs())]
        if process.begun:
            self.world.log(process, {"loss": loss})

    @precondition(lambda self: self.runs())
    @rule(which=WHICH, code=st.sampled_from([0, 0, 1, 143]))
    def run_ends(self, which: int, code: int) -> None:
        agent, process = self.runs()[which % len(self.runs())]
        if process.begun:
            self.world.stream(process, {"complete": True, "exitcode": code})
        self.forget(agent, process)

    @precondition(lambda self: self.runs())
    @rule(which=WHICH)
    def run_is_killed(self, which: int) -> None:
        self.forget(*self.runs()[which % len(self.runs())])

    @precondition(lambda self: self.runs())
    @rule(which=WHICH)
    def run_is_preempted(self, which: int) -> None:
        agent, process = self.runs()[which % len(self.runs())]
        if process.begun:
            self.world.stream(process, {"preempting": True})
            self.world.stream(process, {"complete": True, "exitcode": 1})
            self.forget(agent, process)

    # --- time and the server ---

    @rule(seconds=st.sampled_from([1, 5, 70, 200]))
    def time_passes(self, seconds: int) -> None:
        self.world.wait(max(seconds, 5))

    @rule(seconds=st.sampled_from([-7200, -30, 300, 86400]))
    def clock_jumps(self, seconds: int) -> None:
        self.world.tick(seconds)

    @rule()
    def server_restarts(self) -> None:
        self.world.restart()

    # --- requests ---

    @rule(state=st.sampled_from(["PAUSED", "RUNNING", "FINISHED", "CANCELED"]))
    def state_is_set(self, state: str) -> None:
        self.world.set_state(state)

    @rule(config=st.sampled_from(CONFIGS))
    def config_is_changed(self, config: dict) -> None:
        self.world.change(config)
        self.config = config

    # --- what holds ---

    def finished_cells(self) -> set[str]:
        rows = self.world.rows("SELECT args FROM cells WHERE state = 'done'")
        return {exact(json.loads(row["args"])) for row in rows}

    @invariant()
    def one_lease_per_cell_and_per_agent(self) -> None:
        leased = self.world.rows("SELECT cell_id, agent_id FROM attempts WHERE ended_at IS NULL")
        assert len({row["cell_id"] for row in leased}) == len(leased)
        assert len({row["agent_id"] for row in leased}) == len(leased)
        cells = self.world.rows("SELECT id FROM cells WHERE state = 'leased'")
        assert {row["id"] for row in cells} == {row["cell_id"] for row in leased}

    @invariant()
    def one_result_per_cell(self) -> None:
        done = self.world.rows("SELECT cell_id FROM attempts WHERE outcome = 'done'")
        assert len({row["cell_id"] for row in done}) == len(done)

    @invariant()
    def faults_stay_within_their_bound(self) -> None:
        most = self.world.rows("SELECT max(failures) AS f, max(interruptions) AS i FROM cells")[0]
        assert (most["f"] or 0) <= rules.RETRIES + 1
        assert (most["i"] or 0) <= rules.INTERRUPTIONS + 1

    def settle_down(self) -> None:
        """The killed stay killed, the sweep is resumed, and a healthy agent does the rest."""
        for agent in self.living():
            self.orphans += agent.processes.values()
        self.agents.clear()
        self.orphans.clear()
        self.world.wait(600)
        assert self.world.state != "RUNNING", "nobody works on it"
        living = "SELECT name, state FROM runs WHERE state IN ('pending', 'running', 'preempting')"
        assert self.world.rows(living) == []
        self.world.set_state("RUNNING")
        for _ in range(30):
            agent = self.world.agent()
            self.world.work([agent])
            if self.world.state == "FINISHED":
                break
        else:
            raise AssertionError("\n".join(self.world.explain()))
        states = Counter(state for state, _ in self.world.cells())
        assert set(states) <= {"done", "failed", "stopped"}, states
        args = {exact(args) for _, args in self.world.cells()}
        for seed in self.config.get("seed", {"values": [None]})["values"]:
            for a in self.config["a"]["values"]:
                assert exact({"a": a} if seed is None else {"a": a, "seed": seed}) in args


LeaseMachine.TestCase.settings = settings(
    max_examples=int(os.environ.get("LEASE_EXAMPLES", "40")),
    stateful_step_count=35,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestLeases = LeaseMachine.TestCase


def test_32_agents_on_200_cells_with_faults_of_every_kind(tmp_path: Path) -> None:
    """Agents come and die, runs fail, are killed, end late; each cell is done exactly once."""
    rng = random.Random(0)
    world = World(tmp_path)
    world.sweep({"seed": {"values": [0, 1, 2, 3, 4]}, "a": {"min": 1, "max": 40}})
    agents = [world.agent() for _ in range(32)]
    for _ in range(400):
        world.tick(2)
        for i, agent in enumerate(agents):
            if not agent.alive:
                continue
            for process in list(agent.processes.values()):
                chance = rng.random()
                if chance < 0.25:
                    world.end(agent, process)
                elif chance < 0.28:
                    world.end(agent, process, code=1)
                elif chance < 0.31:
                    agent.processes.clear()  # killed
                elif not process.begun:
                    world.begin(process)
                else:
                    world.stream(process, {})
            if rng.random() < 0.004:
                agents[i] = world.agent()  # the old one is never heard of again
                continue
            world.beat(agent)
        if world.state != "RUNNING":
            break
    else:
        world.work([world.agent()])
    assert world.state == "FINISHED"
    states = Counter(state for state, _ in world.cells())
    assert sum(states.values()) == 200 and set(states) <= {"done", "failed"}, states
    assert states["done"] >= 195
    results = world.rows(
        "SELECT count(DISTINCT run_id) AS n FROM attempts JOIN runs ON runs.id = run_id"
        " WHERE runs.state = 'finished' GROUP BY cell_id"
    )
    assert Counter(row["n"] for row in results) == {1: states["done"]}
    forerunners = world.rows("SELECT forerunner FROM attempts WHERE number > 1")
    assert forerunners and all(row["forerunner"] for row in forerunners)
