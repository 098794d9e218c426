"""`runner.py train`: flags as people, sweeps and agents write them; runs that die and go on."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import torch
from click.testing import CliRunner, Result

from cli.flags import ConfigCommand, config_from, flag
from cli.session import Stop, TrackingModeError, tracking_mode
from cli.train import command
from contract import places
from contract.names import BEST_EPOCH_METRICS, COST_METRICS, TEST_METRICS
from fusion.config import RunConfig
from fusion.data import generate
from fusion.training import output
from fusion.training.config import ConfigError
from tests.processes import read_line_by_line, wait_for_line

STOPPING = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)


def parse(*args: str) -> RunConfig:
    """What the flags of `train` mean."""
    context = command.make_context("train", list(args))
    return config_from(context.params, RunConfig)


def test_every_field_is_a_flag_with_its_help_and_default():
    text = CliRunner().invoke(command, ["--help"], terminal_width=200).output
    words = " ".join(text.split())
    for name, field in RunConfig.model_fields.items():
        assert f"{flag(name)} " in text
        assert field.description and field.description in words
        assert f"[default: {field.default}]" in words
    assert "width" in text and "maxpool|strided_append" in words


@pytest.mark.parametrize(
    ("args", "meant"),
    [
        (["--batch-size", "16"], {"batch_size": 16}),
        (["--batch_size", "16"], {"batch_size": 16}),
        (["--batch_size=16", "--learning_rate=1e-4"], {"batch_size": 16, "learning_rate": 1e-4}),
        (["--align"], {"align": True}),
        (["--align=true"], {"align": True}),
        (["--align=True"], {"align": True}),
        (["--align=1"], {"align": True}),
        (["--align", "true"], {"align": True}),
        (["--align=False"], {"align": False}),
        (["--no-align"], {"align": False}),
        (["--align", "--no_align"], {"align": False}),
        (["--align", "--seed=3"], {"align": True, "seed": 3}),
        (
            ["--downsample=strided_append", "--width=1"],
            {"downsample": "strided_append", "width": 1},
        ),
    ],
)
def test_flags_in_every_spelling(args, meant):
    assert parse(*args) == RunConfig(**meant)


@pytest.mark.parametrize(
    ("args", "parts"),
    [
        (["--fushion", "late"], ["--fushion", "did you mean '--fusion'"]),
        (["--batchsize=3"], ["--batchsize", "did you mean '--batch-size'"]),
        (["--xyz=3"], ["--xyz", "--train-pairs"]),
        (["--fusion", "concta"], ["--fusion", "'concta'", "matmul", "did you mean 'concat'"]),
        (["--batch_size=0"], ["--batch-size", "'0'", "a whole number from 1"]),
        (["--align=maybe"], ["--align", "'maybe'", "true, false"]),
        (["--epochs", "0", "--width", "x"], ["--epochs", "--width", "a number above 0 up to 4"]),
    ],
)
def test_errors_name_flag_value_and_what_is_allowed(args, parts):
    error = CliRunner().invoke(command, args).exception
    assert isinstance(error, ConfigError) and error.exit_code == 2
    for part in parts:
        assert part in str(error)


def test_a_person_sees_one_line_and_exit_code_2(runner):
    done = runner("train", "--epochs=none")
    assert done.returncode == 2
    assert done.stderr.strip() == (
        "error: --epochs: 'none' is not allowed; allowed: a whole number from 1"
    )


def test_flags_come_from_any_config_class():
    class Other(RunConfig):
        temperature: float = 0.07
        """A field of its own."""

    other = click.command(cls=ConfigCommand, kind=Other)(lambda **values: None)
    assert isinstance(other, click.Command)
    params = other.make_context("other", ["--temperature=1"]).params
    assert config_from(params, Other).temperature == 1.0


def test_where_a_run_logs_by_default(monkeypatch, tmp_path):
    monkeypatch.setenv(places.HOME, str(tmp_path))
    assert tracking_mode(None) == "disabled"
    assert tracking_mode("offline") == "offline"
    with pytest.raises(TrackingModeError, match=re.escape('eval "$(python runner.py env)"')):
        tracking_mode("online")
    monkeypatch.setenv("WANDB_SWEEP_ID", "s")
    with pytest.raises(TrackingModeError):
        tracking_mode(None)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    assert tracking_mode(None) == "online"
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert tracking_mode(None) == "offline"
    assert tracking_mode("disabled") == "disabled"
    monkeypatch.setenv("WANDB_MODE", "dryrun")
    assert tracking_mode(None) == "offline"
    monkeypatch.setenv("WANDB_MODE", "shared")
    with pytest.raises(TrackingModeError, match="WANDB_MODE: 'shared'"):
        tracking_mode(None)


@pytest.fixture(scope="module")
def data_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data") / "fusion-60"
    generate.make(root, "fusion", 60, 0, workers=1)
    return root


@pytest.fixture
def train_here(data_root, tmp_path):
    """Run `train` in this process; returns click's result."""

    def run(*flags: str, output: Path | None = tmp_path / "run") -> Result:
        place = [] if output is None else [f"--output={output}"]
        args = [f"--data={data_root}", "--width=0.04", "--batch-size=2", "--epochs=2"]
        before = {s: signal.getsignal(s) for s in STOPPING}
        try:
            return CliRunner().invoke(command, [*args, *place, "--threads=1", *flags])
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    return run


