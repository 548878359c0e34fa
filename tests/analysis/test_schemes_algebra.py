"""The exact arithmetic under the schemes, and that a factor is what the solver's step really does."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldsolver.analysis.schemes import get_scheme
from fieldsolver.analysis.schemes.boundary import UndecidedError, first_growth, is_stable, schur_cohn_determinant
from fieldsolver.analysis.schemes.exponential import phi
from fieldsolver.analysis.schemes.rational import completed, linear_order, pade, stability_function
from fieldsolver.analysis.schemes.ray import Ray
from fieldsolver.analysis.schemes.real_roots import positive_roots
from fieldsolver.methods import METHODS, ExplicitRungeKutta
from fieldsolver.methods.adams_moulton_stability import real_interval as pece_interval
from fieldsolver.methods.polynomial import multiply, polynomial

RUNGE_KUTTA = [name for name, method in METHODS.items() if isinstance(method, ExplicitRungeKutta)]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.fractions(-9, 9, max_denominator=12).filter(bool), min_size=1, max_size=7))
def test_positive_roots_of_products(roots):
    p = polynomial([3])
    for root in roots:
        p = multiply(p, polynomial([-root, 1]))
    found = positive_roots(p)
    wanted = sorted({root for root in roots if root > 0})
    assert len(found) == len(wanted)
    for (low, high), root in zip(found, wanted, strict=True):
        assert low <= root <= high
        assert high - low <= Fraction(1, 2**50) * high


def test_positive_roots_of_a_polynomial_with_hundreds_of_digits():
    p = polynomial(Fraction(f"{math.cos(k):.60f}") * 3**k for k in range(25))
    roots = np.roots([float(value) for value in p[::-1]])
    real = sorted(root.real for root in roots if abs(root.imag) < 1e-9 and root.real > 0)
    assert [float(low) for low, _ in positive_roots(p)] == pytest.approx(real, rel=1e-7)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.complex_numbers(max_magnitude=1.6, allow_nan=False), min_size=1, max_size=5))
def test_schur_reduction_is_right_about_known_roots(roots):
    exact = [(Fraction(round(r.real * 64), 64), Fraction(round(r.imag * 64), 64)) for r in roots]
    squares = [float(x * x + y * y) for x, y in exact]
    if any(abs(square - 1) < 1e-6 for square in squares):
        return
    coefficients = [(Fraction(1), Fraction(0))]
    for x, y in exact:
        shifted = [(Fraction(0), Fraction(0)), *coefficients]
        scaled = [(a * x - b * y, a * y + b * x) for a, b in coefficients] + [(Fraction(0), Fraction(0))]
        coefficients = [(a - c, b - d) for (a, b), (c, d) in zip(shifted, scaled, strict=True)]
    assert is_stable(coefficients) == (max(squares) < 1)


def test_the_schur_cohn_determinant_is_the_product_over_pairs_of_roots():
    roots = [Fraction(1, 2), Fraction(-1, 3), Fraction(3)]
    p = polynomial([1])
    for root in roots:
        p = multiply(p, polynomial([-root, 1]))
    determinant = schur_cohn_determinant([Ray(polynomial([value]), polynomial([])) for value in p])
    wanted = math.prod(1 - a * b for a, b in itertools.product(roots, roots))
    assert determinant[0] / wanted > 0
    assert len(determinant) == 1


def test_a_persistent_root_on_the_circle_is_not_decided():
    one, moving = polynomial([1]), polynomial([0, 1])
    # (zeta - 1) (zeta - r/2): one root stays at 1
    half = polynomial([0, Fraction(1, 2)])
    chi = [Ray(half, ()), Ray(polynomial([-1, Fraction(-1, 2)]), ()), Ray(one, ())]
    assert moving != half
    with pytest.raises(UndecidedError):
        first_growth(chi)


def test_stability_functions_of_fully_implicit_tableaux_are_pade_approximants():
    third, twelfth = Fraction(1, 3), Fraction(1, 12)
    radau = [[5 * twelfth, -twelfth], [Fraction(3, 4), Fraction(1, 4)]]
    p, q = stability_function(radau, radau[1])
    assert (p, q) == pade(1, 2)
    lobatto_c = [[Fraction(1, 6), -third, Fraction(1, 6)], [Fraction(1, 6), 5 * twelfth, -twelfth]]
    lobatto_c.append([Fraction(1, 6), 2 * third, Fraction(1, 6)])
    assert stability_function(lobatto_c, lobatto_c[2]) == pade(1, 3)


@pytest.mark.parametrize("s", [2, 3])
def test_pade_approximants_are_those_of_the_irrational_tableaux(s):
    """Collocation at the Gauss and Radau points in floating point."""
    legendre, before = np.polynomial.legendre.Legendre.basis(s), np.polynomial.legendre.Legendre.basis(s - 1)
    for roots, scheme in ((legendre.roots(), f"gauss{s}"), ((legendre - before).roots(), f"radau_iia{2 * s - 1}")):
        c = np.sort((roots.real + 1) / 2)
        powers = c[:, None] ** np.arange(s)
        A = (c[:, None] ** np.arange(1, s + 1) / np.arange(1, s + 1)) @ np.linalg.inv(powers)
        b = np.linalg.solve(powers.T, 1 / np.arange(1, s + 1))
        for z in (-3 + 1j, 0.4j, -20.0):
            r = 1 + z * b @ np.linalg.solve(np.eye(s) - z * A, np.ones(s))
            assert get_scheme(scheme).factor(np.array([z]))[0] == pytest.approx(r, abs=1e-12)


def test_completed_functions_have_their_order_exactly():
    p, q = completed([Fraction(1), Fraction(-58, 100)], 1, 2)
    assert linear_order(p, q) == 2
    assert len(p) == 2
    assert len(q) == 3


# --------------------------------------------------------------------- against the solver's own steps


def one_step(name, z, dt=0.5):
    """y after one step of y' = (z/dt) y from 1."""
    method = METHODS[name]
    rate = z / dt
    y = torch.ones(1, dtype=torch.complex128)
    t, h = torch.zeros(1, dtype=torch.float64), torch.full((1,), dt, dtype=torch.float64)
    return complex(method.step(lambda t, y: rate * y, t, h, y).y_new[0])


