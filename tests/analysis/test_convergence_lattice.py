"""Two errors at once: that of the mesh and that of the steps."""

import numpy as np
import pytest

import fieldsolver as fs
from fieldsolver.analysis import space_time_convergence
from fieldsolver.analysis.orders.lattice_fit import fit_lattice
from fieldsolver.errors import OptionError
from fieldsolver.results import AnalysisResult, Verdict


def halvings(coarsest, levels):
    return [coarsest / 2**k for k in range(levels)]


def survives(result, folder):
    """Both file formats, and units and names on everything."""
    for name, variable in result.dataset.variables.items():
        assert variable.attrs["units"], name
        assert variable.attrs["long_name"], name
    for again in (
        AnalysisResult.from_netcdf(result.to_netcdf(folder / "study.nc")),
        AnalysisResult.from_zarr(result.to_zarr(folder / "study.zarr")),
    ):
        assert (again.status, again.reason, again.schema) == (result.status, result.reason, result.schema)
        again.plot("dark")


def test_both_orders_of_a_lattice_are_found():
    result = space_time_convergence(
        lambda h, dt: 3 * dt**2 + 0.5 * h**4, halvings(0.8, 5), halvings(0.4, 6), expected=(2, 4)
    )
    assert result.status is Verdict.PASS, result.reason
    assert float(result["time_order"]) == pytest.approx(2, abs=1e-6)
    assert float(result["space_order"]) == pytest.approx(4, abs=1e-6)


def test_errors_of_opposite_sign_cancel_without_being_a_wrong_order():
    result = space_time_convergence(
        lambda h, dt: abs(3 * dt**2 - 0.5 * h**2), halvings(0.8, 5), halvings(0.35, 6), expected=(2, 2)
    )
    assert result.status is Verdict.PASS, result.reason
    assert int(result["sign"]) == -1


def test_a_wrong_order_in_either_direction_fails():
    for expected, word in (((3, 4), "time"), ((2, 5), "space")):
        result = space_time_convergence(
            lambda h, dt: 3 * dt**2 + 0.5 * h**4, halvings(0.8, 5), halvings(0.4, 6), expected=expected
        )
        assert result.status is Verdict.FAIL
        assert f"order in {word} is clearly lower" in result.reason


@pytest.mark.parametrize(("weights", "hidden"), [((1e-9, 1.0), "time error"), ((1.0, 1e-9), "space error")])
def test_an_error_that_never_leads_cannot_be_measured(weights, hidden):
    result = space_time_convergence(
        lambda h, dt: weights[0] * dt**2 + weights[1] * h**2 * (1 + 0.1 * h), halvings(0.4, 4), halvings(0.4, 4)
    )
    assert result.status is Verdict.INCONCLUSIVE
    assert hidden in result.reason


def test_a_lattice_of_runs_of_an_equation(tmp_path):
    def problem(h, dt):
        points = round(1 / h)
        heat = fs.FieldEquation(
            "du/dt = 0.005*laplacian(u) - u", grid=fs.Grid(points, extent=1.0), boundary=fs.Periodic()
        )
        made = heat.manufactured({"u": "cos(2*pi*x)*cos(3*t)"})
        run = fs.solve(made.equation, made.initial, t_span=(0, 1), method="heun", dt=dt)
        return float((run["u"][-1] - made.exact(1.0)["u"]).abs().max())

    result = space_time_convergence(problem, [1 / n for n in (8, 12, 16, 24)], halvings(0.125, 4), expected=(2, 2))
    assert result.status is Verdict.PASS, result.reason
    survives(result, tmp_path)


def test_noise_on_a_lattice_makes_no_bias():
    generator, h, dt = np.random.default_rng(3), np.array(halvings(0.8, 5)), np.array(halvings(0.4, 5))
    clean = 3 * dt**2 + 0.5 * h[:, None] ** 4
    orders = []
    for _ in range(20):
        fit = fit_lattice(h, dt, clean * np.exp(0.03 * generator.standard_normal(clean.shape)))
        orders.append((fit.time_order, fit.space_order))
    assert np.mean(orders, axis=0) == pytest.approx([2, 4], abs=0.02)


@pytest.mark.parametrize(
    ("hs", "dts", "options", "sentence"),
    [
        ([0.2, 0.1], [0.2, 0.1, 0.05], {}, "three sizes each way"),
        ([0.1, 0.2, 0.4], [0.2, 0.1, 0.05], {}, "coarse to fine"),
        ([0.4, 0.2, 0.1], [0.2, 0.1, 0.05], {"expected": (2,)}, "pair of claimed orders"),
        ([0.4, 0.2, 0.1], [0.2, 0.1, 0.05], {"confidence": 95}, "between 0 and 1"),
    ],
)
def test_bad_lattices_are_refused(hs, dts, options, sentence):
    with pytest.raises(OptionError, match=sentence):
        space_time_convergence(lambda h, dt: h + dt, hs, dts, **options)


def test_runs_that_fail_and_exact_ones_decide_nothing(tmp_path):
    failed = space_time_convergence(
        lambda h, dt: float("nan") if dt > 0.3 else h**2 + dt**2, halvings(0.4, 4), halvings(0.4, 4)
    )
    assert failed.status is Verdict.INCONCLUSIVE
    assert "(0.4, 0.4)" in failed.reason
    exact = space_time_convergence(lambda h, dt: 0.0, halvings(0.4, 3), halvings(0.4, 3))
    assert exact.status is Verdict.ROUNDOFF_LIMITED
    survives(exact, tmp_path)


def test_two_terms_that_do_not_describe_the_lattice_are_pre_asymptotic():
    result = space_time_convergence(
        lambda h, dt: dt**2 * (1 + 30 * dt) + h**2 * (1 + 30 * h), halvings(0.8, 5), halvings(0.8, 5), expected=(2, 2)
    )
    assert result.status in (Verdict.PRE_ASYMPTOTIC, Verdict.INCONCLUSIVE), result.reason
