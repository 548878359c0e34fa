"""Growth rates, bands and thresholds with known values."""

import math

import numpy as np
import pytest
import torch

import fieldsolver as fs
from fieldsolver.analysis import diffusion_ratio, dispersion, spreading_speed
from fieldsolver.analysis.problem import Problem
from fieldsolver.analysis.registry import find_analyser
from fieldsolver.errors import OptionError, ParameterError, StateError
from fieldsolver.results import AnalysisResult, Verdict

SCHNAKENBERG = "du/dt = laplacian(u) + a - u + u**2*v;  dv/dt = d*laplacian(v) + b - u**2*v"
BRUSSELATOR = "du/dt = Dx*laplacian(u) + A - (B+1)*u + u**2*v;  dv/dt = Dy*laplacian(v) + B*u - u**2*v"
SWIFT_HOHENBERG = "du/dt = r*u - (u + 2*laplacian(u) + biharmonic(u)) - u**3"
KURAMOTO = "du/dt = -u*d_dx(u) - d2_dx2(u) - d4_dx4(u)"
CAHN_HILLIARD = "du/dt = laplacian(u**3 - u - g*laplacian(u))"
LANDAU = "dA/dt = (1+1j*be)*A + (1+1j*al)*laplacian(A) - (1+1j*be)*abs(A)**2*A"


def declare(text, *, points=64, length=100.0, boundary=None, **more):
    grid = more.pop("grid", None) or fs.Grid(points, extent=length)
    return fs.FieldEquation(text, grid=grid, boundary=boundary or fs.Periodic(), **more)


def schnakenberg(**values):
    return declare(SCHNAKENBERG, parameters={"a": 0.1, "b": 0.9, "d": 10.0, **values})


def band(result, position=0):
    return [float(result[name][position]) for name in ("band_lo", "band_hi", "k_max", "sigma_max", "omega_max")]


# ---------------------------------------------------------------------------------------------------- known bands


def test_kuramoto_sivashinsky():
    result = dispersion(declare(KURAMOTO), {"u": 0.0})
    assert result.status is Verdict.PASS
    low, high, k, sigma, omega = band(result)
    assert low == 0.0  # the conserved mode is neutral, exactly
    assert [high, k, sigma] == pytest.approx([1.0, math.sqrt(0.5), 0.25], abs=1e-14)
    assert omega == 0
    assert result["regime"].item() == "long-wave"
    assert result["uniform_growth_re"].values == [0.0]


def test_a_drift_does_not_make_a_long_wave_something_else():
    """Galilei: at u = U every wave travels with U, and grows as before."""
    _, high, k, sigma, omega = band(dispersion(declare(KURAMOTO), {"u": 0.7}))
    assert [high, k, sigma, omega] == pytest.approx([1.0, math.sqrt(0.5), 0.25, 0.7 * math.sqrt(0.5)], abs=1e-13)


@pytest.mark.parametrize("r", [1e-10, 0.1, 0.9])
def test_swift_hohenberg(r):
    """|k^2 - 1| < sqrt(r); a band of relative width 1e-5 is not missed."""
    low, high, k, sigma, _ = band(dispersion(declare(SWIFT_HOHENBERG, parameters={"r": r}), {"u": 0.0}))
    # sigma is a sum of terms of size 1: at an edge of slope s it is known to eps/s
    slack = 1e-14 + 1e-15 / math.sqrt(r)
    assert low == pytest.approx(math.sqrt(1 - math.sqrt(r)), abs=slack)
    assert high == pytest.approx(math.sqrt(1 + math.sqrt(r)), abs=slack)
    assert k == pytest.approx(1, abs=1e-14)
    assert sigma == pytest.approx(r, abs=1e-15)


@pytest.mark.parametrize(("g", "c"), [(0.01, 0.0), (0.3, 0.4)])
def test_cahn_hilliard(g, c):
    result = dispersion(declare(CAHN_HILLIARD, parameters={"g": g}), {"u": c})
    a = 1 - 3 * c**2
    expected = [0, math.sqrt(a / g), math.sqrt(a / (2 * g)), a**2 / (4 * g), 0]
    assert band(result) == pytest.approx(expected, rel=1e-13, abs=1e-13)
    assert "continuum" in result.reason
    assert int(result["uniform_growth_re"].size) == 1


