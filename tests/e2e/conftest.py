"""A checkout of one's own for each test module: its tracker, data, runs and reports are its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

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

    def run(
        self, *command: str, env: dict[str, str] | None = None, code: int = 0, timeout: float = 400
    ) -> str:
        """Run a command to its end; return what it printed."""
        process = self.popen(*command, env=env)
        try:
            output, _ = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            output, _ = process.communicate()
            pytest.fail(f"{' '.join(command)} ran longer than {timeout} s:\n{output}")
        assert process.returncode == code, f"exit {process.returncode}, not {code}:\n{output}"
        return output

    def runner(self, *arguments: str, **options) -> str:
        return self.run(sys.executable, "runner.py", *arguments, **options)

    def exports(self) -> dict[str, str]:
        """What `eval "$(python runner.py env)"` puts into a shell."""
        lines = self.runner("env").splitlines()
        assert lines[0].startswith("# W&B server: ")
        return dict(line.removeprefix("export ").split("=", 1) for line in lines[1:])

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


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    root = checkouts.copy(tmp_path_factory.mktemp("checkout"))
    copy = Checkout(root, tmp_path_factory.mktemp("home"))
    yield copy
    copy.runner("serve", "--stop")
