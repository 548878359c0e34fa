"""Masked domains in equations: agreement with what they contain, conservation, and that nothing outside is seen."""

from __future__ import annotations

import copy
import math
import pickle
import warnings

import numpy as np
import pytest
import torch
from torch import nn

import fieldsolver as fs
from fieldsolver.equations.knowledge import linear_part
from fieldsolver.equations.lowering.place import GRID
from fieldsolver.solve.stability_limit import check_fixed_step

F64 = torch.float64
PLANE = fs.Grid((9, 8), extent=(1.0, 0.9))
WRAPPED = {"x": fs.Periodic(), "y": fs.Periodic()}


def randn(*shape, seed=0, dtype=F64):
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def holes(grid=PLANE, seed=0, batch=()):
    inside = torch.rand(*batch, *grid.shape, generator=torch.Generator().manual_seed(seed)) < 0.6
    inside[..., 1, 1] = True
    return inside


def declare(text, inside, boundary=fs.Neumann(0), grid=PLANE, **options):  # noqa: B008 - immutable default
    return fs.FieldEquation(text, grid=grid, boundary=boundary, mask=inside, **options)


def without_mask(boundary):
    if isinstance(boundary, dict):
        return {key: without_mask(value) for key, value in boundary.items() if key != "mask"}
    return boundary


OPERATORS = {
    "laplacian": "du/dt = 0.1*laplacian(u)",
    "diffusion": "du/dt = diffusion(0.1, u)",
    "state": "du/dt = diffusion(0.1*(1 + u**2), u)",
    "coordinate": "du/dt = diffusion(0.1*(1 + x*y), u)",
    "spatial": "du/dt = diffusion(D, u)",
    "derivatives": "du/dt = d_dx(u) - 0.3*d_dy(u) + 0.01*d2_dx2(u) + 0.02*d2_dy2(u)",
    "advection": "du/dt = advection(v, u)",
    "slopes": "du/dt = 0.1*gradient_squared(u)",
    "composite": "du/dt = 0.1*laplacian(u + u**3)",
    "means": "du/dt = mean(u) - u + 0.1*integral(u**2)",
}
WALLS = {
    "no flux": fs.Neumann(0),
    "held": {"x": fs.Dirichlet("sin(t) + y"), "y": fs.Neumann(0.3), "mask": fs.Dirichlet(0.7)},
    "wrapped": WRAPPED | {"mask": fs.Dirichlet("cos(t)")},
    "robin": {"x": fs.Periodic(), "y": fs.Robin(1.0, 2.0, 0.5), "mask": fs.Neumann(0)},
}


def options_of(name, grid=PLANE):
    known = {"D": fs.Spatial(0.1 + randn(*grid.shape, seed=5) ** 2), "v": torch.tensor([1.0, -0.5], dtype=F64)}
    used = {"spatial": "D", "advection": "v"}.get(name)
    return {"parameters": {used: known[used]}} if used else {}


# -- a mask without holes ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wall", WALLS)
@pytest.mark.parametrize("name", OPERATORS)
def test_a_full_mask_changes_no_bit(name, wall):
    masked = declare(OPERATORS[name], torch.ones(PLANE.shape) > 0, WALLS[wall], **options_of(name))
    plain = fs.FieldEquation(OPERATORS[name], grid=PLANE, boundary=without_mask(WALLS[wall]), **options_of(name))
    y = randn(3, 1, *PLANE.shape)
    assert torch.equal(masked(0.3, y), plain(0.3, y))
    assert torch.equal(masked(0.3, y.float()), plain(0.3, y.float()))


@pytest.mark.parametrize("dimension", [1, 2, 3])
@pytest.mark.parametrize("wall", [fs.Neumann(0), fs.Dirichlet(0.2)])
def test_a_full_mask_changes_no_bit_of_a_solve(dimension, wall):
    grid = fs.Grid((6, 7, 5)[:dimension], extent=1.0)
    text = "du/dt = 0.01*laplacian(u) + u*v\ndv/dt = diffusion(0.01*(1 + u**2), v) - v + gradient_squared(u)"
    masked = fs.FieldEquation(text, grid=grid, boundary=wall, mask=torch.ones(grid.shape) > 0)
    plain = fs.FieldEquation(text, grid=grid, boundary=wall)
    y0 = {"u": 0.1 * randn(2, *grid.shape), "v": 0.1 * randn(2, *grid.shape, seed=1)}
    for steps in ({"dt": 0.05, "check": "off"}, {}):
        first, second = (fs.solve(f, y0, t_span=(0, 0.5), **steps) for f in (masked, plain))
        assert torch.equal(first.y, second.y)


