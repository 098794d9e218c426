"""A run that is taken over from an agent that fell silent and comes back: real agents and clients,
one of each frozen by SIGSTOP for longer than its lease."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.tracker.sweeps.site import Site
from tests.tracker.worlds import ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(500)]

# logs up to the step that the file named by TRAIN_LIMIT says, and waits there
PROGRAM = """
import os, sys, time
from pathlib import Path
import wandb
here, who = Path(__file__).parent, os.environ["TRAIN_NAME"]
with wandb.init(resume="allow") as run:
    with open(here / "started.txt", "a") as file:
        file.write(f"{run.id} {os.getpid()} {run.resumed}\\n")
    try:
        for step in range(run.starting_step, 30):
            while step >= int((here / f"limit-{who}").read_text() or 0):
                time.sleep(0.05)
            run.log({"at": step, "who": who})
    except KeyboardInterrupt:
        (here / f"interrupted-{who}").touch()
        raise
"""


class Crew:
    """Two agents on one cell."""

    def __init__(self, site: Site, agent: list[str]) -> None:
        self.site, self.agent = site, agent
        program = site.folder / "take.py"
        program.write_text(PROGRAM)
        command = [sys.executable, str(program)]
        self.sweep = site.sweep({"x": {"values": [1]}}, command=command)

    def start(self, who: str, limit: int) -> tuple[subprocess.Popen, psutil.Process]:
        """An agent and the process of its run, once that has begun."""
        self.set_limit(who, limit)
        before = len(self.site.started())
        agent = self.site.spawn([*self.agent, self.sweep], {"TRAIN_NAME": who})
        self.wait_for(lambda: len(self.site.started()) > before)
        return agent, psutil.Process(self.site.started()[-1][1])

    def set_limit(self, who: str, limit: int) -> None:
        (self.site.folder / f"limit-{who}").write_text(str(limit))

    def run(self) -> dict[str, Any]:
        (run,) = self.site.runs(self.sweep)
        return run

    def until_stored(self, limit: int) -> None:
        self.wait_for(lambda: self.run()["historyLineCount"] == limit)

    def wait_for(self, check: Callable[[], Any]) -> None:
        self.site.wait_for(self.sweep, check)

    def writers(self) -> list[str]:
        """Who wrote each row, in the order of the steps."""
        rows = self.run()["sampledHistory"][0]
        assert [row["at"] for row in rows] == list(range(len(rows)))
        return [row["who"] for row in rows]

    def was_interrupted(self, who: str) -> bool:
        return (self.site.folder / f"interrupted-{who}").exists()


def signal_all(process: psutil.Process, number: signal.Signals) -> None:
    for each in [process, *process.children(recursive=True)]:
        with contextlib.suppress(psutil.NoSuchProcess):
            each.send_signal(number)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path, run_timeout=300, agent_timeout=20)  # clients without rows beat every 30 s
    yield site
    site.close()


STOCK = ["-m", "wandb", "agent"]
# as a script's background job, which begins with SIGINT ignored: the server stops runs by it
IN_BACKGROUND = (
    "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN); "
    "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
)
OURS = ["-c", IN_BACKGROUND, str(ROOT / "runner.py"), "agent"]


# What tells the two apart: agents of ours name their processes, so that the old one's rows are
# refused before its successor has logged any; of stock ones the rows that are stored are believed.
@pytest.mark.parametrize(("agent", "logged_before"), [(OURS, 10), (OURS, 20), (STOCK, 20)])
def test_an_agent_that_was_frozen_past_its_lease_touches_nothing_of_its_successors(
    site: Site, agent: list[str], logged_before: int
) -> None:
    crew = Crew(site, agent)
    old_agent, old = crew.start("old", 10)
    crew.until_stored(10)
    signal_all(psutil.Process(old_agent.pid), signal.SIGSTOP)

    new_agent, _ = crew.start("new", logged_before)
    resumed = [resumed for _, _, resumed in site.started()]
    assert resumed == ["False", "True"], site.explain(crew.sweep)
    crew.until_stored(logged_before)

    crew.set_limit("old", 13)  # it will log three rows more
    signal_all(old, signal.SIGCONT)  # but not its agent, which would end it
    crew.wait_for(lambda: crew.was_interrupted("old"))
    crew.wait_for(lambda: old.status() == psutil.STATUS_ZOMBIE)  # it has told its end
    assert crew.run()["state"] == "running"
    assert not crew.was_interrupted("new")
    assert crew.writers() == ["old"] * 10 + ["new"] * (logged_before - 10)

    signal_all(psutil.Process(old_agent.pid), signal.SIGCONT)
    crew.set_limit("new", 30)
    assert new_agent.wait() == 0
    assert old_agent.wait() == 0
    assert (crew.run()["state"], site.state(crew.sweep)) == ("finished", "FINISHED")
    assert crew.writers() == ["old"] * 10 + ["new"] * 20
    assert "finished" not in site.explain(crew.sweep).partition("attempt 2")[0]
