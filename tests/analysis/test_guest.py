"""The study in a report is a guest: named by a plan, done without where it cannot be had."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from analysis import report as reports
from analysis.read import snapshot
from contract import places

RENDER = """
import sys
from pathlib import Path
from analysis import report
print(report.report(None, Path("out"), offline=Path(sys.argv[1])).read_text())
print([name for name in ("torch", "fusion") if name in sys.modules])
"""
GUEST = """
from contract.study import Section, Study

def sections(grid, plan):
    cells = ", ".join(cell.label for cell in grid.cells)
    return [Section("ours", {"cells": len(grid.cells)}, "Our answer.", f"## Ours\\n\\n{cells}",
                    {"ours.png": lambda: None}, {"ours.csv": "a,b\\n"}, ("Beware.",))]

GUEST = Study(sections=sections)
"""


def rendered(made, folder: Path) -> str:
    snapshot.save(made, folder / "snapshot.json.gz")
    done = subprocess.run(
        [sys.executable, "-c", RENDER, "snapshot.json.gz"],
        cwd=folder, env={"PYTHONPATH": f"{folder}:{places.CODE}", "HOME": str(folder)},
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("name", "loaded"), [("mine", []), ("fusion_architecture_comparison", ["fusion"])]
)
def test_no_report_needs_torch_and_that_of_others_no_line_of_the_study(
    sweep, tmp_path: Path, name: str, loaded: list[str]
) -> None:
    text = rendered(sweep({"fusion": ["late", "add"]}, seeds=3, name=name), tmp_path)
    assert text.splitlines()[-1] == str(loaded)


def test_a_guest_adds_its_section(sweep, tmp_path: Path) -> None:
    (tmp_path / "a_guest.py").write_text(GUEST)
    (tmp_path / "mine.plan.yaml").write_text("study: a_guest:GUEST\n")
    text = rendered(sweep({"lr": [1, 2]}, seeds=3, name="mine"), tmp_path)
    answer, rest = text.split("## Before you rely on it")
    assert "Our answer." in answer and "- Beware." in rest
    assert rest.index("## Ours\n\nlr=1, lr=2") < rest.index("<details>")
    content = json.loads((tmp_path / "out" / "report.json").read_text())
    assert content["ours"] == {"cells": 2} and "sections" not in content
    assert (tmp_path / "out" / "ours.csv").read_text() == "a,b\n"


def test_a_guest_that_cannot_be_imported_costs_one_line(sweep, tmp_path: Path) -> None:
    (tmp_path / "needy.py").write_text("import a_package_that_nobody_has\n")
    (tmp_path / "mine.plan.yaml").write_text("study: needy:GUEST\n")
    text = rendered(sweep({"lr": [1, 2]}, seeds=3, name="mine"), tmp_path)
    line = (
        "- What the study itself says is missing: study needy:GUEST cannot be imported: No module"
    )
    assert text.count(line) == 1 and "a_package_that_nobody_has" in text.replace("\\", "")


def test_the_file_holds_a_section_under_its_name(sweep) -> None:
    from analysis.build import build

    content = json.loads(reports.to_json(build(sweep({"fusion": ["late", "add"]}, seeds=2))))
    assert list(content)[list(content).index("claims") + 1] == "contrastive"
    assert content["contrastive"] is None
