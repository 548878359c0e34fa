"""The modes of the scheme: their growth rates are eigenvalues of the Jacobian of the discrete equation."""

import math

import numpy as np
import pytest
import torch

import fieldsolver as fs
from fieldsolver.analysis import dispersion
from fieldsolver.analysis.modes.far_field import far_field
from fieldsolver.analysis.modes.growth import branch_jet
from fieldsolver.analysis.modes.linearise import Linearised
from fieldsolver.analysis.modes.symbol import symbol_of, unit

REACTION = "du/dt = laplacian(u) + 0.8*u + v - u**3;  dv/dt = 10*laplacian(v) - 1.8*u - v"
GAUSS = fs.Kernel(lambda d: 3 * torch.exp(-(d**2)) - torch.exp(-(d**2) / 4), edge="periodic")
MIRRORED = fs.Kernel(lambda d: 3 * torch.exp(-(d**2)) - torch.exp(-(d**2) / 4), edge="reflect")
MATRIX = torch.tensor([[1.0, 0.3], [0.3, 0.5]], dtype=torch.float64)
LINE = {"grid": fs.Grid(24, extent=20.0)}
EVEN = {"grid": fs.Grid(25, extent=20.0)}
NODES = {"grid": fs.Grid(17, extent=10.0, centring="node")}
PLANE = {"grid": fs.Grid((8, 6), extent=(5.0, 4.0))}


def dense(equation, state):
    """All eigenvalues of the Jacobian at a uniform state; of the real and imaginary parts where it is complex."""
    dtype = torch.complex128 if equation.is_complex else torch.float64
    values = torch.tensor(list(state.values()), dtype=dtype)
    spread = torch.ones(equation.state_shape, dtype=dtype) * values.reshape(-1, *[1] * equation.dimension)
    if not equation.is_complex:
        return torch.linalg.eigvals(equation.jacobian().dense(0.0, spread)).numpy()

    def real(flat):
        half = len(flat) // 2
        z = torch.complex(flat[:half], flat[half:]).reshape(equation.state_shape)
        rate = equation(0.0, z).reshape(-1)
        return torch.cat([rate.real, rate.imag])

    flat = spread.reshape(-1)
    return torch.linalg.eigvals(torch.func.jacrev(real)(torch.cat([flat.real, flat.imag]))).detach().numpy()


