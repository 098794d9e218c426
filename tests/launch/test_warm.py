"""A forked run is what a started one is, and takes nobody along when it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from launch.warm import Forked, Warm, call_of, imported

pytestmark = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="forks are for Linux")

# What a program can see of where and how it runs
LOOK = """
import json, os, sys
import helper
def known(name):
    return name
print(json.dumps({
    "argv": sys.argv, "path": sys.path, "name": __name__, "file": __file__, "doc": __doc__,
    "main": sys.modules["__main__"].known("itself"), "globals": sorted(globals()),
    "environment": dict(os.environ), "folder": os.getcwd(), "input": sys.stdin.read(),
    "own group": os.getpgid(0) == os.getpid(), "helper": helper.WORD,
    "buffered": sys.stdout.line_buffering, "umask": os.umask(0),
    "signals": {n: str(__import__("signal").getsignal(n)) for n in (1, 2, 10, 13, 15, 17)},
    "masked": [int(n) for n in __import__("signal").pthread_sigmask(0, [])],
    "open": sorted(os.listdir("/proc/self/fd")),
}))
"""
ENDS = {
    "raise SystemExit(3)": 3,
    "import sys; sys.exit('words')": 1,
    "1 / 0": 1,
    "import os; os._exit(7)": 7,
    "import os; os.kill(os.getpid(), 9)": -9,
    "import os; os.kill(os.getpid(), 15)": -15,
    "raise KeyboardInterrupt": -2,
    "def f(:": 1,
    "import atexit; atexit.register(lambda: print('at the end'))": 0,
    "import threading, time\n"
    "threading.Thread(target=lambda: time.sleep(.1) or print('late')).start()": 0,
    "import multiprocessing as m\ndef f(): print('child', flush=True)\n"
    "if __name__ == '__main__':\n"
    "  p = m.get_context('spawn').Process(target=f); p.start(); p.join()": 0,
}  # fmt: skip


class World:
    """A folder with a program, and ways to run it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.program = folder, folder / "program.py"
        self.library = folder / "installed"
        self.library.mkdir()
        self.env = os.environ | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(self.library),
            "OMP_NUM_THREADS": "1",
        }
        self.warm = Warm(True)
        self.begun: list[Forked] = []

    def begin(self, *arguments: str) -> Forked | None:
        run = self.warm.begin(self.command(*arguments), self.env)
        self.begun += [run] if run else []
        return run

    def command(self, *arguments: str) -> list[str]:
        return ["/usr/bin/env", "python3", str(self.program), *arguments]

    def started(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        """As the client starts it."""
        return subprocess.run(
            self.command(*arguments), env=self.env, input=b"", stdout=sys.stdout, process_group=0
        )


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    for run in world.begun:
        run.kill()
    world.warm.close()


@pytest.fixture
def printed(capfd: pytest.CaptureFixture[str]) -> Callable[[], list[str]]:
    """What runs have printed since the last call, without the agent's own lines."""
    return lambda: [x for x in capfd.readouterr().out.splitlines() if not x.startswith("wandb:")]


@pytest.mark.parametrize(("safe", "word"), [("", "mine"), ("1", "installed")])
def test_a_forked_run_sees_what_a_started_one_sees(world, printed, safe, word):
    world.env["PYTHONSAFEPATH"] = safe
    world.program.write_text(LOOK)
    (world.folder / "helper.py").write_text("WORD = 'mine'")
    (world.library / "helper.py").write_text("WORD = 'installed'")
    assert world.begin("--a=1", "b c").wait() == 0
    forked = json.loads(printed()[-1])
    assert world.started("--a=1", "b c").returncode == 0
    started = json.loads(printed()[-1])
    assert started["helper"] == word
    assert forked == started


@pytest.mark.parametrize("text", ENDS)
def test_a_forked_run_ends_as_a_started_one_and_takes_nobody_along(world, capfd, text):
    world.program.write_text(text)
    first = world.begin()
    assert first.wait() == ENDS[text]
    forked = capfd.readouterr()
    assert world.started().returncode == ENDS[text]
    started = capfd.readouterr()
    assert forked.out == started.out
    said = [line for line in forked.err.splitlines() if not line.startswith("wandb:")]
    assert said == started.err.splitlines()
    nest = world.warm.nest.process.pid
    assert world.begin().wait() == ENDS[text]
    assert world.warm.nest.process.pid == nest


def test_no_state_of_a_generator_is_inherited(world, printed):
    text = "import random, numpy, torch\n"
    world.program.write_text(
        text + "print(random.random(), numpy.random.rand(), torch.rand(1).item())"
    )
    for _ in range(3):
        assert world.begin().wait() == 0
    draws = [line.split() for line in printed()]
    assert [len(set(column)) for column in zip(*draws, strict=True)] == [3, 3, 3]


def test_a_run_hears_signals_and_another_goes_on(world, printed):
    world.program.write_text(
        "import signal, sys, time\n"
        "def leave(*_): print('heard', flush=True); sys.exit(143)\n"
        "signal.signal(signal.SIGTERM, leave); print('ready', flush=True)\n"
        "while True: time.sleep(0.01)\n"
    )
    first, second = world.begin(), world.begin()
    lines: list[str] = []
    while lines.count("ready") < 2:
        lines += printed()
    assert (first.poll(), second.poll()) == (None, None)
    first.send_signal(signal.SIGTERM)
    assert first.wait() == 143
    assert second.poll() is None
    second.kill()
    assert second.wait() == -signal.SIGKILL
    assert first.poll() == 143
    first.send_signal(signal.SIGTERM)  # says nothing to whoever has its number now
    with pytest.raises(subprocess.TimeoutExpired):
        world.begin().wait(timeout=0.01)


@pytest.mark.parametrize(
    "library",
    [
        "import threading as t; t.Thread(target=t.Event().wait, daemon=True).start()",
        "import os; os._exit(1)",
    ],
)  # fmt: skip
def test_what_cannot_be_forked_safely_is_started(world, capfd, library):
    (world.library / "eager.py").write_text(library)
    world.program.write_text("import eager")
    assert world.begin() is None
    assert "Every run loads its libraries anew" in capfd.readouterr().err


def test_a_run_has_the_libraries_that_lie_there_when_it_begins(world, printed):
    file = world.library / "mine.py"
    file.write_text("WORD = 'before'")
    world.program.write_text("import mine; print(mine.WORD)")
    assert world.begin().wait() == 0
    file.write_text("WORD = 'afterwards'")
    assert world.begin().wait() == 0
    world.program.write_text("print('another program')")
    assert world.begin().wait() == 0
    world.env["COLOUR"] = "red"
    world.program.write_text("import os; print(os.environ['COLOUR'])")
    assert world.begin().wait() == 0
    assert printed() == ["before", "afterwards", "another program", "red"]


def test_a_nest_that_is_killed_costs_nothing_but_its_imports(world, printed):
    world.program.write_text("import time, sys; time.sleep(9**9 * ('wait' in sys.argv)); print(1)")
    left = world.begin("wait")
    os.kill(world.warm.nest.process.pid, signal.SIGKILL)
    world.warm.nest.process.wait()
    assert left.poll() is None
    assert world.begin().wait() == 0
    assert printed() == ["1"]
    left.kill()
    assert left.wait() == 1  # nobody can tell


def test_a_run_outlives_its_agent_and_the_nest_does_not(world, tmp_path):
    done = tmp_path / "done"
    world.program.write_text(
        "import sys, time\nfrom pathlib import Path\n"
        f"while not Path({str(tmp_path / 'go')!r}).exists(): time.sleep(0.01)\n"
        f"Path({str(done)!r}).write_text('done')"
    )
    agent = subprocess.Popen(
        [
            *(sys.executable, "-c"),
            "import json, os, sys, time\nfrom launch.warm import Warm\nwarm = Warm(True)\n"
            "run = warm.begin(json.loads(sys.argv[1]), dict(os.environ))\n"
            "print(warm.nest.process.pid, flush=True)\ntime.sleep(9**9)",
            json.dumps(world.command()),
        ],
        env=world.env | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert agent.stdout is not None
    nest = psutil.Process(int(agent.stdout.readline()))
    agent.kill()
    agent.wait()
    psutil.wait_procs([nest])
    (tmp_path / "go").touch()
    while not done.exists():
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("command", "argv"),
    [
        (["/usr/bin/env", "python3", "p.py", "--a=1"], ["p.py", "--a=1"]),
        (["python", "p.py"], ["p.py"]),
        (["python3", "-u", "p.py"], None),
        (["python3", "-m", "p"], None),
        (["python3", "missing.py"], None),
        (["nice", "python3", "p.py"], None),
        (["/usr/bin/env", "A=1", "python3", "p.py"], None),
        (["sh", "run.sh"], None),
        ([], None),
    ],
)
def test_plain_python_programs_can_be_forked(tmp_path, monkeypatch, command, argv):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p.py").touch()
    call: Any = call_of(command, {"PATH": str(Path(sys.executable).parent)})
    assert (call and call.argv) == argv


def test_what_lies_beside_a_program_is_loaded_by_its_runs(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "yours.py").touch()
    program = tmp_path / "p.py"
    program.write_text(
        "import os.path as path, mine.part, yours\nfrom numpy import array\nfrom . import x\n"
        "def f(): import torch\n"
    )
    assert imported(program) == ["os.path", "numpy"]


def test_a_forked_run_is_called_what_it_runs(world, printed):
    world.program.write_text("print(open('/proc/self/cmdline').read().replace(chr(0), ' '))")
    assert world.begin("--a=1", "b").wait() == 0
    assert f"{world.program} --a=1 b" in printed()[-1]
