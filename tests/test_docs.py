"""docs/bring-your-own.md does what it says: its files are written, its commands are run."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e
TEXT = (Path(__file__).resolve().parents[1] / "docs" / "bring-your-own.md").read_text()
SECTIONS = dict(re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL))
BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)


class Folder:
    """A person's folder with every file of the page, and the command installed there."""

    def __init__(self, root: Path, runner: Path) -> None:
        self.root, self.runner = root, runner
        self.env = os.environ | {"FUSION_RUNNER_HOME": str(root), "OMP_NUM_THREADS": "1"}
        for language, block in BLOCK.findall(TEXT):
            if language != "sh":
                name = block.split("\n", 1)[0].removeprefix("# ")
                (root / name).write_text(block)

    def call(self, *words: str) -> str:
        """`fusion-runner WORDS`; returns what it printed."""
        command = [sys.executable, str(self.runner), *words]
        done = subprocess.run(command, cwd=self.root, env=self.env, capture_output=True, text=True)
        assert done.returncode == 0, f"{words}:\n{done.stdout}{done.stderr}"
        return done.stdout

    def run(self, section: str) -> list[str]:
        """Run the commands of a section; return what each printed."""
        blocks = [block for language, block in BLOCK.findall(SECTIONS[section]) if language == "sh"]
        lines = [
            shlex.split(line, comments=True) for block in blocks for line in block.splitlines()
        ]
        assert lines and {words[0] for words in lines} == {"fusion-runner"}
        return [self.call(*words[1:]) for words in lines]

    def report(self, name: str) -> dict:
        return json.loads((self.root / "reports" / name / "report.json").read_text())


@pytest.fixture
def folder(tmp_path: Path, checkout_copy: Path) -> Iterator[Folder]:
    made = Folder(tmp_path, checkout_copy / "runner.py")
    yield made
    if (tmp_path / ".tracker").is_dir():
        made.call("serve", "--stop")


def test_your_own_program(folder: Folder) -> None:
    dry, ran, more = folder.run("Your own program")
    size = "mine: 2 cells × {} seeds = {} runs; the program checks its own parameters"
    assert size.format(2, 4) in dry and size.format(2, 4) in ran and size.format(3, 6) in more
    assert folder.report("mine")["grid"]["done"] == 6


def test_your_own_metric(folder: Folder) -> None:
    folder.run("Your own metric, and what each example contributes")
    (contrast,) = folder.report("quality")["contrasts"]
    assert contrast["metric"] == "test/bleu" and contrast["crossed"]["examples"] == 50
    assert contrast["verdict"] == "DIFFERENT" and contrast["margin"] == 0.5


def test_your_own_fusion(folder: Folder) -> None:
    listed, trained = folder.run("Your own fusion")
    assert all(name in listed for name in ("gates:Gate", "gates:largest", "add"))
    assert "wrote" in trained


def test_your_own_data(folder: Folder) -> None:
    (trained,) = folder.run("Your own data")
    assert "210 train, 30 val, 60 test" in trained
    (made,) = (folder.root / "runs").glob("concat-*")
    assert (made / "examples.csv").read_text().startswith("example,test/loss,test/accuracy\n")


def test_a_project_on_a_server_of_yours(
    folder: Folder, tmp_path_factory: pytest.TempPathFactory
) -> None:
    theirs = Folder(tmp_path_factory.mktemp("theirs"), folder.runner)
    lines = theirs.call("env").splitlines()
    exports = [line.removeprefix("export ") for line in lines if line.startswith("export ")]
    folder.env |= dict(line.split("=", 1) for line in exports)
    registered, ran, reported = folder.run("A project on W&B's servers")
    assert all("(yours; nothing was started)" in text for text in (registered, ran, reported))
    assert folder.report("mine")["grid"]["done"] == 4
    assert not (folder.root / ".tracker").exists()
    theirs.call("serve", "--stop")
