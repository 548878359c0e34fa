"""Summation by parts: the laws of the coefficients in exact arithmetic, and the fast path against dense matrices."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch
from torch.func import grad, jvp, vmap

from fieldsolver.errors import BoundaryError, GridError
from fieldsolver.space import Dirichlet, Neumann, Periodic, Robin
from fieldsolver.space.stencils import central_stencil
from fieldsolver.space.summation_by_parts import SummationByParts
from fieldsolver.space.summation_by_parts.first_derivative import CLOSURE_ROWS, first_derivative
from fieldsolver.space.summation_by_parts.rational import solution_set
from fieldsolver.space.summation_by_parts.second_derivative import DIFFERENCE_WEIGHTS, second_derivative
from fieldsolver.space.summation_by_parts.walls import PENALTY_FACTOR

ORDERS = [2, 4, 6]
FEWEST = {2: 6, 4: 12, 6: 18}
CONDITIONS = [None, Dirichlet(), Neumann(), Robin(2.0, 0.5), Robin(0.0, 3.0)]


# -- the matrices from their definition, exact, for the spacing 1 -----------------------------------------------------


def monomial(points, degree):
    return np.array([Fraction(i) ** degree for i in range(points)], dtype=object)


def slope(points, degree, times=1):
    """Derivatives of ``x^degree``."""
    factor = Fraction(1)
    for n in range(times):
        factor *= degree - n
    return factor * monomial(points, degree - times) if degree >= times else 0 * monomial(points, 0)


def dense_norm(order, points):
    norm = np.full(points, Fraction(1), dtype=object)
    closure = first_derivative(order).norm
    norm[: len(closure)], norm[points - len(closure) :] = closure, closure[::-1]
    return norm


def dense_difference(order, points):
    """``Q``."""
    first = first_derivative(order)
    Q = np.full((points, points), Fraction(0), dtype=object)
    for k, coefficient in enumerate(first.interior, start=1):
        for i in range(points - k):
            Q[i, i + k], Q[i + k, i] = coefficient, -coefficient
    for i, row in enumerate(first.closure):
        Q[i, :], Q[points - 1 - i, :] = Fraction(0), Fraction(0)
        Q[i, : len(row)] = row
        Q[points - 1 - i, points - len(row) :] = [-entry for entry in row[::-1]]
    return Q


def undivided(points, k):
    matrix = np.array([[Fraction(int(i == j)) for j in range(points)] for i in range(points)], dtype=object)
    for _ in range(k):
        matrix = matrix[1:] - matrix[:-1]
    return matrix


def dense_stiffness(order, D):
    """``M(D)``, written as in the definition."""
    points, p, closure = len(D), order // 2, second_derivative(order)
    H, Q = dense_norm(order, points), dense_difference(order, points)
    M = Q.T @ ((D / H)[:, None] * Q)
    for k, c in DIFFERENCE_WEIGHTS[order].items():
        for start, row in list(enumerate(undivided(points, k)))[1:-1]:
            middle = D[start + k - p : start + p + 1]
            M = M + c * (sum(middle) / len(middle)) * np.outer(row, row)
    for end in (0, -1):
        rho = wall_vector(closure.remainder, points, end)
        M = M + D[end] / closure.moment * np.outer(rho, rho)
    return M


def wall_vector(vector, points, end):
    full = np.full(points, Fraction(0), dtype=object)
    full[: len(vector)] = vector
    return full if end == 0 else full[::-1]


def is_positive_semidefinite(matrix):
    """By exact elimination: every pivot positive, or its whole row zero."""
    matrix = matrix.copy()
    for i in range(len(matrix)):
        pivot = matrix[i, i]
        if pivot < 0 or (pivot == 0 and any(matrix[i, i:])):
            return False
        if pivot:
            matrix[i + 1 :, i + 1 :] -= np.outer(matrix[i + 1 :, i], matrix[i, i + 1 :]) / pivot
    return True


def rational_coefficient(points, seed):
    return np.array([Fraction(int(n), 7) for n in np.random.default_rng(seed).integers(1, 30, points)], dtype=object)


# -- laws in exact arithmetic -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ORDERS)
def test_summation_by_parts_is_an_identity(order):
    points = FEWEST[order]
    Q = dense_difference(order, points)
    boundary = np.full((points, points), Fraction(0), dtype=object)
    boundary[0, 0], boundary[-1, -1] = Fraction(-1), Fraction(1)
    assert (boundary == Q + Q.T).all()


@pytest.mark.parametrize("order", ORDERS)
def test_norm_is_a_positive_quadrature_of_order_2p(order):
    points = FEWEST[order] + 1
    norm = dense_norm(order, points)
    assert min(norm) > 0
    exact = [Fraction(points - 1) ** (n + 1) / (n + 1) for n in range(order + 1)]
    errors = [norm @ monomial(points, n) - exact[n] for n in range(order + 1)]
    assert errors[:order] == [0] * order
    assert errors[order] != 0


@pytest.mark.parametrize("order", ORDERS)
def test_first_derivative_is_exact_for_polynomials(order):
    points, p, rows = FEWEST[order] + 2, order // 2, CLOSURE_ROWS[order]
    D1 = dense_difference(order, points) / dense_norm(order, points)[:, None]
    for degree in range(order + 1):
        error = D1 @ monomial(points, degree) - slope(points, degree)
        assert not any(error[rows : points - rows])
        assert any(error) == (degree > p)


def test_published_norms_and_first_derivatives():
    """Mattsson & Nordström (2004), appendix C: unique for orders 2 and 4, the norm also for 6."""
    F = Fraction
    assert first_derivative(2).norm == (F(1, 2),)
    assert first_derivative(4).norm == (F(17, 48), F(59, 48), F(43, 48), F(49, 48))
    assert first_derivative(6).norm == (
        F(13649, 43200), F(12013, 8640), F(2711, 4320), F(5359, 4320), F(7877, 8640), F(43801, 43200),
    )  # fmt: skip
    rows = [[q / h for q in row] for row, h in zip(first_derivative(4).closure, first_derivative(4).norm, strict=True)]
    assert rows == [
        [F(-24, 17), F(59, 34), F(-4, 17), F(-3, 34), 0, 0],
        [F(-1, 2), 0, F(1, 2), 0, 0, 0],
        [F(4, 43), F(-59, 86), 0, F(59, 86), F(-4, 43), 0],
        [F(3, 98), 0, F(-59, 98), 0, F(32, 49), F(-4, 49)],
    ]


def test_order_six_differs_from_the_published_family_by_its_parameter_only():
    """One direction is free; Mattsson & Nordström (2004) take 342523/518400 for ``Q_45``, the same norm otherwise."""
    F = Fraction
    published = [F(-1, 2), F(104009, 172800), F(30443, 259200), F(-33311, 86400), F(16863, 86400), F(-15025, 518400)]
    ours = first_derivative(6).closure
    # Q x^k = k h x^(k-1) holds for both, so the difference of the first rows is orthogonal to degree 3.
    change = np.array([a - b for a, b in zip(ours[0], published, strict=False)], dtype=object)
    assert all(change @ monomial(6, degree) == 0 for degree in range(4))
    assert any(change)


def test_order_six_takes_the_smallest_leading_error():
    points, rows = 18, CLOSURE_ROWS[6]
    first = first_derivative(6)
    Q, H = dense_difference(6, points), np.array(first.norm, dtype=object)
    residual = (Q @ monomial(points, 4))[:rows] - H * slope(points, 4)[:rows]
    # The antisymmetric changes of Q on six points that keep degree 3: v w^T - w v^T with v, w orthogonal to cubics.
    moments = [[Fraction(i) ** k for i in range(rows)] for k in range(4)]
    _, (v, w) = solution_set(moments, [Fraction(0)] * 4)
    change = (np.outer(v, w) - np.outer(w, v)) @ monomial(rows, 4)
    assert any(change)
    assert sum(change * residual / H) == 0


@pytest.mark.parametrize("order", ORDERS)
def test_stiffness_is_symmetric_positive_semidefinite(order):
    points = FEWEST[order]
    M = dense_stiffness(order, rational_coefficient(points, order))
    assert (M == M.T).all()
    assert is_positive_semidefinite(M)
    assert not any(M @ monomial(points, 0))
    one_fewer = M[1:, 1:]  # constants alone are in the null space
    assert is_positive_semidefinite(one_fewer)
    assert np.linalg.eigvalsh(one_fewer.astype(float)).min() > 1e-4


@pytest.mark.parametrize("order", ORDERS)
def test_constant_coefficient_has_the_central_stencil_inside(order):
    points, p, closure = FEWEST[order] + 2, order // 2, second_derivative(order)
    M = dense_stiffness(order, monomial(points, 0))
    expected = np.full((points, points), Fraction(0), dtype=object)
    for i in range(points):
        for offset, c in zip(range(-p, p + 1), central_stencil(2, order), strict=True):
            if 0 <= i + offset < points:
                expected[i, i + offset] = -c
    for i, row in enumerate(closure.stiffness):
        expected[i, :], expected[points - 1 - i, :] = Fraction(0), Fraction(0)
        expected[i, : len(row)] = row
        expected[points - 1 - i, points - len(row) :] = row[::-1]
    assert (expected == M).all()


@pytest.mark.parametrize("order", ORDERS)
def test_variable_coefficient_is_narrow_inside(order):
    points, p = FEWEST[order] + 8, order // 2
    D = np.full(points, Fraction(0), dtype=object)
    D[points // 2] = Fraction(1)
    rows, columns = np.nonzero(dense_stiffness(order, D))
    assert abs(rows - columns).max() == p
    assert abs(rows - points // 2).max() <= p


def dense_second(order, D):
    """``D2(D)`` without penalties."""
    points = len(D)
    BS = np.full((points, points), Fraction(0), dtype=object)
    for end in (0, -1):
        BS[end] = D[end] * wall_vector(second_derivative(order).normal, points, end)
    return (BS - dense_stiffness(order, D)) / dense_norm(order, points)[:, None]


@pytest.mark.parametrize("order", ORDERS)
def test_second_derivative_is_exact_for_polynomials(order):
    """``(x^s (x^r)')'``: order ``p`` at the walls means ``s + r <= p + 1``, order ``2p`` inside ``s + r <= 2p + 1``."""
    p, closure = order // 2, CLOSURE_ROWS[order] + order // 2 + (order == 2)
    points = 2 * closure + 2
    for s in range(3):
        matrix = dense_second(order, monomial(points, s))
        for r in range(order + 2 - s):
            error = matrix @ monomial(points, r) - r * slope(points, r + s - 1)
            assert not any(error[closure : points - closure])
            if s + r <= p + 1:
                assert not any(error)
    assert any(dense_second(order, monomial(points, 0)) @ monomial(points, p + 2) - slope(points, p + 2, 2))


@pytest.mark.parametrize("order", ORDERS)
def test_outward_derivative_is_exact_to_degree_p_plus_one(order):
    points, p = FEWEST[order], order // 2
    for end, sign in ((0, -1), (-1, 1)):
        normal = wall_vector(second_derivative(order).normal, points, end)
        errors = [normal @ monomial(points, n) - sign * slope(points, n)[end] for n in range(p + 3)]
        assert not any(errors[: p + 2])
        assert errors[p + 2]


def test_order_two_is_that_of_mattsson_and_nordstrom():
    D2 = dense_second(2, monomial(6, 0))
    assert list(D2[0]) == [1, -2, 1, 0, 0, 0]
    assert list(D2[1]) == [1, -2, 1, 0, 0, 0]
    assert second_derivative(2).normal == (Fraction(3, 2), -2, Fraction(1, 2))


@pytest.mark.parametrize("order", ORDERS)
def test_borrowing_leaves_the_stiffness_positive(order):
    points, closure = FEWEST[order], second_derivative(order)
    D = rational_coefficient(points, 10 + order)
    D[1:8] = Fraction(0)  # the bound needs the wall value alone
    normals = [wall_vector(closure.normal, points, end) for end in (0, -1)]
    squares = sum(D[end] * np.outer(n, n) for end, n in zip((0, -1), normals, strict=True))
    M = dense_stiffness(order, D)
    assert is_positive_semidefinite(M - closure.borrowing * squares)
    assert not is_positive_semidefinite(M - Fraction(11, 5) * closure.borrowing * squares)


# -- the fast path against dense matrices -----------------------------------------------------------------------------


class Dense:
    """The operators as matrices, with torch, so that they have gradients too."""

    def __init__(self, order, points, h):
        def tensor(matrix):
            return torch.as_tensor(np.asarray(matrix).astype(float))

        closure, self.order, self.h = second_derivative(order), order, h
        self.H = tensor(dense_norm(order, points)) * h
        self.D1 = tensor(dense_difference(order, points)) / self.H[:, None]
        self.changes = {k: tensor(undivided(points, k)[1:-1]) for k in DIFFERENCE_WEIGHTS[order]}
        self.rho = [tensor(wall_vector(closure.remainder, points, end)) for end in (0, -1)]
        self.normal = [tensor(wall_vector(closure.normal, points, end)) / h for end in (0, -1)]
        self.e = torch.eye(points, dtype=torch.float64)[[0, -1]]
        self.moment, self.tau = float(closure.moment), PENALTY_FACTOR / float(closure.borrowing) / h

    def diffusion(self, D, u, conditions, data):
        p = self.order // 2
        total = -self.D1.T @ (self.H * D * (self.D1 @ u))
        for k, change in self.changes.items():
            count = 2 * p + 1 - k
            middle = D.unfold(0, count, 1).mean(-1)[1 + k - p :][: len(change)]
            total = total - float(DIFFERENCE_WEIGHTS[self.order][k]) / self.h * change.T @ (middle * (change @ u))
        for end in (0, -1):
            rho, n, e, condition = self.rho[end], self.normal[end], self.e[end], conditions[end]
            total = total - D[end] / self.moment / self.h * rho * (rho @ u)
            g = data[end] if data[end] is not None else 0.0
            if condition is None:
                total = total + D[end] * e * (n @ u)
            elif isinstance(condition, Dirichlet):
                total = total + D[end] * (e * (n @ u) + (n - self.tau * e) * (u[end] - g))
            elif isinstance(condition, Neumann):
                total = total + D[end] * e * g
            else:
                total = total + D[end] * e * (g - condition.a * u[end]) / condition.b
        return total / self.H

    def advection(self, a, u, conditions, data):
        D1 = self.D1
        total = (a * (D1 @ u) + D1 @ (a * u) - u * (D1 @ a)) / 2
        for end, inward in ((0, a[0]), (-1, -a[-1])):
            if isinstance(conditions[end], Dirichlet) and inward > 0:
                g = data[end] if data[end] is not None else 0.0
                total = total + inward * self.e[end] * (u[end] - g) / self.H
        return total


def sample(points, *shapes, seed=0, complex_values=False):
    generator = torch.Generator().manual_seed(seed)
    dtype = torch.complex128 if complex_values else torch.float64
    return [torch.randn(*shape, generator=generator, dtype=dtype) for shape in ((points,), *shapes)]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("low", CONDITIONS)
@pytest.mark.parametrize("high", CONDITIONS)
def test_fast_path_equals_the_matrices_in_values_and_gradients(order, low, high):
    points, h = FEWEST[order] + 1, 0.3
    operator, dense = SummationByParts(order, points, h), Dense(order, points, h)
    u, v, g0, g1 = sample(points, (points,), (1,), (1,), seed=order)
    D = torch.rand(points, generator=torch.Generator().manual_seed(5), dtype=torch.float64) + 0.1

    def total(function, leaves):
        D, u, g0, g1 = leaves
        return (v * function(D, u, (low, high), (g0, g1))).sum()

    fast = total(lambda D, u, c, g: operator.diffusion(D, u, -1, c, g), leaves := leafs(D, u, g0, g1))
    naive = total(dense.diffusion, others := leafs(D, u, g0, g1))
    assert fast.item() == pytest.approx(naive.item(), rel=1e-11, abs=1e-9)
    for a, b in zip(gradients(fast, leaves), gradients(naive, others), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-9)

    constant = operator.second(u, -1, (low, high), (g0, g1))
    torch.testing.assert_close(constant, dense.diffusion(torch.ones_like(u), u, (low, high), (g0, g1)))
    torch.testing.assert_close(operator.diffusion(torch.ones_like(u), u, -1, (low, high), (g0, g1)), constant)
    torch.testing.assert_close(operator.diffusion(2.0, u, -1, (low, high)), 2 * operator.second(u, -1, (low, high)))
    torch.testing.assert_close(operator.first(u, -1), dense.D1 @ u)

    for a in (v, v + 5.0, v - 5.0):  # changes sign; enters at the low wall; at the high one
        rate = operator.advection(a, u, -1, (low, high), (g0, g1))
        torch.testing.assert_close(rate, dense.advection(a, u, (low, high), (g0, g1)))
    for a in (2.0, -2.0, torch.tensor([2.0], dtype=torch.float64), torch.tensor(-2.0, dtype=torch.float64)):
        rate = operator.advection(a, u, -1, (low, high), (g0, None))
        torch.testing.assert_close(rate, dense.advection(a + 0 * u, u, (low, high), (g0, None)))


def leafs(*tensors):
    return [tensor.clone().requires_grad_() for tensor in tensors]


def gradients(output, leaves):
    found = torch.autograd.grad(output, leaves, allow_unused=True)
    return [torch.zeros_like(leaf) if g is None else g for g, leaf in zip(found, leaves, strict=True)]


@pytest.mark.parametrize("order", ORDERS)
def test_transformations(order):
    points = FEWEST[order]
    operator = SummationByParts(order, points, 0.5)
    conditions = (Dirichlet(), Robin(1.0, 2.0))
    u, v, w, g = sample(points, (points,), (3, points), (1,), seed=3)
    D = u**2 + 0.1

    def rate(D, u, g):
        return operator.diffusion(D, u, -1, conditions, (g, None)) + operator.advection(D, u, -1, conditions, (g, g))

    torch.testing.assert_close(vmap(rate, (None, 0, None))(D, w, g), torch.stack([rate(D, x, g) for x in w]))
    torch.testing.assert_close(vmap(rate, (0, None, None))(w**2, v, g), torch.stack([rate(x**2, v, g) for x in w]))
    value, tangent = jvp(lambda u: rate(D, u, g), (v,), (w[0],))
    torch.testing.assert_close(value, rate(D, v, g))
    torch.testing.assert_close(tangent, rate(D, w[0], 0 * g))  # linear in (values, data)
    torch.testing.assert_close(
        grad(lambda u: (rate(D, u, g) * w[1]).sum())(v),
        torch.autograd.functional.vjp(lambda u: rate(D, u, g), v, w[1])[1],
    )
    torch.testing.assert_close(rate(D, 2 * v + w[0], 2 * g), 2 * rate(D, v, g) + rate(D, w[0], 0 * g))
    assert torch.autograd.gradgradcheck(rate, leafs(D, v, g))


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("dim", [-1, -2, -3])
def test_any_axis_dtype_and_batch(order, dim):
    points = FEWEST[order] + 2
    operator = SummationByParts(order, points, 0.25)
    conditions = (Robin(1.0, 1.0), Dirichlet())
    shape, face = [3, 4, 5], [3, 4, 5]
    shape[dim], face[dim] = points, 1
    _, u, D, g = sample(points, tuple(shape), tuple(shape), (2, *face), seed=7)
    _, v = sample(points, tuple(shape), seed=8, complex_values=True)
    D = D**2 + 0.5

    def rates(D, u, dim, data):
        return [
            operator.first(u, dim),
            operator.second(u, dim, conditions, data),
            operator.diffusion(D, u, dim, conditions, data),
            operator.diffusion(D.narrow(dim, 0, 1), u, dim, conditions, data),
            operator.advection(D - 1, u, dim, conditions, data),
        ]

    here = rates(D, u, dim, (None, g))
    moved = rates(D.movedim(dim, -1), u.movedim(dim, -1), -1, (None, g.movedim(dim, -1)))
    for a, b in zip(here, moved, strict=True):
        torch.testing.assert_close(a, b.movedim(-1, dim))
        assert a.shape in ((2, *shape), tuple(shape))

    single = [x.float() for x in (D, u, g)]
    for a, b in zip(rates(single[0], single[1], dim, (None, single[2])), here, strict=True):
        assert a.dtype == torch.float32
        torch.testing.assert_close(a.double(), b, rtol=1e-4, atol=1e-2)
    parts = [rates(D, part, dim, (None, None)) for part in (v.real, v.imag)]
    for a, real, imaginary in zip(rates(D, v, dim, (None, None)), *parts, strict=True):
        torch.testing.assert_close(a, torch.complex(real, imaginary))


@pytest.mark.parametrize("order", ORDERS)
def test_other_devices(order, device):
    points = FEWEST[order]
    operator = SummationByParts(order, points, 0.5)
    u, D = sample(points, (points,), seed=2)
    conditions = (Dirichlet(), Robin(1.0, 2.0))

    def rates(D, u):
        return operator.diffusion(D**2, u, -1, conditions) + operator.advection(D, u, -1, conditions)

    assert operator.norm(device).device.type == device.type
    assert rates(D.to(device), u.to(device)).device.type == device.type
    torch.testing.assert_close(rates(D.to(device), u.to(device)).cpu(), rates(D, u))


def test_tables_are_usable_after_inference_mode():
    operator = SummationByParts(4, 12, 1.0)
    u = torch.randn(12, dtype=torch.float64)
    with torch.inference_mode():
        operator.second(u, -1, (Dirichlet(), Dirichlet()))
    leaf = u.clone().requires_grad_()
    operator.second(leaf, -1, (Dirichlet(), Dirichlet())).sum().backward()
    assert leaf.grad is not None


def test_value_semantics_and_errors():
    assert SummationByParts(4, 12, 0.5) == SummationByParts(4, 12, 0.5)
    assert len({SummationByParts(4, 12, 0.5), SummationByParts(4, 12, 0.5)}) == 1
    assert [(s.first_order, s.second_order) for s in (SummationByParts(o, 20, 1.0) for o in ORDERS)] == [
        (2, 2), (3, 4), (4, 5),
    ]  # fmt: skip
    with pytest.raises(GridError, match=r"orders \(2, 4, 6\), got 8"):
        SummationByParts(8, 100, 1.0)
    for order, needed in FEWEST.items():
        with pytest.raises(GridError, match=f"order {order} needs {needed} points along the axis, got {needed - 1}"):
            SummationByParts(order, needed - 1, 1.0)
    with pytest.raises(GridError, match=r"positive number, got 0\.0"):
        SummationByParts(2, 10, 0.0)
    operator = SummationByParts(2, 10, 1.0)
    with pytest.raises(GridError, match="has 11 points, expected the 10"):
        operator.first(torch.ones(11), -1)
    with pytest.raises(BoundaryError, match="got Periodic"):
        operator.second(torch.ones(10), -1, (Periodic(), Periodic()))
