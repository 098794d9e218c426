"""The generated data: right geometry, and nothing but shape tells the class."""

from __future__ import annotations

import hashlib
import math
import resource
from pathlib import Path

import numpy as np
import pytest

from fusion.data import generate, raycast, scenes
from fusion.data.scenes import CHUNK, MAX_RANGE, PROFILES

SIZE = 64


def render(profile: str, chunks: int, seed: int = 0) -> scenes.Scenes:
    """The first chunks, joined."""
    made = [scenes.render(profile, seed, chunk) for chunk in range(chunks)]
    return scenes.Scenes(
        np.concatenate([m.rgb_2NHWC for m in made], 1),
        np.concatenate([m.depth_2NHW for m in made], 1),
        [kind for m in made for kind in m.corruption_N],
    )


@pytest.fixture(scope="module")
def study() -> scenes.Scenes:
    return render("study", 25)


@pytest.fixture(scope="module")
def fusion() -> scenes.Scenes:
    return render("fusion", 100)


@pytest.fixture(scope="module")
def bind() -> scenes.Scenes:
    return render("bind", 100)


def silhouette(profile: str, depth: np.ndarray) -> np.ndarray:
    """Where the LiDAR sees an object before the wall."""
    return depth < PROFILES[profile].wall / raycast.LIDAR_RAYS[1] - 1


def of_kind(made: scenes.Scenes, *kinds: str) -> scenes.Scenes:
    keep = np.isin(made.corruption_N, kinds)
    return scenes.Scenes(made.rgb_2NHWC[:, keep], made.depth_2NHW[:, keep], list(kinds))


# An independent, slow ray-caster: faces one by one, every ray, no windows


def slow_sphere(ray: np.ndarray, centre: np.ndarray, radius: float) -> float:
    """Distance along one unit ray, by the point of the ray that is nearest to the centre."""
    foot = ray * (ray @ centre)
    gap = np.linalg.norm(foot - centre)
    if gap >= radius:
        return math.inf
    return float(ray @ centre - math.sqrt(radius**2 - gap**2))


def slow_cube(ray: np.ndarray, centre: np.ndarray, rotation: np.ndarray) -> float:
    """Distance along one unit ray, by the six faces."""
    best = math.inf
    for axis in range(3):
        for side in (-1, 1):
            normal = side * rotation[:, axis]
            if ray @ normal == 0:
                continue
            distance = (1 + centre @ normal) / (ray @ normal)
            local = rotation.T @ (distance * ray - centre)
            if np.abs(np.delete(local, axis)).max() <= 1:
                best = min(best, float(distance))
    return best


def slow_depth(profile: str, index: int, label: int) -> np.ndarray:
    p = PROFILES[profile]
    scene = scenes.draw(p, 0, index)
    objects = [(label, scene.target, scene.rotation)]
    if scene.corruption == "hard":
        objects.append((1 - label, scene.other, scene.other_rotation))
    azimuth, zenith = raycast.angles()
    depth = np.empty((SIZE, SIZE))
    for i, az in enumerate(azimuth.astype(float)):
        for j, ze in enumerate(zenith.astype(float)):
            ray = np.array(
                [
                    math.sin(-az) * math.cos(-ze),
                    math.cos(-az) * math.cos(-ze),
                    math.sin(-ze),
                ]
            )
            seen = [min(p.wall / ray[1], MAX_RANGE)]
            for shape, centre, rotation in objects:
                if shape == 1:
                    seen.append(slow_sphere(ray, centre, p.sphere_radius))
                else:
                    seen.append(slow_cube(ray, centre, rotation))
            depth[i, j] = min(seen)
    return depth


@pytest.mark.parametrize("label", [0, 1])
def test_depth_is_that_of_an_independent_ray_caster(study, label):
    np.testing.assert_allclose(study.depth_2NHW[label, 3], slow_depth("study", 3, label), atol=1e-4)


