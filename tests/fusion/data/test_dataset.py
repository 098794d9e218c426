"""From files to batches: pairing, splits, hashes, the cache, and what is refused."""

from __future__ import annotations

import json
import math
import os
import pickle
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from contract import places
from fusion.data import dataset, generate, layout, manifest, packed, splits
from fusion.data.dataset import Data, DataError
from fusion.data.layout import BadDataError

CPU = torch.device("cpu")


def load(root: Path, **changes) -> Data:
    arguments = {"split": "default", "train_pairs": 0, "align": False, "device": CPU} | changes
    return dataset.load(str(root), **arguments)


@pytest.fixture
def copy(data_root: Path, tmp_path: Path) -> Path:
    """The tiny data set, to be damaged; without manifest and cache."""
    root = tmp_path / "copy"
    shutil.copytree(data_root, root, ignore=shutil.ignore_patterns("cache", "manifest.json"))
    return root


# The study's own loader: PNG, npy and the formula, with nothing of ours


def study_loader(root: Path) -> dict[str, tuple[np.ndarray, np.ndarray, int]]:
    """Pair id -> RGB (3, 64, 64) in [0, 1], XYZA (4, 64, 64), label."""
    found = {}
    for label, class_name in enumerate(("cubes", "spheres")):
        az = np.load(root / class_name / "azimuth.npy")
        ze = np.load(root / class_name / "zenith.npy")
        for path in sorted((root / class_name / "rgb").glob("*.png")):
            rgb = np.asarray(Image.open(path)).transpose(2, 0, 1)[:3] / 255
            d = np.load(root / class_name / "lidar" / f"{path.stem}.npy")
            x = d * np.sin(-az[:, None]) * np.cos(-ze[None, :])
            y = d * np.cos(-az[:, None]) * np.cos(-ze[None, :])
            z = d * np.sin(-ze[None, :])
            a = np.where(d < 50.0, 1.0, 0.0)
            found[f"{class_name}/{path.stem}"] = (rgb, np.stack([x, y, z, a]), label)
    return found


def raw(data: Data, part: str, **arguments):
    """Batches of a part with the standardisation undone: (id, rgb, xyza, label)."""
    s = data.statistics
    mean, std = (np.array(v)[:, None, None] for v in (s.rgb_mean, s.rgb_std))
    xyz_mean, xyz_std = (np.array(v)[:, None, None] for v in (s.xyz_mean, s.xyz_std))
    for batch in data.batches(part, **arguments):
        for n, index in enumerate(batch.index_B.tolist()):
            xyza = batch.lidar_B4HW[n].double().numpy()
            xyz = xyza[:3] * xyz_std + xyz_mean
            rgb = batch.rgb_B3HW[n].double().numpy() * std + mean
            label = float(batch.labels_B[n])
            yield data.parts[part].ids[index], rgb, np.concatenate([xyz, xyza[3:]]), label


def test_batches_are_what_the_studys_loader_reads(data, data_root):
    expected = study_loader(data_root)
    seen = []
    for part in data.parts:
        for pair, rgb, xyza, label in raw(data, part, batch_size=7):
            want_rgb, want_xyza, want_label = expected[pair]
            assert label == want_label
            np.testing.assert_allclose(rgb, want_rgb, atol=1e-5)
            hit = want_xyza[3] == 1
            np.testing.assert_array_equal(xyza[3], want_xyza[3])
            np.testing.assert_allclose(xyza[:, hit], want_xyza[:, hit], atol=1e-4)
            seen.append(pair)
    assert sorted(seen) == sorted(expected)  # every pair once
    assert any((xyza[3] == 0).any() for _, xyza, _ in expected.values())  # no-return is covered


def test_pixels_without_return_are_zero(data):
    for batch in data.batches("train", 64):
        missing = batch.lidar_B4HW[:, 3] == 0
        assert missing.any()
        assert not batch.lidar_B4HW.permute(0, 2, 3, 1)[missing].any()


