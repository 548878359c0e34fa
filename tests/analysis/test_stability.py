"""Step limits of declared equations against von Neumann's numbers, dense eigenvalues, and the steps themselves."""

import math

import numpy as np
import pytest
import torch

import fieldsolver as fs
from fieldsolver.analysis.problem import Problem
from fieldsolver.analysis.schemes import get_scheme
from fieldsolver.analysis.stability import stability, study
from fieldsolver.analysis.steplimits.numerical_waves import numerical_rate
from fieldsolver.errors import OptionError, StateError
from fieldsolver.results import AnalysisResult, Verdict

PERIODIC = fs.Periodic()
UNIT = fs.Grid(32, extent=32.0)  # spacing 1
TABLE = ("euler", "heun", "ssprk33", "rk4", "ssprk43", "ssprk104", "dopri5", "tsit5")

# Courant numbers: analysis of u_t + u_x = 0 with these methods; rows as in the literature's tables.
COURANT = {
    "upwind1": (1, 1, 1.25637, 1.39265, 2, 6, 1.65328, 1.75342),
    "upwind2": (0, 0.5, 0.62807, 0.69632, 0.96313, 2.56870, 0.82664, 0.87671),
    "upwind3": (0, (2 / 3) ** (1 / 3), 1.62589, 1.74527, 2.03670, 3.61112, 2.24629, 2.30100),
    "central2": (0, 0, 1.7320508, 2.8284271, 2.1561796, 4.9214531, 0.9971890, 0.4779789),
    "central4": (0, 0, 1.26222, 2.06120, 1.57131, 3.58648, 0.72670, 0.34832),
}


def advection(scheme, grid=UNIT):
    if scheme == "upwind2":  # D + D^2/2 with the one-sided difference D on a grid of spacing 1
        text, scheme = "du/dt = -advection(1.0, u) - 0.5*advection(1.0, advection(1.0, u))", "upwind1"
    else:
        text = "du/dt = -advection(1.0, u)"
    order = 4 if scheme == "central4" else 2
    scheme = scheme.rstrip("24") if scheme.startswith("central") else scheme
    return fs.FieldEquation(
        text, grid=grid, boundary=PERIODIC, scheme=fs.FiniteDifference(order=order, advection=scheme)
    )


def heat(shape=(32,), order=2, **options):
    grid = fs.Grid(shape, bounds=[(0.0, float(n)) for n in shape])
    options = {"boundary": PERIODIC, **options}
    return fs.FieldEquation("du/dt = laplacian(u)", grid=grid, space_order=order, **options)


def limits(equation, *arguments, **options):
    result = stability(equation, *arguments, **options)
    return dict(zip(result["integrator"].values.tolist(), result["dt_max"].values.tolist(), strict=True))


def gray_scott(n=16):
    return fs.FieldEquation(
        "du/dt = Du*laplacian(u) - u*v**2 + F*(1 - u);  dv/dt = Dv*laplacian(v) + u*v**2 - (F + k)*v",
        grid=fs.Grid((n, n), extent=1.0),
        boundary=PERIODIC,
        parameters={"Du": 2e-4, "Dv": 1e-4, "F": 0.04, "k": 0.06},
    )


# ------------------------------------------------------------------------------------------- the CFL tables


@pytest.mark.parametrize("scheme", COURANT)
def test_courant_numbers_on_a_grid_without_end(scheme):
    found = limits(advection(scheme), method=list(TABLE), grid="infinite")
    for name, expected in zip(TABLE, COURANT[scheme], strict=True):
        if expected == 0:
            assert found[name] == 0, name  # exactly
        else:
            assert found[name] == pytest.approx(expected, abs=1e-4), name


def test_a_finite_grid_allows_steps_that_an_endless_one_does_not():
    """The longest wave of 32 points lets Euler's method on one-sided differences of order 2 a little room."""
    finite = limits(advection("upwind2"), method="euler")["euler"]
    assert 0 < finite < 0.02
    assert limits(advection("upwind2"), method="euler", grid="infinite")["euler"] == 0