def test_schnakenberg():
    result = dispersion(schnakenberg())
    assert result["state_re"].values == pytest.approx([1, 0.9], abs=1e-15)
    assert result["jacobian_re"].values == pytest.approx(np.array([[0.8, 1], [-1.8, -1]]), abs=1e-14)
    low, high, k, sigma, _ = band(result)
    assert [low, high] == pytest.approx([math.sqrt(0.2), math.sqrt(0.5)], abs=1e-14)
    assert sigma == pytest.approx(0.05719096, abs=1e-8)
    assert k == pytest.approx(0.564398, abs=1e-6)
    assert result["regime"].item() == "Turing"


def test_the_maximum_is_where_the_derivative_vanishes():
    """k_max of Schnakenberg against the root of d det(sigma - L)/dk^2, solved from the characteristic polynomial."""
    _, _, k, sigma, _ = band(dispersion(schnakenberg()))
    q, a, e, d = k**2, 0.8, -1.0, 10.0
    characteristic = (sigma - a + q) * (sigma - e + d * q) + 1.8
    slope = (sigma - e + d * q) + d * (sigma - a + q)
    assert characteristic == pytest.approx(0, abs=1e-14)
    assert slope == pytest.approx(0, abs=1e-13)


@pytest.mark.parametrize(
    ("text", "state", "kind"),
    [
        ("du/dt = laplacian(u) - u", {"u": 0.0}, "stable"),
        ("du/dt = laplacian(u)", {"u": 0.0}, "stable"),
        ("du/dt = -d_dx(u) - d3_dx3(u)", {"u": 0.0}, "neutral"),
        ("d2u/dt2 = laplacian(u)", {"u": 0.0, "du/dt": 0.0}, "neutral"),
        ("d2u/dt2 = laplacian(u) - d_dt(u) - u", {"u": 0.0, "du/dt": 0.0}, "stable"),
        ("du/dt = laplacian(u) + u - u**3", {"u": 0.0}, "uniform"),
        ("du/dt = -laplacian(u)", {"u": 0.0}, "ill-posed"),
        ("d2u/dt2 = -laplacian(u)", {"u": 0.0, "du/dt": 0.0}, "ill-posed"),
        ("du/dt = -d3_dx3(u) - laplacian(u)", {"u": 0.0}, "ill-posed"),
        ("du/dt = -d_dx(v); dv/dt = d_dx(u)", {"u": 0.0, "v": 0.0}, "ill-posed"),
        ("du/dt = u - 2*v; dv/dt = laplacian(v) + u - v", {"u": 0.0, "v": 0.0}, "short-wave"),
        ("du/dt = -d_dx(v); dv/dt = -d_dx(u) + 0.3*v", {"u": 0.0, "v": 0.0}, "uniform"),  # 0.3, 0.15 far out
        ("du/dt = laplacian(u) + 0.1*u - v; dv/dt = laplacian(v) + u - 0.05*v", {"u": 0.0, "v": 0.0}, "Hopf"),
        # a wave instability needs three fields (or, as here, anti-diffusion that the fourth order limits)
        (
            "du/dt = -1.5*u - 2*laplacian(u) - biharmonic(u) + 3*v + 0.6*u;"
            "dv/dt = -1.5*v - 2*laplacian(v) - biharmonic(v) - 3*u + 0.6*v",
            {"u": 0.0, "v": 0.0},
            "wave",
        ),
    ],
)
def test_kinds(text, state, kind):
    result = dispersion(declare(text), state)
    assert result["regime"].item() == kind
    assert result.status is Verdict.PASS