def test_statistics_are_those_of_the_training_part(data, data_root):
    expected = study_loader(data_root)
    rgb, xyza = (np.stack([expected[i][n] for i in data.parts["train"].ids]) for n in (0, 1))
    s = data.statistics
    np.testing.assert_allclose(s.rgb_mean, rgb.mean((0, 2, 3)), rtol=1e-6)
    np.testing.assert_allclose(s.rgb_std, rgb.std((0, 2, 3)), rtol=1e-6)
    hit = xyza[:, 3] == 1
    for axis in range(3):
        assert s.xyz_mean[axis] == pytest.approx(xyza[:, axis][hit].mean(), abs=1e-5)
        assert s.xyz_std[axis] == pytest.approx(xyza[:, axis][hit].std(), rel=1e-5)


def test_a_constant_channel_does_not_divide_by_zero(tmp_path):
    black = np.zeros((2, 64, 64, 4), np.uint8)
    nothing = np.full((2, 64, 64), 50.0, np.float32)
    arrays = packed.Packed(tmp_path, black, nothing)
    made = packed.measure(arrays, np.arange(2), np.ones((3, 64, 64)))
    assert made.rgb_std == made.xyz_std == [1.0, 1.0, 1.0]


def test_order_and_layout_of_batches(data):
    count = len(data.parts["train"].ids)
    in_order = [b.index_B for b in data.batches("train", 16)]
    assert torch.cat(in_order).tolist() == list(range(count))
    assert [len(b) for b in in_order] == [16, 16, 10]  # the last, smaller one is not dropped
    shuffled = [
        torch.cat([b.index_B for b in data.batches("train", 16, torch.Generator().manual_seed(s))])
        for s in (0, 0, 1)
    ]
    assert torch.equal(shuffled[0], shuffled[1]) and not torch.equal(shuffled[0], shuffled[2])
    assert shuffled[0].sort().values.tolist() == list(range(count))
    batch = next(data.batches("train", 16))
    assert batch.rgb_B3HW.shape == (16, 3, 64, 64) and batch.lidar_B4HW.shape == (16, 4, 64, 64)
    assert batch.labels_B.shape == (16,) and set(batch.labels_B.tolist()) == {0.0, 1.0}
    for images in (batch.rgb_B3HW, batch.lidar_B4HW):
        assert images.dtype == torch.float32
        assert images.is_contiguous(memory_format=torch.channels_last)


def test_part_gives_its_arrays(data, data_root):
    part = data.parts["val"]
    first = part.ids[0]
    rgb_file, lidar_file = layout.files_of(first)
    np.testing.assert_array_equal(part.rgb_NHWC[0], np.asarray(Image.open(data_root / rgb_file)))
    np.testing.assert_array_equal(part.depth_NHW[0], np.load(data_root / lidar_file))
    assert part.labels[0] == (first.split("/")[0] == "spheres")


@pytest.mark.parametrize("reverse", [(), ("azimuth",), ("zenith",), ("azimuth", "zenith")])
def test_aligned_maps_have_the_images_orientation(copy, reverse):
    for name in reverse:
        for class_name in layout.CLASSES:
            path = copy / class_name / f"{name}.npy"
            np.save(path, np.load(path)[::-1])
    plain, aligned = load(copy), load(copy, align=True)
    for (_, _, raw_map, _), (_, _, xyza, _) in zip(
        raw(plain, "val", batch_size=8), raw(aligned, "val", batch_size=8), strict=True
    ):
        hit = xyza[3] == 1
        rows, columns = np.nonzero(hit)
        assert np.corrcoef(columns, xyza[0][hit] / xyza[1][hit])[0, 1] > 0.99  # x: to the right
        assert np.corrcoef(rows, xyza[2][hit] / xyza[1][hit])[0, 1] < -0.99  # z: up
        # only moved, not changed
        assert np.sort(raw_map[1].ravel()) == pytest.approx(np.sort(xyza[1].ravel()), abs=1e-4)
    assert plain.statistics == aligned.statistics and plain.hashes == aligned.hashes


# Splits


def ids_of(count: int) -> list[str]:
    return [f"{c}/{k:04d}" for c in ("cubes", "spheres") for k in range(count)]


def chosen(ids: list[str], scheme: str) -> dict[str, set[str]]:
    return {part: {ids[r] for r in rows} for part, rows in splits.assign(ids, scheme).items()}


