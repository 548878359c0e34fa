"""Order conditions in exact arithmetic, for the method, the embedded method and the interpolant."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import prod

import pytest

from fieldsolver.methods import (
    METHODS,
    coarse_residuals,
    embedded_residuals,
    interpolant_residuals,
    method_residuals,
)
from fieldsolver.methods.order_conditions import density, rooted_trees
from fieldsolver.methods.polynomial import evaluate
from fieldsolver.methods.rk4 import RK4
from fieldsolver.methods.tsit5 import TSIT5
from fieldsolver.methods.vern7 import VERN7

TABLEAUX = {name: method.tableau for name, method in METHODS.items() if hasattr(method, "tableau")}
DECIMALS = 1e-13
LONG_DECIMALS = {"tsit5": 1e-34, "dop853": 1e-24, "vern7": 1e-33, "vern9": 1e-33, "rdpk3spfsal49": 1e-35}


def worst(residuals: dict) -> float:
    return float(max((abs(value) for value in residuals.values()), default=Fraction(0)))


def worst_polynomial(residuals: dict) -> float:
    return float(max((abs(c) for p in residuals.values() for c in p), default=Fraction(0)))


def test_trees_are_as_many_as_there_should_be() -> None:
    # OEIS A000081
    assert [len(rooted_trees(n)) for n in range(1, 8)] == [1, 1, 2, 4, 9, 20, 48]


def test_densities_of_the_tall_and_the_bushy_tree() -> None:
    tall = (((((),),),),)
    bushy = ((), (), (), ())
    assert density(tall) == prod(range(1, 6))
    assert density(bushy) == 5


@pytest.mark.parametrize("name", TABLEAUX)
def test_the_method_has_its_order_and_no_more(name: str) -> None:
    tableau = TABLEAUX[name]
    assert worst(method_residuals(tableau)) < DECIMALS
    assert worst(method_residuals(tableau, tableau.order + 1)) > 1e-6


@pytest.mark.parametrize("name", TABLEAUX)
def test_the_embedded_method_has_its_order_and_no_more(name: str) -> None:
    tableau = TABLEAUX[name]
    assert worst(embedded_residuals(tableau)) < DECIMALS
    if tableau.embedded_order is not None:
        assert worst(embedded_residuals(tableau, tableau.embedded_order + 1)) > 1e-6


@pytest.mark.parametrize("name", TABLEAUX)
def test_the_interpolant_has_its_order_and_no_more(name: str) -> None:
    tableau = TABLEAUX[name]
    assert worst_polynomial(interpolant_residuals(tableau)) < DECIMALS
    beyond = interpolant_residuals(tableau, tableau.interpolant_order + 1)
    assert max(abs(float(evaluate(p, Fraction(k, 8)))) for p in beyond.values() for k in range(1, 8)) > 1e-7


@pytest.mark.parametrize("name", [name for name, tableau in TABLEAUX.items() if tableau.b_coarse is not None])
def test_the_coarse_method_has_its_order_and_no_more(name: str) -> None:
    tableau = TABLEAUX[name]
    assert worst(coarse_residuals(tableau)) < DECIMALS
    assert worst(coarse_residuals(tableau, tableau.coarse_order + 1)) > 1e-6


@pytest.mark.parametrize("name", LONG_DECIMALS)
def test_long_decimals_hold_to_their_own_round_off(name: str) -> None:
    tableau = TABLEAUX[name]
    assert worst(method_residuals(tableau)) < LONG_DECIMALS[name]
    assert worst(embedded_residuals(tableau)) < LONG_DECIMALS[name]
    if name != "tsit5":  # its interpolant keeps the 16 digits of the paper
        assert worst_polynomial(interpolant_residuals(tableau)) < LONG_DECIMALS[name]


RATIONAL = ["euler", "heun", "midpoint", "ralston", "rk4", "rk38", "bosh3", "dopri5", "ssprk33", "ssprk43", "ssprk104"]


@pytest.mark.parametrize("name", RATIONAL)
def test_rational_tableaux_are_exact(name: str) -> None:
    assert worst(method_residuals(TABLEAUX[name])) == 0
    assert worst(embedded_residuals(TABLEAUX[name])) == 0
    assert worst_polynomial(interpolant_residuals(TABLEAUX[name])) == 0


def test_a_wrong_digit_of_a_breaks_the_order_although_the_sums_still_hold() -> None:
    a = [list(row) for row in TSIT5.tableau.a]
    a[4][1] += Fraction(1, 10**9)
    a[4][2] -= Fraction(1, 10**9)
    assert worst(method_residuals(replace(TSIT5.tableau, a=tuple(map(tuple, a))))) > 1e-11


def test_a_wrong_digit_of_the_error_weights_breaks_the_embedded_order() -> None:
    b_hat = list(TSIT5.tableau.b_hat)
    b_hat[1], b_hat[2] = b_hat[1] + Fraction(1, 10**9), b_hat[2] - Fraction(1, 10**9)
    assert worst(embedded_residuals(replace(TSIT5.tableau, b_hat=tuple(b_hat)))) > 1e-11


@pytest.mark.parametrize("name", ["dop853", "vern7", "vern9"])
def test_a_wrong_digit_of_an_extra_stage_breaks_the_interpolant(name: str) -> None:
    rows = [list(row) for row in TABLEAUX[name].extra_a]
    rows[-1][0] += Fraction(1, 10**9)
    rows[-1][-1] -= Fraction(1, 10**9)
    wrong = replace(TABLEAUX[name], extra_a=tuple(map(tuple, rows)))
    assert worst_polynomial(interpolant_residuals(wrong)) > 1e-11


def test_the_interpolant_of_vern7_misses_twelve_conditions_of_order_7() -> None:
    # It is published as of order 7.
    missed = [p for p in interpolant_residuals(VERN7.tableau, 7).values() if any(abs(c) > 1e-20 for c in p)]
    assert len(missed) == 12


def test_a_wrong_interpolant_coefficient_is_found() -> None:
    rows = [list(row) for row in RK4.tableau.interpolant]
    rows[1][1] += Fraction(1, 100)
    rows[1][2] -= Fraction(1, 100)  # b_2(1) is right, b_2(theta) is not
    wrong = replace(RK4.tableau, interpolant=tuple(map(tuple, rows)))
    assert worst_polynomial(interpolant_residuals(wrong)) > 1e-3


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name == "vern9" else name for name in TABLEAUX]
)
def test_nodepy_finds_the_same_order(name: str) -> None:
    runge_kutta_method = pytest.importorskip("nodepy.runge_kutta_method")
    np = pytest.importorskip("numpy")
    tableau = TABLEAUX[name]
    a = np.zeros((tableau.stages, tableau.stages))
    for i, row in enumerate(tableau.a):
        a[i, :i] = [float(value) for value in row]
    oracle = runge_kutta_method.ExplicitRungeKuttaMethod(a, np.array([float(value) for value in tableau.b]))
    assert oracle.order(1e-10) == tableau.order
    assert oracle.real_stability_interval() == pytest.approx(tableau.real_interval, abs=1e-9)