def test_weno5_at_a_uniform_state():
    """Wang, Spiteri 2007; Motamed, Macdonald, Ruuth 2011: 1.43 with three stages of order 3."""
    equation = fs.FieldEquation(
        "du/dt = -advection(1.0, u)", grid=UNIT, boundary=PERIODIC, scheme=fs.FiniteDifference(advection="weno5")
    )
    found = stability(equation, [0.3], method="ssprk33", grid="infinite", route="symbol")
    assert float(found["dt_max"][0]) == pytest.approx(1.43, abs=5e-3)
    assert found.status is Verdict.INCONCLUSIVE  # its weights turn within a push of a thousandth
    assert "differs from a central difference" in found.reason


@pytest.mark.parametrize(("order", "symbol"), [(2, 4), (4, 16 / 3), (6, 272 / 45), (8, 2048 / 315)])
def test_diffusion_numbers(order, symbol):
    found = limits(heat(order=order), method=["euler", "rk4"])
    assert found["euler"] == pytest.approx(2 / symbol, rel=1e-12)
    assert found["rk4"] == pytest.approx(2.7852935634053 / symbol, rel=1e-12)


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_diffusion_in_more_dimensions(dimensions):
    assert limits(heat((6,) * dimensions), method="euler")["euler"] == pytest.approx(1 / (2 * dimensions), rel=1e-12)


def test_spectral_diffusion_and_the_biharmonic():
    spectral = fs.FieldEquation("du/dt = laplacian(u)", grid=UNIT, boundary=PERIODIC, scheme=fs.Spectral())
    assert limits(spectral, method="euler")["euler"] == pytest.approx(2 / math.pi**2, rel=1e-9)
    plate = fs.FieldEquation("du/dt = -biharmonic(u)", grid=UNIT, boundary=PERIODIC)
    assert limits(plate, method="euler")["euler"] == pytest.approx(1 / 8, rel=1e-12)


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_courant_numbers_of_waves(dimensions):
    grid = fs.Grid((6,) * dimensions, extent=6.0)
    wave = fs.FieldEquation("d2u/dt2 = laplacian(u)", grid=grid, boundary=PERIODIC)
    found = limits(wave, method=["verlet", "rk4", "euler", "heun"])
    assert found["verlet"] == pytest.approx(1 / math.sqrt(dimensions), rel=1e-10)
    assert found["rk4"] == pytest.approx(math.sqrt(2 / dimensions), rel=1e-10)
    assert found["euler"] == found["heun"] == 0


def test_schroedinger():
    equation = fs.FieldEquation("dpsi/dt = 1j*laplacian(psi)", grid=UNIT, boundary=PERIODIC, complex_fields=["psi"])
    result = stability(equation, method=["rk4", "euler", "heun"])
    assert result["dt_max"].values == pytest.approx([math.sqrt(2) / 2, 0, 0], rel=1e-12)
    assert result["behaviour"].values.tolist()[1:] == ["unstable for every dt", "weakly unstable for every dt"]


def test_implicit_methods_have_no_limit():
    found = limits(heat(), method=["crank_nicolson", "backward_euler", "bdf2"])
    assert list(found.values()) == [math.inf] * 3


# ---------------------------------------------------------------------------------- the symbol is the Jacobian's


