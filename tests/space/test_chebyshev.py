"""Chebyshev collocation: matrices, quadrature, and boundary value problems with every kind of wall."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
import scipy.linalg
import torch

from fieldsolver.errors import BoundaryError, GridError, ParameterError
from fieldsolver.space import Dirichlet, Neumann, Periodic, Robin
from fieldsolver.space.spectral import ChebyshevLine

ROBIN_ROOTS = {  # z tan z = Bi, reference/pde.md, section 0
    0.1: (0.3110528, 3.1730972, 6.2990594),
    1.0: (0.8603335890, 3.4256184595, 6.4372981792),
    10.0: (1.4288700, 4.3058014, 7.2281098),
}
WALLS = [Dirichlet(), Neumann(), Robin(2.0, 0.5), Robin(0.3, -1.0)]


def rational_matrix(points):
    """First derivatives of the Lagrange polynomials on the given rational points, exactly."""
    n = len(points)
    matrix = [[Fraction(0)] * n for _ in range(n)]
    for j in range(n):
        for i in range(n):
            others = [k for k in range(n) if k not in (i, j)]
            if i != j:
                numerator = math.prod((points[i] - points[k] for k in others), start=Fraction(1))
                denominator = math.prod((points[j] - points[k] for k in range(n) if k != j), start=Fraction(1))
                matrix[i][j] = numerator / denominator
            else:
                matrix[i][i] = sum((1 / (points[i] - points[k]) for k in others), start=Fraction(0))
    return matrix


def multiplied(a, b):
    return [[sum(x * y for x, y in zip(row, column, strict=True)) for column in zip(*b, strict=True)] for row in a]


@pytest.mark.parametrize("points", [2, 3, 4, 5, 12])
def test_matrices_against_lagrange_in_exact_arithmetic(points):
    """The points are rounded to rationals; the matrices depend on them smoothly."""
    line = ChebyshevLine(points, -1.0, 1.0)
    first = rational_matrix([Fraction(float(x)) for x in line.coordinates])
    exact = first
    for m in (1, 2, 3, 4):
        expected = np.array(exact, dtype=float)
        scale = max(abs(expected).max(), 1.0)
        np.testing.assert_allclose(line.matrix(m) / scale, expected / scale, rtol=0, atol=1e-13)
        exact = multiplied(first, exact)


def test_the_smallest_matrices_are_the_known_ones():
    """Trefethen, Spectral Methods in MATLAB, ch. 6, for N = 1 and 2; the points run the other way there."""
    np.testing.assert_allclose(ChebyshevLine(2, -1.0, 1.0).matrix(1), [[-0.5, 0.5], [-0.5, 0.5]], atol=1e-16)
    expected = [[-1.5, 2, -0.5], [-0.5, 0, 0.5], [0.5, -2, 1.5]]
    np.testing.assert_allclose(ChebyshevLine(3, -1.0, 1.0).matrix(1), expected, atol=1e-15)


@pytest.mark.parametrize("points", [2, 3, 16, 17, 64])
def test_points_are_symmetric_and_end_on_the_walls(points):
    x = ChebyshevLine(points, -1.0, 1.0).coordinates
    assert x.dtype == torch.float64
    assert torch.equal(x, -x.flip(0))
    assert (x.diff() > 0).all()
    torch.testing.assert_close(x, -torch.cos(torch.arange(points, dtype=torch.float64) * math.pi / (points - 1)))
    ends = ChebyshevLine(points, 0.1, 0.7).coordinates
    assert ends[0].item() == 0.1
    assert ends[-1].item() == 0.7


def test_derivatives_converge_spectrally():
    errors = {}
    for points in (8, 16, 24, 32, 40):
        line = ChebyshevLine(points, 0.0, 2.0)
        x = line.coordinates
        u, slope = torch.exp(torch.sin(2 * x)), 2 * torch.cos(2 * x)
        bend = slope**2 - 4 * torch.sin(2 * x)
        errors[points] = [
            (line.derivative(u, -1, m) - u * factor).abs().max().item() for m, factor in ((1, slope), (2, bend))
        ]
    assert errors[8][0] > 1e-3
    assert errors[16][0] < 1e-3
    assert errors[40][0] < 1e-11
    assert errors[40][1] < 1e-9  # eps N^4


@pytest.mark.parametrize("points", [64, 128])
def test_rounding_stays_at_the_level_of_the_conditioning(points):
    """Rounding of u alone gives errors of eps N^2 and eps N^4/15, the norms of the matrices (Weideman and Reddy)."""
    line = ChebyshevLine(points, -1.0, 1.0)
    x = line.coordinates
    eps = np.finfo(float).eps
    u = torch.exp(x)
    assert (line.derivative(u, -1, 1) - u).abs().max() < eps * points**2
    assert (line.derivative(u, -1, 2) - u).abs().max() < eps * points**4
    for m in (1, 2, 3, 4):
        matrix = line.matrix(m)
        assert abs(matrix.sum(axis=1)).max() <= 4 * eps * abs(matrix).sum(axis=1).max()
        np.testing.assert_allclose(matrix, (-1) ** m * matrix[::-1, ::-1], rtol=1e-12, atol=1e-11 * abs(matrix).max())


@pytest.mark.parametrize("points", [2, 3, 6, 7, 33])
def test_quadrature_is_exact_for_polynomials(points):
    line = ChebyshevLine(points, -1.0, 3.0)
    weights, x = line.weights(), line.coordinates
    assert (weights > 0).all()
    for degree in range(points):
        exact = (3.0 ** (degree + 1) - (-1.0) ** (degree + 1)) / (degree + 1)
        assert (weights * x**degree).sum().item() == pytest.approx(exact, rel=1e-12)
    if points == 3:  # Simpson
        np.testing.assert_allclose(weights, [2 / 3, 8 / 3, 2 / 3], rtol=1e-15)
    if points == 33:
        assert (weights * torch.exp(x)).sum().item() == pytest.approx(math.exp(3) - math.exp(-1), rel=1e-14)


def test_dirichlet_eigenvalues():
    """-(n pi/2)^2 on (-1, 1); the lower third is accurate, the upper part grows like N^4 (Trefethen, program 15)."""
    points = 48
    inside = ChebyshevLine(points, -1.0, 1.0).matrix(2)[1:-1, 1:-1]
    values = -np.sort(-scipy.linalg.eigvals(inside).real)
    n = np.arange(1, points // 3 + 1)
    np.testing.assert_allclose(values[: points // 3], -((n * np.pi / 2) ** 2), rtol=1e-8)


def assembled(line, conditions, operator):
    """``operator(bound u)`` at the inner points as a matrix on the inner values, by unit vectors."""
    inner = line.points - 2
    unit = torch.zeros(inner, line.points, dtype=torch.float64)
    unit[:, 1:-1] = torch.eye(inner, dtype=torch.float64)
    return operator(line.bind(unit, -1, conditions))[:, 1:-1].T.numpy()


@pytest.mark.parametrize("number", ROBIN_ROOTS)
@pytest.mark.parametrize("flipped", [False, True])
def test_robin_eigenvalues(number, flipped):
    """u_n + Bi u = 0 at one end of the unit interval, no flux at the other."""
    line = ChebyshevLine(32, 0.0, 1.0)
    conditions = (Robin(number, 1.0), Neumann()) if flipped else (Neumann(), Robin(number, 1.0))
    matrix = assembled(line, conditions, lambda u: line.derivative(u, -1, 2))
    roots = np.sqrt(np.sort(-scipy.linalg.eigvals(matrix).real)[:3])
    np.testing.assert_allclose(roots, ROBIN_ROOTS[number], rtol=0, atol=6e-8)
    for root in roots:
        assert root * math.tan(root) == pytest.approx(number, rel=1e-7)


def right_hand_side(condition, u, outward_slope):
    match condition:
        case Dirichlet():
            return u
        case Neumann():
            return outward_slope
    return condition.a * u + condition.b * outward_slope


def data_of(line, conditions, u, slope):
    """Boundary data that the function itself has."""
    low = right_hand_side(conditions[0], u[..., :1], -slope[..., :1])
    high = right_hand_side(conditions[1], u[..., -1:], slope[..., -1:])
    return low, high


@pytest.mark.parametrize("low", WALLS, ids=repr)
@pytest.mark.parametrize("high", WALLS, ids=repr)
@pytest.mark.parametrize("is_complex", [False, True])
def test_binding_restores_the_values_on_the_walls(low, high, is_complex):
    line = ChebyshevLine(24, -0.5, 1.5)
    x = line.coordinates * (1 + 0.5j * is_complex)
    u, slope = torch.exp(x), (1 + 0.5j * is_complex) * torch.exp(x)
    spoilt = u.clone()
    spoilt[[0, -1]] = 7.0
    bound = line.bind(spoilt, -1, (low, high), data_of(line, (low, high), u, slope))
    torch.testing.assert_close(bound, u, rtol=0, atol=1e-11)
    stacked = torch.stack([spoilt, 2 * spoilt], dim=-1)
    data = [torch.stack([g, 2 * g], dim=-1) for g in data_of(line, (low, high), u, slope)]
    torch.testing.assert_close(
        line.bind(stacked, -2, (low, high), data), torch.stack([u, 2 * u], -1), rtol=0, atol=3e-11
    )


def test_numbers_and_nothing_as_data():
    line = ChebyshevLine(12, 0.0, 1.0)
    x = line.coordinates
    torch.testing.assert_close(line.bind(x**2, -1, (Neumann(), Neumann()), (None, 2.0)), x**2)
    torch.testing.assert_close(line.bind(x**2, -1, (Dirichlet(), Robin(1.0, 1.0)), (None, 3.0)), x**2)
    assert torch.equal(line.bind(x, -1, (Dirichlet(), Dirichlet()))[[0, -1]], torch.zeros(2, dtype=torch.float64))


@pytest.mark.parametrize("low", WALLS, ids=repr)
@pytest.mark.parametrize("high", WALLS, ids=repr)
def test_poisson_problems(low, high):
    """u'' = f with the data of u = exp(sin 3x); without any value on the walls only up to a constant."""
    line = ChebyshevLine(48, -0.4, 1.2)
    x = line.coordinates
    u = torch.exp(torch.sin(3 * x))
    slope = 3 * torch.cos(3 * x) * u
    bend = 3 * torch.cos(3 * x) * slope - 9 * torch.sin(3 * x) * u
    conditions = (low, high)
    data = data_of(line, conditions, u, slope)
    matrix = assembled(line, conditions, lambda v: line.derivative(v, -1, 2))
    zero = torch.zeros_like(u)
    offset = line.derivative(line.bind(zero, -1, conditions, data), -1, 2)[1:-1].numpy()
    inner, *_ = scipy.linalg.lstsq(matrix, bend[1:-1].numpy() - offset, cond=1e-12)
    solution = line.bind(torch.from_numpy(np.pad(inner, 1)), -1, conditions, data)
    if isinstance(low, Neumann) and isinstance(high, Neumann):
        solution = solution + (u - solution).mean()
    torch.testing.assert_close(solution, u, rtol=0, atol=1e-10)


@pytest.mark.parametrize("conditions", [(Neumann(), Neumann()), (Robin(1.5, 1.0), Neumann()), (Dirichlet(), Neumann())])
def test_heat_with_data_on_the_walls(conditions):
    """u = exp(-k^2 t) cos(k x + 1) with its own data.

    The data decay like exp(-k^2 t) too, so (u, exp(-k^2 t)) obeys a linear autonomous system, whose matrix exponential
    leaves no error of time stepping.
    """
    line, k, t = ChebyshevLine(28, 0.0, 1.0), 2.3, 0.2
    x = line.coordinates
    start, slope = torch.cos(k * x + 1), -k * torch.sin(k * x + 1)
    data = data_of(line, conditions, start, slope)
    matrix = assembled(line, conditions, lambda v: line.derivative(v, -1, 2))
    offset = line.derivative(line.bind(torch.zeros_like(x), -1, conditions, data), -1, 2)[1:-1].numpy()
    size = line.points - 2
    system = np.zeros((size + 1, size + 1))
    system[:size, :size], system[:size, size], system[size, size] = matrix, offset, -(k**2)
    state = scipy.linalg.expm(t * system) @ np.append(start[1:-1].numpy(), 1.0)
    decay = math.exp(-(k**2) * t)
    final = line.bind(torch.from_numpy(np.pad(state[:-1], 1)), -1, conditions, [decay * g for g in data])
    torch.testing.assert_close(final, decay * start, rtol=0, atol=1e-10)


@pytest.mark.parametrize("dim", [-1, -2, -3])
@pytest.mark.parametrize("is_complex", [False, True])
def test_any_axis_is_a_matrix_product(dim, is_complex):
    line = ChebyshevLine(5, 0.0, 2.0)
    generator = torch.Generator().manual_seed(0)
    dtype = torch.complex128 if is_complex else torch.float64
    shape = [2, 3, 4]
    shape[dim] = 5
    values = torch.randn(shape, generator=generator, dtype=dtype)
    matrix = torch.from_numpy(line.matrix(2)).to(dtype)
    expected = torch.tensordot(values.movedim(dim, -1), matrix, dims=([-1], [1])).movedim(-1, dim)
    torch.testing.assert_close(line.derivative(values, dim, 2), expected)


def test_gradients_and_transforms():
    line, conditions = ChebyshevLine(6, 0.0, 1.0), (Robin(1.0, 2.0), Neumann())
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(2, 6, generator=generator, dtype=torch.float64, requires_grad=True)
    data = torch.randn(2, 1, generator=generator, dtype=torch.float64, requires_grad=True)

    def bend(v, g):
        return line.derivative(line.bind(v, -1, conditions, (g, None)), -1, 2)

    assert torch.autograd.gradcheck(bend, (values, data))
    assert torch.autograd.gradgradcheck(lambda v, g: bend(v, g) ** 2, (values, data))
    mapped = torch.func.vmap(bend)(values.detach(), data.detach())
    torch.testing.assert_close(mapped, bend(values, data).detach())
    _, tangent = torch.func.jvp(bend, (values.detach(), data.detach()), (values.detach(), data.detach()))
    torch.testing.assert_close(tangent, mapped)


def test_single_precision(device):
    line = ChebyshevLine(16, 0.0, 1.0)
    values = torch.sin(line.coordinates).float().to(device)
    slope = line.derivative(values, -1, 1)
    assert slope.dtype == torch.float32
    torch.testing.assert_close(slope.cpu(), torch.cos(line.coordinates).float(), rtol=0, atol=2e-5)
    bound = line.bind(values, -1, (Dirichlet(), Neumann()), (None, math.cos(1.0)))
    assert bound.dtype == torch.float32
    torch.testing.assert_close(bound, values, rtol=0, atol=1e-6)
    assert line.weights(device).device == values.device


def test_what_cannot_be():
    with pytest.raises(GridError, match="at least 2; got 1"):
        ChebyshevLine(1, 0.0, 1.0)
    with pytest.raises(GridError, match="runs upwards"):
        ChebyshevLine(8, 1.0, 0.0)
    line = ChebyshevLine(8, 0.0, 1.0)
    values = torch.zeros(8, dtype=torch.float64)
    with pytest.raises(ParameterError, match="positive integer, got m=0"):
        line.derivative(values, -1, 0)
    with pytest.raises(GridError, match="has 8 points"):
        line.derivative(torch.zeros(9), -1, 1)
    with pytest.raises(BoundaryError, match="Dirichlet, Neumann or Robin conditions at its ends, got Periodic"):
        line.bind(values, -1, (Periodic(), Periodic()))
    # With u = w at both ends and zero inside, the slope outwards is (D_NN + D_N0) w: a Robin condition that cancels it.
    slope = line.matrix(1)[-1, [0, -1]].sum()
    with pytest.raises(BoundaryError, match="do not determine the end values on 8 Chebyshev points"):
        line.bind(values, -1, (Robin(-slope, 1.0), Robin(-slope, 1.0)))
