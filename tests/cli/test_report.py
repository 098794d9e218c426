"""`runner.py report`: what it prints, writes and exits with."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SNAPSHOT = ROOT / "tests" / "analysis" / "golden" / "snapshot.json.gz"


def test_offline_writes_everything_and_names_it_in_the_last_line(runner, tmp_path: Path) -> None:
    done = runner("report", "--offline", SNAPSHOT, "--output", tmp_path / "r")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"wrote {tmp_path / 'r' / 'report.md'}"
    names = {path.name for path in (tmp_path / "r").iterdir()}
    assert {"report.md", "report.json", "snapshot.json.gz", "results.png", "cells.csv"} <= names
    assert json.loads((tmp_path / "r" / "report.json").read_text())["grid"]["failed"] == 1


def test_strict_writes_the_report_and_exits_with_three(runner, tmp_path: Path) -> None:
    done = runner("report", "--offline", SNAPSHOT, "--output", tmp_path, "--strict", "--open")
    assert done.returncode == 3
    assert done.stderr.startswith("error: --strict: 11 of 12 cells × seeds are done")
    assert "Traceback" not in done.stderr
    assert f"page: {tmp_path / 'report.html'}" in done.stdout
    assert (tmp_path / "report.html").read_text().startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "give SWEEP, or --offline SNAPSHOT"),
        (["--offline", "x.gz", "--publish"], "--publish needs a server"),
        (["--offline", "/no/such/file.gz"], "does not exist"),
    ],
)
def test_wrong_usage_exits_with_two(runner, arguments: list[str], words: str) -> None:
    done = runner("report", *arguments)
    assert done.returncode == 2 and done.stdout == ""
    assert words in done.stderr and done.stderr.count("\n") == 1


def test_analysis_imports_neither_torch_nor_wandb() -> None:
    code = (
        "import sys; import analysis.report, analysis.build, analysis.show.pictures.results, "
        "analysis.show.render, analysis.judge.sequential; "
        "sys.exit(bool({'torch', 'wandb'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