def equations():
    def kernel(d):
        return torch.exp(-(d**2)) * (1 - 0.5 * d)

    cell, node = fs.Grid(12, extent=2.0), fs.Grid(12, extent=2.0, centring="node")
    walls = {"x-": fs.Dirichlet(0), "x+": fs.Neumann(0)}
    net = torch.nn.Linear(1, 1).double()
    with torch.no_grad():
        net.weight.fill_(-0.7), net.bias.fill_(0.1)
    return {
        "upwind": (advection("upwind3", cell), None),
        "neumann": (fs.FieldEquation("du/dt = laplacian(u) - u**3", grid=cell, boundary=fs.Neumann(0)), [0.5]),
        "dirichlet on nodes": (fs.FieldEquation("du/dt = laplacian(u)", grid=node, boundary=fs.Dirichlet(0)), None),
        "mixed walls": (fs.FieldEquation("du/dt = laplacian(u) + u", grid=cell, boundary=walls), None),
        "mixed walls on nodes": (fs.FieldEquation("du/dt = laplacian(u)", grid=node, boundary=walls), None),
        "antiperiodic": (fs.FieldEquation("du/dt = laplacian(u)", grid=cell, boundary=fs.AntiPeriodic()), None),
        "wave": (fs.FieldEquation("d2u/dt2 = laplacian(u) - 0.1*d_dt(u)", grid=cell, boundary=fs.Neumann(0)), None),
        "convolution": (
            fs.FieldEquation(
                "du/dt = -u + convolve(w, tanh(u))",
                grid=cell,
                boundary=PERIODIC,
                kernels={"w": fs.Kernel(kernel, edge="periodic")},
            ),
            [0.2],
        ),
        "module": (
            fs.FieldEquation("du/dt = laplacian(u) + net(u)", grid=cell, boundary=PERIODIC, modules={"net": net}),
            [0.2],
        ),
        "fields with walls of their own": (
            fs.FieldEquation(
                "du/dt = laplacian(u);  dv/dt = 2*laplacian(v) - v",
                grid=cell,
                boundary={"u": fs.Neumann(0), "v": fs.Dirichlet(0)},
            ),
            None,
        ),
        "two axes": (gray_scott(6), [0.4, 0.3]),
        "conjugate": (
            fs.FieldEquation(
                "da/dt = (1 + 2j)*laplacian(a) + a - (1 - 1j)*a**2*conj(a)",
                grid=cell,
                boundary=PERIODIC,
                complex_fields=["a"],
            ),
            torch.full((1, 12), 0.8 + 0.3j, dtype=torch.complex128),
        ),
    }


@pytest.mark.parametrize("name", equations())
def test_the_symbol_has_the_eigenvalues_of_the_jacobian(name):
    equation, state = equations()[name]
    by_symbol = stability(equation, state, method="rk4", route="symbol")
    dense = stability(equation, state, method="rk4", route="spectrum")
    values = [np.sort_complex(np.round(r["eig_re"].values + 1j * r["eig_im"].values, 7)) for r in (by_symbol, dense)]
    scale = np.abs(values[1]).max()
    assert values[0].size == values[1].size
    for value in values[0]:
        assert np.abs(values[1] - value).min() <= 1e-6 * scale
    assert float(by_symbol["dt_max"][0]) == pytest.approx(float(dense["dt_max"][0]), rel=1e-8)
    assert by_symbol.status in (Verdict.PROVED, Verdict.PASS)


def test_coupled_fields_with_different_walls_have_no_symbol():
    equation = fs.FieldEquation(
        "du/dt = laplacian(u) + v;  dv/dt = laplacian(v) - u",
        grid=fs.Grid(12, extent=1.0),
        boundary={"u": fs.Neumann(0), "v": fs.Dirichlet(0)},
    )
    result = stability(equation, method="euler")
    assert result.dataset.attrs["route"] == "spectrum"
    assert "varies in space" in result.dataset.attrs["skipped_symbol"]
    with pytest.raises(OptionError, match="does not apply"):
        stability(equation, method="euler", route="symbol")


# ------------------------------------------------------------------------------------ what binds, what it costs


def test_the_effect_of_a_term_is_what_a_stronger_term_does():
    def equation(d, c):
        return fs.FieldEquation(
            "du/dt = d*laplacian(u) - c*d_dx(u) - 0.3*u",
            grid=UNIT,
            boundary=PERIODIC,
            parameters={"d": d, "c": c},
        )

    for method in ("rk4", "tsit5"):
        result = stability(equation(0.5, 1.0), method=method)
        effect, base = result["term_effect"].values[0], float(result["dt_max"][0])
        assert effect.sum() == pytest.approx(1, rel=1e-5)
        more = [limits(equation(0.5 * 1.001, 1.0), method=method), limits(equation(0.5, 1.001), method=method)]
        measured = [-math.log(found[method] / base) / math.log(1.001) for found in more]
        assert effect[:2] == pytest.approx(measured, rel=0.02, abs=2e-3)
        share = result["term_share_re"].values[0].sum() + 1j * result["term_share_im"].values[0].sum()
        whole = complex(float(result["binding_eigenvalue_re"][0]), float(result["binding_eigenvalue_im"][0]))
        assert share == pytest.approx(whole, rel=1e-10)


