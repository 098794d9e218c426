"""Curation: pairs that a person left out, or moved to another part, after having looked at them.

A curation changes which pairs are in which part and nothing else: files, manifest entries and the
packed cache stay, and taking up an empty one undoes it. `runner.py explore --export-tags` writes
the file that `runner.py data curate` takes up.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fusion.data import splits
from fusion.data.layout import DataError
from fusion.data.scenes import CLASSES

SCHEMA = "fusion-runner/curation/1"
EXCLUDED = "excluded"  # where the manifest names a part
PARTS = tuple(splits.SCHEMES["default"])


@dataclass(frozen=True)
class Curation:
    """`sha256` is that of the file; `move` maps pairs to parts, twins included.

    No pair is in both.
    """

    sha256: str
    exclude: tuple[str, ...] = ()
    move: dict[str, str] = field(default_factory=dict)


def assign(ids: Sequence[str], scheme: str, curation: Curation | None) -> dict[str, list[int]]:
    """As `splits.assign`, curated: pairs left out are in no part, moved ones last in theirs.

    Where a scheme lacks the part that a pair is moved to, the pair stays.
    """
    parts = splits.assign(list(ids), scheme)
    if curation is None:
        return parts
    out = set(curation.exclude)
    move = {pair: part for pair, part in curation.move.items() if part in parts}
    curated = {
        part: [row for row in rows if ids[row] not in out and move.get(ids[row], part) == part]
        for part, rows in parts.items()
    }
    for row, pair in enumerate(ids):
        if pair in move and row not in parts[move[pair]]:
            curated[move[pair]].append(row)
    return curated


def read(path: Path, ids: Sequence[str], data_hash: str) -> Curation | None:
    """The curation that a file asks for; None where it asks for nothing.

    Twins share position, light and colour, so a pair takes its twin along to another part. Raises
    DataError where the file is of other data, names unknown pairs or parts, or contradicts itself.
    """
    try:
        content = path.read_bytes()
        raw = json.loads(content)
        schema, of, exclude, move = (raw[k] for k in ("schema", "data_hash", "exclude", "move"))
        exclude, move = sorted(map(str, exclude)), {str(k): str(v) for k, v in move.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{path} is no curation file ({error!r}); write one with "
            "`runner.py explore --export-tags FILE`"
        ) from None
    if schema != SCHEMA:
        raise DataError(f"{path}: schema {schema!r}, this version reads {SCHEMA!r}")
    if of != data_hash:
        raise DataError(f"{path} was made on other data (hash {of[:16]}, here {data_hash[:16]})")
    if unknown := sorted({*exclude, *move} - set(ids)):
        raise DataError(f"{path}: no pair {', '.join(unknown[:5])} in this data")
    if wrong := sorted(set(move.values()) - set(PARTS)):
        raise DataError(f"{path}: no part {wrong[0]!r}; the parts are {', '.join(PARTS)}")
    if not exclude and not move:
        return None
    digest = hashlib.sha256(content).hexdigest()
    return Curation(digest, tuple(exclude), _with_twins(path, set(ids) - set(exclude), move))


def _with_twins(path: Path, kept: set[str], move: dict[str, str]) -> dict[str, str]:
    moved: dict[str, str] = {}
    for pair, part in move.items():
        base = pair.split("/", 1)[1]
        for twin in (name for c in CLASSES if (name := f"{c}/{base}") in kept):
            if moved.setdefault(twin, part) != part:
                raise DataError(f"{path}: twins of {pair} are moved to different parts")
    return dict(sorted(moved.items()))
