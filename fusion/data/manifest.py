"""The manifest of a data folder: which bytes an experiment saw.

One hash per file, one of the whole (`data_hash`), the pairs left out and why. It is written to
`ROOT/manifest.json`, or, where ROOT cannot be written, to a folder of its own below the checkout's
`data/.cache/`; and only once all of ROOT was read and found good (`examine`, then `keep`).
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from contract.files import write_atomic
from fusion.data import curation as curations
from fusion.data import layout, splits
from fusion.data.curation import Curation
from fusion.data.fingerprint import fingerprint
from fusion.data.layout import ANGLES, BadDataError, DataError, Problem
from fusion.data.scenes import CLASSES
from fusion.data.store import lock, store
from fusion.training.progress import track

SCHEMA = 1
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pair:
    """`rgb` and `lidar` are the sha256 of the two files; `corruption` is "" where unknown.

    For generated data it is one of `scenes.CORRUPTIONS`, "none" being one of them.
    """

    id: str
    label: int
    rgb: str
    lidar: str
    corruption: str = ""


@dataclass(frozen=True)
class Manifest:
    """`pairs` in the order of their ids; `quarantined` maps a pair left out to the reasons.

    `angles` are the sha256 of the angle values; `generator` is {} where the data was not generated.
    `curation` says which pairs a person left out or moved; None where nobody did.
    """

    pairs: tuple[Pair, ...]
    angles: dict[str, str]
    generator: dict[str, str | int] = field(default_factory=dict)
    quarantined: dict[str, list[str]] = field(default_factory=dict)
    curation: Curation | None = None

    def parts(self, scheme: str) -> dict[str, list[int]]:
        """Part -> positions in `pairs`, curated."""
        return curations.assign([p.id for p in self.pairs], scheme, self.curation)

    @property
    def data_hash(self) -> str:
        """Of all that a model can see: ids, labels, files and angles."""
        digest = hashlib.sha256()
        for name in ANGLES:
            digest.update(f"{name} {self.angles[name]}\n".encode())
        for p in self.pairs:
            digest.update(f"{p.id} {p.label} {p.rgb} {p.lidar}\n".encode())
        return digest.hexdigest()


def _examine(root: Path, pair: str) -> tuple[Pair, list[Problem]]:
    hashes, problems = [], []
    for file, read in zip(layout.files_of(pair), (layout.read_rgb, layout.read_depth), strict=True):
        try:
            content = (root / file).read_bytes()
            hashes.append(hashlib.sha256(content).hexdigest())
            read(content)
        except FileNotFoundError:
            problems.append(Problem(file, "missing, its partner is there", pair))
        except OSError as error:
            problems.append(Problem(file, f"cannot be read ({error.strerror})", pair))
        except ValueError as error:
            problems.append(Problem(file, str(error), pair))
    if problems:
        return Pair(pair, 0, "", ""), problems
    return Pair(pair, CLASSES.index(pair.split("/")[0]), *hashes), []


@dataclass(frozen=True)
class Examined:
    """A data folder that was read and found good; nothing was written into it for that.

    `is_new`: there was no manifest, or it is to be replaced; all files were read. `known`: the
    files are those that were compared the last time.
    """

    root: Path
    manifest: Manifest
    fingerprint: str
    is_new: bool = False
    known: bool = False


def outline(ids: Iterable[str]) -> Manifest:
    """What is known of a data set from the ids of its pairs alone; hashes are ""."""
    pairs = (Pair(i, CLASSES.index(i.split("/")[0]), "", "") for i in ids)
    return Manifest(tuple(pairs), {})


def index(root: Path, *, skip_bad: bool = False) -> Manifest:
    """Read and check every file, then write the manifest.

    skip_bad: leave out (quarantine) pairs with bad files; nothing is deleted. Raises BadDataError.
    """
    return keep(_read_all(root, skip_bad=skip_bad))


def _read_all(root: Path, *, skip_bad: bool) -> Examined:
    ids, before = layout.pair_ids(root), fingerprint(root)
    read(root)  # a damaged one is refused, not replaced
    angles, of_angles = layout.examine_angles(root)
    good: list[Pair] = []
    bad: dict[str, list[Problem]] = {}
    for pair in track(ids, f"reading {root}"):
        entry, problems = _examine(root, pair)
        if problems:
            bad[pair] = problems
        else:
            good.append(entry)
    if of_angles or (bad and not skip_bad):
        raise BadDataError(root, of_angles + [p for problems in bad.values() for p in problems])
    if not good:
        raise DataError(f"{root}: no usable pair")
    found = Manifest(
        pairs=tuple(good),
        angles={name: hash_array(values) for name, values in angles.items()},
        quarantined={k: [f"{p.file}: {p.reason}" for p in v] for k, v in bad.items()},
    )
    return Examined(root, found, before, is_new=True)


def examine(root: Path) -> Examined:
    """Make sure that the files are those of the manifest, or read them all where there is none.

    Sizes and times are compared first (a moment); only where those differ are the files hashed.
    Raises BadDataError, or DataError naming files that changed. Writes nothing.
    """
    layout.pair_ids(root)
    manifest = read(root)
    if manifest is None:
        return _read_all(root, skip_bad=False)
    now = fingerprint(root)
    known = _remembered(root) == f"{manifest.data_hash} {now}"
    if not known:
        _verify(root, manifest)
    return Examined(root, manifest, now, known=known)


def keep(found: Examined) -> Manifest:
    """Write down what was found, as far as it is not; return the manifest."""
    if found.known:
        return found.manifest
    manifest = found.manifest
    with lock(found.root):
        if found.is_new:
            manifest = _keep_origin(read(found.root), manifest)
            write(store(found.root), manifest)
        _remember(found.root, manifest, found.fingerprint)
    return manifest


def current(root: Path) -> Manifest:
    """The manifest, made where there is none; as `examine`, then `keep`."""
    return keep(examine(root))


def _keep_origin(old: Manifest | None, new: Manifest) -> Manifest:
    """Carry over what only the generator knew, for files that are still the same."""
    if old is None:
        return new
    known = {(p.id, p.rgb, p.lidar): p for p in old.pairs}
    pairs = tuple(known.get((p.id, p.rgb, p.lidar), p) for p in new.pairs)
    same = all((p.id, p.rgb, p.lidar) in known for p in new.pairs) and old.angles == new.angles
    if not same:
        if old.curation is not None:
            log.warning(
                "the files are others than those that were curated: the curation is dropped"
            )
        return replace(new, pairs=pairs)
    return replace(new, pairs=pairs, generator=old.generator, curation=old.curation)


def curate(root: Path, file: Path) -> Manifest:
    """Take up a curation file in place of an earlier one. Raises DataError."""
    found = examine(root)
    pairs = [p.id for p in found.manifest.pairs]
    asked = curations.read(file, pairs, found.manifest.data_hash)
    with lock(root):
        curated = replace(keep(found), curation=asked)
        write(store(root), curated)
    return curated


def hash_array(values: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(values, "<f4").tobytes()).hexdigest()


def write(folder: Path, manifest: Manifest) -> None:
    """The manifest as JSON, a line per pair; the splits are there for readers, not read back."""
    part = {
        scheme: {i: name for name, rows in manifest.parts(scheme).items() for i in rows}
        for scheme in splits.SCHEMES
    }
    rows = [
        {**vars(p), **{s: part[s].get(n, curations.EXCLUDED) for s in splits.SCHEMES}}
        for n, p in enumerate(manifest.pairs)
    ]
    head = {
        "schema": SCHEMA,
        "data_hash": manifest.data_hash,
        "generator": manifest.generator,
        "angles": manifest.angles,
        "quarantined_count": len(manifest.quarantined),
        "quarantined": manifest.quarantined,
        "curation": None if manifest.curation is None else vars(manifest.curation),
    }
    text = json.dumps(head, indent=1)[:-2]
    lines = ",\n  ".join(json.dumps(row) for row in rows)
    write_atomic(folder / "manifest.json", f'{text},\n "pairs": [\n  {lines}\n ]\n}}\n')


def read(root: Path) -> Manifest | None:
    """The manifest as last written, or None. Raises DataError where it is damaged or foreign."""
    paths = [store(root) / "manifest.json", root / "manifest.json"]
    path = next((p for p in paths if p.exists()), None)
    if path is None:
        return None
    fix = f"move it away and run `runner.py data check {root}`"
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        if raw["schema"] != SCHEMA:
            raise DataError(f"{path}: schema {raw['schema']}, this version reads {SCHEMA}; {fix}")
        names = ("id", "label", "rgb", "lidar", "corruption")
        pairs = tuple(Pair(*(row[name] for name in names)) for row in raw["pairs"])
        curated = raw.get("curation")
        manifest = Manifest(
            pairs,
            raw["angles"],
            raw["generator"],
            raw["quarantined"],
            curated and Curation(curated["sha256"], tuple(curated["exclude"]), curated["move"]),
        )
        damaged = manifest.data_hash != raw["data_hash"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path} cannot be read ({error!r}); {fix}") from None
    if damaged:
        raise DataError(f"{path}: its entries do not give its data_hash, it was edited; {fix}")
    return manifest


def _verify(root: Path, manifest: Manifest) -> None:
    angles = layout.read_angles(root)
    changed = [f"{n}.npy" for n in ANGLES if hash_array(angles[n]) != manifest.angles[n]]
    there = set(layout.pair_ids(root)) - set(manifest.quarantined)
    changed += [f"{pair} (new)" for pair in sorted(there - {p.id for p in manifest.pairs})]
    for pair in track(manifest.pairs, f"files of {root} were touched: comparing"):
        for file, known in zip(layout.files_of(pair.id), (pair.rgb, pair.lidar), strict=True):
            path = root / file
            if not path.exists():
                changed.append(f"{file} (gone)")
            elif hashlib.sha256(path.read_bytes()).hexdigest() != known:
                changed.append(file)
    if changed:
        more = f", … ({len(changed)} in all)" if len(changed) > 5 else ""
        raise DataError(
            f"{root} changed since its manifest was written: {', '.join(changed[:5])}{more}. "
            f"Restore the files, or accept them as another data set with "
            f"`runner.py data check {root}`"
        )


def _remember(root: Path, manifest: Manifest, state: str) -> None:
    write_atomic(store(root) / "cache" / "fingerprint", f"{manifest.data_hash} {state}")


def _remembered(root: Path) -> str:
    path = store(root) / "cache" / "fingerprint"
    return path.read_text() if path.exists() else ""
