"""`runner.py models`: a table for people, a list for programs."""

from __future__ import annotations

import json

from click.testing import CliRunner

from cli.models import command
from fusion.config import DOWNSAMPLES, FUSIONS
from fusion.training.config import ConfigError


def test_json_lists_every_fusion_and_downsample_with_its_costs():
    result = CliRunner().invoke(command, ["--json"])
    rows = json.loads(result.output)
    assert [(r["fusion"], r["downsample"]) for r in rows] == [
        (fusion, downsample) for fusion in FUSIONS for downsample in DOWNSAMPLES
    ]
    keys = ["fusion", "downsample", "width", "parameters", "flops_per_sample"]
    assert all(list(row) == keys and row["width"] == 1.0 for row in rows)
    known = {(r["fusion"], r["downsample"]): r["parameters"] for r in rows}
    assert known["late", "maxpool"] == known["late", "strided_replace"] == 1_906_307
    assert known["concat", "strided_append"] == 13_940_351


def test_table_at_a_width():
    lines = CliRunner().invoke(command, ["--width", "0.16"]).output.splitlines()
    assert len(lines) == 2 + len(FUSIONS) * len(DOWNSAMPLES)
    assert lines[0].split() == ["fusion", "downsample", "parameters", "FLOPs/sample"]
    assert lines[1].split() == ["early", "maxpool", "170,593", "8,000,544"]
    assert "0.16" in lines[-1]


def test_an_impossible_width_names_the_flag():
    error = CliRunner().invoke(command, ["--width", "-1"]).exception
    assert isinstance(error, ConfigError) and "--width: '-1'" in str(error)
