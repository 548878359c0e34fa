"""The budget by walls, by role, by component and by scale; energies with known values."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import fieldsolver as fs
from fieldsolver.analysis import convergence, energy
from fieldsolver.equations import FieldEquation
from fieldsolver.errors import OptionError


def states(t, y):
    return SimpleNamespace(t=torch.as_tensor(t, dtype=torch.float64), y=y)


def at(equation, fields, **options):
    """The study of one state, in double precision."""
    fields = {name: torch.as_tensor(given, dtype=torch.float64) if isinstance(given, float) else given
              for name, given in fields.items()}  # fmt: skip
    y = equation.project(torch.zeros((), dtype=torch.float64), equation.pack(fields))
    return energy(equation, states([0.0], y.unsqueeze(0)), **options)


# ---------------------------------------------------------------------------------------------------- walls


def u(x):
    return math.exp(x) + math.sin(3 * x)


def slope(x):
    return math.exp(x) + 3 * math.cos(3 * x)


WALLS = {
    "dirichlet": {"x-": fs.Dirichlet(u(0)), "x+": fs.Dirichlet(u(1))},
    "neumann": {"x-": fs.Neumann(-slope(0)), "x+": fs.Neumann(slope(1))},
    "robin": {"x-": fs.Robin(1, 2, u(0) - 2 * slope(0)), "x+": fs.Robin(1, 2, u(1) + 2 * slope(1))},
}
CENTRINGS = {
    "cell": ("cell", None),
    "node": ("node", None),
    "sbp": ("node", fs.FiniteDifference(order=4, closure="summation_by_parts")),
}


def heat_between(walls, centring, points, density=None):
    kind, scheme = CENTRINGS[centring]
    equation = FieldEquation(
        "du/dt = D*laplacian(u) - 0.3*u",
        grid=fs.Grid(points, extent=1.0, centring=kind),
        boundary=WALLS[walls],
        parameters={"D": 0.7},
        scheme=scheme,
    )
    (x,) = equation.grid.coordinates()
    return at(equation, {"u": torch.exp(x) + torch.sin(3 * x)}, density=density)


@pytest.mark.parametrize("centring", CENTRINGS)
@pytest.mark.parametrize("walls", WALLS)
def test_what_enters_through_the_walls_is_the_flux_of_the_exact_solution(walls, centring):
    """For E = u^2/2 and D u_xx: D (u u_x at x = 1 minus u u_x at x = 0)."""
    exact = 0.7 * (u(1) * slope(1) - u(0) * slope(0))

    def error(h):
        result = heat_between(walls, centring, round(1 / h))
        return abs(float(result["boundary_flux"].isel(term=0, time=0)) - exact) + 1e-13

    errors = [error(1 / n) for n in (20, 40, 80, 160)]
    assert errors[-1] < 0.06 * abs(exact)
    assert errors[-1] < errors[0] / 5 or errors[0] < 1e-10  # first order: dE/dy half a cell from the wall


@pytest.mark.parametrize("centring", ["cell", "node"])
def test_all_that_a_mass_gains_by_diffusion_comes_through_the_walls(centring):
    result = heat_between("neumann", centring, 40, density="u")
    through, gained = (float(result[name].isel(term=0, time=0)) for name in ("boundary_flux", "budget"))
    assert through == pytest.approx(gained, rel=1e-12)
    assert through == pytest.approx(0.7 * (slope(1) - slope(0)), rel=1e-12)
    assert result["role"].values.tolist() == ["conservative", "dissipative"]


def test_diffusion_between_insulated_walls_only_dissipates():
    result = heat_between("neumann", "cell", 40)
    inner = float((result["budget"] - result["boundary_flux"]).isel(term=0, time=0))
    (x,) = fs.Grid(40, extent=1.0).coordinates()
    values = (torch.exp(x) + torch.sin(3 * x)).numpy()
    assert inner == pytest.approx(-0.7 * np.sum(np.diff(values) ** 2) * 40, rel=1e-12)  # -D sum of (du/h)^2 h
    assert result["role"].values[0] == "dissipative"


def test_without_walls_nothing_comes_through_them_and_on_chebyshev_points_nobody_knows():
    ring = FieldEquation("du/dt = laplacian(u)", grid=fs.Grid(16, extent=1.0), boundary=fs.Periodic())
    (x,) = ring.grid.coordinates()
    assert (at(ring, {"u": x})["boundary_flux"] == 0).all()
    line = FieldEquation(
        "du/dt = laplacian(u)",
        grid=fs.Grid(16, extent=1.0, centring="node", nodes={"x": fs.Clustered("chebyshev")}),
        boundary=fs.Dirichlet(0),
        scheme=fs.Spectral(),
    )
    (x,) = line.grid.coordinates()
    assert np.isnan(at(line, {"u": x * (1 - x)})["boundary_flux"].values).all()


# ---------------------------------------------------------------------------------------- roles, components, scales


def test_roles_of_a_forced_and_damped_pendulum():
    equation = FieldEquation("dq/dt = p; dp/dt = -sin(q) - 0.2*p + 0.5*cos(t)")
    result = energy(equation, states([0.0, 1.0], torch.tensor([[0.4, 0.7], [0.1, 0.2]], dtype=torch.float64)),
                    density="0.5*p**2 + 1 - cos(q)")  # fmt: skip
    assert result["role"].values.tolist() == ["conservative", "conservative", "dissipative", "forcing"]


def test_a_balance_at_rest_is_no_exchange():
    equation = FieldEquation("du/dt = 1 - v; dv/dt = u - v")
    result = energy(equation, states([0.0], torch.ones(1, 2, dtype=torch.float64)), density="0.5*u**2 + 0.5*v**2")
    assert float(result["rate"][0]) == 0
    assert result["role"].values.tolist() == ["forcing", "conservative", "conservative", "dissipative"]


def test_the_budget_by_component_sums_to_the_budget():
    equation = FieldEquation("du/dt = -u + K @ u; dv/dt = -v", components={"u": 3},
                             parameters={"K": 0.1 * torch.arange(9.0, dtype=torch.float64).reshape(3, 3)})  # fmt: skip
    y = torch.randn(4, 2, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    result = energy(equation, states(range(4), y))
    assert result["budget_by_component"].dims == ("term", "component", "time", "batch")
    assert result["component"].values.tolist() == ["u[0]", "u[1]", "u[2]", "v"]
    summed = result["budget_by_component"].sum("component")
    assert summed.values == pytest.approx(result["budget"].values, rel=1e-13)
    assert (result["budget_by_component"].sel(term="dv/dt: -v", component="u[1]") == 0).all()
    damping = result["budget_by_component"].sel(term="du/dt: -u", component="u[1]")
    assert damping.values == pytest.approx(-(y[..., 1] ** 2).numpy())


def burgers():
    """The skew-symmetric form conserves the energy exactly, also when discretised."""
    equation = FieldEquation(
        "du/dt = nu*laplacian(u) - (u*d_dx(u) + d_dx(u**2))/3",
        grid=fs.Grid(48, extent=2 * math.pi),
        boundary=fs.Periodic(),
        parameters={"nu": 0.02},
    )
    (x,) = equation.grid.coordinates()
    return equation, x


def test_the_transfer_sums_to_the_budget_and_the_flux_vanishes_at_the_end():
    equation, x = burgers()
    y = equation.pack({"u": torch.sin(x) + 0.5 * torch.cos(2 * x)}).unsqueeze(0)
    result = energy(equation, states([0.0], y), wavenumbers=True)
    assert result["transfer"].sum("k").values == pytest.approx(result["budget"].values, abs=1e-14)  # Parseval
    assert float(result["flux"].isel(k=-1, time=0)) == pytest.approx(0, abs=1e-14)
    assert result["k"].values[:3] == pytest.approx([0, 1, 2])
    damping = result["transfer"].isel(term=0, time=0)
    h = 2 * math.pi / 48
    symbol = [-4 / h**2 * math.sin(k * h / 2) ** 2 for k in (1, 2)]
    assert float(damping[1]) == pytest.approx(0.02 * symbol[0] * math.pi, rel=1e-12)  # integral of sin^2 is pi
    assert float(damping[2]) == pytest.approx(0.02 * symbol[1] * 0.25 * math.pi, rel=1e-12)
    assert abs(damping[3:]).max() < 1e-14


def test_the_transfer_of_an_advection_by_hand():
    """sin x + a sin 2x under -u u_x, against a fine quadrature of the same projections."""
    equation = FieldEquation("du/dt = -d_dx(u**2)/2", grid=fs.Grid(64, extent=2 * math.pi), boundary=fs.Periodic(),
                             scheme=fs.Spectral())  # fmt: skip
    (x,) = equation.grid.coordinates()
    a = 0.5
    y = equation.pack({"u": torch.sin(x) + a * torch.sin(2 * x)}).unsqueeze(0)
    result = energy(equation, states([0.0], y), wavenumbers=True)
    fine = np.linspace(0, 2 * np.pi, 20001)
    field = np.sin(fine) + a * np.sin(2 * fine)
    rate = -field * (np.cos(fine) + 2 * a * np.cos(2 * fine))
    for k, part in ((1, np.sin(fine)), (2, a * np.sin(2 * fine))):
        assert float(result["transfer"].isel(term=0, k=k, time=0)) == pytest.approx(
            np.trapezoid(part * rate, fine), rel=1e-8
        )
    carried, given = result["flux"].isel(k=1, time=0), result["transfer"].isel(term=0, k=1, time=0)
    assert float(carried) == pytest.approx(-float(given), rel=1e-12)  # what k = 1 loses goes beyond it
    assert abs(float(carried)) > 0.1


def test_scales_need_a_periodic_grid():
    equation = FieldEquation("du/dt = laplacian(u)", grid=fs.Grid(8, extent=1.0), boundary=fs.Neumann(0))
    with pytest.raises(OptionError, match="uniform and periodic"):
        at(equation, {"u": torch.ones(8)}, wavenumbers=True)


# ------------------------------------------------------------------------------------------------ known energies


def value(text, fields, density, **options):
    equation = FieldEquation(text, **options)
    return float(at(equation, fields, density=density)["energy"][0])


def line(points, half, **options):
    grid = fs.Grid(points, bounds=(-half, half))
    return grid, grid.coordinates()[0], {"grid": grid, **options}


def test_a_resting_kink_of_sine_gordon_has_energy_8():
    def error(h):
        _, x, options = line(round(40 / h), 20, boundary={
            "u": {"x-": fs.Dirichlet(0), "x+": fs.Dirichlet("2*pi")}, "v": fs.Neumann(0)})  # fmt: skip
        density = "0.5*v**2 + 0.5*gradient_squared(u) + 1 - cos(u)"
        fields = {"u": 4 * torch.atan(torch.exp(x)), "v": 0 * x}
        return abs(value("du/dt = v; dv/dt = laplacian(u) - sin(u)", fields, density, **options) - 8)

    convergence(error, [0.4, 0.2, 0.1, 0.05], expected=2).assert_pass()


@pytest.mark.parametrize("width", [0.5, 1.0])
def test_a_flat_interface_of_allen_cahn_has_energy_2_sqrt2_over_3(width):
    exact = 2 * math.sqrt(2) / 3
    assert exact == pytest.approx(0.942809041582, abs=1e-12)
    _, x, options = line(2000, 20, boundary=fs.Neumann(0), parameters={"e": width}, space_order=4)
    fields = {"u": torch.tanh(x / (math.sqrt(2) * width))}
    found = value("du/dt = e*laplacian(u) + (u - u**3)/e", fields, "e/2*gradient_squared(u) + (1 - u**2)**2/(4*e)",
                  **options)  # fmt: skip
    assert found == pytest.approx(exact, abs=1e-6)


def test_a_soliton_of_korteweg_and_de_vries():
    """u = c/2 sech^2(sqrt(c) x/2) of u_t + 6 u u_x + u_xxx = 0: mass 2 sqrt(c), momentum 2/3 c^1.5 / 2, energy."""
    c = 1.7
    _, x, options = line(800, 25, boundary=fs.Periodic(), scheme=fs.Spectral())
    fields, text = {"u": c / 2 / torch.cosh(math.sqrt(c) * x / 2) ** 2}, "du/dt = -6*u*d_dx(u) - d3_dx3(u)"
    assert value(text, fields, "u", **options) == pytest.approx(2 * math.sqrt(c), abs=1e-9)
    assert value(text, fields, "0.5*u**2", **options) == pytest.approx(c**1.5 / 3, abs=1e-9)
    energy_density = "0.5*gradient_squared(u) - u**3"
    assert value(text, fields, energy_density, **options) == pytest.approx(-(c**2.5) / 5, abs=1e-9)


def test_a_soliton_of_the_nonlinear_schroedinger_equation():
    """psi = sech x exp(i v x/2) of i psi_t + psi_xx + 2|psi|^2 psi = 0: mass 2, H = integral |psi_x|^2 - |psi|^4."""
    _, x, options = line(512, 20, boundary=fs.Periodic(), scheme=fs.Spectral(), complex_fields=("psi",))
    v = math.pi / 10 * 2  # periodic on the line
    fields = {"psi": torch.polar(1 / torch.cosh(x), v * x / 2)}
    text = "dpsi/dt = 1j*laplacian(psi) + 2j*abs(psi)**2*psi"
    assert value(text, fields, "abs(psi)**2", **options) == pytest.approx(2, abs=1e-10)
    h = "real(d_dx(psi))**2 + imag(d_dx(psi))**2 - abs(psi)**4"
    assert value(text, fields, h, **options) == pytest.approx(2 / 3 + v**2 / 2 - 4 / 3, abs=1e-7)


def test_kepler_pendulum_and_henon_heiles():
    e = 0.6
    kepler = "dx1/dt = p1; dx2/dt = p2; dp1/dt = -x1/(x1**2 + x2**2)**1.5; dp2/dt = -x2/(x1**2 + x2**2)**1.5"
    start = {"x1": 1 - e, "x2": 0.0, "p1": 0.0, "p2": math.sqrt((1 + e) / (1 - e))}
    assert value(kepler, start, "0.5*(p1**2 + p2**2) - 1/sqrt(x1**2 + x2**2)") == pytest.approx(-0.5, abs=1e-14)
    assert value(kepler, start, "x1*p2 - x2*p1") == pytest.approx(0.8, abs=1e-14)
    pendulum = "dq/dt = p; dp/dt = -sin(q)"
    assert value(pendulum, {"q": math.pi, "p": 0.0}, "p**2/2 + 1 - cos(q)") == pytest.approx(2, abs=1e-14)
    heiles = "dq1/dt = p1; dq2/dt = p2; dp1/dt = -q1 - 2*q1*q2; dp2/dt = -q2 - q1**2 + q2**2"
    h = "0.5*(p1**2 + p2**2 + q1**2 + q2**2) + q1**2*q2 - q2**3/3"
    saddle = {"q1": 0.0, "q2": 1.0, "p1": 0.0, "p2": 0.0}
    assert value(heiles, saddle, h) == pytest.approx(1 / 6, abs=1e-15)


def test_kepler_keeps_its_energy_and_its_angular_momentum():
    e = 0.6
    kepler = FieldEquation(
        "dx1/dt = p1; dx2/dt = p2; dp1/dt = -x1/(x1**2 + x2**2)**1.5; dp2/dt = -x2/(x1**2 + x2**2)**1.5"
    )
    y0 = torch.tensor([1 - e, 0.0, 0.0, math.sqrt((1 + e) / (1 - e))], dtype=torch.float64)
    solution = fs.solve(kepler, y0, t_span=(0, 20), save_at=torch.linspace(0, 20, 81), method="dop853",
                        rtol=1e-10, atol=1e-12)  # fmt: skip
    for density in ("0.5*(p1**2 + p2**2) - 1/sqrt(x1**2 + x2**2)", "x1*p2 - x2*p1"):
        result = energy(kepler, solution, density=density, expect="conserved", rtol=1e-8)
        assert result.status.holds, result.reason
        assert (result["role"] == "conservative").all()


def test_a_forcing_that_happens_to_take_energy_at_the_probed_times_is_still_one():
    """At the first, middle and last save point q' cos(t) is negative; in between it is not."""
    equation = FieldEquation("dq/dt = cos(t)")
    t = torch.tensor([0.0, 1.0, 2.0, 3.0, 4.0], dtype=torch.float64)
    q = torch.tensor([-1.0, 1.0, 1.0, 1.0, 1.0], dtype=torch.float64).unsqueeze(1)
    assert energy(equation, states(t, q))["role"].values.tolist() == ["forcing"]
