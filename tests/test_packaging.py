"""The wheel, installed and called from an empty folder, among modules that bear our names."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import checkouts
from tests.processes import read_line_by_line, wait_for_line
from tests.tracker.old_folder import FOLDERS, restore

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("contract", "analysis", "tracker", "fusion", "launch", "explore", "cli")
STUDY = ("torch", "safetensors")  # distributions of the extra, but what others bring
THEIRS = """
import argparse, sys, wandb
import analysis, cli, contract, fusion, launch, runner, tracker
assert all(module.MINE for module in (analysis, cli, contract, fusion, launch, runner, tracker))
assert not [folder for folder in sys.path if "fusion_runner" in folder]
parser = argparse.ArgumentParser()
for name in ("depth", "seed", "data"):
    parser.add_argument(f"--{name}", type=int)
run = wandb.init(config=vars(parser.parse_args()))
run.log({"val/loss": run.config.depth + run.config.seed / 100})
"""
SWEEP = """\
program: theirs.py
method: grid
metric: {name: val/loss, goal: minimize}
parameters:
  seed: {values: [0, 1, 2]}
  depth: {values: [1, 2]}
  data: {value: 7}
"""


def tracked(*folders: str) -> set[str]:
    """Files below the folders that are in git, or new and not ignored."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", *folders]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return {name for name in listed.stdout.splitlines() if (ROOT / name).is_file()}


def run(*command: object, code: int = 0, **options) -> str:
    """Run a command to its end; return what it printed, errors included."""
    words = [str(word) for word in command]
    done = subprocess.run(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options
    )
    assert done.returncode == code, f"{words}: exit {done.returncode}, not {code}:\n{done.stdout}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built without a network, by the setuptools of this environment."""
    folder = tmp_path_factory.mktemp("wheel")
    checkout = checkouts.copy(folder / "checkout")
    offline = ("--no-deps", "--no-index", "--no-build-isolation", "--quiet")
    run(sys.executable, "-m", "pip", "wheel", *offline, "-w", folder, checkout)
    (built,) = folder.glob("*.whl")
    return built


def environment(folder: Path, wheel: Path, hidden: tuple[str, ...] = ()) -> Path:
    """An environment with the wheel and what this one has, but for `hidden`; its commands."""
    run(sys.executable, "-m", "venv", "--without-pip", folder)
    python = folder / "bin" / "python"
    offline = ("--no-deps", "--no-index", "--quiet", "--disable-pip-version-check")
    run(sys.executable, "-m", "pip", "--python", python, "install", *offline, wheel)
    packages = Path(
        run(python, "-c", "import sysconfig as s; print(s.get_path('purelib'))").strip()
    )
    borrowed = folder / "borrowed"
    borrowed.mkdir()
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if entry.name.partition("-")[0] not in (*hidden, "fusion_runner"):
            (borrowed / entry.name).symlink_to(entry)
    (packages / "borrowed.pth").write_text(f"{borrowed}\n")
    return folder / "bin"


