"""A tableau validates itself; the registry finds it by name."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from fieldsolver.errors import OptionError
from fieldsolver.methods import METHODS, ButcherTableau, get_method
from fieldsolver.methods.tsit5 import TSIT5

TABLEAUX = {name: method.tableau for name, method in METHODS.items() if hasattr(method, "tableau")}


def heun(**changes: object) -> ButcherTableau:
    fields: dict = {
        "name": "mine", "order": 2, "source": "test", "c": (0, 1), "a": ((), (1,)), "b": ("1/2", "1/2"),
    }  # fmt: skip
    return ButcherTableau(**{**fields, **changes})


def test_coefficients_become_exact_fractions() -> None:
    tableau = heun(c=(0, "0.5"), a=((), ("0.5",)), b=(0, Fraction(1)))
    assert tableau.c == (0, Fraction(1, 2))
    assert tableau.a == ((), (Fraction(1, 2),))
    assert tableau.stages == 2
    assert not tableau.fsal


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"b": ("1/2", "1/3")}, "b sums to 0.8333"),
        ({"c": (0, "1/2")}, "row 2 of a sums to 1.0, expected 0.5"),
        ({"a": ((), (1, 0))}, "row 2 of a has 2 coefficients; strictly lower triangular means 1"),
        ({"a": ((),)}, "a has 1 entries, b has 2"),
        ({"b": (0.5, 0.5)}, "holds a float"),
        ({"b_hat": (1, 0)}, "b_hat and embedded_order belong together"),
        ({"b_hat": (1, 1), "embedded_order": 1}, "b_hat sums to 2.0"),
        ({"b_hat": ("1/2", "1/2"), "embedded_order": 1}, "always zero"),
        ({"interpolant": ((1, "-1/2"), (0, "1/3")), "interpolant_order": 2}, r"interpolant b_2\(1\) sums to 0.333"),
        ({"interpolant": ((1,),), "interpolant_order": 2}, "interpolant has 1 entries"),
    ],
)
def test_a_contradiction_is_refused_by_name(changes: dict, fault: str) -> None:
    with pytest.raises(OptionError, match=fault):
        heun(**changes)


@pytest.mark.parametrize("name", TABLEAUX)
def test_every_tableau_names_its_source(name: str) -> None:
    assert len(TABLEAUX[name].source) > 10


def test_tsit5_is_first_same_as_last() -> None:
    assert TSIT5.fsal
    assert TSIT5.stages == 7


def test_a_perturbed_abscissa_is_refused() -> None:
    c = list(TSIT5.tableau.c)
    c[2] += Fraction(1, 10**9)
    with pytest.raises(OptionError, match="row 3 of a"):
        replace(TSIT5.tableau, c=tuple(c))


def test_an_unknown_method_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(OptionError, match=r"unknown method 'tsit'; known: euler, .*tsit5.*; did you mean 'tsit5'\?"):
        get_method("tsit")


@pytest.mark.parametrize("name", METHODS)
def test_methods_carry_their_own_name(name: str) -> None:
    assert get_method(name).name == name