@pytest.mark.parametrize(
    ("scheme", "shares"),
    [("default", {"train": 1400, "val": 200, "test": 400}), ("study", {"train": 1600, "val": 400})],
)
def test_splits_are_exact_stratified_and_disjoint(scheme, shares):
    ids = ids_of(1000)
    parts = chosen(ids, scheme)
    assert {part: len(members) for part, members in parts.items()} == shares
    assert set.union(*parts.values()) == set(ids) and sum(map(len, parts.values())) == len(ids)
    for members in parts.values():
        bases = Counter(pair.split("/")[1] for pair in members)
        assert set(bases.values()) == {2}  # twins together, so the classes are even


def test_splits_do_not_depend_on_the_order_of_files():
    ids = ids_of(200)
    shuffled = list(np.random.default_rng(0).permutation(ids))
    assert chosen(ids, "default") == chosen(shuffled, "default")


def test_splits_never_change():
    """Frozen: another rule would make results of old and new runs incomparable."""
    test = chosen(ids_of(20), "default")["test"]
    assert test == {
        f"{c}/{k}" for c in ("cubes", "spheres") for k in ("0000", "0007", "0011", "0016")
    }


def test_unrelated_names_are_stratified_too():
    ids = [f"cubes/{k}" for k in range(100)] + [f"spheres/s{k}" for k in range(300)]
    for part, share in (("train", 0.7), ("val", 0.1), ("test", 0.2)):
        members = chosen(ids, "default")[part]
        assert Counter(i.split("/")[0] for i in members) == {
            "cubes": round(100 * share),
            "spheres": round(300 * share),
        }


def test_fewer_training_pairs_are_nested_and_stratified(data_root):
    whole = load(data_root)
    before: list[str] = []
    for count in (2, 10, 20, 42):
        some = load(data_root, train_pairs=count)
        ids = some.parts["train"].ids
        assert len(ids) == count and ids[: len(before)] == before
        assert some.parts["train"].labels.sum() == count // 2
        assert some.parts["test"].ids == whole.parts["test"].ids
        assert some.hashes["test"] == whole.hashes["test"]
        before = ids
    assert set(before) == set(whole.parts["train"].ids)
    for count in (1, 43):
        with pytest.raises(DataError, match=f"--train-pairs {count}.* 2 to 42"):
            load(data_root, train_pairs=count)


def test_study_split_has_no_test_part(data_root):
    data = load(data_root, split="study")
    assert {part: len(p.ids) for part, p in data.parts.items()} == {"train": 48, "val": 12}
    assert data.hashes["test"] == ""
    with pytest.raises(DataError, match=r"halves.*default, study"):
        load(data_root, split="halves")


def test_too_little_data_is_named(tmp_path):
    generate.make(tmp_path / "data", "study", 6, 0)
    with pytest.raises(DataError, match="6 pairs are too few"):
        load(tmp_path / "data")


# Manifest and hashes


def test_manifest_says_what_is_there(data_root):
    written = json.loads((data_root / "manifest.json").read_text())
    assert written["schema"] == 1
    assert written["generator"]["profile"] == "fusion" and written["generator"]["pairs"] == 60
    assert len(written["data_hash"]) == 64 and written["quarantined_count"] == 0
    ids = [row["id"] for row in written["pairs"]]
    assert ids == ids_of(30)
    for scheme in splits.SCHEMES:
        for part, rows in splits.assign(ids, scheme).items():
            assert {written["pairs"][row][scheme] for row in rows} == {part}
    assert Counter(row["corruption"] for row in written["pairs"]) == {
        "none": 24, "rgb": 18, "lidar": 18,
    }  # fmt: skip


def test_hashes_name_the_content_not_the_place(data_root, data, copy):
    again = load(copy)
    assert again.hashes == data.hashes
    assert [p.ids for p in again.parts.values()] == [p.ids for p in data.parts.values()]
    # another test image: another test set, the same split
    rgb_file, _ = layout.files_of(data.parts["test"].ids[0])
    Image.new("RGBA", (64, 64)).save(copy / rgb_file)
    manifest.index(copy)
    changed = load(copy).hashes
    assert changed["split"] == data.hashes["split"]
    assert changed["data"] != data.hashes["data"] and changed["test"] != data.hashes["test"]
    # another training image: the same test set
    rgb_file, _ = layout.files_of(data.parts["train"].ids[0])
    Image.new("RGBA", (64, 64)).save(copy / rgb_file)
    manifest.index(copy)
    assert load(copy).hashes["test"] == changed["test"]