def test_a_hard_scene_shows_both_shapes(bind):
    index = bind.corruption_N.index("hard")
    noise = 6 * PROFILES["bind"].range_noise
    for label in (0, 1):
        got, want = bind.depth_2NHW[label, index], slow_depth("bind", index, label)
        returned = got < MAX_RANGE  # without the noise of the sensor
        assert returned.mean() > 0.99
        np.testing.assert_allclose(got[returned], want[returned], atol=noise)


def test_the_image_is_lambertian_and_where_the_camera_sees_it(study):
    """One ray per pixel of one sphere, without windows and supersampling."""
    profile, scene = PROFILES["study"], scenes.draw(PROFILES["study"], 0, 0)
    axes = raycast.camera_axes(profile.distance)
    centre = axes @ (scene.target - raycast.CAMERA)
    focal = SIZE / 2 / math.tan(raycast.CAMERA_FOV / 2)
    expected = np.zeros((SIZE, SIZE, 3))
    for i in range(SIZE):
        for j in range(SIZE):
            ray = np.array([j - 31.5, focal, 31.5 - i])
            ray /= np.linalg.norm(ray)
            distance = slow_sphere(ray, centre, profile.sphere_radius)
            if math.isfinite(distance):
                normal = (distance * ray - centre) / profile.sphere_radius
                lit = max(0.0, float(normal @ scene.light))
                expected[i, j] = (lit * scene.colour) ** (1 / 2.2) * 255
    difference = np.abs(study.rgb_2NHWC[1, 0, ..., :3] - expected).max(-1)
    inside = study.rgb_2NHWC[1, 0, ..., 3] == 255
    assert inside.sum() > 60
    assert np.median(difference[inside]) < 4  # the rest: the terminator, and rays between pixels
    assert difference[study.rgb_2NHWC[1, 0, ..., 3] == 0].max() == 0


@pytest.mark.parametrize("profile", PROFILES)
def test_objects_stay_inside_both_frames(profile):
    made = render(profile, 25)
    clean = of_kind(made, "none", "hard")
    edge = np.ones((SIZE, SIZE), bool)
    edge[1:-1, 1:-1] = False
    assert not of_kind(made, "none").rgb_2NHWC[..., 3][:, :, edge].any()
    assert not silhouette(profile, clean.depth_2NHW)[:, :, edge].any()


def test_shadow_fades_into_black_from_one_side(study):
    cover = study.rgb_2NHWC[1, ..., 3] == 255
    light = study.rgb_2NHWC[1, ..., :3].max(-1)
    assert not study.rgb_2NHWC[..., :3][study.rgb_2NHWC[..., 3] == 0].any()
    dark = [(light[n][cover[n]] < 8).mean() for n in range(len(light))]
    assert 0.2 < np.mean(dark) < 0.7
    columns = np.arange(SIZE)
    lean = [
        (light[n].sum(0) @ columns / light[n].sum()) - cover[n].sum(0) @ columns / cover[n].sum()
        for n in range(len(light))
    ]
    assert np.min(lean) > 0  # always the same side


def test_camera_and_lidar_have_different_viewpoints(study):
    rows, columns = np.mgrid[:SIZE, :SIZE]
    aligned = silhouette("study", study.depth_2NHW[1]).swapaxes(1, 2)[:, :, ::-1]
    cover = study.rgb_2NHWC[1, ..., 3] > 0
    shift = [
        [(m * axis).sum() / m.sum() for axis in (rows, columns) for m in (cover[n], aligned[n])]
        for n in range(len(cover))
    ]
    row_c, row_l, column_c, column_l = np.transpose(shift)
    # the same scene, so the positions go together, but by several pixels they differ
    assert np.corrcoef(row_c, row_l)[0, 1] > 0.9 and np.corrcoef(column_c, column_l)[0, 1] > 0.9
    assert np.hypot(row_c - row_l, column_c - column_l).mean() > 1


# Leaks


