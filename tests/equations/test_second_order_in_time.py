"""Equations of second order in time: state, velocity, walls that move, exact solutions."""

import math

import pytest
import torch

import fieldsolver as fs

F64 = torch.float64


def test_state_has_field_and_velocity_and_both_are_required():
    equation = fs.FieldEquation("d2u/dt2 = -9*u - 0.2*d_dt(u)")
    assert equation.fields == ("u", "du/dt")
    assert str(equation) == "d2u/dt2 = -9*u - 0.2*d_dt(u)"
    with pytest.raises(fs.StateError, match="lacks the field 'du/dt'"):
        fs.solve(equation, {"u": 1.0}, t_span=(0, 1))


def test_damped_oscillator_is_exact():
    equation = fs.FieldEquation("d2u/dt2 = -9*u - 0.2*d_dt(u)")
    state = {"u": torch.tensor(1.0, dtype=F64), "du/dt": torch.tensor(-0.1, dtype=F64)}
    solution = fs.solve(equation, state, t_span=(0, 3), rtol=1e-10, atol=1e-12)
    omega = math.sqrt(9 - 0.01)
    assert solution["u"][-1].item() == pytest.approx(math.exp(-0.3) * math.cos(3 * omega), abs=1e-8)


def test_same_numbers_as_the_first_order_system():
    grid = fs.Grid((12, 10), extent=3.0)
    second = fs.FieldEquation("d2u/dt2 = laplacian(u) - sin(u)", grid=grid, boundary=fs.Neumann(0))
    first = fs.FieldEquation("du/dt = v; dv/dt = laplacian(u) - sin(u)", grid=grid, boundary=fs.Neumann(0))
    torch.manual_seed(0)
    y = torch.randn(2, *grid.shape, dtype=F64)
    assert torch.equal(second(0.0, y), first(0.0, y))


def test_standing_wave_returns_after_its_period():
    grid = fs.Grid(64, extent=1.0)
    equation = fs.FieldEquation("d2u/dt2 = laplacian(u)", grid=grid, boundary=fs.Dirichlet(0))
    (x,) = grid.coordinates()
    mode = torch.sin(math.pi * x)
    omega = 2 / grid.spacing[0] * math.sin(math.pi * grid.spacing[0] / 2)
    solution = fs.solve(equation, {"u": mode, "du/dt": 0 * x}, t_span=(0, 2 * math.pi / omega), rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(solution["u"][-1], mode, rtol=0, atol=1e-7)


def test_velocity_on_a_moving_wall_is_the_walls_velocity():
    equation = fs.FieldEquation(
        "d2u/dt2 = laplacian(u)",
        grid=fs.Grid(9, extent=1.0, centring="node"),
        boundary={"x-": fs.Dirichlet("sin(2*t)**2"), "x+": fs.Neumann(0)},
    )
    zero = torch.zeros(9, dtype=F64)
    solution = fs.solve(equation, {"u": zero, "du/dt": zero}, t_span=(0, 1), save_at=[0.4, 1.0])
    t = solution.t
    torch.testing.assert_close(solution["u"][:, 0], torch.sin(2 * t) ** 2, rtol=0, atol=1e-14)
    torch.testing.assert_close(solution["du/dt"][:, 0], 4 * torch.sin(2 * t) * torch.cos(2 * t), rtol=0, atol=1e-14)


def test_operators_on_the_velocity_use_differentiated_boundary_data():
    """Kelvin-Voigt damping acts on the velocity; its ghosts need d/dt of the wall's value."""
    grid = fs.Grid(200, extent=1.0)
    equation = fs.FieldEquation("d2u/dt2 = laplacian(d_dt(u))", grid=grid, boundary=fs.Dirichlet("t**2 + 1"))
    (x,) = grid.coordinates()
    t = 0.7
    y = equation.pack({"u": 0 * x, "du/dt": 2 * t + x * (1 - x)})  # meets 2 t at both walls
    rate = equation.unpack(equation(t, y))["du/dt"]
    torch.testing.assert_close(rate[1:-1], torch.full_like(rate[1:-1], -2.0), rtol=0, atol=1e-8)


def test_mixed_orders_keep_the_declared_sequence():
    equation = fs.FieldEquation("dw/dt = -w; d2u/dt2 = -u + w", components={"u": 2})
    assert equation.fields == ("w", "u", "du/dt")
    assert equation.components == 5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("du/dt = d_dt(u)", "d2u/dt2"),
        ("d2u/dt2 = d_dt(v)", "these are: u"),
        ("d2u/dt2 = d_dt(u + 1)", "these are: u"),
        ("d3u/dt3 = u", "'du/dt' or 'd2u/dt2'"),
        ("d2u/dt = u", "order 2 over order 1"),
    ],
)
def test_refusals(text, message):
    with pytest.raises(fs.EquationError, match=message):
        fs.FieldEquation(text)


def test_a_signal_on_a_wall_has_no_velocity():
    with pytest.raises(fs.EquationError, match="signal"):
        fs.FieldEquation(
            "d2u/dt2 = laplacian(u)",
            grid=fs.Grid(9, extent=1.0),
            boundary=fs.Dirichlet("s"),
            parameters={"s": fs.Signal([0.0, 1.0], [0.0, 1.0])},
        )
