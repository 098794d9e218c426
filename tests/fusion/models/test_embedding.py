"""Embeddings come from the weights that a run left, and belong to its logits."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file

from cli.train import command
from fusion.data import curation, manifest
from fusion.data.layout import DataError
from fusion.models.embedding import embed

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def run(data_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a short run of the real command."""
    folder = tmp_path_factory.mktemp("run") / "late"
    options = ["--fusion", "late", "--width", "0.04", "--epochs", "1", "--tracking", "disabled"]
    done = CliRunner().invoke(
        command, ["--data", str(data_root), "--output", str(folder), *options]
    )
    assert done.exit_code == 0, done.output
    return folder


def test_logits_are_those_of_the_run_and_a_linear_map_of_the_embedding(run: Path, data_root: Path):
    found = embed(run, data_root, "test", CPU)
    with (run / "predictions.csv").open() as file:
        logged = {row["pair"]: float(row["logit"]) for row in csv.DictReader(file)}
    assert dict(zip(found.pairs, found.logits_N.tolist(), strict=True)) == pytest.approx(logged)
    weights = load_file(run / "weights.safetensors")
    # The last layer is the one with a single output.
    (last,) = [name for name, t in weights.items() if t.ndim == 2 and len(t) == 1]
    bias = weights[last.replace("weight", "bias")].numpy()
    given = found.embedding_ND @ weights[last].numpy().T + bias
    np.testing.assert_allclose(given[:, 0], found.logits_N, rtol=1e-4, atol=1e-5)
    assert len(embed(run, data_root, "val", CPU).pairs) == 6


def test_a_run_from_before_a_curation_is_embedded_as_it_was(
    run: Path, data_root: Path, tmp_path: Path
):
    root = shutil.copytree(data_root, tmp_path / "curated")
    before = embed(run, root, "test", CPU)
    known = manifest.current(root)
    content = {"data_hash": known.data_hash, "exclude": [before.pairs[0]], "move": {}}
    file = tmp_path / "tags.json"
    file.write_text(json.dumps({"schema": curation.SCHEMA, **content}))
    manifest.curate(root, file)
    after = embed(run, root, "test", CPU)
    assert after.pairs == before.pairs
    np.testing.assert_array_equal(after.embedding_ND, before.embedding_ND)


def test_weights_of_other_data_are_refused(run: Path, data_root: Path, tmp_path: Path):
    other = shutil.copytree(run, tmp_path / "other")
    sidecar = json.loads((other / "weights.json").read_text())
    sidecar["hashes"]["split"] = "0" * 64
    (other / "weights.json").write_text(json.dumps(sidecar))
    with pytest.raises(DataError, match="trained on another split"):
        embed(other, data_root, "test", CPU)


def test_a_folder_without_weights_is_named(data_root: Path, tmp_path: Path):
    with pytest.raises(DataError, match="no weights of a run that can be loaded"):
        embed(tmp_path, data_root, "test", CPU)


def test_weights_that_are_damaged_are_named(run: Path, data_root: Path, tmp_path: Path):
    damaged = shutil.copytree(run, tmp_path / "damaged")
    shutil.copy(damaged / "weights.json", damaged / "weights.safetensors")
    with pytest.raises(DataError, match="no weights of a run that can be loaded"):
        embed(damaged, data_root, "test", CPU)


def test_a_flipped_bit_in_the_weights_is_named(run: Path, data_root: Path, tmp_path: Path):
    damaged = shutil.copytree(run, tmp_path / "damaged")
    content = bytearray((damaged / "weights.safetensors").read_bytes())
    content[-1] ^= 1
    (damaged / "weights.safetensors").write_bytes(content)
    with pytest.raises(DataError, match=r"weights\.safetensors is damaged"):
        embed(damaged, data_root, "test", CPU)
