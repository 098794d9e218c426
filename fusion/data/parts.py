"""Which pairs of a data set are in which part, for one configuration; without torch."""

from __future__ import annotations

from fusion.data import layout, manifest, splits
from fusion.data.generate import planned, resolve
from fusion.data.layout import DataError
from fusion.data.manifest import Manifest


def check(data: str, split: str, train_pairs: int) -> None:
    """Raise DataError where there is no such data, or it is too small for these parts.

    Makes nothing, and reads no file of a pair: whether those are good is seen when they are loaded.
    """
    found = planned(data)
    if found is None:
        root = resolve(data)
        ids = layout.pair_ids(root)
        found = manifest.read(root) or manifest.outline(ids)
    rows(found, split, train_pairs)


def rows(found: Manifest, split: str, train_pairs: int) -> dict[str, list[int]]:
    """Positions in the manifest of the pairs of each part."""
    if split not in splits.SCHEMES:
        raise DataError(f"--split {split!r} is not one of {', '.join(splits.SCHEMES)}")
    ids = [p.id for p in found.pairs]
    parts = found.parts(split)
    for name, positions in parts.items():
        if len({found.pairs[position].label for position in positions}) < 2:
            raise DataError(
                f"{len(ids)} pairs are too few: the {name} part of split {split!r} would not hold "
                f"both classes; use more data (20 pairs at least)"
            )
    available = len(parts["train"])
    if train_pairs and not 2 <= train_pairs <= available:
        raise DataError(
            f"--train-pairs {train_pairs}: allowed are 2 to {available}, which the training part "
            f"holds, or 0 for all"
        )
    if train_pairs:
        parts["train"] = splits.first(ids, parts["train"], train_pairs)
    return parts
