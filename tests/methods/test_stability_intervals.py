"""Stability intervals against values isolated to 40 digits elsewhere (reference/analysis.md, section 1)."""

from __future__ import annotations

from fractions import Fraction
from math import factorial, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldsolver.methods import METHODS, ButcherTableau
from fieldsolver.methods.polynomial import add, evaluate, isolate_positive_roots, multiply, polynomial
from fieldsolver.methods.stability import imaginary_interval, real_interval

TABLEAUX = {name: method.tableau for name, method in METHODS.items() if hasattr(method, "tableau")}

REFERENCE = {  # name: (real, imaginary)
    "euler": (2.0, 0.0),
    "heun": (2.0, 0.0),
    "midpoint": (2.0, 0.0),
    "ralston": (2.0, 0.0),
    "bosh3": (2.5127453266183, sqrt(3)),
    "ssprk33": (2.5127453266183, sqrt(3)),
    "ssprk43": (5.1494861477740, 2.1561796401677),
    "rk4": (2.7852935634053, 2.8284271247462),
    "rk38": (2.7852935634053, 2.8284271247462),
    "ssprk104": (13.917047464637, 4.9214530707320),
    "dopri5": (3.3065678926349, 0.99718900863253),
    "tsit5": (3.5068469938, 0.477978868883),
}
# R(z) of further methods, by coefficients: Heun33/SSP33/BS3, SSP(4,3), Dormand-Prince 5.
POLYNOMIALS = {
    "order 3, 3 stages": ((1, 1, "1/2", "1/6"), 2.5127453266183, sqrt(3)),
    "ssp43": ((1, 1, "1/2", "1/6", "1/48"), 5.1494861477740, 2.1561796401677),
    "dopri5": ((1, 1, "1/2", "1/6", "1/24", "1/120", "1/600"), 3.3065678926349, 0.99718900863253),
}


@pytest.mark.parametrize("name", REFERENCE)
def test_intervals_of_the_methods(name: str) -> None:
    real, imaginary = REFERENCE[name]
    assert TABLEAUX[name].real_interval == pytest.approx(real, abs=1e-10)
    assert TABLEAUX[name].imaginary_interval == pytest.approx(imaginary, abs=1e-12)


@pytest.mark.parametrize("name", POLYNOMIALS)
def test_intervals_of_known_polynomials(name: str) -> None:
    coefficients, real, imaginary = POLYNOMIALS[name]
    r = polynomial(Fraction(value) for value in coefficients)
    assert real_interval(r) == pytest.approx(real, abs=1e-12)
    assert imaginary_interval(r) == pytest.approx(imaginary, abs=1e-12)


@pytest.mark.parametrize("name", TABLEAUX)
def test_the_stability_polynomial_agrees_with_the_exponential_to_its_order(name: str) -> None:
    tableau = TABLEAUX[name]
    r = tableau.stability_polynomial()
    assert r[: tableau.order + 1] == tuple(Fraction(1, factorial(k)) for k in range(tableau.order + 1))


@pytest.mark.parametrize("name", TABLEAUX)
def test_the_boundary_is_a_boundary(name: str) -> None:
    tableau = TABLEAUX[name]
    r, edge = tableau.stability_polynomial(), Fraction(tableau.real_interval)
    inside = [evaluate(r, -edge * k / 64) for k in range(1, 64)]
    assert all(abs(value) <= 1 for value in inside)
    assert abs(evaluate(r, -edge * Fraction(1001, 1000))) > 1


@pytest.mark.parametrize("name", TABLEAUX)
def test_the_imaginary_boundary_is_a_boundary(name: str) -> None:
    r, edge = TABLEAUX[name].stability_polynomial(), Fraction(TABLEAUX[name].imaginary_interval)
    even, odd = ([(-1) ** k * c for k, c in enumerate(r[start::2])] for start in (0, 1))

    def growth(y: Fraction) -> Fraction:
        return evaluate(tuple(even), y * y) ** 2 + (y * evaluate(tuple(odd), y * y)) ** 2 - 1

    assert all(growth(edge * k / 64) <= 0 for k in range(1, 64))
    assert growth(edge * Fraction(1001, 1000) + Fraction(1, 10**4)) > 0


# |R(iy)|^2 - 1, the energy that one step of a harmonic oscillator gains: its first coefficient.
ENERGY = {
    "heun": (4, Fraction(1, 4)),
    "bosh3": (4, Fraction(-1, 12)),
    "ssprk43": (4, Fraction(-1, 24)),
    "rk38": (6, Fraction(-1, 72)),
    "ssprk104": (6, Fraction(-1, 3240)),
    "dopri5": (6, Fraction(-1, 1800)),
}


@pytest.mark.parametrize("name", ENERGY)
def test_the_energy_growth_begins_as_it_should(name: str) -> None:
    r = TABLEAUX[name].stability_polynomial()
    even, odd = ([(-1) ** k * c for k, c in enumerate(r[start::2])] for start in (0, 1))
    w = polynomial([0, 1])  # w = y^2
    growth = add(
        add(multiply(tuple(even), tuple(even)), multiply(w, multiply(tuple(odd), tuple(odd)))), (Fraction(-1),)
    )
    power, coefficient = ENERGY[name]
    assert all(c == 0 for c in growth[: power // 2])
    assert growth[power // 2] == coefficient


def test_a_wrong_coefficient_is_not_mistaken_for_a_rounded_one() -> None:
    wrong = ButcherTableau(name="wrong", order=2, source="none", c=(0, "0.51"), a=((), ("0.51",)), b=("0", 1))
    assert wrong.stability_polynomial()[2] == Fraction(51, 100)
    rounded = ButcherTableau(
        name="rounded", order=2, source="none", c=(0, "0.49999999999999"), a=((), ("0.49999999999999",)), b=("0", 1)
    )
    assert rounded.stability_polynomial()[2] == Fraction(1, 2)


def test_a_tangent_root_does_not_end_the_interval() -> None:
    # Undamped first-order Chebyshev, s = 2: R(z) = T_2(1 + z/4) touches -1 at z = -4 and ends at z = -8.
    assert real_interval(polynomial([1, 1, Fraction(1, 8)])) == pytest.approx(8.0, abs=1e-12)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=5))
def test_isolated_roots_are_the_roots(roots: list[int]) -> None:
    p = polynomial([1])
    for root in roots:  # repetitions make multiple roots
        p = multiply(p, polynomial([-root, 3]))
    found = isolate_positive_roots(p, Fraction(1, 2**20))
    assert len(found) == len(set(roots))
    for (low, high), root in zip(found, sorted(set(roots)), strict=True):
        assert low < Fraction(root, 3) <= high
