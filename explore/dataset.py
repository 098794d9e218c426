"""The FiftyOne dataset of a data folder: built from its manifest, opened again where it is there.

One group per pair, with the slices `rgb` (an image; labels and predictions are its fields) and
`lidar` (a 3D scene). It is a cache: it is built anew whenever the manifest changes, and only the
tags that a person has set in the App are carried over.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from explore import documents, media
from explore.lazy import Dataset, load
from explore.pairs import LABELS, PARTS, DataSet, Pair

VERSION = 2  # of what is built: raise it whenever a change here changes it
SIZE = 64  # pixels, both modalities
LIDAR_PLANE = [0.0, 1.0, 0.0]  # the thumbnail is seen along the sensor's forward axis
Track = Callable[[Iterable[Any], str, int], Iterator[Any]]


def open_or_build(data: DataSet, folder: Path, track: Track, rebuild: bool = False) -> Dataset:
    """The dataset of `data`; its files and pictures lie below `folder`.

    track: shows progress, yields what it is given, with a label and a total. rebuild: also where
    what is there seems whole.
    """
    fo = load("fiftyone")

    state = {"version": VERSION, "manifest": data.digest, "media": str(media_folder(data, folder))}
    tags = dict(data.curation_tags)
    if rebuild:
        shutil.rmtree(media_folder(data, folder), ignore_errors=True)
    if fo.dataset_exists(data.name):
        dataset = fo.load_dataset(data.name)
        if dataset.info.get("built") == state and _pictures(data, folder).exists():
            return dataset
        tags = merged(tags, own_tags(dataset))
        fo.delete_dataset(data.name)
    dataset = _build(data, folder, track)
    _set_tags(dataset, tags)
    # Last, so that a build that was interrupted is not taken for a whole one.
    dataset.info["built"] = state
    dataset.persistent = True
    dataset.save()
    _remove_stale(data, folder)
    return dataset


def media_folder(data: DataSet, folder: Path) -> Path:
    """Where scenes and thumbnails of these very files lie."""
    return folder / "media" / data.name / f"{data.data_hash[:12]}-{media.VERSION}"


def _pictures(data: DataSet, folder: Path) -> Path:
    return media_folder(data, folder) / media.PICTURES


def _remove_stale(data: DataSet, folder: Path) -> None:
    """Remove what was made of earlier files; after the build, because ext4 is slow to create
    files just after it has removed many."""
    current = media_folder(data, folder)
    for other in current.parent.iterdir():
        if other != current:
            shutil.rmtree(other)


def pictures(data: DataSet, folder: Path) -> np.ndarray:
    """(N, 1024) float32 in [0, 1]: the reduced pictures of all pairs, in the manifest's order."""
    return np.load(_pictures(data, folder), allow_pickle=False) / np.float32(255)


def sample_ids(dataset: Dataset) -> dict[str, str]:
    """Pair id -> id of its rgb sample, in the manifest's order."""
    pairs, ids = dataset.select_group_slices("rgb").values(["pair", "id"])
    return dict(zip(pairs, ids, strict=True))


def own_tags(dataset: Dataset) -> dict[str, list[str]]:
    """Pair id -> tags that a person set on any slice; the names of parts are ours, not theirs."""
    view = dataset.select_group_slices(["rgb", "lidar"], _allow_mixed=True)
    found: dict[str, set[str]] = {}
    for pair, tags in zip(*view.values(["pair", "tags"]), strict=True):
        if own := set(tags) - set(PARTS):
            found.setdefault(pair, set()).update(own)
    return {pair: sorted(own) for pair, own in sorted(found.items())}


def merged(*tags: dict[str, list[str]]) -> dict[str, list[str]]:
    """The tags of all, by pair; each once."""
    pairs = sorted({pair for of in tags for pair in of})
    return {pair: sorted({tag for of in tags for tag in of.get(pair, [])}) for pair in pairs}


def _set_tags(dataset: Dataset, tags: dict[str, list[str]]) -> None:
    if not tags:
        return
    view = dataset.select_group_slices("rgb")
    rows = zip(*view.values(["pair", "id", "tags"]), strict=True)
    new = {i: [*old, *tags[pair]] for pair, i, old in rows if pair in tags}
    view.set_values("tags", new, key_field="id")