@pytest.mark.parametrize("name", RUNGE_KUTTA)
def test_factors_are_those_of_the_steps_of_the_solver(name):
    for z in (-0.3 + 0.7j, -1.9, 2.1j, -2.5 - 1j):
        assert get_scheme(name).factor(np.array([z]))[0] == pytest.approx(one_step(name, z), rel=1e-11, abs=1e-13)


@pytest.mark.parametrize("name", ["reversible_heun", "reversible_rk4", "reversible_bosh3", "reversible_tsit5"])
def test_factors_of_reversible_methods_are_eigenvalues_of_their_steps(name):
    method, z, dt = METHODS[name], -0.2 + 0.9j, 0.25
    t, h = torch.zeros(2, dtype=torch.float64), torch.full((2,), dt, dtype=torch.float64)
    f = lambda t, y: z / dt * y  # noqa: E731  # the test equation
    y = torch.tensor([1.0, 0.0], dtype=torch.complex128)  # two samples: the columns of the matrix
    other = torch.tensor([0.0, 1.0], dtype=torch.complex128)
    memory = (other, f(t, other)) if name == "reversible_heun" else (other,)
    step = method.step(f, t, h, y, memory)
    matrix = np.array([step.y_new.numpy(), step.memory[0].numpy()])
    wanted = np.sort_complex(np.linalg.eigvals(matrix))
    assert np.sort_complex(get_scheme(name).factors(np.array([z]))[:, 0]) == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_predictor_correctors_agree_with_the_solver(order):
    assert get_scheme(f"abm{order + 1}").facts()["real_interval"] == pytest.approx(pece_interval(order), abs=1e-8)


