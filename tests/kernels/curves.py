"""Curves that several tests share."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

SQUARE = np.array([(1, 1, 0), (-1, 1, 0), (-1, -1, 0), (1, -1, 0)], dtype=float)
THROUGH = np.array([(0, 0, -1), (0, 0, 1), (3, 0, 1), (3, 0, -1)], dtype=float)


def circle(points: int = 100, phase: float = 0.0) -> np.ndarray:
    t = 2 * np.pi * (np.arange(points) + phase) / points
    return np.stack([np.cos(t), np.sin(t), 0 * t], axis=1)


def upright_circle(centre: float, points: int = 100, phase: float = 0.0) -> np.ndarray:
    t = 2 * np.pi * (np.arange(points) + phase) / points
    return np.stack([centre + np.cos(t), 0 * t, np.sin(t)], axis=1)


def torus_link(turns: int, points: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """The two strands of T(2, 2n): (R + r cos(phi)) (cos t, sin t), r sin(phi) with phi = n t + k pi, R = 2, r = 1."""
    t = 2 * np.pi * np.arange(points) / points
    strands = []
    for k in (0, 1):
        phi = turns * t + k * np.pi
        strands.append(np.stack([(2 + np.cos(phi)) * np.cos(t), (2 + np.cos(phi)) * np.sin(t), np.sin(phi)], axis=1))
    return strands[0], strands[1]


def trefoil(points: int) -> np.ndarray:
    t = 2 * np.pi * np.arange(points) / points
    return np.stack([(2 + np.cos(3 * t)) * np.cos(2 * t), (2 + np.cos(3 * t)) * np.sin(2 * t), np.sin(3 * t)], axis=1)


def exact_crossing_count(a: np.ndarray, b: np.ndarray, direction: tuple[int, int, int] = (17, 29, 211)) -> int:
    """Linking number by counting signed crossings of a rational projection, all in integers: an independent way.

    A crossing that is degenerate in this direction of view raises `DegenerateView`.
    """
    first, second = _view(a, direction), _view(b, direction)
    total = 0
    for i in range(len(first)):
        for j in range(len(second)):
            total += _crossing(first[i], first[(i + 1) % len(first)], second[j], second[(j + 1) % len(second)])
    if total % 2:
        raise AssertionError("crossings of two closed curves come in pairs")
    return total // 2


def exact_linking_number(a: np.ndarray, b: np.ndarray) -> int | None:
    """The same for any two polygons: the direction is changed until it is not degenerate. None where they touch."""
    if exact_touch(a, b):
        return None
    for turn in range(1, 1000):
        try:
            return exact_crossing_count(a, b, (17 + 6 * turn, 29 - 10 * turn, 211 * turn + 1))
        except DegenerateView:
            continue
    raise AssertionError("every direction of view is degenerate")


def exact_touch(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two closed polygons have a point in common, in fractions."""
    first, second = ([[Fraction(x) for x in point] for point in curve.tolist()] for curve in (a, b))
    return any(
        _meet(first[i - 1], first[i], second[j - 1], second[j]) for i in range(len(first)) for j in range(len(second))
    )


def _meet(a, b, c, d) -> bool:
    """a + s (b - a) = c + t (d - c) with 0 <= s, t <= 1, by elimination on the coordinates."""
    u, v, w = ([y - x for x, y in zip(*pair, strict=True)] for pair in ((a, b), (c, d), (a, c)))
    planes = [(u[i] * v[j] - u[j] * v[i], i, j) for i, j in ((0, 1), (0, 2), (1, 2))]
    for minor, i, j in planes:
        if minor:
            s, t = (w[i] * v[j] - w[j] * v[i]) / minor, (w[i] * u[j] - w[j] * u[i]) / minor
            return 0 <= s <= 1 and 0 <= t <= 1 and all(s * u[k] - t * v[k] == w[k] for k in range(3))
    k = next(k for k in range(3) if u[k])  # parallel: both ends of cd along ab, in units of its length
    place, other = w[k] / u[k], (w[k] + v[k]) / u[k]
    if any(w[m] != place * u[m] for m in range(3)):
        return False
    return max(place, other) >= 0 and min(place, other) <= 1


class DegenerateView(AssertionError):
    """Two segments cross at a corner, or are parallel, in the picture."""


def _view(points: np.ndarray, direction: tuple[int, int, int]) -> list[tuple[Fraction, Fraction, Fraction]]:
    """Shear the direction of view onto the z axis: x, y in the picture, z the height; orientation is kept."""
    seen = []
    for x, y, z in points.tolist():
        height = Fraction(z)
        across, up, along = direction
        seen.append((Fraction(x) - height * across / along, Fraction(y) - height * up / along, height))
    return seen


def _crossing(a, b, c, d) -> int:
    """+1 or -1 for a crossing in the picture, 0 for none; a over b and b over a have signs that agree."""
    ux, uy, vx, vy, wx, wy = b[0] - a[0], b[1] - a[1], d[0] - c[0], d[1] - c[1], c[0] - a[0], c[1] - a[1]
    determinant = ux * vy - uy * vx
    if determinant == 0:
        if wx * uy - wy * ux == 0:
            raise DegenerateView("parallel in the picture: choose another direction of view")
        return 0
    s, t = (wx * vy - wy * vx) / determinant, (wx * uy - wy * ux) / determinant
    if not (0 <= s <= 1 and 0 <= t <= 1):
        return 0
    if s in (0, 1) or t in (0, 1):
        raise DegenerateView("a corner lies on a segment in the picture: choose another direction of view")
    above = a[2] + s * (b[2] - a[2]) - c[2] - t * (d[2] - c[2])
    if above == 0:
        raise AssertionError("the curves touch")
    sign = 1 if determinant > 0 else -1
    return sign if above > 0 else -sign
