"""`runner.py pretrain`: its flags, its budgets, and a run from data to results."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import yaml
from click.testing import CliRunner
from safetensors.torch import load_file

from cli import pretrain
from cli.flags import config_from, flag
from contract import places
from fusion.contrastive.config import PretrainConfig
from fusion.data.generate import make
from fusion.training.config import ConfigError, check
from launch.overlay import read_budget
from tests.processes import read_line_by_line, wait_for_line

ROOT = Path(__file__).resolve().parents[2]
BUDGETS = ROOT / "sweeps" / "budgets" / "pretrain"
TINY = (
    *("--width=0.06", "--batch-size=16", "--classifier-epochs=1", "--contrastive-epochs=1"),
    *("--projector-epochs=1", "--finetune-epochs=2", "--tracking=disabled"),
)


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Give back the threads and the signal handlers that a command in this process takes."""
    stopping = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)
    handlers = {s: signal.getsignal(s) for s in stopping}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    for signum, handler in handlers.items():
        signal.signal(signum, handler)


def test_every_field_is_a_flag_with_its_help() -> None:
    text = CliRunner().invoke(pretrain.command, ["--help"], terminal_width=200).output
    words = " ".join(text.split())
    for name, field in PretrainConfig.model_fields.items():
        assert f"{flag(name)} " in text
        assert field.description and field.description in words


def test_flags_as_an_agent_writes_them() -> None:
    args = ["--finetune=projector+rgb", "--learning_rate=1e-4", "--logits=study", "--labels=0.1"]
    context = pretrain.command.make_context("pretrain", args)
    assert config_from(context.params, PretrainConfig) == PretrainConfig(
        finetune="projector+rgb", learning_rate=1e-4, logits="study", labels=0.1
    )


def test_errors_say_what_is_allowed() -> None:
    error = CliRunner().invoke(pretrain.command, ["--finetune=projctor", "--shift=40"]).exception
    assert isinstance(error, ConfigError)
    for part in ("--finetune", "'projctor'", "did you mean 'projector'", "--shift", "up to 16"):
        assert part in str(error)


def test_the_default_budget_is_what_a_plain_run_uses() -> None:
    seeds, parameters = read_budget("default", BUDGETS, ROOT)
    defaults = PretrainConfig().model_dump()
    assert parameters == {name: defaults[name] for name in parameters}
    sweep = yaml.safe_load((ROOT / "sweeps" / "contrastive_pre_training.yaml").read_text())
    assert len(sweep["parameters"]["seed"]["values"]) == seeds


@pytest.mark.parametrize("budget", ["smoke", "default", "paper"])
def test_every_budget_has_a_counterpart_that_fits(budget: str) -> None:
    _, parameters = read_budget(budget, BUDGETS, ROOT)
    check(parameters, PretrainConfig)
    with pytest.raises(ConfigError):
        check({**parameters, "fusion": "late"}, PretrainConfig)