# -- what a mask contains ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize("wall", [fs.Neumann(0), fs.Dirichlet(0.2)])
def test_a_box_in_a_mask_is_a_smaller_grid(name, wall):
    """Walls of the smaller grid are faces of the mask; the coordinates stay."""
    inside = torch.zeros(PLANE.shape) > 0
    inside[2:7, 1:6] = True
    hx, hy = PLANE.spacing
    small = fs.Grid((5, 5), bounds=[(2 * hx, 7 * hx), (hy, 6 * hy)])
    options = options_of(name)
    masked = declare(OPERATORS[name], inside, wall, **options)
    if name == "spatial":
        options = {"parameters": {"D": fs.Spatial(options["parameters"]["D"].value[2:7, 1:6])}}
    alone = fs.FieldEquation(OPERATORS[name], grid=small, boundary=wall, **options)
    y = randn(3, 1, *PLANE.shape)
    rate, expected = masked(0.0, y), alone(0.0, y[..., 2:7, 1:6])
    assert not rate[..., ~inside].any()
    nonlinear = name in ("state", "coordinate", "composite") and isinstance(wall, fs.Dirichlet)
    if nonlinear:  # 2 f(g) - f(u) at a face of the mask, f(2 g - u) at a wall, and D of the cell inside
        rate, expected = rate[..., 3:6, 2:5], expected[..., 1:4, 1:4]
        torch.testing.assert_close(rate, expected, atol=1e-11, rtol=1e-10)
    else:
        torch.testing.assert_close(rate[..., 2:7, 1:6], expected, atol=1e-11, rtol=1e-10)


@pytest.mark.parametrize("condition", [fs.Neumann(0), fs.Dirichlet(0.3), fs.Dirichlet("0.1 + sin(t)")])
def test_a_padded_sequence_is_a_short_one(condition):
    """Of 8, 13 and 5 points in 13: bit by bit in whole solves; gradients add the same terms in another order."""
    lengths, h = (8, 13, 5), 0.125
    text = "du/dt = diffusion(D, u) + a*u*(1 - u) - c*d_dx(u)"

    def layer(points, **options):
        parameters = {"D": fs.Parameter(0.02, positive=True), "a": fs.Parameter(0.7), "c": 0.1}
        grid = fs.Grid(points, extent=points * h)
        equation = fs.FieldEquation(text, grid=grid, boundary=condition, parameters=parameters, **options)
        return fs.nn.FieldLayer(equation, duration=0.5, dt=0.1, method="rk4", check="off")

    padded = layer(13, mask=torch.arange(13) < torch.tensor(lengths).unsqueeze(1))
    y = randn(3, 1, 13).abs().requires_grad_()
    out = padded(y)
    sum_of_samples = [torch.zeros((), dtype=F64) for _ in range(2)]
    for k, points in enumerate(lengths):
        short = layer(points)
        own = y.detach()[k : k + 1, :, :points].clone().requires_grad_()
        alone = short(own)
        assert torch.equal(out[k, :, :points], alone[0])
        assert not out[k, :, points:].any()
        gradient = torch.autograd.grad(alone.square().sum(), [own, *short.parameters()])
        (whole,) = torch.autograd.grad(out[k].square().sum(), y, retain_graph=True)
        torch.testing.assert_close(whole[k, :, :points], gradient[0][0], rtol=1e-13, atol=1e-14)
        assert not whole[k, :, points:].any()
        sum_of_samples = [total + own for total, own in zip(sum_of_samples, gradient[1:], strict=True)]
    together = torch.autograd.grad(out.square().sum(), list(padded.parameters()))
    torch.testing.assert_close(list(together), sum_of_samples, rtol=1e-12, atol=0)


@pytest.mark.parametrize("wall", WALLS)
@pytest.mark.parametrize("name", OPERATORS)
def test_a_batch_of_masks_is_a_loop(name, wall):
    inside = holes(batch=(4,))
    y = randn(4, 1, *PLANE.shape)
    together = declare(OPERATORS[name], inside, WALLS[wall], **options_of(name))(0.2, y)
    for k in range(4):
        alone = declare(OPERATORS[name], inside[k], WALLS[wall], **options_of(name))(0.2, y[k : k + 1])
        torch.testing.assert_close(together[k], alone[0], rtol=1e-13, atol=1e-13)


def test_adaptive_solves_of_a_batch_of_masks():
    """Samples leave the batch when they are done, each with its mask; a value at the mask may differ, too."""
    inside, g = holes(batch=(4,)), torch.tensor([0.1, 2.0, -1.0, 0.0], dtype=F64)
    boundary = {"x": fs.Neumann(0), "y": fs.Neumann(0), "mask": fs.Dirichlet("g*cos(t)")}
    text = "du/dt = 0.1*laplacian(u) - rate*(u - mean(u))"
    rates = torch.tensor([1.0, 30.0, 5.0, 200.0], dtype=F64)

    def run(rows, index=None):
        pick = slice(None) if index is None else index
        parameters = {"g": fs.PerSample(g[pick].reshape(-1)), "rate": fs.PerSample(rates[pick].reshape(-1))}
        equation = declare(text, inside[rows], boundary, parameters=parameters)
        return fs.solve(equation, {"u": y[rows]}, t_span=(0, 0.3), rtol=1e-9, atol=1e-11)

    y = randn(4, *PLANE.shape)
    together = run(slice(0, 4))
    for k in range(4):
        alone = run(slice(k, k + 1), slice(k, k + 1))
        torch.testing.assert_close(together.y[-1, k], alone.y[-1, 0], rtol=1e-7, atol=1e-8)
    nested = fs.solve(
        declare("du/dt = 0.1*laplacian(u)", inside), {"u": y.reshape(2, 2, *PLANE.shape)}, t_span=(0, 0.1)
    )
    assert nested.y.shape == (2, 2, 2, 1, *PLANE.shape)
    assert not nested.y.reshape(2, 4, *PLANE.shape)[:, ~inside].any()
    spread = declare("du/dt = -u", inside).pack({"u": 1.0})
    assert torch.equal(spread[:, 0] > 0, inside)