def test_the_binding_wave_and_term_are_named():
    equation = gray_scott()
    result = stability(equation, [1.0, 0.0], method="euler")
    assert np.abs(result["binding_theta"].values[0]) == pytest.approx([math.pi, math.pi])
    assert str(result["binding_term"].values[0]) == "du/dt: Du*laplacian(u)"
    assert "waves of 2 points" in result.reason
    assert result.status is Verdict.PASS  # nonlinear: for the linearised equation
    assert float(result["dt_max"][0]) == pytest.approx(2 / (2e-4 * 8 * 256 + 0.04), rel=1e-12)


def test_modes_that_grow_in_the_equation_are_left_out():
    equation = fs.FieldEquation(
        "du/dt = -d2_dx2(u) - d4_dx4(u)", grid=fs.Grid(64, extent=16 * math.pi), boundary=PERIODIC
    )
    result = stability(equation, method="euler")
    h = math.pi / 4
    assert float(result["dt_max"][0]) == pytest.approx(2 / (16 / h**4 - 4 / h**2), rel=1e-10)
    assert int(result["n_growing"]) == 16  # 0 < sin(k h/2) < h/2 with k = n/8
    assert float(result["growth_max"]) == pytest.approx(0.25, rel=0.05)
    assert "16 modes grow" in result.reason


def test_the_quick_check_of_the_solver_is_measured():
    exact = stability(heat(), method="rk4")
    assert float(exact["engine_ratio"][0]) == pytest.approx(1)
    blind = fs.FieldEquation("du/dt = laplacian(u) - 5*u**3", grid=UNIT, boundary=PERIODIC)
    seen = stability(blind, [1.0], method="euler")
    assert float(seen["engine_ratio"][0]) == pytest.approx((4 + 15) / 4)  # it does not know the nonlinear term


def test_the_costs_price_solves_and_accuracy():
    result = stability(heat(), method=["euler", "crank_nicolson", "ssprk104"], solve_cost=50.0)
    row = result.dataset.sel(integrator="crank_nicolson")
    assert float(row["cost_per_time"]) == pytest.approx(float(row["work"]) / float(row["dt_recommended"]))
    assert float(row["work"]) == float(row["evaluations"]) + 50.0 * float(row["solves"])
    assert np.isfinite(float(row["dt_recommended"]))  # accuracy limits what stability does not
    assert (result["dt_recommended"] <= 0.9 * result["dt_max"] * (1 + 1e-12)).all()


def test_a_stabilised_method_knows_its_stages():
    result = stability(heat(), method=["rkc2:10", "rkc2:20"])
    beta = np.array([64.6884016104, 260.702501064])  # to where |R| is below 1 on purpose; it leaves a little later
    assert (4 * result["dt_max"].values / beta > 1).all()
    assert (4 * result["dt_max"].values / beta < 1.001).all()
    assert result["stages"].values.tolist() == [10, 20]
    asked = stability(heat(), method="rkc2:10", dt=100.0)
    assert int(asked["stages_needed"][0]) == 25  # the first with beta >= 400: 0.6533 * 25^2 is 408
    assert asked.status is Verdict.FAIL


# --------------------------------------------------------------------------------- several parts, noise, waves


def imex(split=None, method="imex_euler"):
    equation = fs.FieldEquation(
        "du/dt = d*laplacian(u) - c*d_dx(u)", grid=UNIT, boundary=PERIODIC, parameters={"d": 0.3, "c": 2.0}
    )
    return stability(equation, method=method, split=split), equation


def test_an_imex_method_treats_the_parts_differently():
    """|1 + i c dt s| <= |1 + 2 d dt (1 - cos)| with s = sin(theta), for every wave."""
    result, _ = imex(split=["d*laplacian(u)"])
    theta = 2 * np.pi * np.arange(1, 32) / 32
    lag, push = 0.3 * 2 * (1 - np.cos(theta)), 2.0 * np.sin(theta)
    gap = push**2 - lag**2
    expected = np.min(2 * lag[gap > 0] / gap[gap > 0])
    assert float(result["dt_max"][0]) == pytest.approx(expected, rel=1e-6)
    assert result.dataset.attrs["implicit_part"] == "du/dt: d*laplacian(u)"
    whole, _ = imex()
    assert float(whole["dt_max"][0]) == math.inf  # all of it is linear, and implicit