def test_what_a_run_writes(train_here, tmp_path):
    folder = tmp_path / "run"
    result = train_here("--seed=3", "--align")
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert [line[:9] for line in lines if line.startswith("epoch")] == ["epoch 1/2", "epoch 2/2"]
    assert lines[-1].startswith(f"wrote {folder}: summary.json, predictions.csv, weights")
    config = json.loads((folder / "config.json").read_text())
    assert (
        config["seed"] == 3
        and config["align"] is True
        and list(config) == list(RunConfig.model_fields)
    )

    rows = (folder / "predictions.csv").read_text().splitlines()
    assert rows[0] == "pair,label,logit" and len(rows) == 1 + 12
    pair, label, logit = rows[1].split(",")
    assert pair.startswith(("cubes/", "spheres/")) and label == str(int("sphere" in pair))
    assert float(logit)

    summary = json.loads((folder / "summary.json").read_text())
    logged = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    assert {*BEST_EPOCH_METRICS, *TEST_METRICS, *COST_METRICS} <= set(summary)
    assert set(config).isdisjoint({*summary, *logged[0], *logged[1]}), "one column for two things"
    sidecar = json.loads((folder / "weights.json").read_text())
    assert summary["diverged"] is False and sidecar["config"] == config
    assert sidecar["metrics"]["test/loss"] == summary["test/loss"]
    assert sidecar["hashes"]["test"] == summary["provenance"]["test_hash"] != ""
    assert not list(folder.glob(".*.*"))  # no temporary files left


def test_a_finished_run_is_not_trained_again_and_another_config_is_refused(train_here, tmp_path):
    folder = tmp_path / "run"
    train_here()
    files = {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()}
    again = train_here()
    assert again.exit_code == 0 and f"finished already: {folder}" in again.output
    other = train_here("--seed=1", "--fusion=late")
    assert other.exception is not None and getattr(other.exception, "exit_code", 0) == 2
    for part in (str(folder), "--fusion is 'concat' there and 'late' here", "--seed is 0 there"):
        assert part in str(other.exception)
    assert {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()} == files


def test_a_folder_with_something_else_is_refused_untouched(train_here, tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "thesis.tex").write_text("x")
    result = train_here(output=folder)
    assert getattr(result.exception, "exit_code", 0) == 2 and "thesis.tex" in str(result.exception)
    assert [p.name for p in folder.iterdir()] == ["thesis.tex"]


def test_the_study_split_predicts_on_val_and_claims_no_test_metrics(train_here, tmp_path):
    train_here("--split=study")
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert not [key for key in summary if key.startswith("test/")]
    assert summary["provenance"]["test_hash"] == ""
    assert len((tmp_path / "run" / "predictions.csv").read_text().splitlines()) == 1 + 12


def test_divergence_is_a_result_in_a_sweep_and_a_failure_elsewhere(
    train_here, monkeypatch, tmp_path
):
    wild = ("--learning-rate=1e20", "--schedule=constant")
    for _ in range(2):  # trained, then found finished
        alone = train_here(*wild)
        assert alone.exit_code == 1
    assert "finished already" in alone.output
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["diverged"] is True and "test/loss" not in summary
    assert not (tmp_path / "run" / "weights.safetensors").exists()
    monkeypatch.setenv("WANDB_SWEEP_ID", "s")
    assert train_here(*wild, "--tracking=disabled").exit_code == 0


