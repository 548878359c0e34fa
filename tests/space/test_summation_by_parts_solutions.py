"""Summation by parts with penalties: energy, mass, spectra, and the orders of solutions against exact ones."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.linalg
import torch
from scipy.integrate import solve_ivp

from fieldsolver.space import Dirichlet, Neumann, Robin
from fieldsolver.space.summation_by_parts import SummationByParts

ORDERS = [2, 4, 6]
FEWEST = {2: 6, 4: 12, 6: 18}
DISSIPATIVE = [Dirichlet(), Neumann(), Robin(1.0, 0.02), Robin(1.0, 50.0), Robin(0.0, 1.0), Robin(-2.0, -1.0)]
PAIRS = list(itertools.product(DISSIPATIVE, DISSIPATIVE))


def unit_line(order, points):
    return SummationByParts(order, points, 1 / (points - 1)), np.linspace(0, 1, points)


def matrix(function, points):
    """Of a linear function of ``(..., N)``."""
    return function(torch.eye(points, dtype=torch.float64)).numpy().T


def tensor(*numbers):
    return torch.tensor(numbers, dtype=torch.float64)


def slope(errors, sizes):
    return np.log(errors[0] / errors[1]) / np.log((sizes[1] - 1) / (sizes[0] - 1))


# -- energy and mass --------------------------------------------------------------------------------------------------


def coefficients(points):
    """Positive, from smooth to wild, and with zeros."""
    random = np.random.default_rng(points)
    x = np.linspace(0, 1, points)
    wild = 10.0 ** random.uniform(-4, 2, points)
    return [np.ones(points), 1 + 0.5 * np.sin(3 * x), wild, wild * random.integers(0, 2, points), x**2]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("conditions", PAIRS, ids=lambda pair: "-".join(type(c).__name__ for c in pair))
def test_diffusion_is_symmetric_and_negative_semidefinite_in_the_norm(order, conditions):
    for points in (FEWEST[order], FEWEST[order] + 9):
        operator, _ = unit_line(order, points)
        H = operator.norm().numpy()
        for D in coefficients(points):
            D = torch.tensor(D)
            A = matrix(lambda u, D=D, operator=operator: operator.diffusion(D, u, -1, conditions), points)
            HA, scale = H[:, None] * A, np.abs(H[:, None] * A).max()
            assert np.abs(HA - HA.T).max() <= 1e-13 * scale
            assert np.linalg.eigvalsh((HA + HA.T) / 2).max() <= 1e-13 * scale
            assert np.linalg.eigvals(A).real.max() <= 1e-10 * np.linalg.norm(A, 2)


@pytest.mark.parametrize("order", ORDERS)
def test_dirichlet_walls_are_held(order):
    """No null space: the penalty is stronger than what it borrows."""
    operator, _ = unit_line(order, 40)
    A = matrix(lambda u: operator.second(u, -1, (Dirichlet(), Dirichlet())), 40)
    assert np.linalg.eigvals(A).real.max() == pytest.approx(-(np.pi**2), rel=2e-3)


@pytest.mark.parametrize("order", ORDERS)
def test_mass_changes_by_what_passes_the_walls(order):
    points = 50
    operator, _ = unit_line(order, points)
    H, random = operator.norm(), torch.Generator().manual_seed(order)
    u, D, g, k = (torch.rand(n, generator=random, dtype=torch.float64) + 0.1 for n in (points, points, 2, 2))
    neumann = operator.diffusion(D, u, -1, (Neumann(), Neumann()), (g[:1], g[1:]))
    fluxes = D[0] * g[0] + D[-1] * g[1]
    assert (H @ neumann).item() == pytest.approx(fluxes.item(), abs=1e-12)
    assert (H @ operator.diffusion(D, u, -1, (Neumann(), Neumann()))).item() == pytest.approx(0.0, abs=1e-12)
    constant = operator.second(u, -1, (Neumann(), Neumann()), (g[:1], g[1:]))
    assert (H @ constant).item() == pytest.approx(g.sum().item(), abs=1e-12)

    robin = (Robin(k[0].item(), 2.0), Robin(k[1].item(), 3.0))
    fluxes = D[0] * (g[0] - k[0] * u[0]) / 2 + D[-1] * (g[1] - k[1] * u[-1]) / 3
    assert (H @ operator.diffusion(D, u, -1, robin, (g[:1], g[1:]))).item() == pytest.approx(fluxes.item(), abs=1e-12)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("speed", [1.0, -1.0])
def test_advection_loses_energy_through_the_walls_alone(order, speed):
    points = FEWEST[order] + 10
    operator, _ = unit_line(order, points)
    H = operator.norm().numpy()
    A = -matrix(lambda u: operator.advection(speed, u, -1, (Dirichlet(), Dirichlet())), points)
    HA = H[:, None] * A
    loss = np.zeros((points, points))
    loss[0, 0] = loss[-1, -1] = -1.0
    np.testing.assert_allclose(HA + HA.T, loss, atol=1e-13)
    assert np.linalg.eigvals(A).real.max() <= 1e-10 * np.linalg.norm(A, 2)

    u = np.random.default_rng(order).standard_normal(points)
    energies = [np.sum(H * (scipy.linalg.expm(t * A) @ u) ** 2) for t in (0.0, 0.1, 0.5, 1.0, 3.0)]
    assert (np.diff(energies) < 0).all()


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("a", [lambda x: 2 + np.sin(9 * x), lambda x: np.cos(9 * x), lambda x: -1 - x])
def test_variable_speed_changes_energy_as_the_equation_does(order, a):
    """``d/dt u^T H u = u^T H (D1 a) u`` and what passes the walls, ``-|a|`` at both (none where nothing enters)."""
    points = FEWEST[order] + 10
    operator, x = unit_line(order, points)
    H, speed = operator.norm().numpy(), a(x)
    A = -matrix(lambda u: operator.advection(torch.tensor(speed), u, -1, (Dirichlet(), Dirichlet())), points)
    expected = np.diag(H * operator.first(torch.tensor(speed), -1).numpy())
    expected[0, 0] -= abs(speed[0])
    expected[-1, -1] -= abs(speed[-1])
    HA = H[:, None] * A
    np.testing.assert_allclose(HA + HA.T, expected, atol=1e-12)
    np.testing.assert_allclose(A @ np.ones(points), matrix_of_inflow(speed, H), atol=1e-11)  # constants are carried


def matrix_of_inflow(speed, H):
    rate = np.zeros_like(H)
    rate[0] = -max(speed[0], 0) / H[0]
    rate[-1] = -max(-speed[-1], 0) / H[-1]
    return rate


@pytest.mark.parametrize("order", ORDERS)
def test_advection_penalises_dirichlet_inflow_only(order):
    points = FEWEST[order]
    operator, _ = unit_line(order, points)
    u = torch.randn(points, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    slope = operator.first(u, -1)
    for conditions in ((Neumann(), Dirichlet()), (None, None), (Robin(1.0, 1.0), None)):
        torch.testing.assert_close(operator.advection(2.0, u, -1, conditions, (tensor(9.0), tensor(9.0))), 2 * slope)
    entering = operator.advection(-2.0, u, -1, (Neumann(), Dirichlet()), (None, tensor(9.0))) + 2 * slope
    expected = torch.zeros(points, dtype=torch.float64)
    expected[-1] = 2 * (u[-1] - 9.0) / operator.norm()[-1]
    torch.testing.assert_close(entering, expected)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("conditions", PAIRS[::3], ids=lambda pair: "-".join(type(c).__name__ for c in pair))
def test_heat_energy_does_not_grow(order, conditions):
    points = FEWEST[order] + 5
    operator, x = unit_line(order, points)
    D = torch.tensor(1.0 + 0.9 * np.sin(5 * x))
    A = matrix(lambda u: operator.diffusion(D, u, -1, conditions), points)
    H, u = operator.norm().numpy(), np.random.default_rng(order).standard_normal(points)
    energies = [np.sum(H * (scipy.linalg.expm(t * A) @ u) ** 2) for t in (0.0, 1e-4, 1e-3, 1e-2, 0.1, 1.0)]
    assert (np.diff(energies) <= 1e-12 * energies[0]).all()


# -- spectra ----------------------------------------------------------------------------------------------------------


def spectrum(order, points, conditions):
    operator, _ = unit_line(order, points)
    A = matrix(lambda u: operator.second(u, -1, conditions), points)
    root = np.sqrt(operator.norm().numpy())
    symmetric = root[:, None] * A / root
    return np.sort(np.linalg.eigvalsh((symmetric + symmetric.T) / 2))[::-1]


@pytest.mark.parametrize(
    ("order", "neumann", "dirichlet", "first_weight"),
    [(2, 4.0, 4.88, 1 / 2), (4, 5.34, 9.95, 17 / 48), (6, 6.05, 12.44, 13649 / 43200)],
)
def test_spectral_radius_is_as_documented(order, neumann, dirichlet, first_weight):
    points = 60
    unit = (points - 1) ** 2
    assert spectrum(order, points, (Neumann(), Neumann())).min() / unit == pytest.approx(-neumann, rel=5e-3)
    assert spectrum(order, points, (Dirichlet(), Dirichlet())).min() / unit == pytest.approx(-dirichlet, rel=2e-3)
    stiff = spectrum(order, points, (Robin(1.0, 1e-3 / (points - 1)), Neumann())).min() / unit
    assert stiff == pytest.approx(-1e3 / first_weight, rel=5e-3)


ROBIN_ROOTS = {  # z tan z = Bi
    0.1: [0.3110528, 3.1730972, 6.2990594],
    1.0: [0.8603335890, 3.4256184595, 6.4372981792],
    10.0: [1.4288700, 4.3058014, 7.2281098],
}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(
    ("conditions", "roots"),
    [
        ((Dirichlet(), Dirichlet()), np.pi * np.arange(1, 5)),
        ((Neumann(), Neumann()), np.pi * np.arange(1, 5)),
        ((Dirichlet(), Neumann()), np.pi * (np.arange(4) + 0.5)),
    ],
)
def test_eigenvalues_converge(order, conditions, roots):
    sizes = (61, 121)
    skip = int(all(isinstance(c, Neumann) for c in conditions))
    errors = [np.abs(spectrum(order, n, conditions)[skip : skip + 4] + roots**2).max() for n in sizes]
    assert slope(errors, sizes) >= SummationByParts(order, 20, 1.0).second_order - 0.15
    assert errors[1] < {2: 0.15, 4: 3e-4, 6: 2e-6}[order]
    if skip:
        assert abs(spectrum(order, sizes[1], conditions)[0]) < 1e-9


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("Bi", ROBIN_ROOTS)
def test_robin_eigenvalues(order, Bi):
    conditions, roots = (Robin(Bi, 1.0), Neumann()), np.array(ROBIN_ROOTS[Bi])
    sizes = (31, 61)
    errors = [np.abs(np.sqrt(-spectrum(order, n, conditions)[:3]) - roots).max() for n in sizes]
    assert errors[1] < {2: 5e-3, 4: 5e-5, 6: 1e-6}[order]
    if order < 6:  # the reference has seven digits
        assert slope(errors, sizes) >= order - 0.15


# -- solutions --------------------------------------------------------------------------------------------------------

MIXED = [
    (Dirichlet(), Dirichlet()),
    (Dirichlet(), Neumann()),
    (Neumann(), Robin(1.0, 0.5)),
    (Robin(2.0, 1.0), Dirichlet()),
    (Robin(1.0, 0.1), Robin(1.0, 2.0)),
]


def boundary_data(conditions, u, du):
    """Right-hand sides from the values and slopes at the two ends."""
    outward = (-du[0], du[-1])
    data = []
    for condition, value, normal in zip(conditions, (u[0], u[-1]), outward, strict=True):
        match condition:
            case Dirichlet():
                data.append(value)
            case Neumann():
                data.append(normal)
            case Robin(a=a, b=b):
                data.append(a * value + b * normal)
    return data


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("varying", [False, True])
@pytest.mark.parametrize("conditions", MIXED, ids=lambda pair: "-".join(type(c).__name__ for c in pair))
def test_poisson_order(order, varying, conditions):
    """``(D u')' = f`` with ``u = cos(5 x + 0.4)``."""
    sizes, errors = (121, 241), []
    for points in sizes:
        operator, x = unit_line(order, points)
        u, du = np.cos(5 * x + 0.4), -5 * np.sin(5 * x + 0.4)
        D, dD = (1 + 0.5 * np.sin(3 * x) + x, 1.5 * np.cos(3 * x) + 1) if varying else (1 + 0 * x, 0 * x)
        data = [tensor(g) for g in boundary_data(conditions, u, du)]

        def rate(values, data, operator=operator, D=D):
            if varying:
                return operator.diffusion(torch.tensor(D), values, -1, conditions, data)
            return operator.second(values, -1, conditions, data)

        A = matrix(lambda values, rate=rate: rate(values, (None, None)), points)
        inhomogeneous = rate(torch.zeros(points, dtype=torch.float64), data).numpy()
        solution = np.linalg.solve(A, dD * du - 25 * D * u - inhomogeneous)
        errors.append(np.abs(solution - u).max())
    assert slope(errors, sizes) == pytest.approx(operator.second_order, abs=0.15)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("conditions", MIXED, ids=lambda pair: "-".join(type(c).__name__ for c in pair))
def test_heat_order_with_moving_data(order, conditions):
    """``du/dt = (D u')' + f`` with ``u = cos(5 x + 0.4 - 3 t)``."""
    sizes, errors = (121, 241), []
    for points in sizes:
        operator, x = unit_line(order, points)
        D, dD = 1 + x**2 / 2, x
        A = matrix(lambda u, operator=operator, D=D: operator.diffusion(torch.tensor(D), u, -1, conditions), points)
        zero = torch.zeros(points, dtype=torch.float64)
        lift = [
            operator.diffusion(torch.tensor(D), zero, -1, conditions, data).numpy()
            for data in ((tensor(1.0), None), (None, tensor(1.0)))
        ]

        # The forced state U exp(-3 i t) of du/dt = A u + sum_k lift_k g_k(t) + f(t): no error of a time step.
        u = np.exp(1j * (5 * x + 0.4))
        du = 5j * u
        f = -3j * u - (dD * du - 25 * D * u)
        forcing = f + sum(g * b for g, b in zip(boundary_data(conditions, u, du), lift, strict=True))
        state = np.linalg.solve(-3j * np.eye(points) - A, forcing)
        errors.append(np.abs(state - u).max())
    assert slope(errors, sizes) == pytest.approx(operator.second_order, abs=0.15)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("a", [1.0, -1.0])
def test_advection_order_with_inflow_data(order, a):
    """``u = sin(6 (x - a t) + 0.3)`` enters at one wall and leaves at the other."""
    conditions, sizes, errors = (Dirichlet(), Dirichlet()), (81, 161), []

    def exact(t, x):
        return np.sin(6 * (x - a * t) + 0.3)

    for points in sizes:
        operator, x = unit_line(order, points)
        A = -matrix(lambda u, operator=operator: operator.advection(a, u, -1, conditions), points)
        zero = torch.zeros(points, dtype=torch.float64)
        low = -operator.advection(a, zero, -1, conditions, (tensor(1.0), None)).numpy()
        high = -operator.advection(a, zero, -1, conditions, (None, tensor(1.0))).numpy()
        run = solve_ivp(
            lambda t, u, A=A, low=low, high=high: A @ u + low * exact(t, 0.0) + high * exact(t, 1.0),
            (0.0, 1.5),
            exact(0.0, x),
            method="DOP853",
            rtol=1e-9,
            atol=1e-10,
        )
        errors.append(np.abs(run.y[:, -1] - exact(1.5, x)).max())
    assert slope(errors, sizes) == pytest.approx(operator.first_order, abs=0.15)


@pytest.mark.parametrize("order", ORDERS)
def test_advection_order_with_variable_speed(order):
    """``u_t + (1 + x) u_x = 0``: ``u = sin(4 (log(1 + x) - t))``."""
    conditions, sizes, errors = (Dirichlet(), None), (81, 161), []
    for points in sizes:
        operator, x = unit_line(order, points)
        speed = torch.tensor(1 + x)
        A = -matrix(lambda u, s=speed, operator=operator: operator.advection(s, u, -1, conditions), points)
        zero = torch.zeros(points, dtype=torch.float64)
        low = -operator.advection(speed, zero, -1, conditions, (tensor(1.0), None)).numpy()

        # Periodic in time: the forced state U exp(-4 i t).
        u = np.exp(4j * np.log(1 + x))
        state = np.linalg.solve(-4j * np.eye(points) - A, low * u[0])
        errors.append(np.abs(state - u).max())
    assert slope(errors, sizes) == pytest.approx(operator.first_order, abs=0.15)
