"""Errors that fall faster than any power, and those that only look so."""

import math

import numpy as np
import pytest
import torch

import fieldsolver as fs
from fieldsolver.analysis import grid_convergence, spectral_convergence
from fieldsolver.errors import OptionError
from fieldsolver.results import AnalysisResult, Verdict

N = [6, 8, 10, 12, 16, 20, 24, 32]


def interpolation_error(function, sizes=N):
    """Largest error of the trigonometric interpolant on [0, 2 pi)."""
    fine = np.linspace(0, 2 * np.pi, 1001)

    def error(n):
        x = 2 * np.pi * np.arange(n) / n
        coefficients = np.fft.fft(function(x)) / n
        waves = np.fft.fftfreq(n, 1 / n)
        values = (coefficients[:, None] * np.exp(1j * waves[:, None] * fine)).sum(0).real
        return float(np.abs(values - function(fine)).max())

    return error


def test_a_geometric_law_is_found_exactly():
    result = spectral_convergence(lambda n: 3 * math.exp(-0.7 * n), N)
    assert result.status is Verdict.PASS, result.reason
    assert float(result["rate"]) == pytest.approx(0.7, abs=1e-8)
    assert float(result["beta"]) == 1
    assert float(result["rate_hi"]) - float(result["rate_lo"]) < 1e-6


@pytest.mark.parametrize("beta", [0.5, 2.0])
def test_sub_and_supergeometric_laws_are_told_by_their_exponent(beta):
    result = spectral_convergence(lambda n: math.exp(-2.5 * (n / 6) ** beta), N)
    assert result.status is Verdict.PASS, result.reason
    assert float(result["beta"]) == pytest.approx(beta, abs=1e-3)


@pytest.mark.parametrize("p", [1, 2, 4])
def test_a_power_is_no_spectral_convergence(p):
    result = spectral_convergence(lambda n: n**-p, N)
    assert result.status is Verdict.FAIL, result.reason
    assert float(result["algebraic_order"]) == pytest.approx(p, abs=1e-9)


def test_the_strip_of_analyticity_sets_the_rate():
    """1/(b - cos x) is analytic up to the distance log(b + sqrt(b^2 - 1)); the interpolant falls as exp(-that n/2)."""
    b = 1.25
    result = spectral_convergence(interpolation_error(lambda x: 1 / (b - np.cos(x))), [8, 12, 16, 20, 24, 32, 40, 48])
    assert result.status is Verdict.PASS, result.reason
    assert float(result["rate"]) * 48 ** (float(result["beta"]) - 1) == pytest.approx(math.log(2) / 2, rel=0.1)


def test_a_kink_limits_the_interpolant_to_a_power():
    sizes = [8, 12, 16, 24, 32, 48, 64, 96, 128]
    result = spectral_convergence(interpolation_error(lambda x: np.abs(np.sin(x / 2)) ** 3), sizes)
    assert result.status is Verdict.FAIL, result.reason


def test_levels_at_round_off_are_left_out_and_no_fault():
    result = spectral_convergence(interpolation_error(lambda x: np.exp(np.sin(x))), [4, 6, 8, 10, 12, 14, 20, 32, 48])
    assert result.status is Verdict.PASS, result.reason
    assert not int(result["used"][-1])


def test_two_levels_at_round_off_are_enough_to_be_left_out():
    result = spectral_convergence(lambda n: math.exp(-0.7 * n) + 1e-15, [4, 8, 12, 16, 20, 24, 32, 48, 64])
    assert float(result["rate"]) == pytest.approx(0.7, abs=1e-4)
    assert float(result["beta"]) == pytest.approx(1, abs=1e-4)
    assert result["used"].values.tolist() == [1] * 7 + [0] * 2


def test_laws_that_fit_alike_decide_nothing():
    """Over a factor of 1.4 in n a power and an exponential look the same."""
    scatter = dict(zip([16, 18, 20, 22], [1.05, 0.95, 1.05, 0.95], strict=True))
    for law in (lambda n: n**-4.0, lambda n: math.exp(-0.22 * n)):
        result = spectral_convergence(lambda n, law=law: scatter[n] * law(n), list(scatter))
        assert result.status is Verdict.INCONCLUSIVE, result.reason
        assert "fit alike" in result.reason


def test_a_high_floor_is_a_limit():
    result = spectral_convergence(lambda n: math.exp(-0.7 * n) + 1e-6, [4, 6, 8, 10, 12, 14, 20, 32, 48, 64])
    assert result.status is Verdict.ROUNDOFF_LIMITED
    assert "1e-06" in result.reason
    declared = spectral_convergence(lambda n: math.exp(-0.7 * n) + 1e-6, [4, 6, 8, 10, 12, 14, 20, 32, 48], floor=1e-6)
    assert declared.status is Verdict.PASS


def test_too_few_levels_decide_nothing():
    assert spectral_convergence(lambda n: math.exp(-n), [4, 6, 8]).status is Verdict.INCONCLUSIVE
    assert spectral_convergence(lambda n: math.exp(-n) + 1e-3, [4, 16, 32, 64]).status is Verdict.ROUNDOFF_LIMITED


def advected(points):
    grid = fs.Grid(points, extent=2 * math.pi)
    return fs.FieldEquation("du/dt = -d_dx(u)", grid=grid, boundary=fs.Periodic(), scheme=fs.Spectral())


def advected_exact(t, x):
    return {"u": 1 / (1.25 - torch.cos(x - t))}


def test_a_spectral_equation_is_judged_by_its_rate(tmp_path):
    result = grid_convergence(
        advected, [12, 16, 20, 24, 28, 32, 40, 48], t_span=(0, 0.5), exact=advected_exact, rtol=1e-11, atol=1e-12
    )
    assert result.schema == "spectral_convergence/1"
    assert result.status is Verdict.PASS, result.reason
    for name, variable in result.dataset.variables.items():
        assert variable.attrs["units"], name
        assert variable.attrs["long_name"], name
    for again in (
        AnalysisResult.from_netcdf(result.to_netcdf(tmp_path / "study.nc")),
        AnalysisResult.from_zarr(result.to_zarr(tmp_path / "study.zarr")),
    ):
        assert again.status is result.status
        again.plot("dark")


def test_a_spectral_ladder_that_measures_the_time_steps_decides_nothing():
    result = grid_convergence(
        advected, [16, 24, 32, 40], t_span=(0, 0.5), exact=advected_exact, method="euler", dt=0.05, check="off"
    )
    assert result.status is Verdict.INCONCLUSIVE
    assert "time integration" in result.reason


@pytest.mark.parametrize("sizes", [[8, 6], [], [0, 4], [4.5, 8], ["a"]])
def test_bad_sizes_are_refused(sizes):
    with pytest.raises(OptionError):
        spectral_convergence(lambda n: 1.0, sizes)