@pytest.fixture(scope="module")
def whole(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return environment(tmp_path_factory.mktemp("whole"), wheel)


@pytest.fixture(scope="module")
def without_torch(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return environment(tmp_path_factory.mktemp("without_torch"), wheel, STUDY)


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Callable[..., str]]:
    """here(bin, *words): the installed command in a folder with modules of all our names."""
    for name in (*ROOMS, "runner"):
        (tmp_path / f"{name}.py").write_text("MINE = True\n")
    env = {name: os.environ[name] for name in ("HOME", "BROWSER")} | {"PATH": "/usr/bin:/bin"}
    used: list[Path] = []

    def call(bin: Path, *words: object, code: int = 0) -> str:
        used.append(bin)
        return run(bin / "fusion-runner", *words, code=code, cwd=tmp_path, env=env)

    yield call
    if used:
        call(used[0], "serve", "--stop")


def test_the_wheel_holds_every_file_of_every_room_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert held == {f"fusion_runner/{name}" for name in tracked(*ROOMS, "sweeps", "runner.py")}


def test_the_linters_see_every_module() -> None:
    modules = {name for name in tracked() if name.endswith(".py")}
    seen = run(sys.executable, "-m", "ruff", "check", "--show-files", cwd=ROOT).splitlines()
    assert modules == {str(Path(n).relative_to(ROOT)) for n in seen if n.endswith(".py")}
    checked = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pyright"]["include"]
    assert {name.partition("/")[0] for name in modules} == set(checked)
    assert {*ROOMS} < set(checked)


@pytest.mark.e2e
def test_help_and_the_server_answer_in_an_empty_folder_without_torch(
    without_torch: Path, tmp_path: Path
) -> None:
    command = without_torch / "fusion-runner"
    assert "Usage: fusion-runner" in run(command, "--help", cwd=tmp_path)
    assert not list(tmp_path.iterdir())
    process = read_line_by_line([str(command), "serve", "--port", "0"], cwd=tmp_path)
    wait_for_line(process, "")
    run(command, "serve", "--stop", cwd=tmp_path)
    process.communicate()
    assert (tmp_path / ".tracker").is_dir()


@pytest.mark.e2e
def test_a_sweep_of_another_program_is_run_and_reported_without_torch(
    without_torch: Path, here: Callable[..., str], tmp_path: Path
) -> None:
    (tmp_path / "theirs.py").write_text(THEIRS)
    (tmp_path / "mine.yaml").write_text(SWEEP)
    output = here(without_torch, "sweep", "mine.yaml")
    assert "2 cells × 3 seeds = 6 runs; the program checks its own parameters" in output
    report = tmp_path / "reports" / "mine"
    assert output.splitlines()[-1] == f"wrote {report / 'report.md'}"
    before = (report / "report.json").read_text()
    assert json.loads(before)["grid"]["done"] == 6
    here(without_torch, "report")
    assert json.loads((report / "report.json").read_text())["cells"] == json.loads(before)["cells"]
    assert "local/mine" in (tmp_path / "runs" / "sweeps" / "latest").read_text()


@pytest.mark.e2e
def test_what_needs_torch_says_which_extra_brings_it(
    without_torch: Path, here: Callable[..., str], tmp_path: Path
) -> None:
    before = sorted(tmp_path.iterdir())
    for words in (("train",), ("sweep", "label_efficiency"), ("models",)):
        line = here(without_torch, *words, code=2).splitlines()[-1]
        assert line.startswith("error: the package ")
        assert line.endswith(" is not installed; run pip install 'fusion-runner[study]'")
        assert sorted(tmp_path.iterdir()) == before


@pytest.mark.e2e
def test_a_shipped_sweep_runs_from_any_folder(
    whole: Path, here: Callable[..., str], tmp_path: Path
) -> None:
    small = ("--set", "data=fusion:100:0", "--set", "fusion=late", "--set", "epochs=1")
    small += ("--set", "downsample=[maxpool, strided_replace]", "--seeds", "1")
    output = here(whole, "sweep", "maxpool_vs_strided_ablation", "--budget", "smoke", *small)
    name = "maxpool_vs_strided_ablation-smoke"
    made = json.loads((tmp_path / "reports" / name / "report.json").read_text())
    assert made["grid"]["done"] == 2, output
    assert {folder.name for folder in tmp_path.iterdir() if folder.is_dir()} >= {"data", "runs"}


@pytest.mark.e2e
def test_a_data_folder_that_a_checkout_left_goes_on(
    without_torch: Path, here: Callable[..., str], tmp_path: Path
) -> None:
    (tmp_path / ".tracker").mkdir()
    restore(FOLDERS / "schema-9", tmp_path / ".tracker")
    printed = here(without_torch, "env").splitlines()
    lines = [line.removeprefix("export ") for line in printed if line.startswith("export ")]
    exports = dict(line.split("=", 1) for line in lines)
    assert str(tmp_path / ".tracker") in printed[0]
    (tmp_path / "work").mkdir()
    python, script = without_torch / "python", ROOT / "tests" / "tracker" / "clients" / "go_on.py"
    run(python, "-P", script, cwd=tmp_path / "work", env={**os.environ, **exports})