def test_corruptions_have_their_exact_shares_and_are_disjoint(fusion, bind):
    for made, shares in ((fusion, {"rgb": 3, "lidar": 3}), (bind, {"hard": 5})):
        for start in range(0, len(made.corruption_N) - 9, 10):
            block = made.corruption_N[start : start + 10]
            assert {k: block.count(k) for k in set(block) - {"none"}} == shares


def test_an_uninformative_modality_is_the_same_in_both_classes(fusion, bind):
    for made in (of_kind(fusion, "rgb"), of_kind(bind, "hard")):
        np.testing.assert_array_equal(made.rgb_2NHWC[0], made.rgb_2NHWC[1])
    made = of_kind(fusion, "lidar")
    np.testing.assert_array_equal(made.depth_2NHW[0], made.depth_2NHW[1])
    # and the other modality is not
    assert (made.rgb_2NHWC[0] != made.rgb_2NHWC[1]).any((1, 2, 3)).all()


def test_twins_share_everything_but_shape(fusion):
    made = of_kind(fusion, "none", "rgb", "lidar")
    # sensor noise and missing returns, seen where neither twin's object is
    noise = np.abs(made.rgb_2NHWC[0, :, :8].astype(int) - made.rgb_2NHWC[1, :, :8])
    assert noise.max() == 0 and made.rgb_2NHWC[:, :, :8, :, :3].any()
    lost = made.depth_2NHW == MAX_RANGE
    np.testing.assert_array_equal(lost[0], lost[1])
    assert 0 < lost.mean() < 0.01


@pytest.mark.parametrize("profile", ["fusion", "bind"])
def test_size_tells_nothing(profile, request):
    made = of_kind(request.getfixturevalue(profile), "none")
    camera = made.rgb_2NHWC[..., 3].sum((2, 3)) / 255
    lidar = silhouette(profile, made.depth_2NHW).sum((2, 3))
    for area in (camera, lidar):
        cube, sphere = area.mean(1)
        assert cube / sphere == pytest.approx(1, abs=0.03)


def test_size_does_tell_in_the_study(study):
    cube, sphere = study.rgb_2NHWC[..., 3].sum((2, 3)).mean(1)
    assert cube / sphere == pytest.approx(6 / math.pi, rel=0.05)  # surface over 4, both


def features(images_NHWC: np.ndarray) -> np.ndarray:
    """Mean, maximum and spread of the responses to patches of the images themselves."""
    rng = np.random.default_rng(0)
    x = images_NHWC[:, ::2, ::2].astype(np.float32)
    x = (x - x.mean()) / x.std()
    views = np.lib.stride_tricks.sliding_window_view(x, (5, 5), (1, 2))[:, ::2, ::2]
    patches = views.reshape(len(x), -1, x.shape[-1] * 25)
    vivid = np.argsort(patches.std(-1), 1)[:, -20:]
    take = rng.integers(len(x), size=64)
    bank = np.stack([patches[n, rng.choice(vivid[n])] for n in take])
    bank -= bank.mean(1, keepdims=True)
    bank /= np.linalg.norm(bank, axis=1, keepdims=True)
    response = patches @ bank.T
    return np.concatenate([response.mean(1), response.max(1), response.std(1)], 1)