def test_growth_at_infinity_is_the_leading_order():
    """du/dt = u - 2 v with v slaved by diffusion: sigma -> 1 as 1 - 2/(k^2)."""
    result = dispersion(declare("du/dt = u - 2*v; dv/dt = laplacian(v) + u - v"), {"u": 0.0, "v": 0.0})
    assert float(result["sigma_max"][0]) == pytest.approx(1, abs=1e-12)
    assert np.isinf(result["band_hi"][0])
    assert float(result["band_lo"][0]) == pytest.approx(1, abs=1e-13)


def test_hopf_and_turing_side_by_side():
    """Past both thresholds the Brusselator shows both, in bands of their own."""
    parameters = {"A": 2.0, "B": 5.6, "Dx": 1.0, "Dy": 8.0}
    result = dispersion(declare(BRUSSELATOR, parameters=parameters), {"u": 2.0, "v": 2.8})
    assert result["instability_type"].values.tolist() == ["Hopf", "Turing"]
    k2 = (5.6 - 5) / 9  # trace: B - 1 - A^2 - (Dx + Dy) k^2
    assert float(result["band_hi"][0]) == pytest.approx(math.sqrt(k2), rel=1e-13)
    # determinant: Dx Dy k^4 + (Dx A^2 - Dy (B - 1)) k^2 + A^2
    edges = np.sort(np.roots([8, 4 - 8 * 4.6, 4]))
    assert [float(result[name][1]) for name in ("band_lo", "band_hi")] == pytest.approx(np.sqrt(edges), rel=1e-12)


def test_an_average_over_the_domain_acts_on_the_uniform_mode_alone():
    """Global inhibition: long waves grow, the uniform mode does not."""
    result = dispersion(declare("du/dt = laplacian(u) + u - 3*mean(u) - u**3"), {"u": 0.0})
    assert result["regime"].item() == "long-wave"
    assert band(result)[:4] == pytest.approx([0, 1, 0, 1])
    assert result["uniform_growth_re"].values == pytest.approx([-2])
    only = dispersion(declare("du/dt = laplacian(u) - u + 3*mean(u) - u**3"), {"u": 0.0})
    assert only["regime"].item() == "uniform"
    assert band(only)[1] == 0


def test_an_integral_counts_with_the_volume():
    result = dispersion(declare("du/dt = -u + integral(u)/50", length=100.0), {"u": 0.0})
    assert result["uniform_growth_re"].values == pytest.approx([1.0])


def test_the_transform_of_a_kernel():
    """Amari with Gaussian excitation and inhibition: sigma = -1 + f'(u0) w_hat(k), w_hat in closed form."""

    def hat(k):
        gauss = math.sqrt(2 * math.pi)
        return 4 * gauss * np.exp(-(k**2) / 2) - 2 * 2 * gauss * np.exp(-2 * k**2)

    kernel = fs.Kernel(lambda d: 4 * torch.exp(-(d**2) / 2) - 2 * torch.exp(-(d**2) / 8), edge="periodic")
    equation = declare(
        "du/dt = -u + convolve(w, sigmoid(b*(u - h)))",
        points=512,
        length=80.0,
        kernels={"w": kernel},
        parameters={"b": 8.0, "h": 0.3},
    )
    result = dispersion(equation)
    activity = 1 / (1 + math.exp(8 * 0.3))
    slope = 8 * activity * (1 - activity)
    k = result["k"].values
    assert result["growth_rate_re"].values[:, 0] == pytest.approx(-1 + slope * hat(k), abs=1e-10)
    low, high, fastest, sigma, _ = band(result)
    assert -1 + slope * hat(np.array([low, high])) == pytest.approx([0, 0], abs=1e-12)
    assert sigma == pytest.approx(-1 + slope * hat(fastest), abs=1e-12)
    assert fastest == pytest.approx(math.sqrt(math.log(16 / 2) / 1.5 - math.log(2) / 1.5), rel=1e-9)  # w_hat' = 0
    critical = dispersion(equation, critical="h")
    assert critical["critical_type"].item() == "Turing"


def test_a_band_beyond_what_is_known_of_a_kernel_is_inconclusive():
    kernel = fs.Kernel(lambda d: 40 * torch.exp(-(d**2) / 0.02), edge="periodic", radius=2.0)
    equation = declare("du/dt = -u + convolve(w, u)", points=64, length=40.0, kernels={"w": kernel})
    result = dispersion(equation, {"u": 0.0})
    assert result.status is Verdict.INCONCLUSIVE
    assert "Nyquist" in result.reason