def test_the_default_folder_is_named_after_the_run_or_the_configuration(
    train_here, monkeypatch, tmp_path
):
    monkeypatch.setenv(places.HOME, str(tmp_path))
    monkeypatch.setenv("WANDB_RUN_ID", "abc")
    assert train_here("--epochs=1", output=None).exit_code == 0
    monkeypatch.delenv("WANDB_RUN_ID")
    assert train_here("--epochs=1", "--fusion=late", output=None).exit_code == 0
    of_config = {p.name for p in (tmp_path / "runs").iterdir()} - {"abc"}
    assert len(of_config) == 1 and "late" in of_config.pop()


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (["--data=nowhere"], "--data 'nowhere'"),
        (["--data={docs}"], "no folder cubes/rgb"),
        (["--data={bad}"], "1 bad file:"),
        (["--train-pairs=99"], "--train-pairs 99: allowed are 2 to 42"),
        (["--data=fusion:40:7", "--train-pairs=99"], "--train-pairs 99: allowed are 2 to 28"),
        (["--init=contrastive:{docs}"], "holds no stage"),
        (["--init=contrastive:p/a:v0"], "needs --tracking online"),
        (["--device=cuda"], "--device cuda"),
        (["--output={file}"], "cannot be written (Not a directory)"),
        (["--output={file}/below"], "cannot be written (Not a directory)"),
        (["--output=/proc/none"], "cannot be written"),
    ],
)
def test_what_is_refused_leaves_everything_as_it_was(
    train_here, monkeypatch, tmp_path, data_root, flags, named
):
    if "cuda" in named and torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    named_places = {name: tmp_path / name for name in ("docs", "bad", "file")}
    named_places["docs"].mkdir()
    named_places["file"].write_text("x")
    shutil.copytree(
        data_root, named_places["bad"], ignore=shutil.ignore_patterns("cache", "manifest.json")
    )
    (named_places["bad"] / "cubes" / "rgb" / "0001.png").write_bytes(b"x")
    monkeypatch.setenv(places.HOME, str(tmp_path))
    before = sorted(tmp_path.rglob("*"))
    result = train_here(*(flag.format(**named_places) for flag in flags))
    assert getattr(result.exception, "exit_code", 0) == 2, result.output
    assert named in str(result.exception)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.fixture
def start(checkout_copy, data_root):
    """Start `train` as a process of its own."""

    def begin(folder: Path, epochs: int) -> subprocess.Popen[str]:
        command = [sys.executable, "runner.py", "train", f"--data={data_root}", "--width=0.04"]
        command += ["--batch-size=2", f"--epochs={epochs}", f"--output={folder}", "--threads=1"]
        return read_line_by_line([*command, "--tracking=disabled"], cwd=checkout_copy)

    return begin


def test_killed_and_terminated_runs_end_with_the_weights_of_an_undisturbed_one(
    start, tmp_path, train_here
):
    broken = tmp_path / "broken"
    process = start(broken, 8)
    wait_for_line(process, "epoch 2/")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not (broken / "summary.json").exists()

    for epoch, signum, code in (
        (3, signal.SIGINT, 128 + signal.SIGINT),
        (4, signal.SIGTERM, 128 + signal.SIGTERM),
        (5, signal.SIGUSR1, 128 + signal.SIGTERM),
    ):
        process = start(broken, 8)
        wait_for_line(process, f"epoch {epoch}/")
        process.send_signal(signum)
        printed, _ = process.communicate()
        assert process.returncode == code
        assert "checkpoint" in printed and "Traceback" not in printed

    assert train_here("--epochs=8", output=broken).exit_code == 0
    assert train_here("--epochs=8", output=tmp_path / "whole").exit_code == 0
    for name in ("weights.safetensors", "predictions.csv"):
        assert (broken / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    rows = [json.loads(line) for line in (broken / "history.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4, 5, 6, 7, 8]


@pytest.fixture
def stop() -> Iterator[Stop]:
    """What a run listens with, in this process."""
    before = {s: signal.getsignal(s) for s in STOPPING}
    yield Stop()
    for number, handler in before.items():
        signal.signal(number, handler)


def test_asked_again_by_machines_a_run_goes_on_stopping_and_a_person_ends_it_at_once(stop):
    stop.training = True
    for signum in (signal.SIGUSR1, signal.SIGUSR1, signal.SIGTERM, signal.SIGTERM):
        os.kill(os.getpid(), signum)
        assert stop() and stop.signum == signal.SIGTERM
    with pytest.raises(SystemExit) as end:
        os.kill(os.getpid(), signal.SIGINT)
    assert end.value.code == 128 + signal.SIGINT


@pytest.mark.parametrize("signum", STOPPING)
def test_outside_of_training_a_signal_ends_a_run_and_the_next_one_does_not_disturb(stop, signum):
    with pytest.raises(SystemExit) as end:
        os.kill(os.getpid(), signum)
    assert end.value.code == 128 + (signal.SIGINT if signum == signal.SIGINT else signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGUSR1)  # while the server is told of the end
    os.kill(os.getpid(), signal.SIGTERM)


def test_a_second_process_waits_for_the_one_that_holds_the_folder(start, data_root, tmp_path):
    config = RunConfig(data=str(data_root), width=0.04, batch_size=2, epochs=1)
    with output.claim(tmp_path / "run", config):
        second = start(tmp_path / "run", 1)
        assert second.stdout is not None
        assert second.stdout.readline() == "tracking: disabled\n"
        assert "waiting for it" in second.stdout.readline()
        assert second.poll() is None
    second.communicate(timeout=120)
    assert second.returncode == 0


def test_output_that_is_a_file_is_refused(train_here, tmp_path):
    (tmp_path / "file").write_text("x")
    result = train_here(output=tmp_path / "file")
    assert getattr(result.exception, "exit_code", 0) == 2
