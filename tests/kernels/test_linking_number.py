"""Linking numbers against exact counts, known links, and the laws that define them."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldsolver.errors import CurveError
from fieldsolver.kernels import SmoothCurve, linking_number, smooth_linking_number
from fieldsolver.results import AnalysisResult, Verdict, VerdictNotReached

sys.path.insert(0, str(Path(__file__).parent))  # pytest's importlib mode has no package of tests
from curves import SQUARE, THROUGH, circle, exact_crossing_count, torus_link, upright_circle

seeds = st.integers(0, 2**32 - 1)


def random_polygon(rng: np.random.Generator, corners: int) -> np.ndarray:
    return rng.normal(size=(corners, 3))


def random_rotation(rng: np.random.Generator) -> np.ndarray:
    q, r = np.linalg.qr(rng.normal(size=(3, 3)))
    q = q * np.sign(np.diag(r))
    return q if np.linalg.det(q) > 0 else -q


def proved(a: np.ndarray, b: np.ndarray) -> int:
    result = linking_number(a, b)
    assert result.status is Verdict.PROVED
    assert type(result.value) is int
    return result.value


def test_hopf_squares_have_the_sign_of_ampere() -> None:
    assert proved(SQUARE, THROUGH) == 1
    assert proved(SQUARE, THROUGH[::-1]) == -1
    assert proved(circle(), upright_circle(1.0)) == -1  # pyknotid 0.5.3 says 2, topoly 1.2.1 of a list says -0.97


@pytest.mark.parametrize("turns", range(1, 11))
def test_torus_links(turns: int) -> None:
    a, b = torus_link(turns)
    assert proved(a, b) == -turns
    assert proved(a * [1, 1, -1], b * [1, 1, -1]) == turns


@pytest.mark.parametrize("gap", [1e-1, 1e-2, 1e-3])
@pytest.mark.parametrize("phase", [0.0, 0.25])
def test_near_contact_where_quadrature_fails(gap: float, phase: float) -> None:
    """A sum over nodes gives 4 and 315 here, over middles 0.68 and 0.50."""
    a, b = circle(101, phase), upright_circle(2 - gap, 101, phase)
    result = linking_number(a, b)
    assert result.value == exact_crossing_count(a, b)
    assert float(result["min_distance"]) == pytest.approx(gap, rel=0.3, abs=1e-3)


@settings(max_examples=40, deadline=None)
@given(seed=seeds, corners=st.tuples(st.integers(3, 14), st.integers(3, 14)))
def test_random_polygons_agree_with_an_exact_count(seed: int, corners: tuple[int, int]) -> None:
    rng = np.random.default_rng(seed)
    a, b = (random_polygon(rng, count) for count in corners)
    assert proved(a, b) == exact_crossing_count(a, b)


@settings(max_examples=40, deadline=None)
@given(seed=seeds)
def test_lattice_polygons_that_come_close_to_touching(seed: int) -> None:
    """Coplanar and parallel segments everywhere: the signs are those of exact arithmetic."""
    rng = np.random.default_rng(seed)
    a = rng.integers(-3, 4, (6, 3)).astype(float)
    b = rng.integers(-3, 4, (6, 3)) + np.array([2.0**-40, 2.0**-41, 2.0**-39])  # never touching, hardly apart
    try:
        result = linking_number(a, b)
    except CurveError:  # two neighbours in one place
        return
    try:
        expected = exact_crossing_count(a, b)
    except AssertionError:
        return
    assert result.value == expected


@settings(max_examples=25, deadline=None)
@given(seed=seeds)
def test_the_laws_of_linking(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = random_polygon(rng, 12), random_polygon(rng, 9)
    lk = proved(a, b)
    assert proved(b, a) == lk
    assert proved(a[::-1], b) == proved(a, b[::-1]) == -lk
    assert proved(-a, -b) == -lk  # a point reflection is a mirror
    rotation, shift = random_rotation(rng), rng.normal(size=3)
    assert proved(a @ rotation + shift, b @ rotation + shift) == lk
    assert proved(1e150 * a, 1e150 * b) == proved(1e-150 * a, 1e-150 * b) == lk
    assert proved(np.roll(a, 5, axis=0), b) == lk


def test_numbers_below_the_normal_ones() -> None:
    assert proved(1e-310 * SQUARE, 1e-310 * THROUGH) == 1


@settings(max_examples=25, deadline=None)
@given(seed=seeds)
def test_subdivision_changes_nothing_and_sums_add(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = random_polygon(rng, 8), random_polygon(rng, 8)
    middles = (a + np.roll(a, -1, axis=0)) / 2
    finer = np.stack([a, middles], axis=1).reshape(-1, 3)
    assert proved(finer, b) == proved(a, b)
    cut = 4  # two loops over one chord, in both directions: the chord cancels
    one, two = a[: cut + 1], np.concatenate([a[cut:], a[:1]])
    assert proved(one, b) + proved(two, b) == proved(a, b)


def test_touching_curves_have_no_number() -> None:
    triangle = [(0, 0, 0), (1, 0, 0), (0, 1, 0)]
    for other in (
        [(0.25, 0, 0), (1, 1, 1), (0, 0, 1)],  # a corner on a segment
        [(0.5, 0.5, -1), (0.5, 0.5, 1), (3, 3, 1)],  # two segments cross
        [(0, 0, 0), (0, 0, 1), (1, 1, 1)],  # a common corner
        [(0.25, 0, 0), (0.75, 0, 0), (0.5, 0, 1)],  # segments along each other
    ):
        result = linking_number(triangle, other)
        assert result.status is Verdict.DEGENERATE
        with pytest.raises(VerdictNotReached, match="in common"):
            _ = result.value


def test_a_hair_apart_is_settled_exactly() -> None:
    triangle = np.array([(0.0, 0, 0), (1, 0, 0), (0, 1, 0)])
    through = np.array([(0.25, 0.25, -1.0), (0.25, 0.25, 1.0), (3.0, 3.0, 0.5)])
    for gap, expected in ((2.0**-52, 1), (-(2.0**-52), 0)):
        moved = through + np.array([0.0, gap - 0.25, 0.0])
        result = linking_number(triangle, moved)
        assert abs(result.value) == expected
        assert int(result["n_exact"]) > 0


def test_the_certificate_is_a_bound() -> None:
    a, b = torus_link(7, 800)
    result = linking_number(a, b)
    assert float(result["residual"]) <= float(result["error_bound"]) < 1e-3


def test_a_result_survives_its_file(tmp_path: Path) -> None:
    result = linking_number(SQUARE, THROUGH)
    again = type(result).from_netcdf(result.to_netcdf(tmp_path / "link.nc"))
    assert again.value == 1
    assert AnalysisResult.from_netcdf(tmp_path / "link.nc").status is Verdict.PROVED


@pytest.mark.parametrize(
    ("curve", "words"),
    [
        ([(0, 0, 0), (1, 0, 0)], "2 point"),
        (np.zeros((4, 2)), "add a column of zeros"),
        (np.zeros((4, 4)), "expected (N, 3)"),
        ([(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 0)], "repeats the first"),
        ([(0, 0, 0), (1, 0, 0), (1, 0, 0), (0, 1, 0)], "segment 1 of a has no length"),
        ([(0, 0, 0), (1, 0, float("nan")), (0, 1, 0)], "point 1 of a is (1, 0, nan)"),
        ([("a", "b", "c")] * 3, "real numbers"),
        (np.array([(0, 0, 0), (2**53 + 1, 0, 0), (0, 1, 0)]), "subtract an offset"),
    ],
)
def test_what_is_no_polygon_is_refused(curve: object, words: str) -> None:
    with pytest.raises(CurveError) as caught:
        linking_number(curve, SQUARE)
    assert words in str(caught.value)


class TestSmoothCurves:
    def link(self, gap: float, **options: float | None):
        flat = SmoothCurve(lambda t: np.stack([np.cos(t), np.sin(t), 0 * t], axis=1), **options)
        upright = SmoothCurve(lambda t: np.stack([2 - gap + np.cos(t), 0 * t, np.sin(t)], axis=1), **options)
        return smooth_linking_number(flat, upright)

    @pytest.mark.parametrize("gap", [0.5, 1e-3, 1e-6, 1e-9, -1e-6])
    def test_refined_until_proved(self, gap: float) -> None:
        result = self.link(gap, acceleration=1.0)
        assert result.status is Verdict.PROVED
        assert result.value == (-1 if gap > 0 else 0)
        room = float(result["deviation_a"]) + float(result["deviation_b"])
        assert room < 1  # far parts stay coarse, near ones were refined
        assert int(result["segments_a"]) < 200

    def test_a_polygon_alone_would_be_wrong(self) -> None:
        """50 corners, half a step apart: the circles are linked, their polygons are not."""
        assert linking_number(circle(50, 0.5), upright_circle(2 - 1e-3, 50, 0.5)).value == 0
        assert self.link(1e-3, acceleration=1.0).value == -1

    def test_touching_is_unresolved(self) -> None:
        result = self.link(0.0, acceleration=1.0)
        assert result.status is Verdict.UNRESOLVED
        with pytest.raises(VerdictNotReached, match="touch"):
            _ = result.value

    def test_without_a_bound_it_is_not_called_proved(self) -> None:
        result = self.link(1e-3)
        assert result.status is Verdict.PASS
        assert result.value == -1
        assert "acceleration=" in result.reason

    def test_too_few_segments_are_named(self) -> None:
        curve = SmoothCurve(lambda t: np.stack([np.cos(t), np.sin(t), 0 * t], axis=1), acceleration=1e6)
        other = SmoothCurve(lambda t: np.stack([1 + np.cos(t), 0 * t, np.sin(t)], axis=1), acceleration=1e6)
        result = smooth_linking_number(curve, other, most_segments=500)
        assert result.status is Verdict.UNRESOLVED
        assert "raise most_segments" in result.reason

    @pytest.mark.parametrize("options", [{"period": 0.0}, {"acceleration": -1.0}])
    def test_numbers_that_mean_nothing(self, options: dict[str, float]) -> None:
        with pytest.raises(CurveError):
            SmoothCurve(lambda t: t, **options)