# -- what is outside --------------------------------------------------------------------------------------------------

POINTWISE = {
    "logarithm": "du/dt = a*u*log(u)",
    "reciprocal": "du/dt = a/u",
    "root": "du/dt = a*sqrt(u)",
    "composite": "du/dt = a*laplacian(log(u))",
    "pair": "du/dt = a*log(u - 0.9*v)\ndv/dt = -v",
    "place": "du/dt = a*log(x - 0.5)*u",
    "spatial": "du/dt = a*u/k",
    "slopes": "du/dt = a*log(gradient_squared(u))",
    "far": "du/dt = a*log(convolve(w, u))",
    "power": "du/dt = a*u**b",
}


@pytest.mark.parametrize("batch", [(), (2,)])
@pytest.mark.parametrize("name", POINTWISE)
def test_functions_without_value_at_zero_have_finite_gradients(name, batch):
    inside = holes(batch=batch) | torch.tensor(name == "slopes")  # in a cell on its own there is no slope
    inside[..., PLANE.coordinate(0) <= 0.5, :] = False
    k = torch.where(inside.reshape(-1, *PLANE.shape).any(0), 1.0, 0.0)
    options = {"parameters": {"a": fs.Parameter(0.8), "b": fs.Parameter(1.5), "k": fs.Spatial(k)}}
    used = {"a": "a"} | ({"k": "k"} if name == "spatial" else {}) | ({"b": "b"} if name == "power" else {})
    options["parameters"] = {key: options["parameters"][key] for key in used}
    if name == "far":
        options["kernels"] = {"w": fs.Kernel(lambda dx, dy: torch.exp(-40 * (dx**2 + dy**2)), edge="zero")}
    equation = declare(POINTWISE[name], inside, **options)
    u = torch.where(inside, randn(2, *PLANE.shape).abs() + 0.5, math.nan).requires_grad_()
    state = {"u": u, "v": 0.3} if name == "pair" else {"u": u}
    y = equation.pack(state)
    rate = equation(0.0, y)
    assert torch.isfinite(rate).all()
    outside = ~inside.expand(2, *PLANE.shape)
    gradients = torch.autograd.grad(rate.square().sum(), [u, *equation.parameters()], allow_unused=True)
    for gradient in gradients:
        assert gradient is None or torch.isfinite(gradient).all()
    assert gradients[0] is None or not gradients[0][outside].any()


@pytest.mark.parametrize("filler", [math.nan, math.inf, 1e300])
@pytest.mark.parametrize("name", [*OPERATORS, "far"])
def test_nothing_outside_is_seen(name, filler):
    text = {**OPERATORS, "far": "du/dt = convolve(w, u) + 0.1*f(u)"}[name]
    options = options_of(name)
    if name == "far":
        torch.manual_seed(0)
        options = {
            "kernels": {"w": fs.Kernel(lambda dx, dy: torch.exp(-9 * (dx**2 + dy**2)), edge="zero")},
            "modules": {"f": fs.Nonlocal(nn.Conv2d(1, 1, 3, padding=1, dtype=F64))},
        }
    inside = holes()
    equation = declare(text, inside, WALLS["held"], **options)
    clean = torch.where(inside, randn(2, 1, *PLANE.shape), 0)
    dirty = torch.where(inside, clean, filler)
    assert torch.equal(equation(0.1, dirty), equation(0.1, clean))
    assert torch.equal(equation.pack({"u": dirty[:, 0]}), clean)
    assert torch.equal(equation.project(torch.tensor(0.0), dirty), clean)
    with pytest.raises(fs.StateError, match="contains NaN or infinity"):
        equation.pack(torch.full_like(clean, math.nan))


def test_what_acts_on_whole_fields_sees_zeros_outside():
    inside = holes()
    kernel = {"w": fs.Kernel(lambda dx, dy: torch.exp(-9 * (dx**2 + dy**2)), edge="zero")}
    sums = fs.Nonlocal(WholeSum())
    masked = declare("du/dt = convolve(w, u + 1) + s(u)", inside, kernels=kernel, modules={"s": sums})
    plain = fs.FieldEquation(
        "du/dt = convolve(w, m*(u + 1)) + s(m*u)", grid=PLANE, boundary=fs.Neumann(0), kernels=kernel,
        modules={"s": sums}, parameters={"m": fs.Spatial(inside.double())},
    )  # fmt: skip
    y = randn(2, 1, *PLANE.shape)
    torch.testing.assert_close(masked(0.0, y), torch.where(inside, plain(0.0, y), 0))