def test_check_keeps_what_the_generator_knew(data_root, tmp_path):
    root = tmp_path / "data"
    shutil.copytree(data_root, root)
    before = manifest.read(root)
    assert manifest.index(root) == before
    Image.new("RGBA", (64, 64)).save(root / "cubes/rgb/0003.png")
    after = manifest.index(root)
    assert after.generator == {}  # no longer what the generator made
    corruption = {p.id: p.corruption for p in after.pairs}
    assert corruption["cubes/0003"] == "" and corruption["cubes/0004"] != ""


def test_files_that_were_only_touched_are_taken(copy):
    before = load(copy).hashes
    for path in copy.rglob("*.png"):
        os.utime(path, (1, 1))
    assert load(copy).hashes == before


@pytest.mark.parametrize("change", ["edit", "remove", "add", "angle"])
def test_changed_files_are_named(copy, change):
    load(copy)
    if change == "edit":  # the same size, so that only time or content tell
        path = copy / "spheres/lidar/0007.npy"
        np.save(path, np.load(path) + 1)
        named = "spheres/lidar/0007.npy"
    elif change == "remove":
        (copy / "cubes/rgb/0002.png").unlink()
        named = "cubes/rgb/0002.png"
    elif change == "add":
        for folder, end in (("rgb", "png"), ("lidar", "npy")):
            shutil.copy(copy / f"cubes/{folder}/0001.{end}", copy / f"cubes/{folder}/9000.{end}")
        named = "cubes/9000"
    else:
        for class_name in layout.CLASSES:
            path = copy / class_name / "zenith.npy"
            np.save(path, np.load(path) * 1.1)
        named = "zenith.npy"
    with pytest.raises(DataError, match=f"(?s){named}.*data check"):
        load(copy)
    if change != "remove":
        manifest.index(copy)
        load(copy)


def test_a_damaged_manifest_is_refused(copy):
    load(copy)
    path = copy / "manifest.json"
    text = path.read_text()
    for bad in (text[:200], text.replace('"label": 0', '"label": 1', 1), '{"schema": 99}', "[]"):
        path.write_text(bad)
        with pytest.raises(DataError, match=r"manifest\.json"):
            load(copy)


def test_a_folder_that_cannot_be_written(copy, tmp_path, monkeypatch, caplog):
    monkeypatch.setenv(places.HOME, str(tmp_path / "checkout"))
    expected = study_loader(copy)
    before = sorted(copy.rglob("*"))
    if os.geteuid() == 0:  # for root no folder is read-only: refuse in its place

        def refuse(*, dir: Path):
            raise PermissionError(13, "Permission denied", str(dir))

        monkeypatch.setattr(manifest.tempfile, "TemporaryFile", refuse)
    else:
        copy.chmod(0o555)
    try:
        data = load(copy)
        assert load(copy).hashes == data.hashes
    finally:
        copy.chmod(0o755)
    assert sorted(copy.rglob("*")) == before
    assert sum(len(p.ids) for p in data.parts.values()) == len(expected)
    assert "cannot be written" in caplog.text and str(tmp_path / "checkout") in caplog.text
    assert len(list((tmp_path / "checkout" / "data" / ".cache").glob("*/manifest.json"))) == 1


# Cache and generated data


def test_a_cache_that_was_left_half_is_made_again(copy):
    data = load(copy)
    folder = copy / "cache" / data.hashes["data"][:16]
    half = folder.with_name(f".{folder.name}.making")
    folder.rename(half)
    (half / "depth.npy").unlink()
    assert load(copy).hashes == data.hashes
    assert not half.exists()