def test_marks_in_the_equation_split_it():
    equation = fs.FieldEquation("du/dt = implicit(0.3*laplacian(u)) - 2*d_dx(u)", grid=UNIT, boundary=PERIODIC)
    marked = stability(equation, method="imex_euler")
    assert float(marked["dt_max"][0]) == pytest.approx(float(imex(split=[0])[0]["dt_max"][0]), rel=1e-12)


def test_parts_that_share_no_modes_are_an_estimate():
    equation = fs.FieldEquation("du/dt = laplacian(u) - v;  dv/dt = u**3 - 2*v", grid=UNIT, boundary=PERIODIC)
    result = stability(equation, [0.5, 0.1], method="imex_euler")
    assert str(result["certificate"].values[0]) == "empirical"
    assert result.status is Verdict.INCONCLUSIVE


def test_multiplicative_noise_shortens_the_step_in_the_mean_square():
    """Euler-Maruyama: (1 - a dt)^2 + s^2 dt <= 1 (Higham, SIAM J. Numer. Anal. 38 (2000) 753)."""
    equation = fs.FieldEquation("dx/dt = -3*x + 1.5*x*white_noise(0)", calculus="ito")
    result = stability(equation)
    assert float(result.dataset.sel(integrator="euler_maruyama")["dt_max"]) == pytest.approx((6 - 2.25) / 9)
    same = fs.FieldEquation("dx/dt = -4.125*x + 1.5*x*white_noise(0)", calculus="stratonovich")
    other = stability(same, method="euler_maruyama")
    assert float(other["dt_max"][0]) == pytest.approx((6 - 2.25) / 9)


def test_verlet_on_an_oscillator_runs_fast():
    """Its frequency is (2/h) asin(h/2)."""
    oscillator = fs.FieldEquation("d2q/dt2 = -q")
    result = stability(oscillator, method="verlet", dt=0.5)
    assert float(result["dt_max"][0]) == pytest.approx(2)
    assert 1 + float(result["phase_error"][0, 0]) == pytest.approx(1.010721020568, abs=1e-12)
    assert float(result["amplification"][0, 0]) == pytest.approx(1, abs=1e-12)
    rate = numerical_rate(get_scheme("verlet"), 0.5, np.array([1j]))
    assert rate[0] == pytest.approx(1.010721020568j, abs=1e-12)


def test_points_per_wavelength():
    """Second order in space alone: 1 - sin(t)/t = 0.01 at t = 0.2454, 25.6 points."""
    equation = fs.FieldEquation("du/dt = -d_dx(u)", grid=UNIT, boundary=PERIODIC)
    result = stability(equation, method="rk4", dt=1e-3)
    assert float(result["points_per_wavelength"][0]) == pytest.approx(25.6, rel=0.01)
    better = stability(
        fs.FieldEquation("du/dt = -d_dx(u)", grid=UNIT, boundary=PERIODIC, space_order=4), method="rk4", dt=1e-3
    )
    assert float(better["points_per_wavelength"][0]) < 13


# --------------------------------------------------------------------------------------- routes and verdicts


def test_varying_coefficients_are_judged_by_eigenvalues():
    equation = fs.FieldEquation(
        "du/dt = diffusion(D, u)", grid=UNIT, boundary=PERIODIC, parameters={"D": "1 + 0.5*sin(2*pi*x/32)"}
    )
    result = stability(equation, method="euler", route="all")  # the experiment takes a few thousand steps
    route = dict(zip(result["route"].values.tolist(), result["dt_route"].values[0].tolist(), strict=True))
    assert math.isnan(route["symbol"])
    values = torch.linalg.eigvals(equation.jacobian().dense(0.0, torch.zeros(1, 32, dtype=torch.float64))).real
    assert route["spectrum"] == pytest.approx(2 / -float(values.min()), rel=1e-9)
    assert route["frozen"] == pytest.approx(route["spectrum"], rel=0.05)
    assert route["range"] == pytest.approx(route["spectrum"], rel=0.02)
    assert route["empirical"] == pytest.approx(route["spectrum"], rel=0.1)
    assert result.status is Verdict.PASS


def test_an_operator_that_is_not_normal_shows_its_range():
    A = torch.tensor([[-1.0, 100.0], [0.0, -2.0]], dtype=torch.float64)
    result = stability(lambda t, y: A @ y, torch.zeros(2, dtype=torch.float64), method="euler")
    assert float(result["dt_max"][0]) == pytest.approx(1)
    assert float(result["numerical_abscissa"]) == pytest.approx((math.sqrt(10001) - 3) / 2, rel=1e-6)
    by_route = dict(zip(result["route"].values.tolist(), result["dt_route"].values[0].tolist(), strict=True))
    assert by_route["range"] < 0.01 * by_route["spectrum"]