class WholeSum(nn.Module):
    def forward(self, fields):
        return fields.sum((-2, -1), keepdim=True).expand(fields.shape)


def test_integrals_and_means_count_the_inside():
    inside, y = holes(), randn(2, 1, *PLANE.shape)
    assert torch.equal(declare("du/dt = -u", inside).layout.weights(), PLANE.weights() * inside)
    for text, expected in (
        ("du/dt = mean(u)", y[..., inside].mean(-1)),
        ("du/dt = integral(u)", y[..., inside].sum(-1) * math.prod(PLANE.spacing)),
        ("du/dt = integral(1)", inside.sum().double() * math.prod(PLANE.spacing)),
    ):
        rate = declare(text, inside)(0.0, y)
        torch.testing.assert_close(rate, torch.where(inside, expected.reshape(-1, 1, 1, 1).expand_as(y), 0))


# -- laws -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("walls", [fs.Neumann(0), WRAPPED | {"mask": fs.Neumann(0)}])
def test_no_flux_conserves_mass(walls):
    inside = holes()
    equation = declare("du/dt = diffusion(0.1*(1 + u**2), u) + 0.1*laplacian(u**3)", inside, walls)
    y0 = torch.where(inside, randn(2, 1, *PLANE.shape), 0)
    mass = fs.solve(equation, y0, t_span=(0, 0.2), save_at=[0, 0.1, 0.2]).y.sum((-2, -1))
    assert (mass - mass[0]).abs().max() < 1e-12 * y0.abs().sum()
    np.testing.assert_allclose(equation.conserved(), [[1.0]])
    assert len(declare("du/dt = laplacian(u)", inside, fs.Dirichlet(0)).conserved()) == 0


def ring_error(points, walls):
    """The heat equation on ``(0, 3)^2`` without ``(1, 2)^2`` and ``(2, 3)^2``: nodes of the waves on all faces."""
    grid = fs.Grid((points, points), extent=3.0)
    X, Y = grid.coordinates()
    inside = ~((X > 1) & (X < 2) & (Y > 1) & (Y < 2)) & ~((X > 2) & (Y > 2))
    equation = fs.FieldEquation("du/dt = laplacian(u)", grid=grid, boundary=walls, mask=inside)
    wave = torch.sin if isinstance(walls, fs.Dirichlet) else torch.cos
    exact = wave(math.pi * X) * wave(math.pi * Y)
    solution = fs.solve(equation, {"u": exact}, t_span=(0, 0.05), rtol=1e-8, atol=1e-10)
    difference = solution["u"][-1] - math.exp(-2 * math.pi**2 * 0.05) * exact
    return difference[inside].abs().max().item()


@pytest.mark.parametrize("walls", [fs.Dirichlet(0), fs.Neumann(0)])
def test_second_order_around_a_hole_and_a_corner(walls):
    errors = [ring_error(points, walls) for points in (12, 24, 48)]
    assert np.log2(errors[0] / errors[1]) == pytest.approx(2, abs=0.2)
    assert np.log2(errors[1] / errors[2]) == pytest.approx(2, abs=0.1)


def forced_error(points):
    """A value on the faces that changes with time: u = cos(3 t) + sin(pi x) sin(pi y) around a hole."""
    grid = fs.Grid((points, points), extent=3.0)
    X, Y = grid.coordinates()
    inside = ~((X > 1) & (X < 2) & (Y > 1) & (Y < 2))
    source = "-3*sin(3*t) + 2*pi**2*sin(pi*x)*sin(pi*y)"
    equation = fs.FieldEquation(
        f"du/dt = laplacian(u) + {source}", grid=grid, boundary=fs.Dirichlet("cos(3*t)"), mask=inside
    )
    waves = torch.sin(math.pi * X) * torch.sin(math.pi * Y)
    solution = fs.solve(equation, {"u": 1 + waves}, t_span=(0, 0.3), rtol=1e-7, atol=1e-9)
    return (solution["u"][-1] - math.cos(0.9) - waves)[inside].abs().max().item()


def test_second_order_with_a_value_in_time():
    errors = [forced_error(points) for points in (12, 24)]
    assert np.log2(errors[0] / errors[1]) == pytest.approx(2, abs=0.2)