def test_a_complex_field_brings_its_conjugate():
    """Benjamin and Feir: the rotating frame makes A = 1 steady; unstable when 1 + alpha beta < 0."""
    equation = declare(LANDAU, complex_fields=["A"], parameters={"al": -2.0, "be": 1.0})
    result = dispersion(equation, {"A": 1.0}, critical="be")
    assert result["wave"].values.tolist() == ["A", "conj(A)"]
    k = result["k"].values
    # sigma = -1 - k^2 + sqrt(1 - 2 alpha beta k^2 - alpha^2 k^4)
    exact = -1 - k**2 + np.sqrt((1 + 4 * k**2 - 4 * k**4).astype(complex)).real
    assert result["growth_rate_re"].values[:, 0] == pytest.approx(exact, abs=1e-8)
    assert result["critical_value"].item() == pytest.approx(0.5, abs=1e-12)
    assert result["critical_type"].item() == "long-wave"


def test_the_complex_equation_is_the_real_pair():
    pair = declare(
        "du/dt = u - be*v + laplacian(u) - al*laplacian(v) - (u**2 + v**2)*(u - be*v);"
        "dv/dt = v + be*u + laplacian(v) + al*laplacian(u) - (u**2 + v**2)*(v + be*u)",
        parameters={"al": -2.0, "be": 1.0},
    )
    one = dispersion(declare(LANDAU, complex_fields=["A"], parameters={"al": -2.0, "be": 1.0}), {"A": 0.6 + 0.8j})
    two = dispersion(pair, {"u": 0.6, "v": 0.8})
    assert band(one) == pytest.approx(band(two), abs=1e-9)


def test_modules_are_differentiated():
    class Cubic(torch.nn.Module):
        def forward(self, inputs):
            return inputs[..., :1] * 0.3 - inputs[..., :1] ** 3 - inputs[..., 1:]

    equation = declare("du/dt = laplacian(u) + net(u, v); dv/dt = u - v", modules={"net": Cubic()})
    result = dispersion(equation, {"u": 0.0, "v": 0.0})
    assert result["jacobian_re"].values == pytest.approx(np.array([[0.3, -1], [1, -1]]))


def test_a_fractional_laplacian():
    equation = declare("du/dt = fractional_laplacian(0.75, u) + 2*u", scheme=fs.Spectral())
    result = dispersion(equation, {"u": 0.0})
    assert float(result["band_hi"][0]) == pytest.approx(2 ** (1 / 1.5), rel=1e-13)


# --------------------------------------------------------------------------------------------------- directions


def test_the_fastest_direction_of_an_anisotropic_equation():
    """sigma = r - (k_x^2 - 1)^2 - (k_y^2 - 4)^2/4: fastest at (1, 2)."""
    text = "du/dt = r*u - u - 2*d2_dx2(u) - d4_dx4(u) - 0.25*(16*u + 8*d2_dy2(u) + d4_dy4(u))"
    equation = declare(text, grid=fs.Grid((64, 64), extent=40.0), parameters={"r": 0.2})
    result = dispersion(equation, {"u": 0.0})
    assert result["direction"].values == pytest.approx(np.array([1, 2]) / math.sqrt(5), abs=1e-6)
    assert float(result["sigma_max"][0]) == pytest.approx(0.2, abs=1e-11)
    assert float(result["k_max"][0]) == pytest.approx(math.sqrt(5), rel=1e-6)


def test_a_matrix_of_diffusivities():
    """Fastest along the eigenvector of the negative diffusivity."""
    turned = torch.tensor([[0.5, 1.5], [1.5, 0.5]], dtype=torch.float64)  # eigenvalues 2 and -1
    equation = declare("du/dt = diffusion(D, u)", grid=fs.Grid((16, 16), extent=1.0), parameters={"D": turned})
    result = dispersion(equation, {"u": 0.0})
    assert result["regime"].item() == "ill-posed"
    assert np.abs(result["direction"].values) == pytest.approx([math.sqrt(0.5)] * 2, abs=1e-4)
    assert result["far_rate"].item() == pytest.approx(1, abs=1e-6)
    assert result["far_exponent"].item() == 2


