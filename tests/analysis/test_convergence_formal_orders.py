"""Formal orders of families that the package does not have, stepped here: the analyser finds each and no other.

The package's own methods: `test_every_method_has_its_order`. Gauss, Radau IIA and SDIRK: the stiff problems, at rate 1.
"""

import math
from fractions import Fraction

import numpy as np
import pytest

from fieldsolver.analysis import convergence
from fieldsolver.results import Verdict

END = 2.0


def exact(t):
    """y' = -y cos t, y(0) = 1."""
    return math.exp(-math.sin(t))


def backward_differences(k):
    """BDF of order k: sum_{j=1}^k (1/j) nabla^j y_n = h f_n, from exact starting values."""
    weights = [Fraction(0)] * (k + 1)
    for j in range(1, k + 1):
        for i in range(j + 1):
            weights[i] += Fraction((-1) ** i * math.comb(j, i), j)
    w = [float(weight) for weight in weights]

    def error(h):
        steps = round(END / h)
        y = [exact(i * h) for i in range(k)]
        for n in range(k, steps + 1):
            past = sum(w[i] * y[n - i] for i in range(1, k + 1))
            y.append(-past / (w[0] + h * math.cos(n * h)))
        return abs(y[steps] - exact(END))

    return error


def crank_nicolson(h):
    y = 1.0
    for n in range(round(END / h)):
        y *= (1 - h / 2 * math.cos(n * h)) / (1 + h / 2 * math.cos((n + 1) * h))
    return abs(y - exact(END))


def lobatto_iiic(h):
    """Two stages, order 2: a = (1/2, -1/2; 1/2, 1/2)."""
    A, b, c = np.array([[0.5, -0.5], [0.5, 0.5]]), np.array([0.5, 0.5]), np.array([0.0, 1.0])
    y = 1.0
    for n in range(round(END / h)):
        rate = -np.cos((n + c) * h)
        y += h * b @ np.linalg.solve(np.eye(2) - h * rate[:, None] * A, rate * y)
    return abs(y - exact(END))


def leapfrog(q, p, h):
    """Of the pendulum, q'' = -sin q."""
    p = p - h / 2 * math.sin(q)
    q = q + h * p
    return q, p - h / 2 * math.sin(q)


def composition(weights, steps):
    q, p = 1.0, 0.0
    for _ in range(steps):
        for weight in weights:
            q, p = leapfrog(q, p, weight * END / steps)
    return q


W = 1 / (2 - 2 ** (1 / 3))
YOSHIDA = (W, 1 - 2 * W, W)


def pendulum(weights):
    reference = composition(YOSHIDA, 8192)
    return lambda h: abs(composition(weights, round(END / h)) - reference)


CASES = {
    **{f"BDF{k}": (backward_differences(k), k, 0.05) for k in range(1, 5)},
    "Crank-Nicolson": (crank_nicolson, 2, 0.2),
    "Lobatto IIIC, 2 stages": (lobatto_iiic, 2, 0.2),
    "Verlet": (pendulum((1.0,)), 2, 0.2),
    "Yoshida 4": (pendulum(YOSHIDA), 4, 0.2),
}


@pytest.mark.parametrize("name", CASES)
def test_the_formal_order_and_no_other(name):
    error, order, coarsest = CASES[name]
    ladder = [coarsest / 2**k for k in range(6)]
    result = convergence(error, ladder, expected=order)
    assert result.status is Verdict.PASS, result.reason
    for wrong in (order - 1, order + 1):
        if wrong:
            assert not convergence(error, ladder, expected=wrong).status.holds
