"""Safetensors files with the SHA-256 of all their bytes inside: nothing damaged is ever read.

The hash stands first in the header's metadata, at a place that is always the same, and is taken
with zeros there. Any reader of safetensors takes such a file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from contract.files import whole

START = b'{"__metadata__":{"sha256":"'
PLACE = slice(8 + len(START), 8 + len(START) + 64)  # behind the length of the header, 8 bytes
BLANK = b"0" * 64
# Metadata of the files that were written before there was a hash
UNSEALED = {"format", "state"}


class DamagedError(Exception):
    """A file that is not as it was written; the text says so, as what follows the file's name."""


class Sealed(NamedTuple):
    """What a file holds. `checked` is False where it carries no hash, being of an older version."""

    tensors: dict[str, Tensor]
    metadata: dict[str, str]
    checked: bool


def pack(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> tuple[bytes, memoryview]:
    """Return header and data of a file, in this order; the same content gives the same bytes."""
    # safetensors knows only contiguous tensors: channels_last comes back when values are copied in
    plain = save({name: t.detach().cpu().contiguous() for name, t in tensors.items()})
    end = 8 + int.from_bytes(plain[:8], "little")
    places = json.loads(plain[8:end])
    text = json.dumps(
        {"__metadata__": {"sha256": BLANK.decode(), **metadata}, **places}, separators=(",", ":")
    ).encode()
    text += b" " * (-len(text) % 8)
    header = bytearray(len(text).to_bytes(8, "little") + text)
    data = memoryview(plain)[end:]
    header[PLACE] = _digest(header, data)
    return bytes(header), data


def write(
    path: Path,
    tensors: Mapping[str, Tensor],
    metadata: Mapping[str, str],
    *,
    previous: Path | None = None,
) -> None:
    """Replace a file as a whole. `previous`: what the one before it is called from then on."""
    with whole(path) as temporary:
        with temporary.open("wb") as file:
            file.writelines(pack(tensors, metadata))
        if previous is not None and path.exists():
            path.replace(previous)


def write_weights(path: Path, model: nn.Module) -> None:
    """Write parameters and buffers of a model."""
    write(path, model.state_dict(), {"format": "pt"})


def read(path: Path) -> Sealed:
    """Return what is in a file. Raises DamagedError where that is not what was written."""
    try:
        return unpack(path.read_bytes())
    except FileNotFoundError:
        raise DamagedError("is missing") from None
    except OSError as error:
        raise DamagedError(f"cannot be read: {error.strerror}") from None


def unpack(content: bytes) -> Sealed:
    """As `read`, of the bytes of a file."""
    checked = content[8 : PLACE.start] == START
    if checked and content[PLACE] != _digest(content):
        raise DamagedError("is damaged: its bytes do not give its SHA-256")
    try:
        tensors = load(content)
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    except (SafetensorError, ValueError) as error:
        raise DamagedError(f"is damaged: {error}") from None
    metadata = header.get("__metadata__", {})
    if not checked and set(metadata) - UNSEALED:
        raise DamagedError("is damaged: its header was never written so")
    return Sealed(tensors, metadata, checked)


def _digest(header: bytes | bytearray, data: memoryview | bytes = b"") -> bytes:
    whole = memoryview(header)
    digest = hashlib.sha256(whole[: PLACE.start])
    for part in (BLANK, whole[PLACE.stop :], data):
        digest.update(part)
    return digest.hexdigest().encode()