def test_flow_around_an_obstacle():
    """A hot obstacle in a stream warms what is behind it, and nothing goes through it."""
    grid = fs.Grid((40, 16), extent=(2.5, 1.0))
    X, Y = grid.coordinates()
    inside = (X - 0.6) ** 2 + (Y - 0.5) ** 2 > 0.15**2
    boundary = {"x-": fs.Dirichlet(0), "x+": fs.Neumann(0), "y": fs.Neumann(0), "mask": fs.Dirichlet("T")}
    equation = fs.FieldEquation(
        "dT_/dt = 0.02*laplacian(T_) - advection(v, T_)", grid=grid, boundary=boundary, mask=inside,
        parameters={"T": fs.Parameter(1.0), "v": torch.tensor([0.5, 0.0])},
    )  # fmt: skip
    heat = fs.solve(equation, {"T_": torch.zeros(grid.shape, dtype=F64)}, t_span=(0, 2))["T_"][-1]
    assert heat[~inside].abs().max() == 0
    assert heat.min() > -0.01
    assert heat.max() < 1.01
    assert heat[30, 8] > 10 * heat[2, 8].abs()
    torch.testing.assert_close(heat, heat.flip(1), rtol=0, atol=1e-12)
    (gradient,) = torch.autograd.grad(heat.sum(), equation.raw["T"])
    assert gradient > 1  # the heat is proportional to the temperature of the obstacle
    torch.testing.assert_close(gradient, heat.detach().sum(), rtol=1e-5, atol=0)


def test_products_of_a_free_and_a_held_field():
    """On a face, f takes the given value of the one field and the cell's own of the other."""
    inside = torch.ones(9) > 0
    inside[5:] = False
    grid = fs.Grid(9, extent=0.9)
    boundary = {"u": fs.Neumann(0), "v": {"x": fs.Neumann(0), "mask": fs.Dirichlet("g")}}
    equation = declare("du/dt = laplacian(u*v**2)\ndv/dt = 0", inside, boundary, grid=grid, parameters={"g": 0.4})
    u, v = randn(9), randn(9, seed=1)
    rate = equation.unpack(equation(0.0, equation.pack({"u": u, "v": v})))["u"]
    f = u * v**2
    ghost = 2 * u[4] * 0.4**2 - f[4]
    torch.testing.assert_close(rate[4], (f[3] - 2 * f[4] + ghost) / 0.1**2)


@pytest.mark.parametrize("condition", [fs.Neumann(0), fs.Dirichlet(0)])
@pytest.mark.parametrize("text", ["biharmonic(u)", "laplacian(u**3 - laplacian(u))", "d_dx(d_dx(u))"])
def test_nested_operators_mirror_once_more(text, condition):
    """A box in a mask again, whose walls are known to do so."""
    inside = torch.zeros(PLANE.shape) > 0
    inside[2:7, 1:6] = True
    masked = declare(f"du/dt = {text}", inside, condition)
    hx, hy = PLANE.spacing
    alone = fs.FieldEquation(f"du/dt = {text}", grid=fs.Grid((5, 5), extent=(5 * hx, 5 * hy)), boundary=condition)
    y = randn(1, *PLANE.shape)
    expected = alone(0.0, y[..., 2:7, 1:6])
    torch.testing.assert_close(masked(0.0, y)[..., 2:7, 1:6], expected, rtol=1e-9, atol=1e-9)


def test_second_order_in_time_and_complex_fields():
    inside = holes()
    held = WRAPPED | {"mask": fs.Dirichlet("sin(t)")}
    wave = declare("d2u/dt2 = laplacian(u + 0.1*d_dt(u))", inside, held)
    y = randn(2, *PLANE.shape)
    rate = wave.unpack(wave(0.4, y))["du/dt"]
    stretched = declare(
        "du/dt = laplacian(u)", inside, WRAPPED | {"mask": fs.Dirichlet(math.sin(0.4) + 0.1 * math.cos(0.4))}
    )
    torch.testing.assert_close(rate, stretched(0.4, y[:1] + 0.1 * y[1:])[0])
    ripples = declare("du/dt = 1j*laplacian(u)", inside, complex_fields=("u",))
    z = torch.complex(randn(1, *PLANE.shape), randn(1, *PLANE.shape, seed=1))
    real = declare("du/dt = laplacian(u)", inside)
    torch.testing.assert_close(ripples(0.0, z).real, -real(0.0, z.imag))


# -- modules, transforms, files ---------------------------------------------------------------------------------------


def test_a_layer_with_a_mask_trains():
    """Padded sequences: the true coefficients are found, and the padding plays no part."""
    torch.manual_seed(0)
    inside = torch.arange(16) < torch.tensor([16, 9, 12, 5]).unsqueeze(1)
    grid = fs.Grid(16, extent=1.0)

    def layer(D):
        mlp = nn.Sequential(nn.Linear(1, 4, dtype=F64), nn.Tanh(), nn.Linear(4, 1, dtype=F64))
        equation = fs.FieldEquation(
            "du/dt = D*laplacian(u) - log(1 + u) + 0*f(u)", grid=grid, boundary=fs.Neumann(0), mask=inside,
            parameters={"D": fs.Parameter(D, positive=True)}, modules={"f": mlp},
        )  # fmt: skip
        return fs.nn.FieldLayer(equation, duration=0.4, dt=0.1, method="rk4", gradient="direct")

    u = torch.where(inside, randn(4, 16).abs(), math.nan).unsqueeze(1)
    target = layer(0.02)(u).detach()
    trained = layer(0.005)
    optimiser = torch.optim.LBFGS([trained.equation.raw["D"]], line_search_fn="strong_wolfe", tolerance_change=1e-14)

    def loss():
        optimiser.zero_grad()
        value = (trained(u) - target).square().sum()
        value.backward()
        return value

    optimiser.step(loss)
    assert trained.equation.parameter_values()["D"].item() == pytest.approx(0.02, rel=1e-3)
    assert all(torch.isfinite(p.grad).all() for p in trained.parameters() if p.grad is not None)