def test_an_isotropic_equation_is_the_same_in_space_and_on_a_line():
    plane = declare(SWIFT_HOHENBERG, grid=fs.Grid((24, 24, 24), extent=20.0), parameters={"r": 0.1})
    assert band(dispersion(plane, {"u": 0.0})) == band(
        dispersion(declare(SWIFT_HOHENBERG, parameters={"r": 0.1}), {"u": 0.0})
    )


# --------------------------------------------------------------------------------------------------- thresholds


def test_the_critical_diffusivity_of_schnakenberg():
    result = dispersion(schnakenberg(), critical="d")
    assert result["critical_value"].item() == pytest.approx(8.56762745781211, abs=1e-12)
    assert result["critical_k"].item() ** 2 == pytest.approx(0.341640786499874, abs=1e-12)
    assert "above 8.5676275" in result.reason


def test_the_critical_ratio_in_closed_form():
    result = diffusion_ratio(schnakenberg())
    assert result.status is Verdict.PASS
    assert result["critical_ratio"].item() == pytest.approx((15 * math.sqrt(5) + 35) / 8, abs=1e-13)
    assert result["critical_k"].item() ** 2 == pytest.approx(0.341640786499874, abs=1e-14)
    assert (result["activator"].item(), result["inhibitor"].item()) == ("u", "v")
    assert result["ratio"].item() == 10.0


@pytest.mark.parametrize(
    ("A", "Dx", "Dy", "B", "k2"),
    [(2.0, 1.0, 8.0, 2.914213562373095, 0.7071067811865), (4.5, 2.0, 16.0, 6.713230515339466, 0.7954951288)],
)
def test_the_turing_threshold_of_the_brusselator(A, Dx, Dy, B, k2):
    equation = declare(BRUSSELATOR, parameters={"A": A, "B": 0.8 * B, "Dx": Dx, "Dy": Dy})
    result = dispersion(equation, {"u": A, "v": 0.8 * B / A}, critical="B")
    assert result["critical_value"].item() == pytest.approx(B, abs=1e-12)
    assert result["critical_k"].item() ** 2 == pytest.approx(k2, abs=1e-9)
    assert result["critical_type"].item() == "Turing"
    assert result["critical_slope"].item() > 0


def test_the_hopf_threshold_of_the_brusselator():
    equation = declare(BRUSSELATOR, parameters={"A": 2.0, "B": 6.0, "Dx": 1.0, "Dy": 1.0})
    result = dispersion(equation, {"u": 2.0, "v": 3.0}, critical="B")
    assert result["critical_value"].item() == pytest.approx(5, abs=1e-12)
    assert result["critical_omega"].item() == pytest.approx(2, abs=1e-12)
    assert (result["critical_type"].item(), result["critical_k"].item()) == ("Hopf", 0)


@pytest.mark.parametrize("r", [-0.2, 0.3, 0.0])
def test_a_threshold_at_zero(r):
    result = dispersion(declare(SWIFT_HOHENBERG, parameters={"r": r}), {"u": 0.0}, critical="r")
    if r == 0:
        assert result.status is Verdict.INCONCLUSIVE
        assert "threshold" in result.reason
    else:
        assert result["critical_value"].item() == pytest.approx(0, abs=1e-15)
        assert result["critical_k"].item() == pytest.approx(1, abs=1e-7)


def test_a_parameter_that_decides_nothing():
    equation = declare("du/dt = laplacian(u) - u + c*u**2", parameters={"c": 1.0})
    result = dispersion(equation, {"u": 0.0}, critical="c")
    assert result.status is Verdict.NOT_FOUND
    assert np.isnan(result["critical_value"].item())


# --------------------------------------------------------------------------------------------------- fronts


