"""Hopf points, folds, pitchforks and period doublings with known values; branches around folds."""

import math

import numpy as np
import pytest
import torch

import fieldsolver as fs
from fieldsolver.analysis import bifurcation, continuation, dispersion
from fieldsolver.errors import OptionError, ParameterError, StateError
from fieldsolver.results import AnalysisResult, Verdict


def fitzhugh_nagumo(I=0.35):
    return fs.FieldEquation(
        "dv/dt = v - v**3/3 - w + I; dw/dt = e*(v + a - b*w)", parameters={"a": 0.7, "b": 0.8, "e": 0.08, "I": I}
    )


def lorenz(r=20.0):
    return fs.FieldEquation(
        "dx/dt = s*(y-x); dy/dt = x*(r-z) - y; dz/dt = x*y - b*z", parameters={"s": 10.0, "b": 8 / 3, "r": r}
    )


def logistic(u, p):
    return p * u * (1 - u)


def iterated(times):
    def many(u, p):
        for _ in range(times):
            u = logistic(u, p)
        return u

    return many


# ------------------------------------------------------------------------------------------------ known points


def test_both_hopf_points_of_fitzhugh_nagumo():
    result = bifurcation(fitzhugh_nagumo(), {"v": -1.0, "w": -0.4}, "I", bounds=(0.0, 2.0))
    assert result.status is Verdict.PASS
    assert result["value"].values == pytest.approx([0.331281337454746, 1.41871866254525], abs=1e-13)
    assert result["state"].values[:, 0] == pytest.approx([-0.967470929795826, 0.967470929795826], abs=1e-14)
    assert result["frequency"].values == pytest.approx(math.sqrt(1186 / 15625), abs=1e-14)
    assert (result["newton_residual"].values < 1e-12).all()
    assert result["transversality"].values[0] == pytest.approx(-result["transversality"].values[1])
    assert result["criticality"].values.tolist() == ["subcritical"] * 2


def test_one_hopf_point_from_nearby():
    result = bifurcation(fitzhugh_nagumo(0.3), {"v": -1.0, "w": -0.4}, "I")
    assert result["value"].item() == pytest.approx(0.331281337454746, abs=1e-14)


def test_other_parameters_are_replaced_and_recorded():
    result = bifurcation(fitzhugh_nagumo(0.3), {"v": -1.0, "w": -0.4}, "I", parameters={"b": 0.5})
    assert result["state"].values[0, 0] == pytest.approx(-math.sqrt(1 - 0.08 * 0.5), abs=1e-13)
    assert result.dataset.attrs["with_b"] == 0.5


def test_the_hopf_point_of_lorenz():
    result = bifurcation(lorenz(), {"x": 7.0, "y": 7.0, "z": 19.0}, "r")
    assert result["value"].item() == pytest.approx(470 / 19, abs=1e-12)
    assert result["period"].item() == pytest.approx(0.652830347620508, abs=1e-14)
    assert result["state"].values[0] == pytest.approx([7.95601945787, 7.95601945787, 470 / 19 - 1], abs=1e-10)
    assert result["criticality"].item() == "subcritical"
    # the third eigenvalue is the trace: -(s + b + 1)
    assert sorted(result["eig_re"].values[0])[0] == pytest.approx(-(10 + 8 / 3 + 1), abs=1e-12)


def test_the_pitchfork_of_lorenz():
    result = bifurcation(lorenz(1.4), {"x": 0.0, "y": 0.0, "z": 0.0}, "r", kind="pitchfork")
    assert result["value"].item() == pytest.approx(1, abs=1e-14)
    assert result["criticality"].item() == "supercritical"
    assert "pitchfork" in result.reason


