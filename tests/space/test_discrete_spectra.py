"""Assembled operators against exact discrete answers: eigenvalues, null spaces, symmetry, conservation."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import scipy.optimize
import torch

from fieldsolver.equations import FieldEquation, Parameter, Spatial
from fieldsolver.space import AntiPeriodic, Dirichlet, FiniteDifference, Grid, Neumann, Periodic, Robin, Spectral

WALLS = {"P": (Periodic(), Periodic()), "N": (Neumann(0), Neumann(0)), "D": (Dirichlet(0), Dirichlet(0)),
         "DN": (Dirichlet(0), Neumann(0)), "ND": (Neumann(0), Dirichlet(0))}  # fmt: skip
EVEN = ("d2_d{}2(u)", "d4_d{}4(u)")


def declare(rate, kinds, shape, centring, order=2, extent=1.3, **options):
    """``du/dt = rate`` with one entry of `WALLS` per axis."""
    axes = "xyz"[: len(shape)]
    boundary = {}
    for name, kind in zip(axes, kinds, strict=True):
        low, high = WALLS[kind] if isinstance(kind, str) else kind
        boundary |= {name: low} if isinstance(low, Periodic) else {name + "-": low, name + "+": high}
    closed = tuple(name for name, kind in zip(axes, kinds, strict=True) if kind == "P") if centring == "node" else ()
    grid = Grid(shape, extent=extent, centring=centring, periodic=closed)
    return FieldEquation(f"du/dt = {rate}", grid=grid, boundary=boundary, space_order=order, **options)


def matrix(equation):
    """The linear operator on the flattened state, by applying it to every unit vector at once."""
    size = equation.grid.size
    basis = torch.eye(size, dtype=torch.float64).reshape(size, 1, *equation.grid.shape)
    with torch.no_grad():
        columns = equation(0.0, basis) - equation(0.0, torch.zeros_like(basis[:1]))
    return columns.reshape(size, size).T


def free(equation):
    """Unknowns that are not held at the value of a wall."""
    inside = torch.ones(equation.grid.shape, dtype=torch.bool)
    for (axis, end), condition in equation.layout.conditions["u"].items():
        if isinstance(condition, Dirichlet) and equation.grid.has_end_nodes(axis):
            inside.select(axis, -1 if end else 0).fill_(False)
    return inside.flatten()


def free_matrix(equation):
    kept = free(equation)
    full = matrix(equation)
    assert not full[~kept].any()
    assert not full[:, ~kept].any()
    return full[kept][:, kept]


def angles(kind, points, centring):
    """Wave number times spacing of every mode: pde.md, section 0."""
    intervals = points if centring == "cell" else points - 1
    match kind:
        case "P":
            return 2 * np.pi * np.arange(points) / points
        case "N":
            return np.pi * np.arange(points) / intervals
        case "D":
            return np.pi * (np.arange(1, points + 1) if centring == "cell" else np.arange(1, points - 1)) / intervals
    return np.pi * (np.arange(intervals) + 0.5) / intervals


def closed_form(m, order, theta):
    s, c = np.sin(theta / 2), np.cos(theta)
    match m, order:
        case 1, 2:
            return 1j * np.sin(theta)
        case 1, 4:
            return 1j * (8 * np.sin(theta) - np.sin(2 * theta)) / 6
        case 2, 2:
            return -4 * s**2
        case 2, 4:
            return (-30 + 32 * c - 2 * np.cos(2 * theta)) / 12
        case 3, 2:
            return 1j * (np.sin(2 * theta) - 2 * np.sin(theta))
        case 3, 4:
            return 1j * (-13 * np.sin(theta) + 8 * np.sin(2 * theta) - np.sin(3 * theta)) / 4
        case 4, 2:
            return 16 * s**4
        case 4, 4:
            return (56 - 78 * c + 24 * np.cos(2 * theta) - 2 * np.cos(3 * theta)) / 6
    raise ValueError


def staggered(order, theta):
    face = 2 * np.sin(theta / 2) if order == 2 else (27 * np.sin(theta / 2) - np.sin(3 * theta / 2)) / 12
    return -(face**2)


def truncated_series(m, order, theta):
    """The central stencils of every order, as the series of theta in sin(theta/2) cut after ``order/2`` terms.

    From ``arcsin(x)/sqrt(1 - x^2) = sum 4^n (n!)^2 x^(2n+1)/(2n+1)!`` and its integral, ``x = sin(theta/2)``.
    """
    terms, s = range(order // 2), 2 * np.sin(theta / 2)
    f = math.factorial
    if m == 1:
        return 1j * np.sin(theta) * sum(f(n) ** 2 / f(2 * n + 1) * s ** (2 * n) for n in terms)
    return -sum(2 * f(n) ** 2 / f(2 * n + 2) * s ** (2 * n + 2) for n in terms)


def truncated_staggered(order, theta):
    """The same between points and faces, from ``theta = 2 arcsin(s/2)``; twice, for a diffusion."""
    s = 2 * np.sin(theta / 2)
    return -(sum(math.comb(2 * n, n) * s ** (2 * n + 1) / (16**n * (2 * n + 1)) for n in range(order // 2)) ** 2)


def assert_same_spectrum(got, expected):
    got, expected = np.asarray(got), np.asarray(expected).astype(complex)
    assert got.shape == expected.shape
    scale = np.abs(expected).max()
    cost = np.abs(got[:, None] - expected[None, :])
    rows, columns = scipy.optimize.linear_sum_assignment(cost)
    assert cost[rows, columns].max() < 1e-10 * scale


@pytest.mark.parametrize("order", [2, 4])
@pytest.mark.parametrize("centring", ["cell", "node"])
@pytest.mark.parametrize("kind", WALLS)
@pytest.mark.parametrize("m", [1, 2, 3, 4])
def test_one_axis(m, kind, centring, order):
    if m % 2 and kind != "P":
        pytest.skip("odd derivatives have no transform between walls")
    name = f"d{m}_dx{m}(u)" if m > 1 else "d_dx(u)"
    equation = declare(name, [kind], (12,), centring, order)
    h = equation.grid.spacing[0]
    expected = closed_form(m, order, angles(kind, 12, centring)) / h**m
    assert_same_spectrum(np.linalg.eigvals(free_matrix(equation)), expected)


@pytest.mark.parametrize("order", [2, 4, 6, 8])
@pytest.mark.parametrize("centring", ["cell", "node"])
@pytest.mark.parametrize("kind", WALLS)
def test_orders_up_to_eight(kind, centring, order):
    """Any order against the series of which it is a part; the two formulas of low order agree."""
    theta = angles(kind, 17, centring)
    for rate, formula in (("d_dx(u)", truncated_series(1, order, theta)),
                          ("laplacian(u)", truncated_series(2, order, theta)),
                          ("diffusion(1, u)", truncated_staggered(order, theta))):  # fmt: skip
        if rate == "d_dx(u)" and kind != "P":
            continue
        equation = declare(rate, [kind], (17,), centring, order)
        expected = formula / equation.grid.spacing[0] ** (1 if rate == "d_dx(u)" else 2)
        assert_same_spectrum(np.linalg.eigvals(free_matrix(equation)), expected)


@pytest.mark.parametrize("points", [16, 17])
@pytest.mark.parametrize("centring", ["cell", "node"])
def test_anti_periodic_waves_have_half_numbers(centring, points):
    grid = Grid(points, extent=1.3, centring=centring, periodic="x" if centring == "node" else ())
    theta = 2 * np.pi * (np.arange(points) + 0.5) / points
    for order in (2, 6):
        for m, name in ((1, "d_dx(u)"), (2, "laplacian(u)")):
            equation = FieldEquation(f"du/dt = {name}", grid=grid, boundary=AntiPeriodic(), space_order=order)
            expected = truncated_series(m, order, theta) / grid.spacing[0] ** m
            assert_same_spectrum(np.linalg.eigvals(matrix(equation)), expected)


@pytest.mark.parametrize("points", [12, 13])
@pytest.mark.parametrize("centring", ["cell", "node"])
@pytest.mark.parametrize("kind", [*WALLS, "A"])
def test_spectral_derivatives_have_the_wave_numbers_themselves(kind, centring, points):
    closed = kind in "PA"
    grid = Grid(points, extent=1.3, centring=centring, periodic="x" if centring == "node" and closed else ())
    low, high = (AntiPeriodic(), AntiPeriodic()) if kind == "A" else WALLS[kind]
    boundary = {"x-": low, "x+": high}
    theta = 2 * np.pi * (np.arange(points) + 0.5) / points if kind == "A" else angles(kind, points, centring)
    theta = np.where(theta > np.pi * (1 + 1e-12), theta - 2 * np.pi, theta) if closed else theta
    for m in range(1, 5) if closed else (2, 4):
        name = "d_dx(u)" if m == 1 else f"d{m}_dx{m}(u)"
        equation = FieldEquation(f"du/dt = {name}", grid=grid, boundary=boundary, scheme=Spectral())
        expected = (1j * theta / grid.spacing[0]) ** m
        if m % 2:
            expected[np.isclose(theta, np.pi)] = 0  # the slope of the sawtooth vanishes at every point
        assert_same_spectrum(np.linalg.eigvals(free_matrix(equation)), expected)
    diffusion = FieldEquation("du/dt = diffusion(0.7, u)", grid=grid, boundary=boundary, scheme=Spectral())
    expected = -0.7 * np.where(np.isclose(theta, np.pi), 0, theta / grid.spacing[0]) ** 2
    assert_same_spectrum(np.linalg.eigvals(free_matrix(diffusion)), expected)


@pytest.mark.parametrize("centring", ["cell", "node"])
@pytest.mark.parametrize("kinds", [("P", "P"), ("N", "D"), ("DN", "P"), ("ND", "N")])
def test_the_isotropic_laplacian(kinds, centring):
    """``(4 of the sides + 1 of the corners - 20 of the point)/(6 h^2)``, on tensor products of the same waves."""
    shape = tuple(8 + int(centring == "node" and kind != "P") for kind in kinds)
    closed = tuple(name for name, kind in zip("xy", kinds, strict=True) if kind == "P") if centring == "node" else ()
    grid = Grid(shape, extent=1.0, centring=centring, periodic=closed)
    boundary = {name + end: WALLS[kind][end == "+"] for name, kind in zip("xy", kinds, strict=True) for end in "-+"}
    scheme = FiniteDifference(laplacian="isotropic")
    equation = FieldEquation("du/dt = laplacian(u)", grid=grid, boundary=boundary, scheme=scheme)
    a, b = (np.cos(angles(kind, n, centring)) for kind, n in zip(kinds, shape, strict=True))
    expected = (8 * np.add.outer(a, b) + 4 * np.multiply.outer(a, b) - 20) / 6 / grid.spacing[0] ** 2
    assert_same_spectrum(np.linalg.eigvals(free_matrix(equation)), expected.ravel())


@pytest.mark.parametrize("order", [2, 4])
@pytest.mark.parametrize("centring", ["cell", "node"])
@pytest.mark.parametrize("kinds", list(itertools.product(WALLS, repeat=2)))
def test_laplacian_and_diffusion_in_the_plane(kinds, centring, order):
    shape = (7, 8)
    for rate, formula in (("laplacian(u)", lambda th: closed_form(2, order, th)),
                          ("diffusion(D, u)", lambda th: 0.7 * staggered(order, th))):  # fmt: skip
        parameters = {"D": 0.7} if "D" in rate else {}
        equation = declare(rate, kinds, shape, centring, order, parameters=parameters)
        parts = [
            formula(angles(kind, n, centring)) / h**2
            for kind, n, h in zip(kinds, shape, equation.grid.spacing, strict=True)
        ]
        expected = np.add.outer(*parts).ravel()
        assert_same_spectrum(np.linalg.eigvals(free_matrix(equation)), expected)


@pytest.mark.parametrize("centring", ["cell", "node"])
def test_laplacian_in_space(centring):
    kinds, shape = ("P", "N", "D"), (5, 4, 6)
    equation = declare("laplacian(u)", kinds, shape, centring)
    a, b, c = (
        closed_form(2, 2, angles(kind, n, centring)) / h**2
        for kind, n, h in zip(kinds, shape, equation.grid.spacing, strict=True)
    )
    expected = (a[:, None, None] + b[:, None] + c).ravel()
    assert_same_spectrum(np.linalg.eigvals(free_matrix(equation)), expected)


def test_eigenvectors_of_walls_are_discrete_sines_and_cosines():
    i, N = torch.arange(10, dtype=torch.float64), 10
    for kind, centring, mode in (
        ("N", "cell", lambda m: torch.cos(torch.pi * m * (i + 0.5) / N)),
        ("D", "cell", lambda m: torch.sin(torch.pi * m * (i + 0.5) / N)),
        ("D", "node", lambda m: torch.sin(torch.pi * m * i / (N - 1))),
        ("N", "node", lambda m: torch.cos(torch.pi * m * i / (N - 1))),
    ):
        equation = declare("laplacian(u)", [kind], (N,), centring)
        theta = torch.pi / (N if centring == "cell" else N - 1)
        for m in range(1, 6):
            eigenvalue = -4 / equation.grid.spacing[0] ** 2 * np.sin(m * theta / 2) ** 2
            torch.testing.assert_close(matrix(equation) @ mode(m), eigenvalue * mode(m), atol=1e-10, rtol=0)


def test_jacrev_assembles_the_same_matrix():
    equation = declare("laplacian(u) + d_dx(u)", ["DN", "P"], (6, 5), "cell")
    y = torch.randn(1, 6, 5, dtype=torch.float64)
    jacobian = torch.func.jacrev(lambda y: equation(0.0, y))(y).reshape(30, 30)
    torch.testing.assert_close(jacobian, matrix(equation))


@pytest.mark.parametrize(("Bi", "roots"), [(0.1, (0.3110528, 3.1730972, 6.2990594)), (1, (0.8603335890, 3.4256184595,
                         6.4372981792)), (10, (1.4288700, 4.3058014, 7.2281098))])  # fmt: skip
@pytest.mark.parametrize("centring", ["cell", "node"])
@pytest.mark.parametrize("mirrored", [False, True])
def test_robin_eigenvalues_approach_z_tan_z(Bi, roots, centring, mirrored):
    """u' = 0 at one end of a unit interval, u' + Bi u = 0 at the other: -z^2 with z tan z = Bi (pde.md, section 0)."""
    walls = (Robin(Bi, 1.0, 0), Neumann(0)) if mirrored else (Neumann(0), Robin(Bi, 1.0, 0))
    errors = []
    for points in (32, 64, 128):
        intervals = points if centring == "cell" else points + 1
        equation = declare("laplacian(u)", [walls], (intervals,), centring, extent=1.0)
        eigenvalues = np.sort(-np.linalg.eigvals(matrix(equation)).real)[:3]
        errors.append(np.abs(np.sqrt(eigenvalues) - roots))
    slopes = np.log2(np.array(errors[:-1]) / np.array(errors[1:]))
    assert (errors[-1] < 3e-3).all()
    np.testing.assert_allclose(slopes[:, 1:], 2, atol=0.15)  # the first root is known to 7 digits only


def weighted(equation):
    """``W A`` with the quadrature weights: symmetric if the operator is, in the discrete inner product."""
    kept = free(equation)
    weights = equation.grid.weights().flatten()[kept]
    return weights[:, None] * free_matrix(equation)


COEFFICIENTS = {
    "laplacian(u)": {},
    "diffusion(D, u)": {"D": 0.3},
    "diffusion(D + x**2, u)": {"D": 0.3},
    "diffusion(K, u)": {"K": Spatial(torch.rand(7, 8, generator=torch.Generator().manual_seed(0)).double() + 0.2)},
}


@pytest.mark.parametrize("order", [2, 4])
@pytest.mark.parametrize("centring", ["cell", "node"])
@pytest.mark.parametrize("kinds", [("P", "P"), ("N", "N"), ("D", "N"), ("ND", "P"), ("D", "D")])
@pytest.mark.parametrize("rate", COEFFICIENTS)
def test_symmetry_and_sign(rate, kinds, centring, order):
    equation = declare(rate, kinds, (7, 8), centring, order, parameters=COEFFICIENTS[rate])
    A = weighted(equation)
    torch.testing.assert_close(A, A.T, atol=1e-12 * A.abs().max(), rtol=0)
    assert torch.linalg.eigvalsh((A + A.T) / 2).max() < 1e-12 * A.abs().max()


@pytest.mark.parametrize("centring", ["cell", "node"])
@pytest.mark.parametrize("rate", ["laplacian(u)", "diffusion(D, u)"])
def test_robin_is_symmetric_and_decays(rate, centring):
    walls = (Robin(1.0, 2.0, 0), Robin(0.5, 1.0, 0))
    parameters = {"D": 0.3} if "D" in rate else {}
    equation = declare(rate, [walls, walls], (6, 7), centring, parameters=parameters)
    A = weighted(equation)
    torch.testing.assert_close(A, A.T, atol=1e-12 * A.abs().max(), rtol=0)
    assert torch.linalg.eigvalsh((A + A.T) / 2).max() < 0


NULL = [
    *COEFFICIENTS,
    "diffusion(1 + u**2, u)",
    "diffusion(1 + x*u**2, u)",
    "gradient_squared(u)",
    "d_dx(u)",
    "d3_dx3(u)",
]


@pytest.mark.parametrize("order", [2, 4])
@pytest.mark.parametrize("centring", ["cell", "node"])
@pytest.mark.parametrize("kinds", [("P", "P"), ("N", "N"), ("N", "P")])
@pytest.mark.parametrize("rate", NULL)
def test_constants_do_not_change(rate, kinds, centring, order):
    equation = declare(rate, kinds, (7, 8), centring, order, parameters=COEFFICIENTS.get(rate, {}))
    y = torch.full((1, 7, 8), 1.7, dtype=torch.float64)
    assert equation(0.0, y).abs().max() < 1e-11


@pytest.mark.parametrize("order", [2, 4])
@pytest.mark.parametrize("centring", ["cell", "node"])
@pytest.mark.parametrize("kinds", [("P", "P"), ("N", "N"), ("N", "P")])
@pytest.mark.parametrize("rate", [*COEFFICIENTS, "diffusion(1 + u**2, u)", "diffusion(1 + x*u**2, u)",
                                  "laplacian(u**3 - u)",
                                  "d2_dx2(u)", "d4_dx4(u)", "laplacian(u**3 - laplacian(u))"])  # fmt: skip
def test_mass_is_conserved(rate, kinds, centring, order):
    equation = declare(rate, kinds, (7, 8), centring, order, parameters=COEFFICIENTS.get(rate, {}))
    y = torch.randn(3, 1, 7, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    rates = equation(0.0, y) * equation.grid.weights()
    assert (rates.sum(dim=(1, 2, 3)).abs() < 1e-12 * rates.abs().sum(dim=(1, 2, 3))).all()


def test_mass_changes_by_what_flows_through_the_walls():
    """d/dt of the mass is D times the sum of the Neumann data, wall by wall."""
    for centring in ("cell", "node"):
        equation = FieldEquation(
            "du/dt = D*laplacian(u)", grid=Grid(9, extent=2.0, centring=centring),
            boundary={"x-": Neumann(0.3), "x+": Neumann("1.1*cos(t)")}, parameters={"D": Parameter(0.5)},
        )  # fmt: skip
        y = torch.randn(1, 9, dtype=torch.float64)
        flow = (equation(0.4, y) * equation.grid.weights()).sum()
        assert flow.item() == pytest.approx(0.5 * (0.3 + 1.1 * np.cos(0.4)), abs=1e-12)