def test_fisher_spreads_with_twice_the_root():
    equation = declare("du/dt = D*laplacian(u) + r*u*(1 - u)", parameters={"D": 0.3, "r": 2.0})
    result = spreading_speed(equation, {"u": 0.0})
    assert result["speed"].item() == pytest.approx(2 * math.sqrt(0.6), abs=1e-13)
    assert result["decay"].item() == pytest.approx(math.sqrt(2 / 0.3), rel=1e-12)


@pytest.mark.parametrize("r", [0.05, 0.3, 1.5])
def test_swift_hohenberg_spreads_as_in_the_literature(r):
    """W. van Saarloos (2003), equation 28: 4 (2 + sqrt(1 + 6r)) sqrt(sqrt(1 + 6r) - 1)/(3 sqrt 3)."""
    result = spreading_speed(declare(SWIFT_HOHENBERG, parameters={"r": r}), {"u": 0.0})
    q = math.sqrt(1 + 6 * r)
    assert result["speed"].item() == pytest.approx(4 / (3 * math.sqrt(3)) * (2 + q) * math.sqrt(q - 1), abs=1e-12)
    assert result["wave_number"].item() > 0


def test_kuramoto_sivashinsky_spreads_as_in_the_literature():
    assert spreading_speed(declare(KURAMOTO), {"u": 0.0})["speed"].item() == pytest.approx(1.62208, abs=1e-5)


def test_what_does_not_grow_does_not_spread():
    result = spreading_speed(declare("du/dt = laplacian(u) - u"), {"u": 0.0})
    assert result.status is Verdict.NOT_APPLICABLE
    assert np.isnan(result["speed"].item())


# ------------------------------------------------------------------------------------------- what cannot be done


def test_no_steady_state_is_said_so():
    result = dispersion(declare("du/dt = laplacian(u) + 1 + u**2"))
    assert result.status is Verdict.NOT_FOUND
    assert "bounds=" in result.reason


@pytest.mark.parametrize(
    ("text", "term"),
    [("du/dt = laplacian(u) - x*u + u**3", "x*u"), ("du/dt = laplacian(u) + D*u", "D*u")],
)
def test_what_varies_in_space_is_named(text, term):
    parameters = {"D": fs.Spatial(torch.linspace(0, 1, 64))} if "D" in text else {}
    result = dispersion(declare(text, parameters=parameters))
    assert result.status is Verdict.NOT_APPLICABLE
    assert term in result.reason


def test_what_changes_in_time_is_frozen_and_said_so():
    result = dispersion(declare("du/dt = laplacian(u) + (1 + cos(t))*u - u**3"), {"u": 0.0}, t=math.pi / 2)
    assert result.status is Verdict.INCONCLUSIVE
    assert float(result["sigma_max"][0]) == pytest.approx(1.0)


def test_a_kink_has_no_linearisation():
    result = dispersion(declare("du/dt = laplacian(u) + relu(u)"), {"u": 0.0})
    assert result.status is Verdict.NOT_APPLICABLE
    assert "no derivative" in result.reason


def test_curved_coordinates_have_no_plane_waves():
    metric = torch.eye(2, dtype=torch.float64).expand(8, 8, 2, 2).movedim((2, 3), (0, 1)) * 2
    equation = fs.FieldEquation(
        "du/dt = laplacian(u) - u", grid=fs.Grid((8, 8), extent=1.0), boundary=fs.Periodic(), metric=metric
    )
    assert dispersion(equation, {"u": 0.0}).status is Verdict.NOT_APPLICABLE


def test_bad_input():
    equation = schnakenberg()
    with pytest.raises(OptionError, match="needs a FieldEquation"):
        dispersion(lambda t, y: -y)
    with pytest.raises(OptionError, match="k_max is a positive"):
        dispersion(equation, k_max=-1.0)
    with pytest.raises(OptionError, match="bounds are two increasing"):
        dispersion(equation, bounds=(1.0, 0.0))
    with pytest.raises(OptionError, match="no waves"):
        dispersion(fs.FieldEquation("dx/dt = -x"))
    with pytest.raises(ParameterError, match="no parameter 'dd'"):
        dispersion(equation, critical="dd")
    with pytest.raises(ParameterError, match="finite number"):
        dispersion(equation, parameters={"d": math.nan})
    with pytest.raises(StateError, match="one number for each of u, v"):
        dispersion(equation, {"u": 1.0})
    with pytest.raises(StateError, match="finite"):
        dispersion(equation, {"u": 1.0, "v": math.inf})


