"""From files to batches: what a network is shown of a folder."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from fusion.data import layout, packed
from fusion.data.dataset import Data
from tests.fusion.data.folders import load, study_loader


def raw(data: Data, part: str, **arguments):
    """Batches of a part with the standardisation undone: (id, rgb, xyza, label)."""
    s = data.statistics
    mean, std = (np.array(v)[:, None, None] for v in (s.rgb_mean, s.rgb_std))
    xyz_mean, xyz_std = (np.array(v)[:, None, None] for v in (s.xyz_mean, s.xyz_std))
    for batch in data.batches(part, **arguments):
        for n, index in enumerate(batch.index_B.tolist()):
            xyza = batch.lidar_BCHW[n].double().numpy()
            xyz = xyza[:3] * xyz_std + xyz_mean
            rgb = batch.rgb_BCHW[n].double().numpy() * std + mean
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
        missing = batch.lidar_BCHW[:, 3] == 0
        assert missing.any()
        assert not batch.lidar_BCHW.permute(0, 2, 3, 1)[missing].any()


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
    assert batch.rgb_BCHW.shape == (16, 3, 64, 64) and batch.lidar_BCHW.shape == (16, 4, 64, 64)
    assert batch.labels_B.shape == (16,) and set(batch.labels_B.tolist()) == {0.0, 1.0}
    for images in (batch.rgb_BCHW, batch.lidar_BCHW):
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
