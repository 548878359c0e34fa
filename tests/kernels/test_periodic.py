"""Loops in periodic boxes against sums over many images, one by one."""

from __future__ import annotations

import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldsolver.errors import CurveError
from fieldsolver.kernels import PeriodicLinking, linking_number, periodic_linking_number
from fieldsolver.results import Verdict, VerdictNotReached

sys.path.insert(0, str(Path(__file__).parent))
from curves import circle, upright_circle

SHEARED = np.array([[4.1, 0.0, 0.0], [1.3, 3.9, 0.0], [-0.4, 0.7, 4.3]])


def test_two_links_with_two_images_cancel() -> None:
    """Rings in a row: b passes through a downwards on its left side, and its image upwards on its right one."""
    a, b = circle(40), upright_circle(1.05, 40)
    assert linking_number(a, b).value == -1
    found = periodic_linking_number(a, b, (2.1, 9, 9))
    assert found.status is Verdict.PROVED
    assert found.value == 0
    images = zip(found["shift"].values.tolist(), found["image_lk"].values, strict=True)
    assert {tuple(shift): lk for shift, lk in images if lk} == {(0, 0, 0): -1, (-1, 0, 0): 1}
    assert periodic_linking_number(a, b, (np.inf, 9, 9)).value == -1


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 10**6), sheared=st.booleans())
def test_the_sum_over_images_and_the_choice_of_images(seed: int, sheared: bool) -> None:
    generator = np.random.default_rng(seed)
    a, b = generator.uniform(0, 4, (7, 3)), generator.uniform(0, 4, (6, 3))
    lattice = SHEARED if sheared else np.diag([2.3, 2.9, 3.7])
    box = SHEARED if sheared else [2.3, 2.9, 3.7]
    found = periodic_linking_number(a, b, box)
    one_by_one = sum(
        linking_number(a, b + np.array(shift) @ lattice).value for shift in product(range(-2, 3), repeat=3)
    )
    assert found.value == one_by_one
    moved = b + np.array([2, -1, 3]) @ lattice
    assert periodic_linking_number(a, moved, box).value == found.value
    assert periodic_linking_number(b, a, box).value == found.value


def test_wrapped_corners_are_put_together() -> None:
    box = np.array([5.0, 6.0, 7.0])
    a, b = circle(60) + [4.7, 0.2, 6.9], upright_circle(1.0, 60) + [4.7, 0.2, 6.9]
    assert ((a % box) != a).any()
    assert periodic_linking_number(a % box, b % box, box, wrapped=True).value == linking_number(a, b).value == -1


def test_a_loop_through_the_box_has_no_number() -> None:
    through = np.array([[0.5, 1, 1], [2.0, 1.2, 1], [3.5, 1, 1.1]])  # its next corner is the first one, 5 further
    with pytest.raises(CurveError, match=r"b runs through the box \(1, 0, 0\) times .* never closes"):
        periodic_linking_number(circle(20), through, (5.0, 5.0, 5.0), wrapped=True)


def test_touching_and_nearly_touching_images() -> None:
    a = circle(40)
    touching = periodic_linking_number(a, a + [3, 0, 0], (3.0, 9, 9))
    assert touching.status is Verdict.DEGENERATE
    assert "image (-1, 0, 0) of b" in touching.reason
    with pytest.raises(VerdictNotReached):
        _ = touching.value
    near = a * [1, 1, 0] + [3, 0, 2e-16]  # its image is rounded by more than its distance
    assert periodic_linking_number(a, near, (3.0, 9, 9)).status is Verdict.UNRESOLVED


def test_a_result_survives_its_file(tmp_path: Path) -> None:
    found = periodic_linking_number(circle(20), upright_circle(1.05, 20), (2.1, 9, 9))
    again = PeriodicLinking.from_netcdf(found.to_netcdf(tmp_path / "link.nc"))
    assert again.value == found.value
    np.testing.assert_array_equal(again["shift"], found["shift"])


@pytest.mark.parametrize("box", [(1.0, 2.0), (1.0, -2.0, 1.0), (1.0, np.nan, 1.0), np.ones((3, 3)), 3.0])
def test_no_box(box: object) -> None:
    with pytest.raises(CurveError, match="3 positive lengths"):
        periodic_linking_number(circle(5), upright_circle(1.0, 5), box)