CASES = {
    "periodic": (REACTION, fs.Periodic(), LINE, {"u": 0.0, "v": 0.0}),
    "odd number": (REACTION, fs.Periodic(), EVEN, {"u": 0.0, "v": 0.0}),
    "walls without flux": (REACTION, fs.Neumann(0), LINE, {"u": 0.0, "v": 0.0}),
    "walls at zero": (REACTION, fs.Dirichlet(0), LINE, {"u": 0.0, "v": 0.0}),
    "walls at the state": ("du/dt = laplacian(u) + u - u**3", fs.Dirichlet(1), LINE, {"u": 1.0}),
    "walls below zero": ("du/dt = laplacian(u) + u - u**3", fs.Dirichlet(-1), LINE, {"u": -1.0}),
    "one of each": (REACTION, {"x-": fs.Dirichlet(0), "x+": fs.Neumann(0)}, LINE, {"u": 0.0, "v": 0.0}),
    "nodes on the walls": (REACTION, fs.Neumann(0), NODES, {"u": 0.0, "v": 0.0}),
    "nodes held at the walls": (REACTION, fs.Dirichlet(0), NODES, {"u": 0.0, "v": 0.0}),
    "antiperiodic": (REACTION, fs.AntiPeriodic(), LINE, {"u": 0.0, "v": 0.0}),
    "fourth order": (REACTION, fs.Periodic(), {**LINE, "space_order": 4}, {"u": 0.0, "v": 0.0}),
    "spectral": (REACTION, fs.Periodic(), {**LINE, "scheme": fs.Spectral()}, {"u": 0.0, "v": 0.0}),
    "drift": ("du/dt = -u*d_dx(u) - d2_dx2(u) - d4_dx4(u)", fs.Periodic(), LINE, {"u": 0.6}),
    "dispersive": ("du/dt = -6*u*d_dx(u) - d3_dx3(u)", fs.Periodic(), LINE, {"u": 0.3}),
    "twice d_dx": ("du/dt = d_dx(d_dx(u)) + u - u**3", fs.Neumann(0), LINE, {"u": 0.0}),
    "conservative": ("du/dt = diffusion(1 + u**2, u) + u - u**3", fs.Neumann(0), LINE, {"u": 1.0}),
    "wave": ("d2u/dt2 = laplacian(u) - 0.1*d_dt(u) - sin(u)", fs.Neumann(0), LINE, {"u": 0.0, "du/dt": 0.0}),
    "plane": (REACTION, fs.Neumann(0), PLANE, {"u": 0.0, "v": 0.0}),
    "periodic plane": ("du/dt = -biharmonic(u) - 2*laplacian(u) - d_dx(u)", fs.Periodic(), PLANE, {"u": 0.0}),
    "mixed plane": (REACTION, {"x": fs.Periodic(), "y": fs.Neumann(0)}, PLANE, {"u": 0.0, "v": 0.0}),
    "matrix": ("du/dt = diffusion(D, u) + u", fs.Periodic(), {**PLANE, "parameters": {"D": MATRIX}}, {"u": 0.0}),
    "vectors": (
        "du/dt = divergence(gradient(u)) + u - u**3 + dot(b, gradient(u))",
        fs.Periodic(),
        {**PLANE, "parameters": {"b": torch.tensor([0.5, -0.2], dtype=torch.float64)}},
        {"u": 0.0},
    ),
    "kernel": ("du/dt = -u + convolve(w, tanh(u))", fs.Periodic(), {**LINE, "kernels": {"w": GAUSS}}, {"u": 0.0}),
    "mirrored": ("du/dt = -u + convolve(w, tanh(u))", fs.Neumann(0), {**LINE, "kernels": {"w": MIRRORED}}, {"u": 0.0}),
    "mean": ("du/dt = laplacian(u) + u - 3*mean(u)", fs.Neumann(0), LINE, {"u": 0.0}),
    "integral": ("du/dt = laplacian(u) - u + integral(u**2)/7", fs.Periodic(), LINE, {"u": 0.35}),
    "complex": (
        "dA/dt = (1+1j)*A + (1-2j)*laplacian(A) - (1+1j)*abs(A)**2*A",
        fs.Periodic(),
        {**LINE, "complex_fields": ["A"]},
        {"A": 0.6 + 0.8j},
    ),
    "quintic": (
        "dA/dt = 0.5*A + (1-2j)*laplacian(A) + 1.2*abs(A)**2*A - (1.7+0.3j)*abs(A)**4*A + 0.3j*A",
        fs.Periodic(),
        {**LINE, "complex_fields": ["A"]},
        {"A": 1.0},
    ),
    "graph": ("du/dt = 0.3*laplacian(u) + u - u**3", None, {"grid": fs.Graph.cycle(12)}, {"u": 0.0}),
}


@pytest.mark.parametrize("name", CASES)
def test_growth_of_the_modes_is_that_of_the_discrete_equation(name):
    text, boundary, options, state = CASES[name]
    equation = fs.FieldEquation(text, boundary=boundary, **options)
    result = dispersion(equation, state)
    found = {
        n: complex(v) if equation.is_complex else float(v) for n, v in zip(equation.fields, _state(result), strict=True)
    }
    exact = dense(equation, found)
    count = int(result["n_modes"])
    rates = result["mode_growth"].values[:count]
    size = np.abs(exact).max()
    # a pair that meets is split by the root of round-off
    slack = 1e-7 * size if name in ("wave", "complex", "quintic") else 1e-11 * size
    assert count > 5
    for rate, omega in zip(rates, result["mode_omega"].values[:count], strict=True):
        assert np.abs(exact - (rate + 1j * omega)).min() <= slack or np.abs(exact - (rate - 1j * omega)).min() <= slack
    assert rates.max() == pytest.approx(exact.real.max(), abs=slack)
    held = 2 if name == "nodes held at the walls" else 0
    assert int(result["mode_multiplicity"].sum()) == math.prod(equation.state_shape[1:]) - held


def _state(result):
    components = [name for name in result["wave"].values if not name.startswith("conj")]
    values = result["state_re"].values + 1j * result["state_im"].values
    return (
        values[: len(components)] if np.iscomplexobj(values) and values.imag.any() else values.real[: len(components)]
    )


def test_all_modes_of_a_scalar_equation_are_all_its_eigenvalues():
    equation = fs.FieldEquation("du/dt = -laplacian(u) - biharmonic(u)", boundary=fs.Periodic(), **PLANE)
    result = dispersion(equation, {"u": 0.0})
    repeated = np.repeat(result["mode_growth"].values, result["mode_multiplicity"].values.astype(int))
    assert np.sort(repeated) == pytest.approx(np.sort(dense(equation, {"u": 0.0}).real), abs=1e-9)
    assert int(result["unstable_modes"]) == (dense(equation, {"u": 0.0}).real > 1e-9).sum()


