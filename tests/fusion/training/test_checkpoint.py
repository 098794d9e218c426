"""Checkpoints: whatever happens to one, the run goes on from a whole one or says that none is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn

from fusion.training import checkpoint, sealed
from fusion.training.adam import Adam
from fusion.training.checkpoint import CheckpointError, Progress, State, previous

IDENTITY = {"config": {"seed": 0}, "hashes": {"data": "d"}}
TENSORS = {"b": torch.arange(6.0).reshape(2, 3), "a": torch.tensor([], dtype=torch.int64)}


def state(seed: int = 0, epoch: int = 0) -> State:
    """A small state; all its numbers depend on the seed."""
    torch.manual_seed(seed)
    model = nn.Linear(2, 1)
    optimizer = Adam(model.parameters())
    for moment in optimizer.state().values():
        moment.copy_(torch.rand_like(moment.double()) * 9)
    best = {name: t + 1 for name, t in model.state_dict().items()}
    return State(model, optimizer, best, Progress(epoch, history=[{"epoch": epoch}]))


def numbers(of: State) -> dict[str, Tensor]:
    return {
        **of.model.state_dict(),
        **of.optimizer.state(),
        **{f"best/{n}": t for n, t in of.best.items()},
    }


def same(one: State, other: State) -> bool:
    mine, theirs = numbers(one), numbers(other)
    return (
        one.progress == other.progress
        and mine.keys() == theirs.keys()
        and all(torch.equal(mine[name], theirs[name]) for name in mine)
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Two checkpoints: of epoch 1 the previous one, of epoch 2 the last."""
    path = tmp_path / "checkpoint.safetensors"
    checkpoint.write(path, state(1, 1), IDENTITY)
    checkpoint.write(path, state(2, 2), IDENTITY)
    return path


def read(path: Path) -> State:
    found = state(9)
    checkpoint.read(path, found, IDENTITY)
    return found


def test_the_last_one_is_read_and_the_one_before_it_kept(path: Path, caplog) -> None:
    assert same(read(path), state(2, 2))
    assert caplog.text == ""
    assert sorted(p.name for p in path.parent.iterdir()) == [
        "checkpoint.previous.safetensors",
        "checkpoint.safetensors",
    ]
    path.unlink()
    assert same(read(path), state(1, 1))


def test_the_random_stream_goes_on(path: Path) -> None:
    torch.manual_seed(5)
    checkpoint.write(path, state(2, 2), IDENTITY)  # makes its numbers from another stream
    expected = torch.rand(3)
    torch.manual_seed(7)
    read(path)
    assert torch.equal(torch.rand(3), expected)


def test_no_checkpoint_leaves_the_state_as_it_is(tmp_path: Path) -> None:
    assert same(read(tmp_path / "checkpoint.safetensors"), state(9))


def test_no_bit_can_flip_unseen(path: Path) -> None:
    content = path.read_bytes()
    for place in range(len(content)):
        for bit in range(8):
            with pytest.raises(sealed.DamagedError):
                sealed.unpack(flipped(content, place, bit))


def flipped(content: bytes, place: int, bit: int) -> bytes:
    changed = bytearray(content)
    changed[place] ^= 1 << bit
    return bytes(changed)


def test_no_byte_can_be_missing_or_added_unseen(path: Path) -> None:
    content = path.read_bytes()
    for length in range(len(content)):
        with pytest.raises(sealed.DamagedError):
            sealed.unpack(content[:length])
    for more in (b"\0", b" ", content):
        with pytest.raises(sealed.DamagedError):
            sealed.unpack(content + more)


@pytest.mark.parametrize("what", ["flipped", "truncated", "empty"])
def test_a_damaged_checkpoint_is_passed_over_with_a_warning(path: Path, what: str, caplog) -> None:
    content, earlier = path.read_bytes(), previous(path).read_bytes()
    damages = {
        "flipped": [flipped(content, place, place % 8) for place in range(0, len(content), 31)],
        "truncated": [content[:length] for length in range(1, len(content), 311)],
        "empty": [b""],
    }
    for damaged in damages[what]:
        previous(path).write_bytes(earlier)
        path.write_bytes(damaged)
        caplog.clear()
        assert same(read(path), state(1, 1))
        (warning,) = [record.getMessage() for record in caplog.records]
        assert warning.startswith(f"{path.parent}: checkpoint.safetensors is damaged: ")
        assert "going on from checkpoint.previous.safetensors: 1 epochs and 0 steps" in warning


