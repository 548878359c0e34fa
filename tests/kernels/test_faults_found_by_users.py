"""Faults that users of the kernels met, each with the input that showed it."""

from __future__ import annotations

import numpy as np
import pytest

from fieldsolver.errors import CurveError, OptionError
from fieldsolver.kernels import (
    SmoothCurve,
    gauss_linking_integral,
    gauss_linking_map,
    graph_partition,
    smooth_linking_number,
    sub_chain_integral,
)
from fieldsolver.results import Verdict


def chains():
    rng = np.random.default_rng(1)
    return rng.standard_normal((8, 3)), rng.standard_normal((6, 3))


@pytest.mark.parametrize(("corner_of_b", "corner_of_a"), [(2, 3), (0, 3), (2, 0), (5, 7)])
def test_chains_that_meet_at_a_corner_have_no_proved_integral(corner_of_b, corner_of_a):
    a, b = chains()
    b[corner_of_b] = a[corner_of_a]
    assert gauss_linking_integral(a, b).status is Verdict.DEGENERATE
    assert gauss_linking_integral(a, b, closed=(True, False)).status is Verdict.DEGENERATE


def test_a_chain_with_itself_has_no_proved_integral():
    a, _ = chains()
    assert gauss_linking_integral(a, a).status is Verdict.DEGENERATE


def test_chains_that_lie_on_one_another_at_a_common_end_have_no_proved_integral():
    back = [(1, 0, 0), (-1, 0, 0), (-1, 1, 1)]  # past the other end, which no other segment touches
    on = [(1, 0, 0), (2, 0, 0), (2, 1, 1)]
    assert gauss_linking_integral([(0, 0, 0), (1, 0, 0)], back).status is Verdict.DEGENERATE
    assert gauss_linking_integral([(0, 0, 0), (1, 0, 0)], on).status is Verdict.DEGENERATE


def test_an_open_chain_that_comes_back_to_its_beginning_has_no_ends():
    loop = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 0)]
    assert gauss_linking_integral(loop, [(0, 0, 0), (1, 1, 1)]).status is Verdict.DEGENERATE


@pytest.mark.parametrize("matrix", [[[0, 2, 0], [2, 0, 1], [0, 1, 0]], [[0, 3], [3, 0]]])
def test_a_small_square_array_is_a_matrix_and_no_list_of_edges(matrix):
    cut = graph_partition(np.array(matrix, dtype=float), 2, method="spectral").cut
    assert cut == {3: 1.0, 2: 3.0}[len(matrix)]
    assert graph_partition(np.array(matrix), 2, method="spectral").cut == cut
    with pytest.raises(OptionError, match="a matrix or edges"):
        graph_partition(matrix, 2, method="spectral")


def test_a_small_asymmetric_array_is_refused():
    with pytest.raises(OptionError, match="not symmetric"):
        graph_partition(np.array([[0, 1], [0, 0]]), 2)


def test_two_or_three_edges_in_a_list_stay_edges():
    assert graph_partition([(0, 1), (1, 2)], 3, method="spectral").cut == 2
    assert graph_partition([[0, 1, 2.0], [1, 2, 3.0], [2, 3, 4.0]], 4, method="spectral").cut == 9


def test_an_empty_sub_chain_has_no_integral_and_a_sub_chain_has_no_gaps():
    found = gauss_linking_map(*chains())
    assert sub_chain_integral(found, slice(5, 2), slice(0, 5)) == 0
    assert sub_chain_integral(found, slice(0, 5), slice(4, 1)) == 0
    for step in (2, -1):
        with pytest.raises(OptionError, match="segments_b must be a slice of step 1"):
            sub_chain_integral(found, slice(0, 5), slice(0, 5, step))


def circle(t):
    return np.stack([np.cos(t), np.sin(t), 0 * t], axis=1)


def winding(t):
    radius = 1 + 0.5 * np.cos(40 * t)
    return np.stack([radius * np.cos(t), radius * np.sin(t), 0.5 * np.sin(40 * t)], axis=1)


def test_an_acceleration_that_samples_contradict_is_refused():
    unit = SmoothCurve(circle, acceleration=1.0)
    with pytest.raises(CurveError, match="no bound of the second derivative of b"):
        smooth_linking_number(unit, SmoothCurve(winding, acceleration=1.0))
    with pytest.raises(CurveError, match="no bound of the second derivative of a"):
        smooth_linking_number(SmoothCurve(circle, acceleration=0.0), unit)
    # |r''| <= 0.5 * 40^2 + 2 * 20 + 1.5
    proved = smooth_linking_number(unit, SmoothCurve(winding, acceleration=842.0))
    assert (proved.status, proved.value) == (Verdict.PROVED, -40)


@pytest.mark.parametrize("acceleration", [None, 1.0, 1e6])
def test_a_curve_that_is_not_closed_over_its_period_is_refused(acceleration):
    away = SmoothCurve(lambda t: circle(t) + 5, acceleration=1.0)
    with pytest.raises(CurveError, match="a is not closed"):
        smooth_linking_number(SmoothCurve(circle, period=5.0, acceleration=acceleration), away)


@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_a_tight_acceleration_is_not_refused_for_rounding(offset):
    one = SmoothCurve(lambda t: circle(t) + offset, acceleration=1.0)
    other = SmoothCurve(lambda t: circle(t)[:, [0, 2, 1]] + [1 + offset, offset, offset], acceleration=1.0)
    assert smooth_linking_number(one, other).status is Verdict.PROVED
