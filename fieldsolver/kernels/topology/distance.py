"""The least distance of two polygons."""

from __future__ import annotations

import math

import numba
import numpy as np

from ..compilation import compiled, threaded


@threaded
def least_distance(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray) -> float:
    """The least distance between two polygons.

    A first pass finds the closest corners; only segments that could be closer are looked at in the second.
    """
    rows = np.empty(len(a))
    for i in numba.prange(len(a)):
        best = math.inf
        for j in range(len(c)):
            best = min(best, _square(a[i], c[j]))
        rows[i] = best
    closest = math.sqrt(rows.min())
    for i in numba.prange(len(a)):
        best, own = closest, math.sqrt(_square(a[i], b[i]))
        for j in range(len(c)):
            reach = best + own + math.sqrt(_square(c[j], d[j]))
            if _square(a[i], c[j]) < reach * reach:
                best = min(best, segment_distance(a[i], b[i], c[j], d[j]))
        rows[i] = best
    return rows.min()


@compiled
def _square(p: np.ndarray, q: np.ndarray) -> float:
    x, y, z = p[0] - q[0], p[1] - q[1], p[2] - q[2]
    return x * x + y * y + z * z


@compiled
def segment_distance(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray) -> float:
    """The distance of segments ab and cd; Ericson, *Real-Time Collision Detection* (2005), section 5.1.9."""
    ux, uy, uz = b[0] - a[0], b[1] - a[1], b[2] - a[2]
    vx, vy, vz = d[0] - c[0], d[1] - c[1], d[2] - c[2]
    rx, ry, rz = a[0] - c[0], a[1] - c[1], a[2] - c[2]
    uu, vv = ux * ux + uy * uy + uz * uz, vx * vx + vy * vy + vz * vz
    uv, ur, vr = ux * vx + uy * vy + uz * vz, ux * rx + uy * ry + uz * rz, vx * rx + vy * ry + vz * rz
    # u x v, since uu vv - uv^2 loses half the digits of nearly parallel segments
    nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
    square = nx * nx + ny * ny + nz * nz
    s = 0.0
    if square > 1e-30 * uu * vv:
        along = (vy * rz - vz * ry) * nx + (vz * rx - vx * rz) * ny + (vx * ry - vy * rx) * nz
        s = min(max(along / square, 0.0), 1.0)
    t = (uv * s + vr) / vv
    if t < 0.0:
        t, s = 0.0, min(max(-ur / uu, 0.0), 1.0)
    elif t > 1.0:
        t, s = 1.0, min(max((uv - ur) / uu, 0.0), 1.0)
    x, y, z = rx + s * ux - t * vx, ry + s * uy - t * vy, rz + s * uz - t * vz
    return math.sqrt(x * x + y * y + z * z)


@threaded
def close_segments(
    a: np.ndarray, b: np.ndarray, reach_ab: np.ndarray, c: np.ndarray, d: np.ndarray, reach_cd: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The segments ab and cd, as masks, that come within the sum of their reaches of one of the other polygon."""
    near_ab = np.zeros(len(a), dtype=np.bool_)
    near_cd = np.zeros(len(c), dtype=np.bool_)
    for i in numba.prange(len(a)):
        own = math.sqrt(_square(a[i], b[i])) + reach_ab[i]
        for j in range(len(c)):
            reach = own + math.sqrt(_square(c[j], d[j])) + reach_cd[j]
            if _square(a[i], c[j]) > reach * reach:
                continue
            if segment_distance(a[i], b[i], c[j], d[j]) <= reach_ab[i] + reach_cd[j]:
                near_ab[i] = True
                near_cd[j] = True  # threads may write it at once: the same value
    return near_ab, near_cd