@pytest.mark.parametrize("name", ["bdf3", "ab4", "am5", "leapfrog", "sbdf3", "cnab2"])
def test_multistep_factors_propagate_their_solution(name):
    """zeta^n solves the difference equation that the literature writes down."""
    scheme = get_scheme(name)
    z = [np.array([-0.1 + 0.15j])] * len(scheme.parts)
    zeta = scheme.factor(*z)[0]
    residual = 0
    for j, coefficient in enumerate(scheme.chi):
        value = sum(float(c) * np.prod([w[0] ** k for w, k in zip(z, e, strict=True)]) for e, c in coefficient.items())
        residual += value * zeta**j
    assert abs(residual) < 1e-13
    assert abs(zeta - np.exp(sum(w[0] for w in z))) < 0.05


# --------------------------------------------------------------------- pairs


def test_ars443_satisfies_all_order_conditions_up_to_three():
    explicit = [[0] * 5, ["1/2"], ["11/18", "1/18"], ["5/6", "-5/6", "1/2"], ["1/4", "7/4", "3/4", "-7/4"]]
    implicit = [[0] * 5, [0, "1/2"], [0, "1/6", "1/2"], [0, "-1/2", "1/2", "1/2"], [0, "3/2", "-3/2", "1/2", "1/2"]]
    pair = [[[Fraction(v) for v in row] + [Fraction(0)] * (5 - len(row)) for row in a] for a in (explicit, implicit)]
    weights = [pair[0][4], pair[1][4]]
    c = [[sum(row) for row in a] for a in pair]
    assert c[0] == c[1]  # so the conditions that mix both abscissae follow
    for b in weights:
        assert sum(b) == 1
        assert sum(x * y for x, y in zip(b, c[0], strict=True)) == Fraction(1, 2)
        assert sum(x * y**2 for x, y in zip(b, c[0], strict=True)) == Fraction(1, 3)
        for a in pair:
            inner = [sum(x * y for x, y in zip(row, c[0], strict=True)) for row in a]
            assert sum(x * y for x, y in zip(b, inner, strict=True)) == Fraction(1, 6)
    # and they are the coefficients of the scheme: with one part absent it is the other's stability function
    z = np.array([-0.7 + 0.4j])
    scheme, nothing = get_scheme("ars443"), np.zeros(1)
    for which, (a, b) in enumerate(zip(pair, weights, strict=True)):
        p, q = stability_function(a, b)
        value = np.polyval([float(v) for v in p[::-1]], z) / np.polyval([float(v) for v in q[::-1]], z)
        arguments = (z, nothing) if which == 0 else (nothing, z)
        assert scheme.factor(*arguments) == pytest.approx(value, abs=1e-14)


def test_lawson_is_the_exact_flow_times_runge_kutta():
    a, b = np.array([0.3 - 1j, 2j, -1.0]), np.array([-40.0, 0.5j, -1e-3])
    wanted = np.exp(b) * get_scheme("rk4").factor(a)
    assert get_scheme("lawson4").factor(a, b) == pytest.approx(wanted, rel=1e-13)


def test_exponential_methods_without_a_linear_part_are_runge_kutta_methods():
    z, nothing = np.array([-1 + 0.5j, 2j]), np.zeros(2)
    for name, explicit in (("etd1", "euler"), ("etdrk2", "heun"), ("etdrk4", "rk4"), ("krogstad", "rk4")):
        assert get_scheme(name).factor(z, nothing) == pytest.approx(get_scheme(explicit).factor(z), abs=1e-14)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_phi_functions_to_round_off(k):
    import mpmath

    z = np.array([1e-9, 0.3, 0.999, -1.001, 2j, -30, 1 + 5j], dtype=complex)
    with mpmath.workdps(40):
        exact = [
            complex((mpmath.exp(x) - sum(mpmath.mpf(1) * x**j / math.factorial(j) for j in range(k))) / x**k)
            for x in (mpmath.mpc(value) for value in z)
        ]
    assert phi(k, z) == pytest.approx(exact, rel=2e-14)