# ------------------------------------------------------------------------------------------------- the result


def test_the_result_survives_files(tmp_path):
    for result in (
        dispersion(schnakenberg(), critical="d"),
        dispersion(declare("du/dt = laplacian(u) - u + u**2 - 5")),
    ):
        for name, variable in result.dataset.variables.items():
            assert {"units", "long_name"} <= set(variable.attrs), name
        back = AnalysisResult.from_netcdf(result.to_netcdf(tmp_path / "a.nc"))
        assert back.status is result.status
        again = AnalysisResult.from_zarr(result.to_zarr(tmp_path / "a.zarr"))
        assert set(again.dataset.variables) == set(result.dataset.variables)
        if "band_hi" in result.dataset:
            assert np.array_equal(back["band_hi"].values, result["band_hi"].values, equal_nan=True)


def test_edges_are_certified_where_a_polynomial_has_no_others():
    assert dispersion(declare(KURAMOTO), {"u": 0.0})["band_hi"].attrs["certificate"] == "exact"
    two = declare("du/dt = -(1.1*u + 2*laplacian(u) + biharmonic(u)) + 0.2*u + 0.02*d4_dx4(laplacian(u))")
    assert dispersion(two, {"u": 0.0})["band_hi"].attrs["certificate"] == "exact"
    assert dispersion(schnakenberg())["band_hi"].attrs["certificate"] == "empirical"


def test_the_curve_ends_where_asked_and_the_bands_do_not():
    result = dispersion(declare(KURAMOTO), {"u": 0.0}, k_max=0.5)
    assert result["k"].values[-1] == 0.5
    assert float(result["band_hi"][0]) == pytest.approx(1, abs=1e-14)


def test_several_steady_states_are_a_dimension():
    result = dispersion(declare("du/dt = laplacian(u) + u - u**3"))
    assert result["state_re"].values[:, 0] == pytest.approx([-1, 0, 1], abs=1e-14)
    assert result["regime"].values.tolist() == ["stable", "uniform", "stable"]
    assert len(result.to_dataframe("steady_state", "band")) == 3


def test_pictures():
    for result in (
        dispersion(schnakenberg()),
        dispersion(declare("du/dt = laplacian(u) + u - u**3")),
        dispersion(declare("du/dt = laplacian(u) - x*u + u**3")),
        spreading_speed(declare(KURAMOTO), {"u": 0.0}),
    ):
        for theme in ("light", "dark"):
            figure = result.plot(theme)
            assert figure.axes or figure.texts


def test_parameters_are_replaced_and_recorded():
    result = dispersion(schnakenberg(), parameters={"d": 5.0})
    assert result["regime"].item() == "stable"
    assert result.dataset.attrs["with_d"] == 5.0


def test_the_study_of_a_file():
    equation = schnakenberg()
    start = {"u": torch.full((64,), 1.1), "v": torch.full((64,), 0.5)}
    study = find_analyser("dispersion").load()
    result = study(Problem(equation, start, (0.0, 1.0)))
    assert result.status is Verdict.PASS
    assert result["regime"].item() == "Turing"
    mixture = declare(CAHN_HILLIARD, parameters={"g": 1.0})
    (x,) = mixture.grid.coordinates()
    found = study(Problem(mixture, {"u": 0.3 + 0.1 * torch.cos(2 * math.pi * x / 100)}, (0.0, 1.0)))
    assert found["state_re"].values == pytest.approx([0.3])  # the mean is conserved, so it is the state to look at
    decay = fs.FieldEquation("dx/dt = -x")
    assert study(Problem(decay, {"x": torch.ones(())}, (0.0, 1.0))).status is Verdict.NOT_APPLICABLE
