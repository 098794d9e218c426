"""Rules of the house that no single package can check."""

from __future__ import annotations

import ast
import graphlib
import re
import subprocess
import sys
from collections.abc import Container
from pathlib import Path

import pytest
import yaml

from contract import places

ROOT = Path(__file__).resolve().parents[1]
# Imports go down this list; rooms of one floor do not know each other.
FLOORS = (
    ("contract",),
    ("analysis", "tracker"),
    ("fusion",),
    ("launch", "explore"),
    ("cli",),
    ("runner",),
)
ROOMS = [room for floor in FLOORS for room in floor]
FOREIGN = {"contract": {"torch", "wandb"}, "analysis": {"torch"}, "tracker": {"torch", "wandb"}}


def sources(room: str) -> list[Path]:
    """All files of a room; a room is a package or one module."""
    return sorted((ROOT / room).rglob("*.py")) or [ROOT / f"{room}.py"]


def imports(file: Path) -> set[str]:
    """Top-level names of everything that `file` imports, inside functions too."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module.partition(".")[0])
    return found


@pytest.mark.parametrize("room", ROOMS)
def test_imports_go_down(room):
    floor = next(i for i, rooms in enumerate(FLOORS) if room in rooms)
    above = {other for rooms in FLOORS[floor:] for other in rooms} - {room}
    foreign = above | FOREIGN.get(room, set())
    wrong = {str(f.relative_to(ROOT)): imports(f) & foreign for f in sources(room)}
    assert not {name: names for name, names in wrong.items() if names}


def test_no_modules_import_each_other_in_a_circle():
    files = {name_of(file): file for room in ROOMS for file in sources(room)}
    order = graphlib.TopologicalSorter({name: uses(file, files) for name, file in files.items()})
    order.prepare()  # CycleError names the modules of a circle


def name_of(file: Path) -> str:
    """The dotted name of a module or package."""
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def uses(file: Path, modules: Container[str]) -> set[str]:
    """The `modules` that a file imports, inside functions too, but not for its types alone."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    typed = [
        n for n in ast.walk(tree) if isinstance(n, ast.If) and "TYPE_CHECKING" in ast.dump(n.test)
    ]
    left_out = {id(node) for branch in typed for node in ast.walk(branch)}
    found = set()
    for node in ast.walk(tree):
        if id(node) in left_out:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            dotted = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in modules else node.module for name in dotted}
    return {name for name in found if name in modules} - {name_of(file)}


def test_no_room_below_the_study_names_what_it_is_about():
    words = re.compile(r"(?<![a-z])(lidar|rgb|cubes?|spheres?|cilp)(?![a-z])", re.IGNORECASE)
    others = re.compile(r"lidar/beta|rgb\(")  # a media type of W&B's, CSS
    found = []
    for room in ("contract", "analysis", "tracker", "launch"):
        for file in (ROOT / room).rglob("*"):
            if file.is_file() and "__pycache__" not in file.parts and ".min." not in file.name:
                text = others.sub("", file.read_text(encoding="utf-8"))
                found += [f"{file.relative_to(ROOT)}: {word}" for word in words.findall(text)]
    assert not found


def test_only_the_studys_report_knows_the_analysis():
    files = {f.relative_to(ROOT) for f in sources("fusion") if "analysis" in imports(f)}
    assert files and all(file.parts[1] == "report" for file in files)


def test_one_module_of_fusion_talks_to_wandb():
    files = [f.name for f in (ROOT / "fusion").rglob("*.py") if "wandb" in imports(f)]
    assert files == ["tracking.py"]


def test_sweeps_is_no_python_package():
    # The import name `sweeps` belongs to W&B's own search library.
    assert not list((ROOT / "sweeps").rglob("*.py"))


def test_help_imports_nothing_heavy():
    script = (
        "import sys, runner\n"
        "try: runner.main(['--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'torch', 'wandb', 'fiftyone', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("file", places.shipped(), ids=lambda f: f.stem)
def test_every_shipped_sweep_passes_the_real_command(runner, file):
    for budget in ("smoke", "default", "paper"):
        done = runner("sweep", file, "--budget", budget, "--dry-run")
        assert done.returncode == 0, done.stderr
        assert "every cell checked" in done.stdout
    header = file.read_text(encoding="utf-8").split("project:")[0]
    # What it costs, and what comes out or came out
    assert "minutes" in header and ("Expect" in header or "easured" in header)


def test_the_default_budget_is_what_a_plain_sweep_runs():
    from fusion.config import RunConfig

    budget = yaml.safe_load((ROOT / "sweeps" / "budgets" / "default.yaml").read_text())
    defaults = RunConfig().model_dump()
    assert budget["parameters"] == {name: defaults[name] for name in budget["parameters"]}
    assert "seeds" not in budget  # those of the sweep


def test_every_make_target_has_a_line_of_help():
    text = (ROOT / "Makefile").read_text()
    targets = text.split(".PHONY:")[1].splitlines()[0].split()
    # Under `make test` this is a make within a make, which would say where it enters and leaves
    command = ["make", "--no-print-directory", "help"]
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert targets == [line.split()[0] for line in shown.stdout.split("\n\n")[0].splitlines()]