def test_after_a_damage_the_next_one_written_keeps_the_whole_one(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])
    read(path)
    checkpoint.write(path, state(3, 3), IDENTITY)
    assert same(read(path), state(3, 3))
    path.write_bytes(b"")
    assert same(read(path), state(1, 1))


def test_a_crash_between_two_names_loses_nothing(path: Path, caplog) -> None:
    path.unlink()
    assert same(read(path), state(1, 1))
    assert "checkpoint.safetensors is missing; going on from" in caplog.text


def test_where_none_is_whole_nothing_is_taken(path: Path) -> None:
    for file in (path, previous(path)):
        file.write_bytes(flipped(file.read_bytes(), 300, 2))
    found = state(9)
    with pytest.raises(CheckpointError) as error:
        checkpoint.read(path, found, IDENTITY)
    assert same(found, state(9)) and error.value.exit_code == 2
    text = str(error.value)
    assert "\n" not in text and "remove this folder to start anew" in text
    for name in ("checkpoint.safetensors is damaged", "checkpoint.previous.safetensors is damaged"):
        assert name in text
    path.unlink()
    with pytest.raises(CheckpointError, match=r"checkpoint\.safetensors is missing"):
        read(path)


def test_another_run_s_checkpoint_is_refused_and_not_passed_over(path: Path) -> None:
    other = {**IDENTITY, "hashes": {"data": "e"}}
    with pytest.raises(CheckpointError, match="another configuration or other data"):
        checkpoint.read(path, state(9), other)
    path.write_bytes(b"")
    with pytest.raises(CheckpointError, match="another configuration or other data"):
        checkpoint.read(path, state(9), other)


def unsealed(path: Path, version: int) -> bytes:
    """The checkpoint at `path` as it was written before there was a hash in it."""
    tensors, metadata, _ = sealed.read(path)
    header = json.loads(metadata["state"])
    return save(tensors, {"format": "pt", "state": json.dumps({**header, "version": version})})


def test_a_checkpoint_from_before_there_were_hashes_goes_on_with_a_warning(
    path: Path, caplog
) -> None:
    path.write_bytes(unsealed(path, 2))
    assert same(read(path), state(2, 2))
    assert f"{path} carries no hash" in caplog.text
    checkpoint.write(path, state(3, 3), IDENTITY)
    caplog.clear()
    assert same(read(path), state(3, 3)) and caplog.text == ""
    path.write_bytes(b"")
    assert same(read(path), state(2, 2))


def test_only_those_have_none(path: Path, caplog) -> None:
    path.write_bytes(unsealed(path, 3))
    assert same(read(path), state(1, 1))
    assert "its SHA-256 is missing" in caplog.text
    path.write_bytes(unsealed(path, 1))
    with pytest.raises(CheckpointError, match=r"another version of this program \(1"):
        read(path)


def test_removing_takes_both(path: Path) -> None:
    checkpoint.remove(path)
    checkpoint.remove(path)
    assert not list(path.parent.iterdir())


def test_any_reader_of_safetensors_takes_a_sealed_file(tmp_path: Path) -> None:
    for name in ("one", "two"):
        sealed.write(tmp_path / name, TENSORS, {"format": "pt", "note": 'a "quoted" ü'})
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    found = load_file(tmp_path / "one")
    assert found.keys() == TENSORS.keys()
    assert all(torch.equal(found[name], TENSORS[name]) for name in found)
    again = sealed.read(tmp_path / "one")
    assert again.checked and again.metadata["note"] == 'a "quoted" ü'


def test_channels_last_tensors_are_written_by_value(tmp_path: Path) -> None:
    images = torch.rand(2, 3, 4, 5).to(memory_format=torch.channels_last)
    sealed.write(tmp_path / "a", {"x": images}, {})
    assert torch.equal(sealed.read(tmp_path / "a").tensors["x"], images)
