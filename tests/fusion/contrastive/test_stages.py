"""The stages on a tiny data set: frozen parts, reuse, resume in every stage, what decides a key."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from filelock import FileLock
from torch import nn

from fusion.contrastive import finetune, retrieval
from fusion.contrastive.config import PretrainConfig
from fusion.contrastive.contrast import embed
from fusion.contrastive.pipeline import (
    Prepared,
    borrowed,
    classifier_stage,
    contrastive_stage,
    finish,
    prepare,
    projector_stage,
)
from fusion.contrastive.views import Views
from fusion.data.dataset import load
from fusion.training import stages
from fusion.training.freeze import digest
from fusion.training.loop import Job, StoppedError
from fusion.training.stages import Stage, obtain

CPU = torch.device("cpu")
TINY: dict[str, Any] = {
    "width": 0.06,
    "batch_size": 16,
    "classifier_epochs": 2,
    "contrastive_epochs": 2,
    "projector_epochs": 3,
    "finetune_epochs": 2,
}


@pytest.fixture(scope="module")
def prepared(views: Views, tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    return prepare(config(), views, tmp_path_factory.mktemp("stages"))


def config(**changes: Any) -> PretrainConfig:
    return PretrainConfig(**{**TINY, **changes})


def stop_after(steps: int) -> Callable[[], bool]:
    """Return a `stop` that says so once it was asked `steps` times."""
    asked = iter(range(10**6))
    return lambda: next(asked) + 1 >= steps


def all_stages(settings: PretrainConfig, views: Views, folder: Path) -> dict[str, Stage]:
    lidar, contrastive = (
        classifier_stage(settings, views, "lidar"),
        contrastive_stage(settings, views),
    )
    finished = obtain([lidar, contrastive], folder, stages.Nobody())
    scratch = classifier_stage(settings, views, "rgb")
    projector = projector_stage(settings, views, *finished)
    return {s.name: s for s in (lidar, contrastive, scratch, projector)}


class Witness(stages.Nobody):
    """A recorder that remembers what it was told."""

    def __init__(self, known: bool = True) -> None:
        self.known, self.opened_stages, self.rows = known, [], []

    def knows(self, stage: Stage, folder: Path) -> bool:
        return self.known

    @contextmanager
    def opened(self, stage: Stage, folder: Path) -> Iterator[Witness]:
        self.opened_stages.append(stage.name)
        yield self

    def log(self, row: dict[str, float]) -> None:
        self.rows.append(row)


@pytest.mark.parametrize("mode", ["projector", "projector+rgb", "all"])
def test_fine_tuning_changes_what_it_names_and_nothing_else(
    mode: str, views: Views, prepared: Prepared
) -> None:
    settings = config(finetune=mode)
    model = borrowed(settings, views, prepared.lidar, prepared.contrastive, prepared.projector)
    before = {name: digest(part) for name, part in model.named_children()}
    outcome = finetune.fit(settings, views, model, Job())
    changed = {n for n, part in model.named_children() if digest(part) != before[n]}
    assert changed == set(finetune.LEARNS[mode])
    recorded = {k.removeprefix("frozen/") for k in outcome.summary if k.startswith("frozen/")}
    assert recorded == set(before) - changed
    assert all(outcome.summary[f"frozen/{name}"] == before[name] for name in recorded)
    trained = sum(p.numel() for name in changed for p in getattr(model, name).parameters())
    total = sum(p.numel() for p in model.parameters())
    assert outcome.summary["trainable_parameters"] == trained
    assert outcome.summary["frozen_parameters"] == total - trained
    # The finished stages are shared: put back what this test has trained.
    for stage in (prepared.lidar, prepared.contrastive, prepared.projector):
        fresh = stages.read(stage.stage, stage.folder).module
        stage.module.load_state_dict(fresh.state_dict())


def test_the_summary_holds_every_stage_and_its_evidence(views: Views, prepared: Prepared) -> None:
    outcome, _ = finish(config(), views, prepared, Job())
    summary = outcome.summary
    for key in (
        "lidar/test/accuracy",
        "scratch/test/accuracy",
        "zero_shot/test/accuracy",
        "test/accuracy",
        "contrastive/loss",
        "contrastive/chance",
        "contrastive/floor",
        "contrastive/study_loss",
        "contrastive/rgb_to_lidar/recall@1_of_all",
        "contrastive/lidar_to_rgb/mrr",
        "contrastive/alignment",
        "projector/mse",
        "projector/explained_variance",
        "projector/cosine",
    ):
        assert math.isfinite(float(summary[key])), key
    # The LiDAR classifier that judges in the end is the very one of stage 0, bit by bit
    assert summary["lidar/weights"] == summary["projector/frozen/lidar_classifier"]
    assert summary["lidar/weights"] == summary["frozen/classifier"]
    assert summary["projector/frozen/rgb_embedder"] == summary["frozen/embedder"]
    assert summary["frozen_identical"] is True
    assert float(summary["contrastive/floor"]) <= float(summary["contrastive/loss"])
    count = len(views.data.parts["test"].ids)
    assert set(outcome.arrays) == {"logits", "lidar", "scratch", "zero_shot"}
    assert all(logits.shape == (count,) for logits in outcome.arrays.values())


def test_a_stage_is_trained_once_and_published_where_it_is_not_known(
    views: Views, tmp_path: Path
) -> None:
    stage = classifier_stage(config(), views, "lidar")
    first, again, elsewhere = Witness(), Witness(), Witness(known=False)
    (done,) = obtain([stage], tmp_path, first)
    (reused,) = obtain([stage], tmp_path, again)
    obtain([stage], tmp_path, elsewhere)
    assert first.opened_stages == ["lidar-classifier"] and again.opened_stages == []
    assert elsewhere.opened_stages == ["lidar-classifier"]
    assert elsewhere.rows == first.rows == done.history and len(first.rows) == 2
    assert digest(done.module) == digest(reused.module) == done.summary["weights"]
    assert not (done.folder / "checkpoint.safetensors").exists()


def test_while_another_process_trains_a_stage_the_next_one_is_taken(tmp_path: Path) -> None:
    def stage(name: str) -> Stage:
        return Stage(name, {}, "fusion", nn.Identity, lambda module, job: pytest.fail("trained"))

    one, two = stage("one"), stage("two")
    with FileLock(one.folder(tmp_path).with_suffix(".lock")):
        taken, lock = stages.first_free([one, two], tmp_path)
        lock.release()
    assert taken is two
    taken, lock = stages.first_free([one, two], tmp_path)
    lock.release()
    assert taken is one


@pytest.mark.parametrize(
    "name", ["lidar-classifier", "rgb-classifier", "contrastive", "projector", "finetune"]
)
def test_a_stopped_stage_goes_on_to_the_same_bits(name: str, views: Views, tmp_path: Path) -> None:
    settings = config(shift=2)
    if name == "finetune":
        straight, stopped = (prepare(settings, views, tmp_path) for _ in range(2))
        path = tmp_path / "checkpoint.safetensors"
        expected, _ = finish(settings, views, straight, Job())
        with pytest.raises(StoppedError):
            finish(settings, views, stopped, Job(path, stop=stop_after(3)))
        resumed, _ = finish(settings, views, prepare(settings, views, tmp_path), Job(path))
        assert resumed.summary == expected.summary
        assert np.array_equal(resumed.arrays["logits"], expected.arrays["logits"])
        return
    stage = all_stages(settings, views, tmp_path)[name]
    (straight,) = obtain([stage], tmp_path / "straight", stages.Nobody())
    with pytest.raises(StoppedError):
        obtain([stage], tmp_path / "stopped", stages.Nobody(), stop_after(3))
    assert not (stage.folder(tmp_path / "stopped") / stages.HASHES).exists()
    (resumed,) = obtain([stage], tmp_path / "stopped", stages.Nobody())
    assert digest(resumed.module) == digest(straight.module)
    assert resumed.summary == straight.summary


def test_a_kept_stage_that_was_damaged_is_trained_anew_to_the_same_bits(
    views: Views, tmp_path: Path, caplog
) -> None:
    stage = classifier_stage(config(), views, "lidar")
    (first,) = obtain([stage], tmp_path, stages.Nobody())
    files = {p.name: p.read_bytes() for p in first.folder.iterdir()}
    assert set(files) == {
        "history.jsonl", "logits.npy", "sha256.json", "stage.json", "summary.json",
        "weights.safetensors",
    }  # fmt: skip
    damages = [(name, content[:-1] + bytes([content[-1] ^ 4])) for name, content in files.items()]
    damages += [("weights.safetensors", b""), ("summary.json", files["summary.json"][:9])]
    for name, damaged in damages:
        (first.folder / name).write_bytes(damaged)
        caplog.clear()
        (again,) = obtain([stage], tmp_path, stages.Nobody())
        assert f"{first.folder} is damaged" in caplog.text and "trained anew" in caplog.text
        assert digest(again.module) == digest(first.module)
        assert again.summary == first.summary and stages.damage(first.folder) == ""
    caplog.clear()
    obtain([stage], tmp_path, stages.Nobody())
    assert caplog.text == ""


def test_no_bit_of_the_list_of_hashes_can_flip_unseen(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x")
    stages.write_json(tmp_path / stages.HASHES, {"a": stages.sha256(tmp_path / "a")})
    assert stages.damage(tmp_path) == ""
    content = (tmp_path / stages.HASHES).read_bytes()
    for place in range(len(content)):
        for bit in range(8):
            changed = bytearray(content)
            changed[place] ^= 1 << bit
            (tmp_path / stages.HASHES).write_bytes(changed)
            assert stages.damage(tmp_path), (place, bit)


def test_a_run_that_waits_for_another_s_stage_can_be_stopped(views: Views, tmp_path: Path) -> None:
    stage = classifier_stage(config(), views, "lidar")
    with (
        FileLock(stage.folder(tmp_path).with_suffix(".lock")),
        pytest.raises(StoppedError, match="while another process trains it"),
    ):
        obtain([stage], tmp_path, stages.Nobody(), stop_after(1))


# field -> stages whose result it decides; the classifiers feed the projector
DECIDES = {
    "split": "lcrp",
    "train_pairs": "lcrp",
    "inputs": "lcrp",
    "align": "lcrp",
    "width": "lcrp",
    "downsample": "lcrp",
    "seed": "lcrp",
    "learning_rate": "lcrp",
    "schedule": "lcrp",
    "labels": "lrp",
    "classifier_epochs": "lrp",
    "logits": "cp",
    "temperature": "cp",
    "batch_size": "cp",
    "shift": "cp",
    "contrastive_epochs": "cp",
    "embedding": "p",
    "target": "p",
    "projector_epochs": "p",
    "finetune": "",
    "finetune_epochs": "",
    "finetune_learning_rate": "",
}
OTHER = {
    "split": "study",
    "train_pairs": 40,
    "inputs": "fusion",
    "align": True,
    "width": 0.07,
    "downsample": "avgpool",
    "seed": 1,
    "learning_rate": 2e-3,
    "schedule": "constant",
    "labels": 0.5,
    "logits": "fixed",
    "temperature": 0.1,
    "batch_size": 8,
    "shift": 1,
    "embedding": "normalised",
    "target": "plain",
    "finetune": "all",
    "finetune_learning_rate": 1e-4,
    **{f"{stage}_epochs": 9 for stage in ("classifier", "contrastive", "projector", "finetune")},
}


def keys(settings: PretrainConfig, root: Path, prepared: Prepared) -> dict[str, str]:
    """Return the keys of the four stages by their letters in DECIDES; nothing is trained."""
    data = load(
        str(root), split=settings.split, train_pairs=settings.train_pairs, align=False, device=CPU
    )
    views = Views(data, settings.inputs)
    lidar, contrastive = (
        classifier_stage(settings, views, "lidar"),
        contrastive_stage(settings, views),
    )
    inputs = [stages.Finished(stage, Path(), None, {}, [], {}) for stage in (lidar, contrastive)]
    made = {
        "l": lidar,
        "c": contrastive,
        "r": classifier_stage(settings, views, "rgb"),
        "p": projector_stage(settings, views, *inputs),
    }
    return {letter: stage.key for letter, stage in made.items()}


def test_every_field_that_decides_a_stage_is_part_of_its_key(
    root: Path, prepared: Prepared
) -> None:
    assert set(DECIDES) == set(OTHER) == set(PretrainConfig.model_fields) - {"data"}
    base = keys(config(), root, prepared)
    for field, letters in DECIDES.items():
        other = keys(config(**{field: OTHER[field]}), root, prepared)
        changed = "".join(letter for letter in base if base[letter] != other[letter])
        assert sorted(changed) == sorted(letters), field


def test_a_field_that_is_added_renames_no_stage(root: Path, prepared: Prepared) -> None:
    class More(PretrainConfig):
        added: float = 0.5

    assert keys(More(**TINY), root, prepared) == keys(config(), root, prepared)


def test_the_temperature_does_not_decide_the_studys_form(root: Path, prepared: Prepared) -> None:
    one = keys(config(logits="study"), root, prepared)
    assert one == keys(config(logits="study", temperature=0.5), root, prepared)


def test_a_trained_pairing_is_found_and_a_shuffled_one_is_not(views: Views, tmp_path: Path) -> None:
    settings = config(contrastive_epochs=16, width=0.1, learning_rate=3e-3)
    (done,) = obtain([contrastive_stage(settings, views)], tmp_path, stages.Nobody())
    rgb, lidar = embed(views, "train", done.module.encoders)
    paired = retrieval.metrics(rgb, lidar)
    orders = [
        torch.randperm(len(rgb), generator=torch.Generator().manual_seed(s)) for s in range(9)
    ]
    shuffled = [retrieval.metrics(rgb, lidar[order]) for order in orders]
    for name in ("rgb_to_lidar/recall@1_of_32", "lidar_to_rgb/recall@1_of_32"):
        assert paired[name] > 3 / 32
        assert np.mean([values[name] for values in shuffled]) == pytest.approx(1 / 32, abs=1 / 64)