@pytest.mark.parametrize("A", [0.5, 2.0])
def test_the_hopf_point_of_the_brusselator_on_a_grid(A):
    equation = fs.FieldEquation(
        "du/dt = laplacian(u) + A - (B+1)*u + u**2*v;  dv/dt = laplacian(v) + B*u - u**2*v",
        grid=fs.Grid(16, extent=1.0),
        boundary=fs.Neumann(0),
        parameters={"A": A, "B": 1.2 + A**2},
    )
    result = bifurcation(equation, {"u": A, "v": 1.2 / A + A}, "B")
    assert result["value"].item() == pytest.approx(1 + A**2, abs=1e-13)
    assert result["frequency"].item() == pytest.approx(A, abs=1e-13)
    assert result["transversality"].item() == pytest.approx(0.5, abs=1e-12)  # trace = B - 1 - A^2
    assert result["criticality"].item() == "supercritical"


def test_two_routes_to_one_point():
    """The threshold of `dispersion` and the Hopf point of `bifurcation` are the same number."""
    equation = fs.FieldEquation(
        "du/dt = D*laplacian(u) + u*(1 - u) - c*u*v/(u + 0.2);  dv/dt = D*laplacian(v) + s*v*(1 - v/u)",
        grid=fs.Grid(16, extent=1.0),
        boundary=fs.Neumann(0),
        parameters={"D": 1.0, "c": 1.0, "s": 0.1},
    )
    state = {"u": 0.36, "v": 0.36}
    one = bifurcation(equation, state, "s")["value"].item()
    two = dispersion(equation, state, critical="s")["critical_value"].item()
    assert one == pytest.approx(two, abs=1e-11)


@pytest.mark.parametrize(("d", "omega"), [(-1.0, 1.0), (-0.5, 3.0), (2.0, 0.7)])
def test_the_first_lyapunov_coefficient_of_the_normal_form(d, omega):
    """z' = (p + i omega) z + d |z|^2 z has l1 = 2 d/omega with eigenvectors of length 1."""

    def f(u, p):
        x, y = u
        r = x**2 + y**2
        return torch.stack([p * x - omega * y + d * r * x, omega * x + p * y + d * r * y])

    result = bifurcation(f, [0.0, 0.0], "p", value=-0.1)
    assert result["value"].item() == pytest.approx(0, abs=1e-14)
    assert result["coefficient"].item() == pytest.approx(2 * d / omega, rel=1e-12)
    assert result["transversality"].item() == pytest.approx(1)
    assert result["criticality"].item() == ("supercritical" if d < 0 else "subcritical")


def test_quadratic_terms_count_in_the_lyapunov_coefficient():
    """A change of coordinates w = y + x^2 changes the derivatives, and not the amplitude equation.

    The term -(x^2 + y^2) y takes -r^3/2 on average, so l1 = 2 (-1/2)/1.
    """

    def f(u, p):
        x, w = u
        y = w - x**2
        dx = p * x - y
        dy = x + p * y - (x**2 + y**2) * y
        return torch.stack([dx, dy + 2 * x * dx])

    result = bifurcation(f, [0.0, 0.0], "p", value=-0.1)
    assert result["coefficient"].item() == pytest.approx(-1, rel=1e-12)


def test_a_complex_field_has_a_hopf_point():
    equation = fs.FieldEquation(
        "dA/dt = (mu + 2j)*A - (1 + 1j)*abs(A)**2*A", parameters={"mu": -0.2}, complex_fields=["A"]
    )
    result = bifurcation(equation, {"A": 0.0}, "mu")
    assert result["value"].item() == pytest.approx(0, abs=1e-15)
    assert result["coefficient"].item() == pytest.approx(-1.0)


def test_the_fold_and_the_branch_points_of_normal_forms():
    fold = bifurcation(lambda u, p: p + u**2, [-0.5], "p", kind="fold", value=-0.3)
    assert (fold["value"].item(), fold["coefficient"].item()) == (pytest.approx(0, abs=1e-15), pytest.approx(1))
    assert fold["criticality"].item() == "quadratic"
    below = bifurcation(lambda u, p: p * u - u**3, [0.0], "p", kind="branch", value=-0.3)
    assert below["criticality"].item() == "supercritical"
    above = bifurcation(lambda u, p: p * u + u**3, [0.0], "p", kind="branch", value=-0.3)
    assert above["criticality"].item() == "subcritical"
    crossed = bifurcation(lambda u, p: p * u - u**2, [0.0], "p", kind="transcritical", value=-0.3)
    assert crossed["criticality"].item() == "transcritical"
    for result in (below, above, crossed):
        assert result["value"].item() == pytest.approx(0, abs=1e-14)
        assert result["transversality"].item() == pytest.approx(1)