def test_a_growing_mode_grows_as_said():
    """One mode of Schnakenberg's model, solved: its amplitude doubles at the rate of the scheme, to six digits."""
    equation = fs.FieldEquation(
        "du/dt = laplacian(u) + 0.1 - u + u**2*v;  dv/dt = 10*laplacian(v) + 0.9 - u**2*v",
        grid=fs.Grid(64, extent=100.0),
        boundary=fs.Periodic(),
    )
    result = dispersion(equation, {"u": 1.0, "v": 0.9})
    mode = int(np.nanargmax(result["mode_growth"].values))
    k, rate = float(result["mode_k"][mode]), float(result["mode_growth"][mode])
    (x,) = equation.grid.coordinates()
    state = {"u": 1 + 1e-8 * torch.cos(k * x), "v": 0.9 - 5e-9 * torch.cos(k * x)}
    times = torch.tensor([0.0, 20.0, 30.0], dtype=torch.float64)
    run = fs.solve(equation, state, t_span=(0, 30), save_at=times, rtol=1e-10, atol=1e-16)
    amplitude = torch.fft.rfft(run["u"] - 1, dim=-1)[:, round(k * 100 / (2 * math.pi))].abs()
    assert math.log(amplitude[2] / amplitude[1]) / 10 == pytest.approx(rate, rel=1e-6)


def test_a_domain_too_small_for_the_band_is_stable_and_says_so():
    def on(length):
        return fs.FieldEquation(
            "du/dt = laplacian(u) + u - u**3", grid=fs.Grid(32, extent=length), boundary=fs.Dirichlet(0)
        )

    small, large = dispersion(on(3.0), {"u": 0.0}), dispersion(on(3.3), {"u": 0.0})
    assert int(small["unstable_modes"]) == 0  # sin(pi x/L) with pi/L > 1
    assert "domain is too small" in small.reason
    assert int(large["unstable_modes"]) == 1
    assert "too small" not in large.reason


def test_a_grid_too_coarse_for_the_band_says_so():
    equation = fs.FieldEquation(
        "du/dt = -d2_dx2(u) - d4_dx4(u)", grid=fs.Grid(64, extent=100.0), boundary=fs.Periodic()
    )
    assert "does not resolve the band" not in dispersion(equation, {"u": 0.0}).reason
    coarse = fs.FieldEquation("du/dt = -d2_dx2(u) - d4_dx4(u)", grid=fs.Grid(48, extent=100.0), boundary=fs.Periodic())
    assert "does not resolve the band" in dispersion(coarse, {"u": 0.0}).reason


@pytest.mark.parametrize(
    ("boundary", "text", "why"),
    [
        (fs.Dirichlet(1), "du/dt = laplacian(u) - u", "away from the uniform state"),
        (fs.Robin(1, 1, 0), "du/dt = laplacian(u) - u", "no sines or cosines"),
        (fs.Neumann(0), "du/dt = laplacian(u) - d_dx(u) - u", "odd derivatives"),
    ],
)
def test_where_the_modes_are_no_waves_the_reason_is_given(boundary, text, why):
    equation = fs.FieldEquation(text, boundary=boundary, **LINE)
    result = dispersion(equation, {"u": 0.0})
    assert int(result["unstable_modes"]) == -1
    assert why in result.reason


def ray_of(text, **more):
    equation = fs.FieldEquation(text, grid=fs.Grid(16, extent=1.0), boundary=fs.Periodic(), **more)
    linearised = Linearised(equation)
    _, response = linearised.at(torch.zeros(1, equation.components, dtype=torch.float64))
    return symbol_of(linearised, response).along(unit(1))


@pytest.mark.parametrize(
    ("text", "rate", "exponent"),
    [
        ("du/dt = 2*u - 3*laplacian(u) - 0.5*d4_dx4(u)", -0.5, 4),
        ("du/dt = -d3_dx3(u) + 0.25*laplacian(u) + 7*u", -0.25, 2),
        ("d2u/dt2 = 9*laplacian(u) - 0.5*d_dt(u)", -0.25, 0),
        ("d2u/dt2 = 9*laplacian(u) + 0.5*laplacian(d_dt(u))", -18.0, 0),  # one branch is overdamped: c^2/eta
        ("d2u/dt2 = -4*laplacian(u)", 2.0, 1),
        ("du/dt = -laplacian(u);  dv/dt = 3*v", 1.0, 2),  # the steeper of two that grow
        ("d2u/dt2 = -biharmonic(u)", 0.0, 0),
        ("du/dt = laplacian(u) - v; dv/dt = u + 0.4*v", 0.4, 0),
    ],
)
def test_the_leading_order_at_large_wave_numbers(text, rate, exponent):
    found = far_field(ray_of(text), 1.0)
    assert (found.rate, found.exponent) == (pytest.approx(rate, abs=1e-9), exponent)
    assert found.certificate == "exact"


