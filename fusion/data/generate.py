"""Write generated data to disk: the layout of `manifest`, filled by `scenes`."""

from __future__ import annotations

import hashlib
import io
import multiprocessing
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from filelock import FileLock
from PIL import Image

from contract import places
from contract.files import unwritable
from fusion.data import layout, manifest, raycast, scenes
from fusion.data.layout import ANGLES, DataError
from fusion.data.manifest import Manifest, Pair
from fusion.data.scenes import CLASSES
from fusion.data.spec import SPEC
from fusion.training.progress import track


def resolve(data: str, name: str = "--data") -> Path:
    """The folder of a data set: a folder as is, or PROFILE:PAIRS[:SEED], made where it is missing.

    Generated data lives in the checkout's `data/PROFILE-PAIRS-SEED/`. Several processes may ask at
    once: one makes it, the others wait. `name` is what errors call it. Raises DataError.
    """
    if Path(data).is_dir():
        return Path(data)
    profile, pairs, seed = _parse(data, name)
    root = places.data() / f"{profile}-{pairs}-{seed}"
    places.data().mkdir(parents=True, exist_ok=True)
    with FileLock(places.data() / f".{root.name}.lock"):
        if not root.is_dir():
            make(root, profile, pairs, seed)
    known = manifest.read(root)
    version = known.generator.get("version") if known else None
    current = scenes.PROFILES[profile].version
    if version not in (None, current):
        raise DataError(
            f"{root} holds version {version} of the profile {profile}, this is {current}: "
            f"remove that folder, and it is made anew; or name it by its path to use it as it is"
        )
    return root


def planned(data: str) -> Manifest | None:
    """What a data set that is still to be made would hold; hashes are "". None for a folder.

    Raises DataError, as `resolve`.
    """
    if Path(data).is_dir():
        return None
    profile, pairs, seed = _parse(data, "--data")
    if (places.data() / f"{profile}-{pairs}-{seed}").is_dir():
        return None
    return manifest.outline(f"{name}/{n:04d}" for name in CLASSES for n in range(pairs // 2))


def _parse(data: str, name: str) -> tuple[str, int, int]:
    """Profile, pairs and seed of a specification."""
    match = SPEC.fullmatch(data)
    if match is None:
        raise DataError(
            f"{name} {data!r} is neither a folder nor a specification PROFILE:PAIRS[:SEED], "
            f"as in fusion:4000:0, with PROFILE one of {', '.join(scenes.PROFILES)}"
        )
    profile, pairs, seed = match["profile"], int(match["pairs"]), int(match["seed"] or 0)
    _check(profile, pairs, seed)
    return profile, pairs, seed


def _check(profile: str, pairs: int, seed: int) -> None:
    if profile not in scenes.PROFILES:
        raise DataError(f"--profile {profile!r} is not one of {', '.join(scenes.PROFILES)}")
    if pairs < 2 or pairs % 2:
        raise DataError(f"--pairs {pairs}: an even number is needed, half of them of each class")
    if seed < 0:
        raise DataError(f"--seed {seed}: 0 or more is needed")


def make(root: Path, profile: str, pairs: int, seed: int, workers: int | None = None) -> Manifest:
    """Make a data set of `pairs` pairs (half of each class) with its manifest at `root`.

    The bytes depend on (profile, pairs, seed) alone, not on `workers`, and begin with those of any
    smaller number of pairs. `root` appears as a whole at the end. Raises DataError.
    """
    _check(profile, pairs, seed)
    root = Path(root)
    if root.exists() and not (root.is_dir() and not any(root.iterdir())):
        raise DataError(f"{root} exists and is not empty: choose another folder, or remove it")
    if reason := unwritable(root):
        raise DataError(f"{root} cannot be written ({reason}); name another folder")
    root.parent.mkdir(parents=True, exist_ok=True)
    temporary = root.parent / f".{root.name}.making-{os.getpid()}"
    try:
        for class_name in CLASSES:
            for folder in ("rgb", "lidar"):
                (temporary / class_name / folder).mkdir(parents=True)
            for name, values in zip(ANGLES, raycast.angles(), strict=True):
                np.save(temporary / class_name / f"{name}.npy", values)
        made = _fill(temporary, profile, pairs, seed, workers)
        if root.exists():
            root.rmdir()
        temporary.rename(root)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return made


def _fill(root: Path, profile: str, pairs: int, seed: int, workers: int | None) -> Manifest:
    """Render all chunks, in processes where that pays, and write the manifest."""
    count = pairs // 2
    chunks = range(-(-count // scenes.CHUNK))
    job = partial(_write_chunk, root, profile, seed, count)
    if workers is None:  # below some hundred pairs, starting processes takes longer
        workers = os.cpu_count() or 1 if len(chunks) > 24 else 1
    workers = min(workers, len(chunks))
    if workers == 1:
        done = [job(chunk) for chunk in track(chunks, f"making {profile} data")]
    else:
        done = list(_in_processes(job, chunks, workers, f"making {profile} data"))
    azimuth, zenith = (manifest.hash_array(values) for values in raycast.angles())
    made = Manifest(
        pairs=tuple(sorted((p for chunk in done for p in chunk), key=lambda p: p.id)),
        angles={"azimuth": azimuth, "zenith": zenith},
        generator={
            "profile": profile,
            "pairs": pairs,
            "seed": seed,
            "version": scenes.PROFILES[profile].version,
        },
    )
    manifest.write(root, made)
    return made


def _in_processes(job, chunks: range, workers: int, label: str) -> Iterator[list[Pair]]:
    # spawn: the caller may hold torch's threads, which do not survive a fork
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context) as pool:
        try:
            yield from track(pool.map(job, chunks, chunksize=8), label, len(chunks))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _write_chunk(root: Path, profile: str, seed: int, count: int, chunk: int) -> list[Pair]:
    """Render and write the scenes of a chunk below `count`; return their entries."""
    made = scenes.render(profile, seed, chunk)
    entries = []
    for n in range(min(scenes.CHUNK, count - chunk * scenes.CHUNK)):
        for label, class_name in enumerate(CLASSES):
            pair = f"{class_name}/{chunk * scenes.CHUNK + n:04d}"
            contents = _png(made.rgb_2NHWC[label, n]), _npy(made.depth_2NHW[label, n])
            for file, content in zip(layout.files_of(pair), contents, strict=True):
                (root / file).write_bytes(content)
            rgb, lidar = (hashlib.sha256(content).hexdigest() for content in contents)
            entries.append(Pair(pair, label, rgb, lidar, made.corruption_N[n]))
    return entries


def _png(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG", compress_level=1)  # 6 is slower, hardly smaller
    return buffer.getvalue()


def _npy(depth: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, depth, allow_pickle=False)
    return buffer.getvalue()