def _build(data: DataSet, folder: Path, track: Track) -> Dataset:
    dataset = _declare(data)
    writer = _writer(data, folder)
    forms = _templates(dataset, data)
    written = media.write_all(writer, data.pairs)
    shown = track(written, f"building {data.name} (groups)", len(data.pairs))
    documents.insert(dataset, (d for pair in shown for d in _group(data, pair, writer, *forms)))
    dataset.create_index("pair")
    return dataset


def _declare(data: DataSet) -> Dataset:
    fo = load("fiftyone")

    dataset = fo.Dataset(data.name)
    dataset.add_group_field("group", default="rgb")
    dataset.add_group_slice("rgb", "image")
    dataset.add_group_slice("lidar", "3d")
    dataset.default_classes = list(LABELS)
    dataset.info = {"data_hash": data.data_hash, "generator": data.generator}
    dataset.save()
    return dataset


def _templates(dataset: Dataset, data: DataSet) -> list[documents.Document]:
    """One stored sample of each slice, with every field that samples of this data have."""
    fo, utils3d = load("fiftyone"), load("fiftyone.utils.utils3d")

    group = fo.Group()
    texts = {name: "" for name in ("pair", "split", "split_study", "corruption", "profile")}
    rgb = fo.Sample(
        filepath=str(data.root / "an.png"),
        group=group.element("rgb"),
        ground_truth=fo.Classification(label=""),
        metadata=fo.ImageMetadata(width=SIZE, height=SIZE, num_channels=4, mime_type="image/png"),
        **texts,
    )
    projection = utils3d.OrthographicProjectionMetadata(
        filepath=str(data.root / "a.png"),
        min_bound=[0.0, 0.0],
        max_bound=[1.0, 1.0],
        normal=LIDAR_PLANE,
        width=SIZE,
        height=SIZE,
    )
    lidar = fo.Sample(
        filepath=str(data.root / "a.fo3d"),
        group=group.element("lidar"),
        orthographic_projection_metadata=projection,
        **texts,
    )
    return documents.templates(dataset, [rgb, lidar])


def _group(
    data: DataSet,
    pair: Pair,
    writer: media.Writer,
    rgb: documents.Document,
    lidar: documents.Document,
) -> Iterator[documents.Document]:
    """The two sample documents of a pair."""
    scene, thumbnail = media.files(writer.folder, pair.id)
    group = documents.fill(rgb["group"])
    common = {
        "pair": pair.id,
        "tags": [part for part in [pair.parts["default"]] if part in PARTS],
        "split": pair.parts["default"],
        "split_study": pair.parts["study"],
        "corruption": pair.corruption or None,
        "profile": data.profile or None,
    }
    yield documents.fill(
        rgb,
        filepath=str(data.root / pair.files[0]),
        group=group,
        ground_truth=documents.fill(rgb["ground_truth"], label=LABELS[pair.label]),
        **common,
    )
    projection = lidar["orthographic_projection_metadata"]
    yield documents.fill(
        lidar,
        filepath=str(scene),
        group={**group, "name": "lidar"},
        orthographic_projection_metadata=documents.fill(projection, filepath=str(thumbnail)),
        **common,
    )


def _writer(data: DataSet, folder: Path) -> media.Writer:
    from matplotlib import colormaps

    colours = (255 * colormaps["viridis"](np.linspace(0, 1, 256))[:, :3]).astype(np.uint8)
    return media.Writer(
        data.root, media_folder(data, folder), _scene(data), media.rays(data.root), colours
    )


def _scene(data: DataSet) -> dict[str, Any]:
    """A scene of one point cloud, seen from beside and above the sensor, as FiftyOne saves it."""
    fo = load("fiftyone")

    depths = [np.load(data.root / pair.files[1], allow_pickle=False) for pair in data.pairs[:20]]
    near = float(np.median([depth.min() for depth in depths]))
    camera = fo.PerspectiveCamera(
        position=[0.5 * near, 0.1 * near, 0.4 * near], look_at=[0.0, 1.1 * near, 0.0], up="Z"
    )
    scene = fo.Scene(camera=camera)
    material = fo.PointCloudMaterial(shading_mode="intensity", point_size=4.0)
    scene.add(fo.PointCloud("lidar", media.SCENE_CLOUD, material=material))
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "scene.fo3d"
        scene.write(str(path))
        return json.loads(path.read_text())