def test_transforms_see_the_mask():
    inside = holes(batch=(3,))
    text = "du/dt = a*laplacian(u) + log(1 + u**2) + mean(u)"
    equation = declare(text, inside, parameters={"a": 0.1})
    function, parameters = equation.pure()
    y, t = randn(3, 1, *PLANE.shape), torch.zeros((), dtype=F64)
    expected = function(parameters, t, y)
    mapped = torch.func.vmap(function, in_dims=((None, 0, 0), None, 0))(
        parameters, t, y
    )  # a sample, its mask, its anchor
    torch.testing.assert_close(mapped, expected)
    one = declare(text, inside[0], parameters={"a": 0.1})
    torch.testing.assert_close(torch.func.vmap(lambda z: one(0.0, z))(y), one(0.0, y))
    jacobian = torch.func.jacfwd(lambda z: one(0.0, z))(y[0])
    torch.testing.assert_close(jacobian, torch.func.jacrev(lambda z: one(0.0, z))(y[0]))
    assert not jacobian[..., ~inside[0]].any()
    assert not jacobian[:, ~inside[0]].any()
    small = fs.Grid((3, 4), extent=1.0)
    tiny = declare(text + "+ 0.1*diffusion(exp(u), u)", holes(small), fs.Dirichlet(0.3), small, parameters={"a": 0.1})
    z = randn(1, 3, 4).requires_grad_()
    assert torch.autograd.gradcheck(lambda z: tiny(0.0, z), (z,), check_forward_ad=True)
    assert torch.autograd.gradgradcheck(lambda z: tiny(0.0, z), (z,))


def test_copies_and_files_know_the_mask(tmp_path):
    inside = holes()
    equation = declare("du/dt = a*laplacian(u)", inside, parameters={"a": fs.Parameter(0.1)})
    y = randn(1, *PLANE.shape)
    for other in (copy.deepcopy(equation), pickle.loads(pickle.dumps(equation))):
        assert torch.equal(other(0.0, y), equation(0.0, y))
    assert "mask_flags" in dict(equation.named_buffers())  # moves with the module
    assert "mask" not in fs.FieldEquation("du/dt = -u", grid=PLANE, boundary=fs.Neumann(0)).fingerprint()
    layer = fs.nn.FieldLayer(equation, duration=0.1)
    layer.save(tmp_path / "w.safetensors")
    layer.load_weights(tmp_path / "w.safetensors")
    changed = inside.clone()
    changed[0, 0] ^= True
    with pytest.raises(fs.FileFormatError):
        fs.nn.FieldLayer(
            declare("du/dt = a*laplacian(u)", changed, parameters={"a": fs.Parameter(0.1)}), duration=0.1
        ).load_weights(tmp_path / "w.safetensors")
    inside[:] = True
    assert not equation(0.0, y)[..., ~holes()].any()  # the equation keeps its own
    assert f"inside a mask of {int(holes().sum())} of 72 cells" in repr(equation)
    assert "Neumann(value=0) at its border" in repr(equation)
    batch = torch.stack([torch.arange(5) < 3, torch.arange(5) < 5])
    sequences = declare("du/dt = -u", batch, grid=fs.Grid(5, extent=1.0))
    assert "3 to 5 of 5 cells in 2 samples" in repr(sequences)


class Decay(fs.System):
    u = fs.Field()

    def rates(self, s):
        return {"u": s.laplacian(self.u)}


def test_equations_written_as_classes():
    inside, y = holes(), randn(1, *PLANE.shape)
    written = Decay.equation(grid=PLANE, boundary=fs.Neumann(0), mask=inside)
    assert torch.equal(written(0.0, y), declare("du/dt = laplacian(u)", inside)(0.0, y))


def test_labelled_data_and_pictures_leave_holes():
    inside = holes(batch=(2,))
    solution = fs.solve(declare("du/dt = laplacian(u)", inside), {"u": randn(2, *PLANE.shape)}, t_span=(0, 0.01))
    shown = solution.to_xarray()["u"].values
    assert np.isnan(shown[:, ~inside.numpy()]).all()
    assert np.isfinite(shown[:, inside.numpy()]).all()
    assert not solution["u"][:, ~inside].any()  # states keep their zeros
    (axes, *_) = solution.plot().axes
    image = axes.images[0].get_array()
    np.testing.assert_array_equal(np.ma.getmaskarray(image), ~inside[0].numpy().T)