def test_a_specification_makes_data_and_finds_it_again(tmp_path, monkeypatch):
    monkeypatch.setenv(places.HOME, str(tmp_path))
    root = dataset.resolve("bind:20")
    assert root == tmp_path / "data" / "bind-20-0"
    stamp = (root / "manifest.json").stat().st_mtime_ns
    assert dataset.resolve("bind:20:0") == root
    assert (root / "manifest.json").stat().st_mtime_ns == stamp
    assert dataset.resolve(str(root)) == root  # a folder is taken as it is


@pytest.mark.parametrize("profile", generate.scenes.PROFILES)
def test_data_of_another_version_is_not_taken_for_this_one(profile, tmp_path, monkeypatch):
    monkeypatch.setenv(places.HOME, str(tmp_path))
    root = dataset.resolve(f"{profile}:20")
    version = generate.scenes.PROFILES[profile].version
    found = manifest.read(root)
    assert found is not None and found.generator["version"] == version
    before = replace(found, generator={**found.generator, "version": version - 1})
    manifest.write(root, before)
    with pytest.raises(DataError, match=f"version {version - 1} of the profile {profile}, this is"):
        dataset.resolve(f"{profile}:20")
    assert dataset.resolve(str(root)) == root


@pytest.mark.parametrize(
    ("data", "named"),
    [("nowhere", 0), ("fusion:", 0), ("fusion:12x", 1), ("fuson:20", 0), ("fusion:21", 1)],
)
def test_data_that_cannot_be_is_named(data, named, tmp_path, monkeypatch):
    monkeypatch.setenv(places.HOME, str(tmp_path))
    with pytest.raises(DataError) as error:
        dataset.resolve(data)
    assert data.split(":")[named] in str(error.value) and error.value.exit_code == 2


# Bad input


class Evil:
    def __reduce__(self):
        return (Path.touch, (Path("/tmp/pickle-was-loaded"),))


def save(root: Path, file: str, array) -> None:
    np.save(root / file, array, allow_pickle=True)


