"""The angle of one pair of segments against 60 digits: nearly coplanar ones, and ends that nearly meet."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest

from fieldsolver.kernels import gauss_linking_map, linking_number
from fieldsolver.kernels.topology.gauss_loops import REGULAR_ERROR, angle_of_pair
from fieldsolver.results import Verdict

Points = np.ndarray


def angle_with_sixty_digits(a: Points, b: Points, c: Points, d: Points) -> float:
    """Twice two triangles by Van Oosterom and Strackee, from their paper, all in mpmath."""
    with mpmath.workdps(60):
        p, q, r, s = ([mpmath.mpf(float(x)) for x in point] for point in (a, b, c, d))
        alpha, beta, gamma, delta = (minus(*pair) for pair in ((p, r), (q, r), (q, s), (p, s)))
        return float(-half_angle(alpha, beta, gamma) - half_angle(alpha, gamma, delta))


def half_angle(u: list, v: list, w: list):
    """tan(Omega / 2) = det / (uvw + (u.v) w + (u.w) v + (v.w) u)."""
    det = sum(u[i] * (v[(i + 1) % 3] * w[(i + 2) % 3] - v[(i + 2) % 3] * w[(i + 1) % 3]) for i in range(3))
    nu, nv, nw = (mpmath.sqrt(dot(x, x)) for x in (u, v, w))
    return mpmath.atan2(det, nu * nv * nw + dot(u, v) * nw + dot(u, w) * nv + dot(v, w) * nu)


def minus(p: list, q: list) -> list:
    return [x - y for x, y in zip(p, q, strict=True)]


def dot(u: list, v: list):
    return sum(x * y for x, y in zip(u, v, strict=True))


@pytest.mark.parametrize("h", [1.0, 1e-2, 1e-4, 1e-6, 1e-8])
def test_nearly_coplanar_pairs_lose_no_digits(h: float) -> None:
    """Arcsine forms are off by 1e-9 at h = 1e-6 and below; segments beside each other, in planes h apart."""
    rng = np.random.default_rng(0)
    worst = 0.0
    for _ in range(200):
        a, b, c, d = rng.normal(size=(4, 3)) * [1, 1, 0]
        c, d = c + [6, 0, h], d + [6, 0, 2 * h]
        angle, near = angle_of_pair(a, b, c, d)
        assert not near
        worst = max(worst, abs(angle - angle_with_sixty_digits(a, b, c, d)) / (2 * math.pi))
    assert worst < 4e-17


def test_crossing_pairs_in_nearly_one_plane() -> None:
    """Seen one over the other the angle is 2 pi minus a little, with the sign of the side."""
    a, b = np.array([-1.0, 0.1, 0]), np.array([1.0, 0.2, 0])
    for h in (1.0, 1e-2, 1e-4):
        for side in (h, -h):
            c, d = np.array([0.1, -1.0, side]), np.array([0.3, 1.0, side])
            angle, near = angle_of_pair(a, b, c, d)
            exact = angle_with_sixty_digits(a, b, c, d)
            assert near or abs(angle - exact) < 1e-13
            assert near or math.copysign(1, angle) == math.copysign(1, exact)


def test_trusted_angles_keep_their_bound() -> None:
    """Ends at distances down to 1e-15, on all sides: what is not exact has to be called near."""
    rng = np.random.default_rng(1)
    trusted = 0
    for _ in range(3000):
        a, b, c, d = rng.normal(size=(4, 3))
        near_to = (a, b)[rng.integers(2)] + 10.0 ** rng.uniform(-15, 0) * rng.normal(size=3)
        if rng.integers(2):
            c = near_to
        else:
            d = near_to
        angle, near = angle_of_pair(a, b, c, d)
        if not near:
            trusted += 1
            assert abs(angle - angle_with_sixty_digits(a, b, c, d)) < REGULAR_ERROR
    assert trusted > 1000


def test_trusted_angles_keep_their_bound_at_every_scale() -> None:
    """Below 1e-54 of the curves the products of six lengths underflow: an angle of pi became 0, and was trusted."""
    rng = np.random.default_rng(2)
    trusted = 0
    for power in (-40, -45, -50, -52, -53, -54, -56, -80, -160):
        for _ in range(20):
            a, b, c, d = rng.normal(size=(4, 3)) * 10.0 ** (power * rng.integers(0, 2, (4, 1)))
            angle, near = angle_of_pair(a, b, c, d)
            if not near:
                trusted += 1
                assert abs(angle - angle_with_sixty_digits(a, b, c, d)) < REGULAR_ERROR, power
            a, b, c, d = rng.normal(size=(4, 3)) * 10.0**power
            angle, near = angle_of_pair(a, b, c, d)
            assert near or abs(angle - angle_with_sixty_digits(a, b, c, d)) < REGULAR_ERROR, power
    assert trusted > 50


def test_chains_whose_corners_nearly_meet() -> None:
    """The rounding of Delta is large beside a triangle with a short side: sums were off by 1e-3."""
    for seed in range(4):
        steps = np.random.default_rng(seed).normal(size=(2, 100, 3))
        a, b = (np.cumsum(walk - walk.mean(axis=0), axis=0) for walk in steps)  # both end in 0, up to rounding
        found = linking_number(a, b)
        assert found.status is Verdict.PROVED
        assert float(found["residual"]) <= float(found["error_bound"])
        assert int(found["n_exact"]) > 0


def test_a_map_has_a_picture() -> None:
    steps = np.random.default_rng(0).normal(size=(2, 12, 3))
    found = gauss_linking_map(steps[0].cumsum(axis=0), steps[1].cumsum(axis=0))
    for theme in ("light", "dark"):
        assert "in the frame" in found.plot(theme=theme).get_axes()[0].get_title()