# -- what is known ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wall", [*WALLS, "odd"])
@pytest.mark.parametrize("name", ["laplacian", "diffusion", "derivatives", "advection", "spatial"])
def test_bounds_hold(name, wall):
    boundary = {**WALLS, "odd": {"x": fs.Robin(-1.0, 2.0), "y": fs.Dirichlet(0), "mask": fs.Neumann(0)}}[wall]
    for seed in range(3):
        equation = declare(OPERATORS[name], holes(seed=seed), boundary, **options_of(name))
        linear = linear_part(equation)
        y = torch.zeros(1, *PLANE.shape, dtype=F64)
        values = np.linalg.eigvals(equation.jacobian().dense(0.0, y).numpy())
        bound, slack = linear.bound, 1e-9 * linear.bound.radius
        assert (bound.kind, linear.eigenvalues, set(linear.transform)) == ("upper", None, {"none"})
        assert values.real.min() >= bound.lowest - slack
        assert values.real.max() <= bound.highest + slack
        assert np.abs(values.imag).max() <= bound.imaginary + slack


def test_the_bound_of_diffusion_is_that_of_any_mask():
    hx, hy = PLANE.spacing
    for condition in (fs.Neumann(0), fs.Dirichlet(0)):
        bound = linear_part(declare("du/dt = laplacian(u)", holes(), condition)).bound
        assert bound.lowest == pytest.approx(-4 / hx**2 - 4 / hy**2)
        assert (bound.highest, bound.imaginary) == (0.0, 0.0)
    reaction = linear_part(declare("du/dt = -3*u", holes()))
    assert (reaction.bound.lowest, reaction.bound.kind) == (-3.0, "exact")


def test_steps_beyond_the_limit_are_named():
    equation = declare("du/dt = laplacian(u)", holes())
    limit = 2.785 / abs(linear_part(equation).bound.lowest)
    from fieldsolver.methods import METHODS

    with pytest.warns(fs.FieldSolverWarning, match="upper bound on the spectrum"):
        check_fixed_step(equation, METHODS["rk4"], 1.1 * limit, "refuse")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_fixed_step(equation, METHODS["rk4"], 0.99 * limit, "refuse")


@pytest.mark.parametrize("name", ["laplacian", "state", "derivatives", "composite", "advection"])
def test_the_sparse_jacobian_is_the_dense_one(name):
    equation = declare(OPERATORS[name], holes(), WALLS["held"], **options_of(name))
    y = randn(1, *PLANE.shape)
    dense = equation.jacobian().dense(0.0, y).numpy()
    assert not dense[~equation.jacobian().pattern().toarray()].any()
    np.testing.assert_allclose(equation.jacobian().sparse(0.0, y).toarray(), dense, atol=1e-12 * np.abs(dense).max())


@pytest.mark.parametrize("condition", [fs.Neumann(0), fs.Dirichlet(0.3)])
@pytest.mark.parametrize("grid", [fs.Grid(16, extent=1.0), PLANE])
@pytest.mark.parametrize("text", ["laplacian(u) - u", "diffusion(1 + x, u)"])
def test_implicit_steps_know_the_mask(text, grid, condition):
    inside = holes(grid) if grid.dimension > 1 else torch.arange(16) % 6 > 1
    equation = declare(f"du/dt = {text}", inside, condition, grid=grid)
    L = equation.jacobian().dense(0.0, torch.zeros(1, *grid.shape, dtype=F64))
    b = torch.where(inside, randn(2, 1, *grid.shape), 0)
    x = equation.shifted_solver().solve(b, 0.1)
    expected = torch.linalg.solve(torch.eye(grid.size, dtype=F64) - 0.1 * L, b.reshape(2, -1).T).T
    torch.testing.assert_close(x.reshape(2, -1), expected, rtol=1e-8, atol=1e-8)


def test_steady_states_are_those_inside():
    inside = holes()
    inside[0, 0] = False
    bistable = declare("du/dt = laplacian(u) + u - u**3", inside)
    np.testing.assert_allclose(bistable.steady_states().ravel(), [-1, 0, 1], atol=1e-8)


# -- what cannot be ---------------------------------------------------------------------------------------------------

