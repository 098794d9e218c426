"""What a data set is, in words: where it comes from, how many pairs, how they are split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from contract.words import counted
from fusion.data import manifest, splits
from fusion.data.layout import Problem
from fusion.data.manifest import Manifest
from fusion.data.store import store


def describe(root: Path) -> dict[str, object]:
    """Return what is known of a data set, by title, in the order to show it."""
    found = manifest.current(root)
    ids = [p.id for p in found.pairs]
    origin = ", ".join(f"{k} {v}" for k, v in found.generator.items()) or "not generated here"
    corruption = Counter(p.corruption or "unknown" for p in found.pairs)
    lines: dict[str, object] = {
        "folder": root,
        "manifest": store(root) / "manifest.json",
        "data hash": found.data_hash,
        "origin": origin,
        "pairs": f"{len(ids)} ({_classes(found, range(len(ids)))})",
        "corruption": ", ".join(f"{n} {kind}" for kind, n in sorted(corruption.items())),
        "left out": len(found.quarantined),
        "curation": curated(found),
    }
    for scheme in splits.SCHEMES:
        lines[f"split {scheme}"] = "; ".join(
            f"{part} {len(rows)} ({_classes(found, rows)})"
            for part, rows in found.parts(scheme).items()
        )
    return lines


def curated(found: Manifest) -> str:
    """Return what was left out and moved by hand."""
    if found.curation is None:
        return "no pair is left out or moved by hand"
    c = found.curation
    out = counted(len(c.exclude), "pair")
    return f"{out} left out, {len(c.move)} moved (curation {c.sha256[:16]})"


def unusable(root: Path, problems: Sequence[Problem]) -> str:
    """Return how many files are bad, and what helps."""
    pairs = {p.pair for p in problems if p.pair}
    text = f"{counted(len(problems), 'bad file')} in {root}"
    if any(not p.pair for p in problems):
        return f"{text}; angle files must be mended, leaving out pairs does not help"
    fix = f"runner.py data check {root} --skip-bad"
    return f"{text}; mend them, or leave {counted(len(pairs), 'pair')} out: {fix}"


def _classes(found: Manifest, rows: Sequence[int]) -> str:
    spheres = sum(found.pairs[row].label for row in rows)
    return f"{len(rows) - spheres} cubes, {spheres} spheres"