def accuracy(images_2NHW: np.ndarray) -> float:
    """Of a ridge classifier on held-out scenes; twins are on the same side."""
    count = images_2NHW.shape[1]
    x = features(images_2NHW.reshape(-1, SIZE, SIZE, 1))
    x = (x - x.mean(0)) / (x.std(0) + 1e-6)
    x = np.concatenate([x, np.ones((len(x), 1))], 1)
    y = np.repeat([-1.0, 1.0], count)
    train = np.tile(np.arange(count) < count * 2 // 3, 2)
    a = x[train]
    weights = np.linalg.solve(a.T @ a + 10 * np.eye(a.shape[1]), a.T @ y[train])
    return float(((x @ weights > 0) == (y > 0))[~train].mean())


@pytest.mark.parametrize(
    ("profile", "kind", "rgb_knows", "lidar_knows"),
    [
        ("fusion", "none", 0.75, 0.9),
        ("fusion", "rgb", None, 0.9),
        ("fusion", "lidar", 0.65, None),
        ("bind", "none", 0.65, 0.75),
        ("bind", "hard", None, None),  # here the twins' depth differs, and still must not tell
    ],
)
def test_one_modality_is_at_chance_where_it_is_uninformative(
    profile, kind, rgb_knows, lidar_knows, request
):
    """The same learner finds the class where the modality is informative."""
    made = of_kind(request.getfixturevalue(profile), kind)
    before_wall = made.depth_2NHW - PROFILES[profile].wall / raycast.LIDAR_RAYS[1]
    for images, least in (
        (made.rgb_2NHWC[..., :3].max(-1), rgb_knows),
        (np.minimum(before_wall, 0), lidar_knows),
    ):
        if least is None:
            assert accuracy(images) == pytest.approx(0.5, abs=0.1)
        else:
            assert accuracy(images) > least


# Files


# What each version is: depth in thousandths (SHA-256, 16 digits), sum of RGBA. A change to either
# of a profile raises its version, and its alone. The image is rendered in float32, whose last digit
# is the processor's, so that a pixel may be another there.
BYTES = {
    "study": (3, "58bc6c0f41e22694", 2_348_999),
    "fusion": (2, "4b11085776e1baef", 4_304_142),
    "bind": (2, "77ec556d11be7361", 4_702_124),
}


@pytest.mark.parametrize("profile", PROFILES)
def test_bytes_are_those_of_the_version(profile):
    made = render(profile, 2)
    depth = np.rint(made.depth_2NHW.astype(float) * 1000).astype("<i4")
    version, digest, total = BYTES[profile]
    assert PROFILES[profile].version == version
    assert hashlib.sha256(depth.tobytes()).hexdigest()[:16] == digest
    assert made.rgb_2NHWC.sum(dtype=np.int64) == pytest.approx(total, rel=1e-5)


def tree(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_bytes_depend_on_profile_pairs_and_seed_alone(tmp_path):
    generate.make(tmp_path / "one", "fusion", 52, 3, workers=1)
    generate.make(tmp_path / "two", "fusion", 52, 3, workers=2)
    one = tree(tmp_path / "one")
    assert one == tree(tmp_path / "two")
    generate.make(tmp_path / "other", "fusion", 52, 4, workers=1)
    assert one["cubes/rgb/0000.png"] != tree(tmp_path / "other")["cubes/rgb/0000.png"]


def test_a_longer_data_set_begins_with_the_shorter(tmp_path):
    generate.make(tmp_path / "short", "bind", 10, 0, workers=1)
    generate.make(tmp_path / "long", "bind", 10 + 4 * CHUNK, 0, workers=1)
    short, long = tree(tmp_path / "short"), tree(tmp_path / "long")
    del short["manifest.json"]
    assert len(short) == 2 * 10 + 4
    assert short == {name: long[name] for name in short}


def test_angle_files_are_identical_in_both_classes(data_root):
    files = tree(data_root)
    for name in ("azimuth.npy", "zenith.npy"):
        assert files[f"cubes/{name}"] == files[f"spheres/{name}"]


def test_nothing_is_left_of_a_folder_that_could_not_be_finished(tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))  # a depth map has 16 KiB
    try:
        with pytest.raises(OSError, match="File too large"):
            generate.make(tmp_path / "data", "study", 20, 0, workers=1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("profile", "pairs", "seed", "word"),
    [("fuson", 20, 0, "fuson"), ("fusion", 21, 0, "even"), ("fusion", 0, 0, "even")],
)
def test_impossible_requests_are_named(tmp_path, profile, pairs, seed, word):
    with pytest.raises(generate.DataError, match=word):
        generate.make(tmp_path / "data", profile, pairs, seed)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_use_is_not_touched(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "thesis.txt").write_text("keep")
    with pytest.raises(generate.DataError, match="not empty"):
        generate.make(tmp_path / "data", "study", 20, 0)
    assert tree(tmp_path) == {"data/thesis.txt": b"keep"}
