"""Richardson extrapolation and grid convergence index: published cases."""

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fieldsolver.analysis import grid_convergence_index
from fieldsolver.errors import OptionError
from fieldsolver.results import Verdict

R = math.sqrt(4500 / 980)  # 2.142857

CELIK = [
    # values phi1..phi3, h, p, phi_ext, e_a %, GCI %, oscillatory
    ((6.063, 5.972, 5.863), (1, 1.5, 2), 1.53397, 6.16850, 1.5009, 2.1750, 0),
    ((10.7880, 10.7250, 10.6050), (1, 2, 2 * R), 0.75190, 10.88010, 0.5840, 1.0672, 0),
    ((6.0042, 5.9624, 6.0909), (1, 2, 2 * R), 1.50769, 6.02687, 0.6962, 0.4720, 1),
]


@pytest.mark.parametrize(("values", "h", "p", "extrapolated", "difference", "gci", "oscillatory"), CELIK)
def test_the_three_columns_of_celik_2008_table_1(values, h, p, extrapolated, difference, gci, oscillatory):
    result = grid_convergence_index(values, h)
    assert float(result["order"]) == pytest.approx(p, abs=5.1e-6)
    assert float(result["extrapolated"]) == pytest.approx(extrapolated, abs=5.1e-6)
    assert 100 * float(result["error_approximate"]) == pytest.approx(difference, abs=5.1e-5)
    assert 100 * float(result["gci_fine"]) == pytest.approx(gci, abs=5.1e-5)
    assert int(result["oscillatory"]) == oscillatory
    assert result.status is Verdict.INCONCLUSIVE


def test_the_extrapolated_error_of_celik_2008():
    result = grid_convergence_index(*CELIK[0][:2])
    assert 100 * float(result["error_extrapolated"]) == pytest.approx(1.7102, abs=5.1e-5)


def test_the_nasa_tutorial():
    result = grid_convergence_index((0.97050, 0.96854, 0.96178), (1, 2, 4))
    assert float(result["order"]) == pytest.approx(1.78617, abs=5.1e-6)
    assert float(result["extrapolated"]) == pytest.approx(0.9713003, abs=5.1e-8)
    assert 100 * float(result["gci_fine"]) == pytest.approx(0.1030826, abs=5.1e-8)
    assert 100 * float(result["gci_coarse"]) == pytest.approx(0.35617, abs=1e-4)  # printed from rounded numbers
    assert float(result["asymptotic_ratio"]) == pytest.approx(0.99798, abs=5.1e-6)


@given(p=st.floats(0.3, 6), r21=st.floats(1.1, 4), r32=st.floats(1.1, 4), sign=st.sampled_from([1, -1]))
def test_a_power_law_is_recovered_for_all_ratios(p, r21, r32, sign):
    """The fixed-point iteration of the paper diverges for part of these."""
    h = (1.0, r21, r21 * r32)
    values = [3.0 + sign * 0.1 * (size / h[2]) ** p for size in h]
    assume(abs(values[0] - values[1]) > 1e-6)
    result = grid_convergence_index(values, h, expected=p)
    assert float(result["order"]) == pytest.approx(p, abs=1e-4)
    assert float(result["extrapolated"]) == pytest.approx(3.0, abs=1e-5)
    assert result.status is Verdict.PASS


def test_the_order_of_the_arguments_does_not_matter():
    up = grid_convergence_index((0.97050, 0.96854, 0.96178), (1, 2, 4))
    down = grid_convergence_index((0.96178, 0.96854, 0.97050), (4, 2, 1))
    assert float(up["order"]) == float(down["order"])


@pytest.mark.parametrize(
    ("values", "status"),
    [
        ((1.0, 1.2, 1.25), Verdict.FAIL),  # the outer absolute value of the paper's (3a) would call this order 2
        ((1.0, 1.0, 1.2), Verdict.DEGENERATE),
        ((1.0, 1.1, 1.2), Verdict.FAIL),
        ((1.0, 1.2, 1.15), Verdict.FAIL),
        ((1.0, 1.1, 1.9), Verdict.PRE_ASYMPTOTIC),
        ((1.0, 1.1, 1.5), Verdict.PASS),
    ],
)
def test_the_verdicts(values, status):
    assert grid_convergence_index(values, (1, 2, 4), expected=2).status is status


@pytest.mark.parametrize(
    ("values", "h", "options", "sentence"),
    [
        ((1, 2), (1, 2), {}, "needs three grids"),
        ((1, 2, 3), (1, 2, 2), {}, "different size"),
        ((1, 2, 3), (1, 2), {}, "equally many"),
        ((1, 2, math.nan), (1, 2, 4), {}, "finite"),
        ((1, 2, 3), (0, 2, 4), {}, "positive"),
        ((1, 2, 4), (1, 2, 4), {"safety_factor": 0.5}, "at least 1"),
    ],
)
def test_bad_grids_are_refused_in_one_sentence(values, h, options, sentence):
    with pytest.raises(OptionError, match=sentence):
        grid_convergence_index(values, h, **options)