def shorten(root: Path, file: str) -> None:
    content = (root / file).read_bytes()
    (root / file).write_bytes(content[: len(content) // 2])


def link(file: Path, target: str) -> None:
    file.unlink()
    file.symlink_to(target)


def with_nan(root: Path, file: str) -> None:
    depth = np.load(root / file)
    depth[3, 4] = math.nan
    np.save(root / file, depth)


RGB, LIDAR = "cubes/rgb/0004.png", "spheres/lidar/0005.npy"
FAULTS = {
    "png missing": (RGB, lambda r: (r / RGB).unlink(), "missing"),
    "npy missing": (LIDAR, lambda r: (r / LIDAR).unlink(), "missing"),
    "png truncated": (RGB, lambda r: shorten(r, RGB), "not a readable PNG"),
    "png empty": (RGB, lambda r: (r / RGB).write_bytes(b""), r"not a PNG \(0 bytes\)"),
    "jpeg": (RGB, lambda r: Image.new("RGB", (64, 64)).save(r / RGB, "JPEG"), "not a PNG"),
    "link to nowhere": (RGB, lambda r: link(r / RGB, "gone"), "missing"),
    "link to itself": (RGB, lambda r: link(r / RGB, "0004.png"), "symbolic links"),
    "folder": (LIDAR, lambda r: ((r / LIDAR).unlink(), (r / LIDAR).mkdir()), "Is a directory"),
    "png without alpha": (RGB, lambda r: Image.new("RGB", (64, 64)).save(r / RGB), "RGB 64×64"),
    "png size": (RGB, lambda r: Image.new("RGBA", (32, 64)).save(r / RGB), "RGBA 32×64"),
    "png 16 bits": (RGB, lambda r: Image.new("I;16", (64, 64)).save(r / RGB), "16 bits"),
    "npy truncated": (LIDAR, lambda r: shorten(r, LIDAR), "not a readable .npy"),
    "npy text": (LIDAR, lambda r: (r / LIDAR).write_text("depth"), "not a readable .npy"),
    "npy shape": (LIDAR, lambda r: save(r, LIDAR, np.ones((64, 32))), r"\(64, 32\)"),
    "npy integers": (LIDAR, lambda r: save(r, LIDAR, np.ones((64, 64), np.int32)), "int32"),
    "npy float16": (LIDAR, lambda r: save(r, LIDAR, np.ones((64, 64), np.float16)), "float16"),
    "npy nan": (LIDAR, lambda r: with_nan(r, LIDAR), "1 values are NaN"),
    "npy negative": (LIDAR, lambda r: save(r, LIDAR, -np.ones((64, 64))), "negative"),
    "npy pickled": (LIDAR, lambda r: save(r, LIDAR, np.array([Evil()], object)), "pickled"),
    "raw pickle": (
        LIDAR,
        lambda r: (r / LIDAR).write_bytes(pickle.dumps(np.ones((64, 64)))),
        "not a readable .npy",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_bad_files_are_listed_and_their_pairs_can_be_left_out(copy, fault):
    file, damage, reason = FAULTS[fault]
    damage(copy)
    pair = file.replace("/rgb/", "/").replace("/lidar/", "/").rpartition(".")[0]
    with pytest.raises(BadDataError, match=reason) as error:
        manifest.index(copy)
    assert [(p.file, p.pair) for p in error.value.problems] == [(file, pair)]
    # training says the same, and how to go on
    with pytest.raises(DataError, match=f"(?s){file}.*--skip-bad") as error:
        load(copy)
    assert error.value.exit_code == 2

    there = sorted(copy.rglob("*.*"))
    left_out = manifest.index(copy, skip_bad=True)
    assert list(left_out.quarantined) == [pair] and file in left_out.quarantined[pair][0]
    assert sorted(p for p in copy.rglob("*.*") if p in there) == there  # nothing is deleted
    written = json.loads((copy / "manifest.json").read_text())
    assert written["quarantined_count"] == 1
    data = load(copy)
    ids = [i for part in data.parts.values() for i in part.ids]
    assert sorted([*ids, pair]) == sorted(study_ids(copy, pair))
    assert not Path("/tmp/pickle-was-loaded").exists()


def study_ids(root: Path, bad: str) -> set[str]:
    names = {f"{p.parts[-3]}/{p.stem}" for p in root.glob("*/rgb/*.png")}
    return names | {bad}


def test_all_bad_files_are_listed_at_once(copy):
    shorten(copy, "cubes/rgb/0001.png")
    with_nan(copy, "cubes/lidar/0001.npy")
    (copy / "spheres/lidar/0002.npy").unlink()
    with pytest.raises(BadDataError, match="3 bad files") as error:
        manifest.index(copy)
    assert {p.file for p in error.value.problems} == {
        "cubes/rgb/0001.png",
        "cubes/lidar/0001.npy",
        "spheres/lidar/0002.npy",
    }


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda a: a * 1.01, "differs"),
        (lambda a: a[:32], r"\(32,\)"),
        (lambda a: a * 180 / math.pi, "radians"),
        (lambda a: a * math.nan, "NaN"),
    ],
)
def test_bad_angles_cannot_be_skipped(copy, change, reason):
    path = copy / "spheres/azimuth.npy"
    np.save(path, change(np.load(path)))
    for skip_bad in (False, True):
        with pytest.raises(BadDataError, match=reason) as error:
            manifest.index(copy, skip_bad=skip_bad)
        assert [p.file for p in error.value.problems] == ["spheres/azimuth.npy"]
        assert "--skip-bad" not in str(error.value)


def test_folders_of_another_layout_are_named(tmp_path):
    (tmp_path / "cubes" / "rgb").mkdir(parents=True)
    with pytest.raises(DataError, match="cubes/lidar"):
        load(tmp_path)
    with pytest.raises(DataError, match="no such folder"):
        manifest.current(tmp_path / "gone")


def test_other_files_do_not_matter(copy):
    before = load(copy).hashes
    (copy / "README.txt").write_text("course data")
    (copy / "cubes/rgb/Thumbs.db").write_bytes(b"x")
    (copy / "cubes/lidar/.0001.npy.swp").write_bytes(b"x")
    assert load(copy).hashes == before


def test_float64_depth_is_taken(copy):
    for path in copy.glob("*/lidar/*.npy"):
        np.save(path, np.load(path).astype(np.float64))
    assert next(load(copy).batches("train", 4)).lidar_B4HW.dtype == torch.float32
