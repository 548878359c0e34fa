"""Richardson extrapolation and grid convergence index: published cases."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fieldsolver.analysis import discretisation_uncertainty, grid_convergence_index
from fieldsolver.errors import OptionError
from fieldsolver.results import AnalysisResult, Verdict

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


def test_the_index_has_a_band_a_picture_and_a_file(tmp_path):
    result = grid_convergence_index((0.97050, 0.96854, 0.96178), (1, 2, 4), expected=2)
    assert float(result["extrapolated_lo"]) < float(result["extrapolated"]) < float(result["extrapolated_hi"])
    for name, variable in result.dataset.variables.items():
        assert variable.attrs["units"], name
        assert variable.attrs["long_name"], name
    for again in (
        AnalysisResult.from_netcdf(result.to_netcdf(tmp_path / "index.nc")),
        AnalysisResult.from_zarr(result.to_zarr(tmp_path / "index.zarr")),
    ):
        assert again.status is result.status
        again.plot("dark")
    for values in ((1.0, 1.2, 1.15), (1.0, 1.0, 1.2), CELIK[2][0]):
        grid_convergence_index(values, (1, 2, 4)).plot()


# ------------------------------------------------------------------ four grids and more: Eca and Hoekstra 2014

SIZES = np.array([1.0, 1.25, 1.6, 2.0, 2.5]) / 10


@pytest.mark.parametrize("p", [0.7, 1.0, 1.5, 2.0])
def test_a_power_law_without_scatter_has_the_index_of_three_grids(p):
    """sigma = 0, so U = 1.25 |phi_1 - phi_0|, which is Roache's index."""
    phi = 3.0 + 0.2 * SIZES**p
    result = discretisation_uncertainty(phi, SIZES, expected=p)
    assert result.status is Verdict.PASS, result.reason
    assert float(result["order"]) == pytest.approx(p, abs=1e-5)
    assert float(result["extrapolated"]) == pytest.approx(3.0, abs=1e-7)
    assert float(result["uncertainty"][0]) == pytest.approx(1.25 * 0.2 * SIZES[0] ** p, rel=1e-4)
    three = grid_convergence_index(phi[:3], SIZES[:3])
    assert float(result["uncertainty"][0]) == pytest.approx(float(three["gci_fine"]) * phi[0], rel=1e-4)


def test_an_order_beyond_the_formal_one_is_not_believed():
    """The procedure falls back to first or second order and a factor of 3 where p > 2.1."""
    result = discretisation_uncertainty(3.0 + 5 * SIZES**4, SIZES, expected=2)
    assert result.status is Verdict.PRE_ASYMPTOTIC
    assert float(result["order"]) == 2
    assert float(result["fitted_order"]) == pytest.approx(4, abs=1e-4)
    assert float(result["safety_factor"]) == 1.25  # second order lies below 2.1


def test_values_that_scatter_as_much_as_they_change_decide_nothing():
    phi = 3.0 + 1e-4 * np.array([1.0, -1.0, 1.0, -1.0, 1.0])
    result = discretisation_uncertainty(phi, SIZES, expected=2)
    assert result.status is Verdict.INCONCLUSIVE
    assert "scatter" in result.reason
    assert float(result["uncertainty"][0]) >= 3 * np.abs(phi[0] - result["fitted"][0])


def test_the_band_holds_the_truth_of_noisy_grids():
    """About 95 %, as its authors found."""
    generator = np.random.default_rng(4)
    held = []
    for _ in range(60):
        phi = 1.0 + 0.5 * SIZES**2 + 2e-4 * generator.standard_normal(SIZES.size)
        result = discretisation_uncertainty(phi, SIZES)
        held.append(float(result["extrapolated_lo"]) <= 1.0 <= float(result["extrapolated_hi"]))
    assert np.mean(held) >= 0.9


def test_equal_values_are_degenerate():
    result = discretisation_uncertainty([2.0] * 4, [1, 2, 3, 4], expected=2)
    assert result.status is Verdict.DEGENERATE
    result.plot()


def test_the_band_has_a_picture_and_a_file(tmp_path):
    result = discretisation_uncertainty(1 + 0.5 * SIZES**2, SIZES, expected=2)
    for name, variable in result.dataset.variables.items():
        assert variable.attrs["units"], name
        assert variable.attrs["long_name"], name
    for again in (
        AnalysisResult.from_netcdf(result.to_netcdf(tmp_path / "band.nc")),
        AnalysisResult.from_zarr(result.to_zarr(tmp_path / "band.zarr")),
    ):
        assert again.status is result.status
        again.plot("dark")


@pytest.mark.parametrize(
    ("values", "h", "expected", "sentence"),
    [
        ((1, 2, 3), (1, 2, 3), 2, "4 or more"),
        ((1, 2, 3, 4), (1, 2, 3, 3), 2, "different size"),
        ((1, 2, 3, 4), (1, 2, 3), 2, "equally many"),
        ((1, 2, 3, math.inf), (1, 2, 3, 4), 2, "finite"),
        ((1, 2, 3, 4), (1, 2, 3, 4), 4, "order up to 2"),
    ],
)
def test_bad_sets_of_grids_are_refused(values, h, expected, sentence):
    with pytest.raises(OptionError, match=sentence):
        discretisation_uncertainty(values, h, expected=expected)
