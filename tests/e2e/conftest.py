"""A checkout of one's own for each test module: its tracker, data, runs and reports are its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from fusion.training.output import LOCK
from tests import checkouts


class Checkout:
    """A copy of the working tree and the commands that a person would type in it."""

    def __init__(self, root: Path, home: Path) -> None:
        self.root = root
        self.env = os.environ | {"HOME": str(home), "COLUMNS": "200", "OMP_NUM_THREADS": "1"}

    def popen(self, *command: str, env: dict[str, str] | None = None) -> subprocess.Popen[str]:
        return subprocess.Popen(
            command,
            cwd=self.root,
            env=self.env | (env or {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *command: str, env: dict[str, str] | None = None, code: int = 0) -> str:
        """Run a command to its end; return what it printed."""
        process = self.popen(*command, env=env)
        output, _ = process.communicate()
        assert process.returncode == code, f"exit {process.returncode}, not {code}:\n{output}"
        return output

    def runner(self, *arguments: str, **options) -> str:
        return self.run(sys.executable, "runner.py", *arguments, **options)

    def exports(self) -> dict[str, str]:
        """What `eval "$(python runner.py env)"` puts into a shell."""
        lines = self.runner("env").splitlines()
        assert lines[0].startswith("# W&B server: ")
        return dict(line.removeprefix("export ").split("=", 1) for line in lines[1:])

    def processes(self, *words: str) -> list[int]:
        """Ids of this checkout's processes whose command line holds all `words`."""
        found = []
        for folder in Path("/proc").iterdir():
            if not folder.name.isdigit():
                continue
            try:
                line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                here = (folder / "cwd").readlink() == self.root
            except OSError:  # it has ended
                continue
            if here and all(word in line for word in words):
                found.append(int(folder.name))
        return found

    def freeze_run(self, trained: bool = True) -> int:
        """Wait for a run that an agent started, and has `trained` an epoch; return its process.

        It stands still (SIGSTOP) before its end, so that nothing which waits for it can end either
        until SIGCONT. A run that was too quick is let go, and the next one taken.
        """
        while True:
            for pid in self.processes("runner.py train"):
                folder = folder_of(pid, self.root / "runs")
                if trained and not (folder / "history.jsonl").exists():
                    continue
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGSTOP)
                    while state(pid) not in "TZ":  # a stop takes a moment
                        time.sleep(0.01)
                    if not (folder / "summary.json").exists():
                        return pid
                    os.kill(pid, signal.SIGCONT)
            time.sleep(0.05)

    def report(self, name: str) -> dict:
        return json.loads((self.root / "reports" / name / "report.json").read_text())

    def api_runs(self, project: str) -> list[dict]:
        """State and configuration of a project's runs, through wandb.Api in its own process."""
        script = (
            "import json, sys, wandb\n"
            "runs = wandb.Api().runs(sys.argv[1], lazy=False)\n"
            "keys = ('id', 'state')\n"
            "rows = [{k: getattr(r, k) for k in keys} | {'config': dict(r.config),\n"
            "        'summary': r.summary._json_dict} for r in runs]\n"
            "print(json.dumps(rows))"
        )
        output = self.run(sys.executable, "-c", script, project, env=self.exports())
        return json.loads(output.splitlines()[-1])


def folder_of(pid: int, runs: Path) -> Path:
    """The run's folder in which a process holds files; `runs` itself where it holds none yet.

    Not by its environment: Linux shows that of the process by which a forked one began.
    """
    with suppress(psutil.Error):
        for file in psutil.Process(pid).open_files():
            if Path(file.path).name == LOCK and Path(file.path).is_relative_to(runs):
                return Path(file.path).parent
    return runs


def state(pid: int) -> str:
    """The letter of a process's state: T stopped, Z ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    root = checkouts.copy(tmp_path_factory.mktemp("checkout"))
    copy = Checkout(root, tmp_path_factory.mktemp("home"))
    yield copy
    copy.runner("serve", "--stop")