def test_a_cusp_is_degenerate():
    result = bifurcation(lambda u, p: p + u**3, [0.3], "p", kind="fold", value=-0.027)
    assert result.status in (Verdict.DEGENERATE, Verdict.NOT_FOUND)
    pair = bifurcation(lambda u, p: torch.stack([p * u[0] - u[1], u[0] + p * u[1]]), [0.0, 0.0], "p", value=0.2)
    assert pair.status is Verdict.DEGENERATE  # a linear centre


# ------------------------------------------------------------------------------------------------------ maps


def test_the_logistic_map_doubles_its_period():
    first = bifurcation(logistic, [0.6], "r", kind="period_doubling", value=2.8)
    assert first["value"].item() == pytest.approx(3, abs=1e-13)
    assert first["criticality"].item() == "supercritical"
    assert first["eig_re"].values[0] == pytest.approx([-1])
    second = bifurcation(iterated(2), [0.44], "r", kind="period_doubling", value=3.4)
    assert second["value"].item() == pytest.approx(1 + math.sqrt(6), abs=1e-13)


def test_the_cascade_of_the_logistic_map():
    """Period doublings of f^(2^n) approach 3.569945671870945 with ratios that approach Feigenbaum's delta."""
    values, u, p = [], 0.6, 2.95
    for n in range(6):
        found = bifurcation(iterated(2**n), [u], "r", kind="period_doubling", value=p)
        assert found.status is Verdict.PASS
        values.append(found["value"].item())
        p = values[-1] + 0.97 * (values[-1] - values[-2]) / 4.669 if n else 3.4
        u = _attractor(p)
    gaps = np.diff(values)
    ratios = gaps[:-1] / gaps[1:]
    assert ratios[-1] == pytest.approx(4.669201609102990, abs=5e-3)
    assert values[-1] + gaps[-1] / (4.669201609102990 - 1) == pytest.approx(3.569945671870945, abs=1e-6)


def _attractor(p):
    u = 0.5
    for _ in range(20_000):
        u = p * u * (1 - u)
    return u


# ---------------------------------------------------------------------------------------------------- branches


def test_a_branch_goes_around_its_folds():
    result = continuation(lambda u, p: p + u - u**3, [-1.3], "p", value=-1.0, bounds=(-1.0, 1.0))
    assert result.status is Verdict.PASS
    assert result["kind"].values.tolist() == ["fold", "fold"]
    assert np.abs(result["p_event"].values) == pytest.approx(2 / 27**0.5, abs=1e-14)
    u, p = result["u"].values[:, 0], result["p"].values
    assert p == pytest.approx(u**3 - u, abs=1e-12)
    unstable = result["n_unstable"].values > 0
    assert (unstable == (3 * u**2 < 1)).all()
    assert u.min() < -1.2
    assert u.max() > 1.2


def test_hopf_points_along_a_branch():
    result = continuation(fitzhugh_nagumo(), {"v": -1.0, "w": -0.4}, "I", bounds=(0.0, 2.0))
    assert result["kind"].values.tolist() == ["hopf", "hopf"]
    assert result["p_event"].values == pytest.approx([0.331281337454746, 1.41871866254525], abs=1e-13)
    v = result["u"].values[:, 0]
    assert ((result["n_unstable"].values == 2) == (np.abs(v) < 0.967470929795826)).all()
    assert (np.diff(result["arclength"].values) > 0).all()


def test_the_pitchfork_along_the_rest_state_of_lorenz():
    result = continuation(lorenz(0.5), {"x": 0.0, "y": 0.0, "z": 0.0}, "r", bounds=(0.0, 30.0))
    assert result["kind"].values.tolist() == ["branch"]
    assert result["p_event"].values == pytest.approx([1.0], abs=1e-13)


