"""Which pair is for training, validation and test.

The order is that of the hashes of the base names, so it depends neither on the order of the files
nor on chance. Twins (the same base name in both classes) always share a part: they share position,
light and colour, and a model that memorised one would be tested on the other. Where names of the
two classes are unrelated, this does no harm.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict

# parts in the order of the hashes, with their shares; their sum is 1
SCHEMES: dict[str, dict[str, float]] = {
    "default": {"train": 0.7, "val": 0.1, "test": 0.2},
    "study": {"train": 0.8, "val": 0.2},
}


def assign(ids: list[str], scheme: str) -> dict[str, list[int]]:
    """Part -> positions in `ids`, in the order of the hashes, twins side by side (cube first).

    Base names that both classes have, and those of one class only, are divided separately, each as
    exactly as whole numbers allow: every part has the shares of the classes that the whole has.
    """
    members: dict[str, dict[str, int]] = defaultdict(dict)
    for position, pair in enumerate(ids):
        class_name, base = pair.split("/", 1)
        members[base][class_name] = position
    groups: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for base in sorted(members, key=lambda b: (hashlib.sha256(b.encode()).digest(), b)):
        groups[tuple(sorted(members[base]))].append(base)

    parts: dict[str, list[int]] = {part: [] for part in SCHEMES[scheme]}
    for classes in sorted(groups):
        bases = groups[classes]
        share, start = 0.0, 0
        for part, fraction in SCHEMES[scheme].items():
            share += fraction
            stop = round(share * len(bases))
            parts[part] += [members[b][c] for b in bases[start:stop] for c in classes]
            start = stop
    return parts


def first(ids: list[str], positions: list[int], count: int) -> list[int]:
    """The first `count` of `positions`, stratified by class; a larger count holds a smaller one.

    Raises ValueError where there are not so many.
    """
    if not 0 < count <= len(positions):
        raise ValueError(f"{count} of {len(positions)} pairs")
    queues: dict[str, list[int]] = defaultdict(list)
    for position in positions:
        queues[ids[position].split("/", 1)[0]].append(position)
    # interleave by relative rank, so that every prefix has the shares of the whole
    ranked = [
        ((rank + 0.5) / len(queue), name, position)
        for name, queue in queues.items()
        for rank, position in enumerate(queue)
    ]
    return [position for _, _, position in sorted(ranked)][:count]
