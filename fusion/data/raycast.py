"""Geometry of the embedded data: two sensors, a cube, a sphere, in closed form.

World = LiDAR frame: x right, y forward, z up, unit = half an edge of the cube. The LiDAR is at the
origin; its ray for azimuth a and zenith e is (sin(-a) cos(-e), cos(-a) cos(-e), sin(-e)). Rows of a
depth map are azimuths (right to left), columns are zeniths (up to down): transposed and mirrored
relative to the image. The camera stands beside the LiDAR and looks at the same region; its frame is
x right, y forward, z up as well.

Suffixes: N scenes of a chunk, K rays of a window, H/W pixels, C channels.
"""

from __future__ import annotations

import math

import numpy as np

SIZE = 64  # pixels, both modalities
LIDAR_FOV = math.radians(50)
CAMERA_FOV = math.radians(55)
CAMERA = np.array([-3.0, 0.0, 1.5])  # where the camera stands; it looks at (0, distance, 0)
SUPERSAMPLING = 4  # rays per pixel and axis, camera only: a LiDAR pixel is one ray


def angles() -> tuple[np.ndarray, np.ndarray]:
    """Azimuths of the rows and zeniths of the columns: float32 (64,), radians, ascending."""
    step = LIDAR_FOV / SIZE
    values = ((np.arange(SIZE) - (SIZE - 1) / 2) * step).astype(np.float32)
    return values, values.copy()


def lidar_ray(azimuth: np.ndarray | float, zenith: np.ndarray | float) -> np.ndarray:
    """(3, …) float64 unit directions: XYZ of a point = its depth times these."""
    a, e = -np.asarray(azimuth, np.float64), -np.asarray(zenith, np.float64)
    return np.stack(np.broadcast_arrays(np.sin(a) * np.cos(e), np.cos(a) * np.cos(e), np.sin(e)))


def lidar_rays(azimuth_H: np.ndarray, zenith_W: np.ndarray) -> np.ndarray:
    """(3, H, W): as `lidar_ray`, for all pixels of a depth map."""
    return lidar_ray(azimuth_H[:, None], zenith_W[None, :])


def _camera_rays() -> np.ndarray:
    """(3, 64 S, 64 S) unit directions in the camera frame: x right, y forward, z up."""
    n = SIZE * SUPERSAMPLING
    focal = n / 2 / math.tan(CAMERA_FOV / 2)
    offset = np.arange(n) - (n - 1) / 2
    rays = np.stack(np.broadcast_arrays(offset[None, :], focal, -offset[:, None]))
    return (rays / np.linalg.norm(rays, axis=0)).astype(np.float32)


def camera_axes(distance: float) -> np.ndarray:
    """Rows: the camera's right, forward and up in the world."""
    forward = np.array([0.0, distance, 0.0]) - CAMERA
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    return np.stack([right, forward, np.cross(right, forward)])


LIDAR_RAYS = lidar_rays(*angles())
CAMERA_RAYS = _camera_rays()


def lidar_pixel(point_N3: np.ndarray) -> np.ndarray:
    """(N, 2) row and column (not rounded) at which the LiDAR sees points of the world."""
    x, y, z = np.moveaxis(point_N3, -1, 0)
    azimuth, zenith = -np.arctan2(x, y), -np.arctan2(z, np.hypot(x, y))
    return np.stack([azimuth, zenith], -1) * SIZE / LIDAR_FOV + (SIZE - 1) / 2


def camera_pixel(point_N3: np.ndarray) -> np.ndarray:
    """(N, 2) row and column (not rounded) of points given in the camera frame."""
    focal = SIZE / 2 / math.tan(CAMERA_FOV / 2)
    x, y, z = np.moveaxis(point_N3, -1, 0)
    return np.stack([-z / y, x / y], -1) * focal + (SIZE - 1) / 2


def hit_sphere(
    ray: np.ndarray, centre_N3: np.ndarray, radius: float, light_N3: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Distance (N, K) along unit rays (3, N, K), inf where missed, and cosine to the light."""
    along = _dot(ray, centre_N3)
    square = along * along - (np.sum(centre_N3**2, -1)[:, None] - radius**2)
    hit = square > 0
    distance = along - np.sqrt(np.where(hit, square, 0))
    cosine = (distance * _dot(ray, light_N3) - np.sum(centre_N3 * light_N3, -1)[:, None]) / radius
    return np.where(hit, distance, np.inf), cosine


def hit_cube(
    ray: np.ndarray, centre_N3: np.ndarray, rotation_N33: np.ndarray, light_N3: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """As `hit_sphere`, for a cube of half-edge 1 whose axes are the columns of `rotation`."""
    near = np.full(ray.shape[1:], -np.inf, ray.dtype)
    far = np.full(ray.shape[1:], np.inf, ray.dtype)
    cosine = np.zeros(ray.shape[1:], ray.dtype)
    for axis in range(3):
        normal_N3 = rotation_N33[:, :, axis]
        origin = np.sum(centre_N3 * normal_N3, -1)[:, None]
        slope = 1 / _dot(ray, normal_N3)
        enter, leave = origin * slope - np.abs(slope), origin * slope + np.abs(slope)
        facing = -np.sign(slope) * np.sum(normal_N3 * light_N3, -1)[:, None]
        cosine = np.where(enter > near, facing, cosine)
        near, far = np.maximum(near, enter), np.minimum(far, leave)
    return np.where(near < far, near, np.inf), cosine


def _dot(ray: np.ndarray, vector_N3: np.ndarray) -> np.ndarray:
    v = vector_N3.T[:, :, None]
    return ray[0] * v[0] + ray[1] * v[1] + ray[2] * v[2]


def window(centre_N2: np.ndarray, width: int) -> np.ndarray:
    """(N, 2) first row and column of a window of `width` pixels about each centre, inside."""
    first = np.rint(centre_N2 - (width - 1) / 2).astype(int)
    return np.clip(first, 0, SIZE - width)


def cut(grid: np.ndarray, first_N2: np.ndarray, width: int) -> np.ndarray:
    """(C, N, width * width) windows of a (C, H, W) grid."""
    cut = [grid[:, r : r + width, c : c + width] for r, c in first_N2]
    return np.stack(cut, 1).reshape(len(grid), len(first_N2), -1)


def cast(
    ray: np.ndarray, centre_N3: np.ndarray, rotation_N33: np.ndarray, light_N3: np.ndarray, r: float
) -> tuple[np.ndarray, np.ndarray]:
    """Distances and cosines of the cube and of the sphere at one place: (2, N, K) each."""
    cast = [c.astype(ray.dtype) for c in (centre_N3, rotation_N33, light_N3)]
    cube, sphere = hit_cube(ray, *cast), hit_sphere(ray, cast[0], r, cast[2])
    return np.stack([cube[0], sphere[0]]), np.stack([cube[1], sphere[1]])


def average(value: np.ndarray, width: int) -> np.ndarray:
    """(2, N, width, width) means over the supersamples of a pixel."""
    s = SUPERSAMPLING
    return value.reshape(*value.shape[:2], width, s, width, s).mean((3, 5))