def test_fixed_points_of_a_map():
    result = continuation(logistic, [0.5], "r", value=2.0, bounds=(1.5, 3.8), is_map=True)
    assert result["kind"].values.tolist() == ["period_doubling"]
    assert result["p_event"].values == pytest.approx([3.0], abs=1e-12)
    assert result["u"].values[:, 0] == pytest.approx(1 - 1 / result["p"].values, abs=1e-12)


# --------------------------------------------------------------------------------- what cannot be, and the result


def test_what_is_not_there_is_not_found():
    saddle = bifurcation(lambda u, p: torch.stack([u[0], -u[1]]) + p, [0.0, 0.0], "p", value=0.0)
    assert saddle.status is Verdict.NOT_FOUND
    assert "oscillates" in saddle.reason
    none = bifurcation(lambda u, p: 1 + u**2 + 0 * p, [0.3], "p", kind="fold", value=0.0)
    assert none.status is Verdict.NOT_FOUND
    assert np.isnan(none["value"].item())
    empty = bifurcation(fitzhugh_nagumo(), {"v": -1.0, "w": -0.4}, "I", kind="fold", bounds=(0.0, 2.0))
    assert empty.status is Verdict.NOT_FOUND
    assert "hopf" in empty.reason


def test_what_varies_in_space_is_named():
    equation = fs.FieldEquation(
        "du/dt = laplacian(u) + p*x - u",
        grid=fs.Grid(16, extent=1.0),
        boundary=fs.Neumann(0),
        parameters={"p": 1.0},
    )
    result = bifurcation(equation, {"u": 0.0}, "p", kind="fold")
    assert result.status is Verdict.NOT_APPLICABLE
    assert "p*x" in result.reason


def test_bad_input():
    equation = fitzhugh_nagumo()
    with pytest.raises(OptionError, match="did you mean 'hopf'"):
        bifurcation(equation, {"v": 0.0, "w": 0.0}, "I", kind="hop")
    with pytest.raises(ParameterError, match="no parameter 'J'"):
        bifurcation(equation, {"v": 0.0, "w": 0.0}, "J")
    with pytest.raises(OptionError, match="value= is needed"):
        bifurcation(logistic, [0.5], "r", kind="period_doubling")
    with pytest.raises(OptionError, match="continuous time"):
        bifurcation(equation, {"v": 0.0, "w": 0.0}, "I", kind="period_doubling")
    with pytest.raises(OptionError, match="outside bounds"):
        bifurcation(equation, {"v": 0.0, "w": 0.0}, "I", value=3.0, bounds=(0.0, 1.0))
    with pytest.raises(StateError, match="one number for each"):
        bifurcation(equation, {"v": 0.0}, "I")
    with pytest.raises(StateError, match="shape of u"):
        bifurcation(lambda u, p: p, [0.0, 0.0], "p", value=0.0)
    with pytest.raises(OptionError, match="two increasing"):
        continuation(equation, {"v": 0.0, "w": 0.0}, "I", bounds=(2.0, 1.0))


def test_results_survive_files_and_are_drawn(tmp_path):
    state = {"v": -1.0, "w": -0.4}
    for result in (
        bifurcation(fitzhugh_nagumo(), state, "I"),
        bifurcation(fitzhugh_nagumo(), state, "I", kind="fold", bounds=(0.3, 0.4)),
        continuation(fitzhugh_nagumo(), state, "I", bounds=(0.2, 0.5)),
    ):
        for name, variable in result.dataset.variables.items():
            assert {"units", "long_name"} <= set(variable.attrs), name
        back = AnalysisResult.from_netcdf(result.to_netcdf(tmp_path / "a.nc"))
        assert (back.status, back.reason) == (result.status, result.reason)
        assert set(AnalysisResult.from_zarr(result.to_zarr(tmp_path / "a.zarr")).dataset.variables) == set(
            result.dataset.variables
        )
        for theme in ("light", "dark"):
            figure = result.plot(theme)
            assert figure.axes or figure.texts
