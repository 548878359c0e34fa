"""Boundaries of every kind in whole solutions: exact ones, waves that leave, data that vary, and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import fieldsolver as fs
from fieldsolver.equations.lowering import held_sides

BY_PARTS = fs.FiniteDifference(4, closure="summation_by_parts")
CHEBYSHEV = {"x": fs.Clustered("chebyshev")}
TIGHT = {"rtol": 1e-6, "atol": 1e-9}


def solved(equation, initial, t_span, **options):
    """The states ``(2, C, *grid)`` at both ends of the time span."""
    with torch.no_grad():
        return fs.solve(equation, initial, t_span=t_span, **(TIGHT | options)).y


def sampled(function, grid, t):
    return function(*grid.coordinates(), torch.tensor(t, dtype=torch.float64))


# -- exact solutions with data that change in time --------------------------------------------------------------------

RATE = 0.7  # of decay; k^2 with u = exp(-k^2 t) sin(k x + 1/2) solves the heat equation
WAVE = math.sqrt(RATE)


def heat_walls(kind, a=0.0, b=1.3):
    """Conditions that ``exp(-0.7 t) sin(k x + 1/2)`` fulfils at both ends of ``(a, b)``."""
    k = repr(WAVE)
    value = {end: f"exp(-{RATE}*t)*sin({k}*{at} + 0.5)" for end, at in (("-", a), ("+", b))}
    slope = {"-": f"-exp(-{RATE}*t)*{k}*cos({k}*{a} + 0.5)", "+": f"exp(-{RATE}*t)*{k}*cos({k}*{b} + 0.5)"}
    conditions = {
        "D": {end: fs.Dirichlet(value[end]) for end in "-+"},
        "N": {end: fs.Neumann(slope[end]) for end in "-+"},
        "R": {end: fs.Robin(1.0, 0.5, f"{value[end]} + 0.5*({slope[end]})") for end in "-+"},
    }[kind]
    return {"x" + end: condition for end, condition in conditions.items()}


HEAT = {
    "cells": ({}, None, 2e-3),
    "nodes": ({"centring": "node"}, None, 2e-3),
    "order 6": ({"centring": "node"}, fs.FiniteDifference(6), 2e-3),  # of second order at these walls
    "by parts": ({"centring": "node"}, BY_PARTS, 2e-4),
    "clustered": ({"nodes": {"x": fs.Clustered("polynomial", power=1.3)}}, None, 2e-3),
    "collocation": ({"centring": "node", "nodes": CHEBYSHEV}, fs.Spectral(), 5e-6),
}


@pytest.mark.parametrize("kind", "DNR")
@pytest.mark.parametrize("scheme", HEAT)
def test_heat_between_walls_that_move(scheme, kind):
    options, chosen, accuracy = HEAT[scheme]
    grid = fs.Grid({"collocation": 9, "by parts": 14}.get(scheme, 18), extent=1.3, **options)
    equation = fs.FieldEquation("du/dt = laplacian(u)", grid=grid, boundary=heat_walls(kind), scheme=chosen)
    exact = lambda x, t: torch.exp(-RATE * t) * torch.sin(WAVE * x + 0.5)  # noqa: E731 - a formula
    end = solved(equation, {"u": sampled(exact, grid, 0.0)}, [0.0, 0.3])[-1, 0]
    assert (end - sampled(exact, grid, 0.3)).abs().max() < accuracy


@pytest.mark.parametrize(("scheme", "options", "accuracy"), [
    (None, {}, 8e-2), (fs.FiniteDifference(6), {"centring": "node"}, 2e-4), (BY_PARTS, {"centring": "node"}, 2e-2),
    (fs.Spectral(), {}, 2e-5),
])  # fmt: skip
def test_a_standing_wave_returns(scheme, options, accuracy):
    """``sin(2 pi x) cos(2 pi t)`` between walls at zero is back after one period."""
    grid = fs.Grid(24, extent=1.0, **options)
    equation = fs.FieldEquation("d2u/dt2 = laplacian(u)", grid=grid, boundary=fs.Dirichlet(0), scheme=scheme)
    start = torch.sin(2 * torch.pi * grid.coordinate(0))
    end = solved(equation, {"u": start, "du/dt": torch.zeros_like(start)}, [0.0, 1.0])[-1, 0]
    assert (end - start).abs().max() < accuracy


@pytest.mark.parametrize("advection", ["central", "upwind1", "upwind3"])
@pytest.mark.parametrize("order", [2, 6])
def test_a_pulse_after_one_period_is_what_the_symbol_says(advection, order):
    """Every wave number turns and decays by ``exp(-t symbol)``; so does the sum of them, a Gaussian pulse."""
    from fieldsolver.space.advection_schemes import ADVECTION_SCHEMES

    scheme = fs.FiniteDifference(order, advection=advection)
    grid = fs.Grid(40, extent=1.0)
    equation = fs.FieldEquation("du/dt = -advection(1.0, u)", grid=grid, boundary=fs.Periodic(), scheme=scheme)
    start = torch.exp(-(((grid.coordinate(0) - 0.5) / 0.1) ** 2))
    theta = 2 * np.pi * np.fft.fftfreq(40)
    chosen = ADVECTION_SCHEMES[f"central{order}" if advection == "central" else advection]
    evolved = np.fft.ifft(np.fft.fft(start.numpy()) * np.exp(-chosen.symbol(theta) * 40)).real
    end = solved(equation, {"u": start}, [0.0, 1.0])[-1, 0]
    np.testing.assert_allclose(end.numpy(), evolved, atol=1e-6)


@pytest.mark.parametrize("dealias", [None, "truncate", "pad"])
def test_a_soliton_keeps_its_shape(dealias):
    """KdV: ``3 A^2 sech^2(A (x - A^2 t)/2)`` (pde.md, 4.1)."""
    A, grid = 2.0, fs.Grid(72, bounds=(-7.0, 7.0))
    equation = fs.FieldEquation(
        "du/dt = -d_dx(u**2)/2 - d3_dx3(u)", grid=grid, boundary=fs.Periodic(), scheme=fs.Spectral(dealias=dealias)
    )
    exact = lambda x, t: 3 * A**2 / torch.cosh(A * (x - A**2 * t) / 2) ** 2  # noqa: E731 - a formula
    end = solved(equation, {"u": sampled(exact, grid, 0.0)}, [0.0, 0.05], rtol=1e-5, atol=1e-6)[-1, 0]
    assert (end - sampled(exact, grid, 0.05)).abs().max() < 5e-3


@pytest.mark.slow
@pytest.mark.parametrize("dealias", ["truncate", "pad"])
def test_kuramoto_sivashinsky_at_ten(dealias):
    """u(0, 10), the maximum and the symmetries of pde.md, 4.2."""
    grid = fs.Grid(256, bounds=(0.0, 32 * math.pi), centring="node", periodic=("x",))
    equation = fs.FieldEquation(
        "du/dt = -d_dx(u**2)/2 - d2_dx2(u) - d4_dx4(u)",
        grid=grid, boundary=fs.Periodic(), scheme=fs.Spectral(dealias=dealias),
    )  # fmt: skip
    x = grid.coordinate(0)
    end = solved(equation, {"u": torch.cos(x / 16) * (1 + torch.sin(x / 16))}, [0.0, 10.0], rtol=1e-7, atol=1e-8)[-1, 0]
    assert end[0].item() == pytest.approx(0.58796787, abs=3e-6)
    assert end.square().mean().sqrt().item() == pytest.approx(0.84626557, abs=3e-6)
    assert abs(end[64].item()) < 1e-5  # 8 pi
    assert (end[128] + end[0]).abs() < 1e-5


# -- waves that leave -------------------------------------------------------------------------------------------------

ABSORBING = {
    "cells": ({}, None), "nodes": ({"centring": "node"}, None), "order 4": ({}, fs.FiniteDifference(4)),
    "by parts": ({"centring": "node"}, BY_PARTS),
}  # fmt: skip


def open_line(scheme, points, speed="c", **parameters):
    options, chosen = ABSORBING[scheme]
    grid = fs.Grid(points, bounds=(-1.0, 1.0), **options)
    return fs.FieldEquation(
        "d2u/dt2 = c**2*laplacian(u)", grid=grid, boundary=fs.Absorbing(speed), scheme=chosen,
        parameters={"c": 1.5} | parameters,
    )  # fmt: skip


def reflected(scheme, points):
    """What is left of a pulse of height 1 after it has met the wall."""
    equation = open_line(scheme, points)
    x = equation.grid.coordinate(0)
    start = torch.exp(-((x / 0.2) ** 2))
    velocity = 1.5 * 2 * x / 0.2**2 * start  # to the right: u_t = -c u_x
    times = [0.0, 2.0 / 1.5]
    return solved(equation, {"u": start, "du/dt": velocity}, times, rtol=1e-5, atol=1e-7)[-1, 0].abs().max().item()


@pytest.mark.parametrize("scheme", ["cells", "nodes", "by parts"])
def test_a_pulse_leaves(scheme):
    coarse, fine = reflected(scheme, 40), reflected(scheme, 80)
    assert fine < 4e-2
    assert math.log2(coarse / fine) > 1.6


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["cells", "nodes", "by parts"])
def test_a_pulse_leaves_without_a_trace(scheme):
    assert reflected(scheme, 500) < 1e-3


def energy_rate(equation, state):
    """``d/dt`` of half the kinetic and elastic energy in the stated norm, the elastic one from the operator itself."""
    rate = equation(0.0, state)
    weights = equation.layout.weights()
    u, v = state[0], state[1]
    closed = fs.FieldEquation(
        "d2u/dt2 = c**2*laplacian(u)", grid=equation.grid, boundary=fs.Neumann(0), scheme=equation.layout.schemes[0],
        parameters={"c": 1.5},
    )  # fmt: skip
    force = closed(0.0, state)[1]  # minus the gradient of the elastic energy
    return (weights * v * (rate[1] - force)).sum().item(), (weights * v * v).sum().item(), u


@given(seed=st.integers(0, 10**6), scheme=st.sampled_from(["cells", "nodes", "by parts"]))
@settings(max_examples=15)
def test_absorbing_walls_only_take_energy(seed, scheme):
    equation = open_line(scheme, 14)
    state = torch.randn(2, 14, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    power, scale, _ = energy_rate(equation, state)
    assert power <= 1e-10 * scale + (0.35 * scale / equation.grid.spacing[0] if scheme == "cells" else 0.0)


@pytest.mark.parametrize("scheme", ABSORBING)
def test_open_waves_never_grow(scheme):
    """No eigenvalue of the whole first-order system lies to the right of the imaginary axis."""
    equation = open_line(scheme, 16)
    size = 2 * 16
    basis = torch.eye(size, dtype=torch.float64).reshape(size, 2, 16)
    with torch.no_grad():
        values = np.linalg.eigvals(equation(0.0, basis).reshape(size, size).T.numpy())
    radius = np.abs(values).max()
    assert values.real.max() < 1e-7 * radius
    bound = equation.linear_part().bound
    assert bound.lowest <= values.real.min() + 1e-8 * radius
    assert np.abs(values.imag).max() <= bound.imaginary + 1e-8 * radius


def test_speeds_of_absorbing_walls_are_parameters():
    equation = open_line("cells", 20, speed="s", s=fs.Parameter(0.8))
    state = torch.randn(2, 20, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    function, parameters = equation.pure()
    parameters = tuple(p.detach().double().requires_grad_() for p in parameters)
    time = torch.tensor(0.0, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda *p: function(p, time, state), parameters)


@pytest.mark.slow
@pytest.mark.parametrize("degrees", [30.0, 45.0])
def test_oblique_waves_come_back_as_engquist_and_majda_say(degrees):
    """``(1 - cos)/(1 + cos)`` for a plane wave at an angle: in the plane, periodic along the wall."""
    phi = math.radians(degrees)
    q = 2 * math.pi  # along y, one period
    k = q / math.tan(phi)  # along x
    width, far = 4.0, 13.0
    grid = fs.Grid((650, 8), bounds=((-far, 0.0), (0.0, 1.0)))
    equation = fs.FieldEquation(
        "d2u/dt2 = laplacian(u)", grid=grid, scheme={"x": fs.FiniteDifference(2), "y": fs.Spectral()},
        boundary={"x-": fs.Neumann(0), "x+": fs.Absorbing(1.0), "y": fs.Periodic()},
    )  # fmt: skip
    x, y = grid.coordinates()
    omega, centre = math.hypot(k, q), -5.0
    envelope = torch.exp(-(((x - centre) / (width / 2)) ** 2))
    speed = k / omega  # of the envelope
    slope = -2 * (x - centre) / (width / 2) ** 2 * envelope
    phase = k * (x - centre) + q * y
    start = envelope * torch.cos(phase)
    velocity = omega * envelope * torch.sin(phase) - speed * slope * torch.cos(phase)
    arrival = -2 * centre / speed
    end = solved(equation, {"u": start, "du/dt": velocity}, [0.0, arrival], rtol=1e-6, atol=1e-8)[-1, 0]
    returned = end.square().sum().sqrt() / start.square().sum().sqrt()
    expected = (1 - math.cos(phi)) / (1 + math.cos(phi))
    assert returned.item() == pytest.approx(expected, rel=0.25)


# -- data -------------------------------------------------------------------------------------------------------------

F64 = torch.float64
SQUARE = fs.Grid((5, 6), extent=1.0, centring="node")


def test_corners_take_the_mean_of_their_walls():
    walls = {"x-": fs.Dirichlet(1), "x+": fs.Dirichlet("3 + y"), "y-": fs.Dirichlet(5), "y+": fs.Dirichlet("x")}
    equation = fs.FieldEquation("du/dt = laplacian(u)", grid=SQUARE, boundary=walls)
    state = equation.project(torch.tensor(0.0, dtype=torch.float64), torch.zeros(1, 5, 6, dtype=torch.float64))[0]
    corners = state[[0, 0, -1, -1], [0, -1, 0, -1]].tolist()
    assert corners == pytest.approx([(1 + 5) / 2, (1 + 0) / 2, (3 + 5) / 2, (4 + 1) / 2])
    assert state[0, 1:-1].tolist() == [1.0] * 4
    assert state[1:-1, 0].tolist() == [5.0] * 3
    torch.testing.assert_close(state[-1, 1:-1], 3 + SQUARE.coordinate(1)[1:-1])


def test_corners_in_space_take_the_mean_of_three():
    grid = fs.Grid((3, 3, 3), extent=1.0, centring="node")
    walls = {axis + end: fs.Dirichlet(value) for axis, pair in zip("xyz", ((1, 2), (4, 8), (16, 32)), strict=True)
             for end, value in zip("-+", pair, strict=True)}  # fmt: skip
    equation = fs.FieldEquation("du/dt = laplacian(u)", grid=grid, boundary=walls)
    state = equation.project(torch.tensor(0.0, dtype=torch.float64), torch.zeros(1, 3, 3, 3, dtype=torch.float64))[0]
    for i, j, k in ((0, 0, 0), (0, 2, 0), (2, 2, 2), (2, 0, 2)):
        expected = ((1, 2)[i // 2] + (4, 8)[j // 2] + (16, 32)[k // 2]) / 3
        assert state[i, j, k].item() == pytest.approx(expected)
    assert state[1, 0, 2].item() == pytest.approx((4 + 32) / 2)  # an edge
    assert state[1, 1, 0].item() == 16


@pytest.mark.parametrize("scheme", [None, fs.FiniteDifference(2, closure="summation_by_parts")])
@pytest.mark.parametrize("condition", [fs.Dirichlet, fs.Neumann, lambda g: fs.Robin(1.0, 0.5, g)])
@pytest.mark.parametrize("centring", ["cell", "node"])
def test_spatial_parameters_along_a_wall(centring, condition, scheme):
    """A parameter with one point along x is the same datum as its formula."""
    if scheme is not None and centring == "cell":
        pytest.skip("summation by parts has its walls on nodes")
    grid = fs.Grid((7, 8), extent=1.0, centring=centring)
    values = torch.sin(3 * grid.coordinate(1)).reshape(1, 8)
    options = {"grid": grid, "scheme": scheme}
    written = fs.FieldEquation("du/dt = laplacian(u)", boundary={"x-": condition("sin(3*y)"), "x+": fs.Neumann(0),
                               "y": fs.Neumann(0)}, **options)  # fmt: skip
    given_ = fs.FieldEquation("du/dt = laplacian(u)", boundary={"x-": condition("g"), "x+": fs.Neumann(0),
                              "y": fs.Neumann(0)}, parameters={"g": fs.Spatial(values)}, **options)  # fmt: skip
    y = torch.randn(2, 1, 7, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(given_(0.0, y), written(0.0, y))


@pytest.mark.parametrize("grid", [fs.Grid(9, extent=1.0), fs.Grid(9, extent=1.0, centring="node"),
                                  fs.Grid(9, extent=1.0, centring="node", nodes=CHEBYSHEV)])  # fmt: skip
@pytest.mark.parametrize("condition", [fs.Dirichlet("g"), fs.Neumann("g"), fs.Robin(1.0, 0.5, "g*cos(t)")])
def test_data_of_every_sample(grid, condition):
    """`fs.PerSample` boundary data: each sample as if it were alone."""
    scheme = fs.Spectral() if grid.nodes else None
    many = fs.FieldEquation("du/dt = laplacian(u)", grid=grid, boundary=condition, scheme=scheme,
                            parameters={"g": fs.PerSample(torch.tensor([0.3, -1.2, 2.0], dtype=F64))})  # fmt: skip
    y = torch.randn(3, 1, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    together = many(0.4, y)
    for index, value in enumerate((0.3, -1.2, 2.0)):
        one = fs.FieldEquation("du/dt = laplacian(u)", grid=grid, boundary=condition, scheme=scheme,
                               parameters={"g": value})  # fmt: skip
        torch.testing.assert_close(together[index], one(0.4, y[index]))


@pytest.mark.parametrize("grid", [fs.Grid(12, extent=1.0), fs.Grid(12, extent=1.0, centring="node")])
@pytest.mark.parametrize("scheme", [None, BY_PARTS])
@pytest.mark.parametrize("condition", [fs.Dirichlet("g"), fs.Neumann("g"), fs.Robin(1.0, 0.5, "g")])
def test_boundary_data_can_be_trained(grid, scheme, condition):
    if scheme is not None and grid.centring == "cell":
        pytest.skip("summation by parts has its walls on nodes")
    equation = fs.FieldEquation("du/dt = laplacian(u)", grid=grid, boundary=condition, scheme=scheme,
                                parameters={"g": fs.Parameter(0.4)})  # fmt: skip
    initial = {"u": torch.zeros(12, dtype=torch.float64)}

    def mass(value):
        with torch.no_grad():
            equation.raw["g"].copy_(torch.as_tensor(value, dtype=equation.raw["g"].dtype))
        return fs.solve(equation, initial, t_span=(0.0, 0.02), rtol=1e-6, atol=1e-8).y[-1].sum()

    (gradient,) = torch.autograd.grad(mass(0.4), equation.raw["g"])
    difference = (mass(0.5).item() - mass(0.3).item()) / 0.2  # the solution is linear in the datum
    assert gradient.item() == pytest.approx(difference, rel=1e-3)


def test_held_nodes_are_those_of_the_walls():
    equation = fs.FieldEquation(
        "du/dt = laplacian(u)", grid=SQUARE, boundary={"x": fs.Dirichlet(0), "y": fs.Neumann(0)}
    )
    assert held_sides(equation.layout, "u") == [(0, 0), (0, 1)]
    soft = fs.FieldEquation("du/dt = laplacian(u)", grid=fs.Grid(12, extent=1.0, centring="node"),
                            boundary=fs.Dirichlet(0), scheme=BY_PARTS)  # fmt: skip
    assert held_sides(soft.layout, "u") == []


# -- what is refused --------------------------------------------------------------------------------------------------

LINE, NODES = fs.Grid(20, extent=1.0), fs.Grid(20, extent=1.0, centring="node")
PLANE = fs.Grid((8, 8), extent=1.0)
HEAT_TEXT = "du/dt = laplacian(u)"
K2 = torch.eye(2, dtype=torch.float64)
FIELD_OF_MATRICES = fs.Spatial(K2[:, :, None, None].expand(2, 2, 8, 8).contiguous())


def refused(**options):
    return {"text": HEAT_TEXT, "grid": LINE, "boundary": fs.Neumann(0)} | options


REFUSED = {
    "periodic on one side": (refused(boundary={"x-": fs.Periodic(), "x+": fs.Neumann(0)}), "side 'x\\+' of 'u' is not"),
    "anti-periodic on one side": (refused(boundary={"x-": fs.AntiPeriodic(), "x+": fs.Dirichlet(0)}),
                                  "side 'x\\+' of 'u' is not"),
    "periodic and anti-periodic": (refused(boundary={"x-": fs.AntiPeriodic(), "x+": fs.Periodic()}),
                                   "periodic at one end and anti-periodic at the other"),
    "too few for order 8": (refused(grid=fs.Grid(3, extent=1.0), scheme=fs.FiniteDifference(8)), "at least 4 "),
    "too few for order 8, periodic": (refused(grid=fs.Grid(8, extent=1.0), boundary=fs.Periodic(),
                                              scheme=fs.FiniteDifference(8)), "at least 9"),
    "too few, anti-periodic": (refused(grid=fs.Grid(3, extent=1.0), boundary=fs.AntiPeriodic(),
                                       scheme=fs.FiniteDifference(8)), "at least"),
    "too few by parts": (refused(grid=fs.Grid(11, extent=1.0, centring="node"), scheme=BY_PARTS), "needs 12 points"),
    "too few for weno5": (refused(text="du/dt = -advection(1, u)", grid=fs.Grid(4, extent=1.0), boundary=fs.Periodic(),
                                  scheme=fs.FiniteDifference(advection="weno5")), "at least 7"),
    "too few for weno5 at walls": (refused(text="du/dt = -advection(1, u)", grid=fs.Grid(2, extent=1.0),
                                           scheme=fs.FiniteDifference(advection="weno5")), "at least 3"),
    "too few for the isotropic laplacian": (refused(grid=fs.Grid((2, 2), extent=1.0), boundary=fs.Periodic(),
                                                    scheme=fs.FiniteDifference(laplacian="isotropic")), "at least 3"),
    "too few for a matrix": (refused(text="du/dt = diffusion(K, u)", grid=fs.Grid((2, 2), extent=1.0),
                                     boundary=fs.Periodic(), parameters={"K": K2}), "at least 3"),
    "too few for sines on nodes": (refused(grid=fs.Grid(2, extent=1.0, centring="node"), boundary=fs.Dirichlet(0),
                                           scheme=fs.Spectral()), "at least 3"),
    "too few for collocation": (refused(grid=fs.Grid(2, extent=1.0, centring="node", nodes=CHEBYSHEV),
                                        scheme=fs.Spectral()), "at least 3"),
    "chebyshev and periodic": (refused(grid=fs.Grid(20, extent=1.0, nodes=CHEBYSHEV), boundary=fs.Periodic(),
                                       scheme=fs.Spectral()), "periodic|Chebyshev"),
    "collocation on cells": (refused(grid=fs.Grid(20, extent=1.0, nodes=CHEBYSHEV), scheme=fs.Spectral()),
                             "centring='node'"),
    "collocation on other points": (refused(grid=fs.Grid(20, extent=1.0, centring="node",
                                                         nodes={"x": fs.Clustered("polynomial")}),
                                            scheme=fs.Spectral()), "needs the points of Chebyshev"),
    "four derivatives on chebyshev points": (refused(text="du/dt = -d4_dx4(u)", grid=fs.Grid(
        20, extent=1.0, centring="node", nodes=CHEBYSHEV), scheme=fs.Spectral()), "two conditions per wall"),
    "spectral and data": (refused(boundary=fs.Dirichlet(1), scheme=fs.Spectral()), r"Neumann\(0\) or Dirichlet\(0\)"),
    "spectral and robin": (refused(boundary=fs.Robin(1.0, 1.0, 0), scheme=fs.Spectral()), r"Neumann\(0\)"),
    "by parts on cells": (refused(scheme=BY_PARTS), "centring='node'"),
    "by parts on clustered points": (refused(grid=fs.Grid(20, extent=1.0, centring="node", nodes=CHEBYSHEV),
                                             scheme=BY_PARTS), "needs uniform spacing"),
    "fourth derivative by parts": (refused(text="du/dt = -d4_dx4(u)", grid=NODES, scheme=BY_PARTS), "not the fourth"),
    "scheme and space_order": (refused(scheme=fs.FiniteDifference(4), space_order=4), "say the same thing"),
    "scheme of an unknown axis": (refused(scheme={"x": fs.Spectral(), "z": fs.Spectral()}), "has the axis 'z'"),
    "scheme of a missing axis": (refused(grid=PLANE, scheme={"x": fs.Spectral()}), "nothing for the axis 'y'"),
    "no scheme": (refused(scheme="spectral"), "a scheme is fs.FiniteDifference"),
    "absorbing in first order": (refused(boundary=fs.Absorbing(1.0)), "field of second order in time"),
    "a stencil on a velocity": (refused(text="d2u/dt2 = laplacian(u) + 0.1*laplacian(d_dt(u))",
                                        boundary=fs.Absorbing(1.0)), "Absorbing says nothing of the velocity"),
    "absorbing on chebyshev points": (refused(text="d2u/dt2 = laplacian(u)", grid=fs.Grid(
        20, extent=1.0, centring="node", nodes=CHEBYSHEV), boundary=fs.Absorbing(1.0), scheme=fs.Spectral()),
        "Absorbing walls do not go with the Chebyshev points"),
    "absorbing with spectral": (refused(text="d2u/dt2 = laplacian(u)", boundary=fs.Absorbing(1.0),
                                        scheme=fs.Spectral()), "Neumann"),
    "spatial data along the wall": (refused(grid=PLANE, boundary={"x": fs.Dirichlet("g"), "y": fs.Neumann(0)},
                                            parameters={"g": fs.Spatial(torch.ones(8, 8))}), "one point along 'x'"),
    "isotropic with unequal spacing": (refused(grid=fs.Grid((8, 9), extent=1.0),
                                               scheme=fs.FiniteDifference(laplacian="isotropic")), "spacing"),
    "isotropic on a line": (refused(scheme=fs.FiniteDifference(laplacian="isotropic")), "two or three axes"),
    "isotropic on one axis only": (refused(grid=PLANE, scheme={"x": fs.FiniteDifference(laplacian="isotropic"),
                                                               "y": fs.FiniteDifference()}), "the same for all"),
    "a matrix of the wrong size": (refused(text="du/dt = diffusion(K, u)", grid=PLANE,
                                           parameters={"K": torch.eye(3)}), "3 x 3|2 x 2|shape|size"),
    "a matrix of order 4": (refused(text="du/dt = diffusion(K, u)", grid=PLANE, scheme=fs.FiniteDifference(4),
                                    parameters={"K": K2}), "order 2"),
    "a field of matrices times a field": (refused(text="dphi/dt = K @ phi", grid=PLANE, components={"phi": 2},
                                                  parameters={"K": FIELD_OF_MATRICES}), "K"),
    "a power that varies": (refused(text="du/dt = fractional_laplacian(1 + x, u)", scheme=fs.Spectral()),
                            "vary|varies|space"),
    "a fractional power of differences": (refused(text="du/dt = fractional_laplacian(0.5, u)"), "scheme=fs.Spectral"),
    "weno on clustered points": (refused(text="du/dt = -advection(1, u)", grid=fs.Grid(20, extent=1.0, nodes=CHEBYSHEV),
                                         scheme=fs.FiniteDifference(advection="weno5")), "needs uniform spacing"),
    "upwinding by parts": ({"scheme": lambda: fs.FiniteDifference(4, "summation_by_parts", "weno5")}, "penalties"),
    "order 8 by parts": ({"scheme": lambda: fs.FiniteDifference(8, "summation_by_parts")}, "2, 4 or 6"),
    "order 3": ({"scheme": lambda: fs.FiniteDifference(3)}, "3"),
    "isotropic of order 4": ({"scheme": lambda: fs.FiniteDifference(4, laplacian="isotropic")}, "order 2"),
    "an unknown closure": ({"scheme": lambda: fs.FiniteDifference(closure="mirror")}, "closure is one of"),
    "an unknown dealiasing": ({"scheme": lambda: fs.Spectral(dealias="2/3")}, "dealias is 'truncate'"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_is_refused_in_one_sentence(name):
    options, message = REFUSED[name]
    declare = (
        (lambda text, **others: fs.FieldEquation(text, **others)) if "text" in options else lambda scheme: scheme()
    )
    with pytest.raises(fs.FieldSolverError, match=message) as caught:
        declare(**options)
    assert len(str(caught.value).splitlines()) in (1, 3)  # the sentence, and where in the text