def test_without_derivatives_the_method_is_run():
    def kinked(t, y):
        return torch.from_numpy(-10 * np.sin(y.detach().numpy()))

    result = stability(kinked, torch.zeros(3, dtype=torch.float64), method="euler")
    assert result.status is Verdict.INCONCLUSIVE
    assert float(result["dt_max"][0]) == pytest.approx(0.2, rel=1e-4)
    by_route = dict(zip(result["route"].values.tolist(), result["dt_route"].values[0].tolist(), strict=True))
    assert by_route["empirical"] == pytest.approx(0.2, rel=0.05)
    assert "cannot differentiate" in result.reason


def test_verdicts_on_a_given_step():
    linear, nonlinear = heat(), gray_scott()
    assert stability(linear, method="euler").status is Verdict.PROVED
    assert stability(linear, method="euler", dt=0.5).status is Verdict.PASS
    beyond = stability(linear, method="euler", dt=0.51)
    assert beyond.status is Verdict.FAIL
    assert "dt = 0.51 is beyond what euler can take" in beyond.reason
    assert stability(linear, method=["euler", "rk4"], dt=0.6).status is Verdict.FAIL
    some = stability(linear, dt=0.6)
    assert some.status is Verdict.PASS
    assert "of 2" in some.reason
    assert stability(linear, dt=1e3).status is Verdict.FAIL
    assert stability(nonlinear, [1.0, 0.0], method="rk4").status is Verdict.PASS
    assert stability(linear, method="verlet").status is Verdict.NOT_APPLICABLE


@pytest.mark.parametrize("dt", [0, -0.1, math.nan, math.inf, "fast"])
def test_bad_steps(dt):
    with pytest.raises(OptionError, match="dt is a positive finite step"):
        stability(heat(), method="euler", dt=dt)


def test_bad_options():
    with pytest.raises(OptionError, match="pass state="):
        stability(gray_scott(), method="euler")
    with pytest.raises(OptionError, match="needs state="):
        stability(lambda t, y: -y, method="euler")
    with pytest.raises(OptionError, match="did you mean 'symbol'"):
        stability(heat(), route="symbl")
    with pytest.raises(OptionError, match="there is no term 'u'"):
        stability(heat(), method="imex_euler", split=["u"])
    with pytest.raises(OptionError, match="periodic axes"):
        stability(heat(boundary=fs.Neumann(0)), method="euler", grid="infinite")
    with pytest.raises(OptionError, match="'own' or 'infinite'"):
        stability(heat(), method="euler", grid="big")
    with pytest.raises(OptionError, match="empty list"):
        stability(heat(), method=[])
    with pytest.raises(OptionError, match="unknown scheme"):
        stability(heat(), method="rk5")
    with pytest.raises(StateError):
        stability(heat(), torch.zeros(3, 1, 32))


# ------------------------------------------------------------------------------------------- the result as data


def test_the_result_survives_files_and_is_labelled(tmp_path):
    result = stability(gray_scott(8), [1.0, 0.0], method=["euler", "rk4", "etdrk4"], dt=0.1)
    for name, data in result.dataset.variables.items():
        assert "units" in data.attrs, name
        assert "long_name" in data.attrs, name
    result.to_netcdf(tmp_path / "a.nc")
    result.to_zarr(tmp_path / "a.zarr")
    for back in (AnalysisResult.from_netcdf(tmp_path / "a.nc"), AnalysisResult.from_zarr(tmp_path / "a.zarr")):
        assert back.status is result.status
        assert back["dt_max"].values == pytest.approx(result["dt_max"].values)
        assert back["binding_term"].values.tolist() == result["binding_term"].values.tolist()
    assert len(result.to_dataframe("integrator")) == 3


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pictures(theme):
    for result in (
        stability(advection("upwind3"), method=["rk4", "heun"]),
        stability(heat(), method="crank_nicolson"),
        stability(lambda t, y: -y, torch.ones(2, dtype=torch.float64), method=["euler", "rk4"]),
    ):
        figure = result.plot(theme)
        assert len(figure.axes) == 3
        figure.draw_without_rendering()