@pytest.mark.parametrize("kappa", [0.3, 1.1, 0.5 + 0.4j])
def test_derivatives_of_a_branch(kappa):
    """First and second derivative against central differences of the eigenvalue."""
    ray = ray_of("du/dt = laplacian(u) + 0.8*u + v - d_dx(v);  dv/dt = 10*laplacian(v) - 1.8*u - v + d3_dx3(v)")
    _against_differences(ray, kappa)


def test_derivatives_where_a_kernel_meets_a_derivative():
    kernel = fs.Kernel(lambda d: torch.exp(-((d - 0.1) ** 2) / 0.02), edge="periodic")
    ray = ray_of("du/dt = convolve(w, d_dx(u)) - u + laplacian(convolve(w, u))", kernels={"w": kernel})
    _against_differences(ray, 0.7)


def _against_differences(ray, kappa):
    value, slope, curvature = branch_jet(ray, kappa)
    h = 1e-4
    left, right = (branch_jet(ray, kappa + step, value)[0] for step in (-h, h))
    assert slope == pytest.approx((right - left) / (2 * h), rel=1e-6)
    assert curvature == pytest.approx((right - 2 * value + left) / h**2, rel=1e-5)


def test_what_does_not_spread_has_flat_growth():
    """No operator at all, and a step whose slope is zero."""
    kernel = fs.Kernel(lambda d: torch.exp(-(d**2)), edge="periodic")
    for text in ("du/dt = -2*u", "du/dt = -2*u + convolve(w, heaviside(u - 9))"):
        kernels = {"w": kernel} if "w" in text else {}
        result = dispersion(fs.FieldEquation(text, boundary=fs.Periodic(), kernels=kernels, **LINE), {"u": 0.0})
        assert (result["growth_rate_re"].values == -2).all()
        assert result["regime"].item() == "stable"
        assert (result["mode_growth"].values == -2).all()


def test_fields_on_grids_of_their_own():
    """Transfers between grids leave waves that both resolve alone."""
    equation = fs.FieldEquation(
        "du/dt = laplacian(u) + 0.8*u + restrict(v);  dv/dt = 10*laplacian(v) - 1.8*prolong(u) - v",
        grid={"u": fs.Grid(16, extent=50.0), "v": fs.Grid(32, extent=50.0)},
        boundary=fs.Periodic(),
    )
    result = dispersion(equation, {"u": 0.0, "v": 0.0})
    assert float(result["band_hi"][0]) == pytest.approx(math.sqrt(0.5), abs=1e-13)
    assert "different resolution" in result.reason


def test_a_cube_is_looked_at_from_long_to_short_waves():
    text, state = "du/dt = laplacian(u) + 0.5*u", {"u": 0.0}
    equation = fs.FieldEquation(text, grid=fs.Grid((40, 40, 40), extent=30.0), boundary=fs.Periodic())
    result = dispersion(equation, state)
    k = 2 * math.pi * np.fft.fftfreq(40) / 0.75
    rate = 4 / 0.75**2 * np.sin(k * 0.375) ** 2
    total = rate[:, None, None] + rate[None, :, None] + rate[None, None, :]
    assert int(result["unstable_modes"]) == (total < 0.5).sum()


def test_many_components_are_sampled_at_large_wave_numbers():
    size = 12
    generator = torch.Generator().manual_seed(0)
    K = 0.1 * torch.randn(size, size, dtype=torch.float64, generator=generator)
    equation = fs.FieldEquation(
        "dphi/dt = D*laplacian(phi) + K @ phi",
        grid=fs.Grid(16, extent=1.0),
        boundary=fs.Periodic(),
        components={"phi": size},
        parameters={"D": torch.linspace(0.5, 2, size, dtype=torch.float64), "K": K},
    )
    result = dispersion(equation, torch.zeros(size, dtype=torch.float64))
    assert result["far_rate"].item() == pytest.approx(-0.5, rel=1e-3)
    assert result["far_exponent"].item() == 2
    assert result["uniform_growth_re"].values[0] == pytest.approx(np.linalg.eigvals(K.numpy()).real.max(), abs=1e-12)