def test_a_run_leaves_results_and_is_not_trained_again(tmp_path: Path) -> None:
    make(tmp_path / "data", "study", 60, 0, workers=1)
    args = [f"--data={tmp_path / 'data'}", f"--output={tmp_path / 'run'}", *TINY]
    args += [f"--stages={tmp_path / 'stages'}"]
    first = CliRunner().invoke(pretrain.command, args, catch_exceptions=False)
    assert first.exit_code == 0
    assert "test accuracy: zero-shot 0." in first.output.splitlines()[-1]
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["diverged"] is False and summary["frozen_identical"] is True
    assert summary["parameters"] == summary["trainable_parameters"] + summary["frozen_parameters"]
    assert summary["provenance"]["test_hash"] and summary["flops_per_sample"] > 0
    weights = load_file(tmp_path / "run" / "weights.safetensors")
    assert sum(t.numel() for n, t in weights.items() if n.split(".")[1] != "input_mean") > 0
    with (tmp_path / "run" / "predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["pair", "label", "logit", "lidar", "scratch", "zero_shot"]
    assert len(rows) == 12
    for column, key in (("logit", "test/accuracy"), ("zero_shot", "zero_shot/test/accuracy")):
        right = sum((float(row[column]) > 0) == (row["label"] == "1") for row in rows)
        assert right / len(rows) == pytest.approx(summary[key])

    again = CliRunner().invoke(pretrain.command, args, catch_exceptions=False)
    assert "finished already" in again.output
    args[1] = f"--output={tmp_path / 'other'}"
    other = CliRunner().invoke(pretrain.command, [*args, "--finetune=all"], catch_exceptions=False)
    assert other.exit_code == 0
    stages = [p for p in (tmp_path / "stages").iterdir() if p.is_dir()]
    assert len(stages) == 4
    for folder in (tmp_path / "run", *stages):  # no column of a table for two things
        config = set(PretrainConfig.model_fields)
        assert config.isdisjoint(json.loads((folder / "summary.json").read_text())), folder.name
        for line in (folder / "history.jsonl").read_text().splitlines():
            assert config.isdisjoint(json.loads(line)), folder.name


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (["--data=nowhere"], "--data 'nowhere'"),
        (["--data={docs}"], "no folder cubes/rgb"),
        (["--data=study:40:7", "--train-pairs=99"], "--train-pairs 99: allowed are 2 to 28"),
        (["--data=study:40:7", "--stages={file}/a"], "--stages"),
        (["--data=study:40:7", "--output={file}"], "--output"),
    ],
)
def test_what_is_refused_leaves_everything_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: list[str], named: str
) -> None:
    monkeypatch.setenv(places.HOME, str(tmp_path))
    (tmp_path / "docs").mkdir()
    (tmp_path / "file").write_text("x")
    before = sorted(tmp_path.rglob("*"))
    args = [flag.format(docs=tmp_path / "docs", file=tmp_path / "file") for flag in flags]
    error = CliRunner().invoke(pretrain.command, [*args, *TINY]).exception
    assert getattr(error, "exit_code", 0) == 2 and named in str(error)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_stage_that_diverges_is_a_result(tmp_path: Path) -> None:
    make(tmp_path / "data", "study", 60, 0, workers=1)
    args = [f"--data={tmp_path / 'data'}", f"--output={tmp_path / 'run'}", *TINY]
    args += [f"--stages={tmp_path / 'stages'}", "--learning-rate=1e30"]
    done = CliRunner().invoke(pretrain.command, args)
    assert done.exit_code == 1 and "diverged" in done.output
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["diverged"] is True and "test/loss" not in summary


def test_sigusr1_ends_a_run_at_a_checkpoint_in_a_stage_and_in_the_run_itself(
    tmp_path: Path, checkout_copy: Path
) -> None:
    make(tmp_path / "data", "study", 60, 0, workers=1)
    args = [f"--data={tmp_path / 'data'}", *TINY, "--classifier-epochs=9", "--finetune-epochs=9"]

    def start(name: str) -> subprocess.Popen[str]:
        places = [f"--output={tmp_path / name}", f"--stages={tmp_path / name / 'stages'}"]
        command = [sys.executable, "runner.py", "pretrain", *args, *places, "--threads=1"]
        return read_line_by_line(command, cwd=checkout_copy)

    for line in ("lidar-classifier, epoch 2:", "finetune, epoch 2/9"):
        process = start("broken")
        wait_for_line(process, line)
        process.send_signal(signal.SIGUSR1)
        printed, _ = process.communicate()
        assert process.returncode == 128 + signal.SIGTERM
        assert "goes on from there" in printed and "Traceback" not in printed
    for name in ("broken", "whole"):
        process = start(name)
        printed, _ = process.communicate()
        assert process.returncode == 0, printed
    for name in ("weights.safetensors", "predictions.csv"):
        assert (tmp_path / "broken" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