ALL = torch.ones(PLANE.shape) > 0


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"boundary": fs.Periodic()}, fs.BoundaryError, '"x": fs.Periodic.., "y": fs.Periodic.., "mask": fs.Neumann.0'),
        ({"boundary": fs.AntiPeriodic()}, fs.BoundaryError, "AntiPeriodic.. says nothing at the border of the mask"),
        ({"boundary": WRAPPED}, fs.BoundaryError, 'says nothing at the mask; add "mask": fs.Neumann'),
        ({"boundary": {"u": WRAPPED}}, fs.BoundaryError, "the boundary of 'u' says nothing at the mask"),
        ({"boundary": {"u": WRAPPED, "mask": fs.Neumann(0)}}, fs.BoundaryError, "among the sides of every field"),
        ({"mask": None, "boundary": WRAPPED | {"mask": fs.Neumann(0)}}, fs.BoundaryError, "there is no mask"),
        (
            {"mask": None, "boundary": {"u": WRAPPED | {"mask": fs.Neumann(0)}}}, fs.BoundaryError, "pass mask=inside"
        ),
        ({"boundary": WRAPPED | {"mask": fs.Neumann(1)}}, fs.BoundaryError, r"fs.Neumann\(1\), but a slope there"),
        ({"boundary": WRAPPED | {"mask": fs.Robin(1, 1)}}, fs.BoundaryError, "only fs.Neumann.0. and fs.Dirichlet"),
        ({"boundary": WRAPPED | {"mask": "no flux"}}, fs.BoundaryError, "needs a condition such as fs.Neumann.0."),
        ({"boundary": WRAPPED | {"mask": fs.Dirichlet("x")}}, fs.BoundaryError, "contains the coordinate 'x'"),
        ({"boundary": WRAPPED | {"mask": fs.Dirichlet("u")}}, fs.BoundaryError, "boundary value of 'u' at the mask"),
        (
            {"text": "du/dt = -u", "grid": None, "boundary": None}, fs.GridError,
            "mask= belongs to one grid, and there is none",
        ),
        ({"mask": ALL.double()}, fs.GridError, "a bool tensor, got torch.float64"),
        ({"mask": ALL.numpy()}, fs.GridError, "mask= is a bool tensor of the shape of the grid, got ndarray"),
        ({"mask": ALL.T}, fs.GridError, r"the shape \(9, 8\)"),
        ({"mask": ~ALL}, fs.GridError, "has no cell inside"),
        ({"space_order": 4}, fs.GridError, "every axis is uniform and has scheme=fs.FiniteDifference.order=2"),
        ({"scheme": fs.Spectral()}, fs.GridError, "with mask= every axis .* got Spectral"),
        ({"scheme": fs.FiniteDifference(advection="upwind1")}, fs.GridError, "with mask= .*upwind1"),
        ({"scheme": fs.FiniteDifference(laplacian="isotropic")}, fs.GridError, "with mask= .*isotropic"),
        ({"grid": fs.Grid((9, 8), extent=1.0, centring="node")}, fs.GridError, "a mask needs a cell-centred grid"),
        (
            {"grid": fs.Grid((9, 8), extent=1.0, nodes={"x": fs.Clustered("polynomial")})}, fs.GridError,
            "every axis is uniform",
        ),
        (
            {"text": "du/dt = diffusion(D, u)", "parameters": {"D": torch.eye(2)}}, fs.GridError,
            "with a matrix is not defined with mask=",
        ),
        ({"text": "du/dt = d3_dx3(u)"}, fs.GridError, "is the first or the second, not of order 3"),
        ({"text": "du/dt = d_dx(x*u)"}, fs.BoundaryError, "at the mask a condition is needed for x.u"),
        ({"text": "du/dt = biharmonic(u)", "boundary": fs.Dirichlet(1)}, fs.BoundaryError, "declare that expression"),
    ],
)  # fmt: skip
def test_what_cannot_be(options, error, message):
    given = {"text": "du/dt = laplacian(u)", "grid": PLANE, "boundary": fs.Neumann(0), "mask": ALL} | options
    with pytest.raises(error, match=message):
        fs.FieldEquation(given.pop("text"), **given)


def test_what_a_mask_does_not_have():
    inside = holes()
    with pytest.raises(fs.EquationError, match="at the border of a mask"):
        declare("du/dt = laplacian(u)", inside).manufactured({"u": "cos(pi*x)*exp(-t)"})
    held = declare("du/dt = laplacian(u)", inside, fs.Dirichlet(0))
    with pytest.raises(fs.EquationError, match="the mask holds 'u'"):
        held.steady_states()
    batch = declare("du/dt = laplacian(u)", holes(batch=(3,)))
    with pytest.raises(fs.EquationError, match="the mask differs between samples"):
        batch.conserved()
    with pytest.raises(fs.StateError, match="mask= has 3 samples, but the state has 2"):
        fs.solve(batch, {"u": randn(2, *PLANE.shape)}, t_span=(0, 1))
    data = {"t": [0.1, 0.2], "u": randn(2, *PLANE.shape)}
    with pytest.raises(fs.OptionError, match="equations with mask= cannot be fitted yet"):
        fs.fit(held, data, initial={"u": 0.0})


def test_without_a_mask_nothing_is_emitted():
    """The tape of an equation without mask is what it was."""
    from fieldsolver.equations.lowering import Lowering

    equation = fs.FieldEquation("du/dt = laplacian(u) + mean(u)", grid=PLANE, boundary=fs.Neumann(0))
    lowering = Lowering(equation.layout)
    assert lowering.settle(7, GRID) == 7
    assert equation.mask_values() == {}
