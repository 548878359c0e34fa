"""Gauss integrals of open chains, writhe and twist: closed forms, published values, exact laws."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldsolver.errors import CurveError
from fieldsolver.kernels import (
    Ribbon,
    average_crossing_number,
    gauss_linking_integral,
    gauss_linking_map,
    linking_number,
    sub_chain_integral,
    twist,
    writhe,
)
from fieldsolver.results import Verdict

sys.path.insert(0, str(Path(__file__).parent))  # pytest's importlib mode has no package of tests
from curves import circle, trefoil

seeds = st.integers(0, 2**32 - 1)
TETRAHEDRON = np.array([(1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1)], dtype=float)


@pytest.mark.parametrize(("a", "b", "d"), [(0.7, 1.3, 0.5), (1, 1, 1e-3), (100, 0.1, 2)])
def test_perpendicular_segments(a: float, b: float, d: float) -> None:
    result = gauss_linking_integral([(-a, 0, 0), (a, 0, 0)], [(0, -b, d), (0, b, d)])
    exact = math.atan(a * b / (d * math.sqrt(a * a + b * b + d * d))) / math.pi
    assert abs(result.value) == pytest.approx(exact, abs=1e-14)
    assert abs(abs(result.value) - exact) <= float(result["error_bound"]) + 1e-16


def test_opposite_edges_of_a_tetrahedron() -> None:
    value = gauss_linking_integral(TETRAHEDRON[:2], TETRAHEDRON[2:]).value
    assert abs(value) == pytest.approx(0.108173447969393, abs=2e-15)
    assert abs(value) == pytest.approx(math.acos(-1 / 3) / math.pi - 0.5, abs=3e-16)


@pytest.mark.parametrize("n", [3, 6, 50])
def test_polygon_around_an_axis(n: int) -> None:
    half = 0.8
    value = gauss_linking_integral(circle(n), [(0, 0, -half), (0, 0, half)], closed=(True, False)).value
    angle = math.pi / n
    assert abs(value) == pytest.approx(n / math.pi * math.atan(half * math.tan(angle) / math.hypot(half, 1)), abs=1e-14)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ([(0, 0, 0), (1, 0, 0)], [(0, 1, 0), (1, 3, 0)]),  # coplanar
        ([(0, 0, 0), (1, 0, 0)], [(0, 1, 1), (1, 1, 1)]),  # parallel
    ],
)
def test_segments_that_see_each_other_under_no_angle(a: list, b: list) -> None:
    assert gauss_linking_integral(a, b).value == 0


def test_segments_with_a_common_end_see_each_other_under_no_angle_but_the_integral_jumps_there() -> None:
    a, b = [(0, 0, 0), (1, 0, 0)], [(1, 0, 0), (1, 1, 1)]
    assert gauss_linking_map(a, b)["gln"].item() == 0
    assert gauss_linking_integral(a, b).status is Verdict.DEGENERATE


def test_chains_that_cross_are_degenerate() -> None:
    result = gauss_linking_integral([(-1, 0, 0), (1, 0, 0)], [(0, -1, 0), (0, 1, 0)])
    assert result.status is Verdict.DEGENERATE


@settings(max_examples=20, deadline=None)
@given(seed=seeds)
def test_the_map_holds_every_sub_chain_and_the_true_maximum(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(rng.integers(2, 10), 3)).cumsum(0), rng.normal(size=(rng.integers(2, 12), 3)).cumsum(0)
    found = gauss_linking_map(a, b)
    gln = found["gln"].values
    assert gln.sum() == pytest.approx(gauss_linking_integral(a, b).value, abs=1e-13)
    rows, columns = gln.shape
    windows = [
        (i, k, j, m) for i in range(rows) for k in range(i, rows) for j in range(columns) for m in range(j, columns)
    ]
    sums = [gln[i : k + 1, j : m + 1].sum() for i, k, j, m in windows]
    assert abs(float(found["max_gln"])) == pytest.approx(max(map(abs, sums)), abs=1e-14)
    i, k, j, m = (int(found[name]) for name in ("first_a", "last_a", "first_b", "last_b"))
    assert gln[i : k + 1, j : m + 1].sum() == pytest.approx(float(found["max_gln"]), abs=1e-14)
    assert sub_chain_integral(found, slice(i, k + 1), slice(j, m + 1)) == pytest.approx(
        float(found["max_gln"]), abs=1e-13
    )


def test_the_trefoil_converges_to_its_writhe() -> None:
    assert writhe(trefoil(4000)) == pytest.approx(-3.5182354416, abs=1e-9)
    assert writhe(trefoil(4000) * [1, 1, -1]) == pytest.approx(3.5182354416, abs=1e-9)
    coarse, fine = writhe(trefoil(1000)), writhe(trefoil(2000))
    assert fine + (fine - coarse) / 3 == pytest.approx(-3.51823923, abs=2e-8)  # Richardson: the error is O(N^-2)


def test_curves_with_a_mirror_have_no_writhe() -> None:
    cube = np.array([(1, -1, -1), (1, 1, -1), (-1, 1, -1), (-1, 1, 1), (-1, -1, 1), (1, -1, 1)], dtype=float)
    for curve in (circle(30), TETRAHEDRON, cube):
        assert writhe(curve) == pytest.approx(0, abs=1e-15)
    rng = np.random.default_rng(0)
    flat = rng.normal(size=(20, 3)) * [1, 1, 0]
    assert writhe(flat) == 0


def lattice_polygon(rng: np.random.Generator, moves: int) -> np.ndarray:
    """A self-avoiding polygon on the cubic lattice: BFACF moves push one edge sideways, if nothing is in the way."""
    corners = [(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0)]
    steps = [axis * sign for axis in np.eye(3, dtype=int) for sign in (1, -1)]
    for _ in range(moves):
        i = int(rng.integers(len(corners)))
        p, q = np.array(corners[i]), np.array(corners[(i + 1) % len(corners)])
        step = steps[int(rng.integers(6))]
        if abs(int(step @ (q - p))):
            continue
        new = [tuple((p + step).tolist()), tuple((q + step).tolist())]
        if not {*new} & {*corners}:
            corners[i + 1 : i + 1] = new
    return np.array(corners, dtype=float)


@settings(max_examples=60, deadline=None)
@given(seed=seeds)
def test_lattice_polygons_have_a_writhe_in_quarters(seed: int) -> None:
    """Lacher and Sumners (1991)."""
    value = 4 * writhe(lattice_polygon(np.random.default_rng(seed), 60))
    assert value == pytest.approx(round(value), abs=1e-12)


@settings(max_examples=30, deadline=None)
@given(seed=seeds, corners=st.integers(4, 20))
def test_linking_is_twist_plus_writhe(seed: int, corners: int) -> None:
    """Calugareanu, White, Fuller: exactly, for a polygon, a framing of its segments and a narrow ribbon."""
    rng = np.random.default_rng(seed)
    curve, framing = rng.normal(size=(corners, 3)), rng.normal(size=(corners, 3))
    total = twist(curve, framing) + writhe(curve)
    assert total == pytest.approx(round(total), abs=1e-9)
    edge = Ribbon.of(curve, framing).edge(1e-7)
    assert linking_number(curve, edge).value == round(total)


def test_the_framed_trefoil() -> None:
    t = 2 * np.pi * (np.arange(3000) + 0.5) / 3000
    outward = np.stack([np.cos(3 * t) * np.cos(2 * t), np.cos(3 * t) * np.sin(2 * t), np.sin(3 * t)], axis=1)
    curve = trefoil(3000)
    assert twist(curve, outward) == pytest.approx(-2.48174, abs=5e-5)
    assert linking_number(curve, Ribbon.of(curve, outward).edge(0.01)).value == -6


@settings(max_examples=20, deadline=None)
@given(seed=seeds)
def test_crossings_bound_writhe(seed: int) -> None:
    curve = np.random.default_rng(seed).normal(size=(12, 3))
    assert abs(writhe(curve)) <= average_crossing_number(curve)
    assert average_crossing_number(2 * curve[::-1] + 1) == pytest.approx(average_crossing_number(curve), rel=1e-12)
    assert writhe(curve[::-1]) == pytest.approx(writhe(curve), abs=1e-12)
    assert abs(writhe(curve, closed=False)) <= average_crossing_number(curve, closed=False)


def test_framings_that_are_none() -> None:
    square = [(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0)]
    with pytest.raises(CurveError, match="lies along it"):
        twist(square, [(1, 0, 0), (0, 0, 1), (0, 0, 1), (0, 0, 1)])
    with pytest.raises(CurveError, match="one finite direction per segment"):
        twist(square, [(0, 0, 1)])
    with pytest.raises(CurveError, match="folds back"):
        twist([(0, 0, 0), (1, 0, 0), (0.5, 0, 0), (0, 1, 0)], np.tile([0.0, 0, 1], (4, 1)))