def test_the_cost_of_the_symbol_is_counted_in_products():
    result = stability(gray_scott(64), [1.0, 0.0], method="rk4")
    assert result.dataset.attrs["njvp"] < 25
    assert int(result["n_modes"]) == 2 * 64 * 64


def test_a_study_of_a_problem():
    equation = gray_scott()
    start = {"u": torch.ones(16, 16), "v": torch.zeros(16, 16)}
    result = study(Problem(equation, start, (0.0, 1.0), method="rk4"))
    assert result["integrator"].values.tolist() == ["rk4"]
    assert len(study(Problem(equation, start, (0.0, 1.0)))["integrator"]) > 15


def test_a_large_state_that_varies_is_judged_by_its_outermost_eigenvalues():
    equation = gray_scott(24)  # 1152 unknowns: more than are diagonalised
    x, y = equation.grid.coordinates()
    seed = torch.exp(-((x - 0.5) ** 2 + (y - 0.5) ** 2) / 0.01)
    state = {"u": 1 - 0.5 * seed, "v": 0.25 * seed}
    result = stability(equation, state, method="euler")
    values = torch.linalg.eigvals(equation.jacobian().dense(0.0, equation.pack(state).double()))
    assert float(result["dt_max"][0]) == pytest.approx(2 / -float(values.real.min()), rel=0.02)
    assert float(result["dt_max_lo"][0]) <= 2 / -float(values.real.min())
    by_route = dict(zip(result["route"].values.tolist(), result["dt_route"].values[0].tolist(), strict=True))
    assert by_route["frozen"] == pytest.approx(by_route["spectrum"], rel=0.05)
    assert result.status is Verdict.INCONCLUSIVE
    assert str(result["binding_term"].values[0]) == "du/dt: Du*laplacian(u)"


def test_a_kink_far_from_every_probe_is_no_linear_equation():
    far = fs.FieldEquation(
        "du/dt = D*laplacian(u) - 50*relu(u - 100)",
        grid=fs.Grid(shape=(16,), extent=1.0),
        boundary=fs.Periodic(),
        parameters={"D": 1e-4},
    )
    with pytest.raises(fs.OptionError, match="nonlinear"):
        stability(far, method="euler")
    assert stability(far, torch.full((1, 16), 200.0), method="euler").status is Verdict.PASS


def test_noise_that_rotates_is_damped_by_its_change_to_ito():
    """``mu = i s`` in the sense of Stratonovich: the drift of Ito is ``lambda - s**2/2``."""
    a, w, s = 0.3, 1.0, 1.0
    rotated = fs.FieldEquation(
        "du/dt = -a*u - w*v - s*v*white_noise(0);  dv/dt = -a*v + w*u + s*u*white_noise(0)",
        parameters={"a": a, "w": w, "s": s},
        calculus="stratonovich",
    )
    drift = complex(-a - s**2 / 2, w)
    limit = -(2 * drift.real + s**2) / abs(drift) ** 2
    found = stability(rotated, torch.zeros(2, dtype=torch.float64), method="euler_maruyama")
    assert float(found["dt_max"][0]) == pytest.approx(limit, rel=1e-12)


@pytest.mark.parametrize("method", ["gauss2", "gauss4", "ab5"])
def test_whole_turns_of_an_oscillation_are_no_accuracy(method):
    spring = fs.FieldEquation("d2q/dt2 = -w**2*q", parameters={"w": 1.0})
    assert float(stability(spring, method=method)["dt_accurate"][0]) < 2 * math.pi


def test_a_named_method_without_a_limit_is_not_passed_over():
    for names in (["rk4", "verlet"], ["verlet", "rk4"]):
        for dt in (None, 1e-3):
            found = stability(heat(), method=names, dt=dt)
            assert found.status is Verdict.INCONCLUSIVE
            assert "of verlet no limit is known" in found.reason


def test_proved_needs_an_exact_region():
    assert stability(heat(), method="rk4").status is Verdict.PROVED
    rounded = stability(heat(), method="reversible_tsit5")
    assert rounded.status is Verdict.PASS
    assert str(rounded["certificate"][0].values) == "bounded"
