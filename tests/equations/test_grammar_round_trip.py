"""The language: what is read is what is printed, and what it means is what Python means."""

from __future__ import annotations

import copy
import pickle

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings

from fieldsolver.equations import FieldEquation, Parameter, build
from fieldsolver.equations.grammar import Scope, parse_expression
from fieldsolver.equations.graph import Negative, Number, Power, Product, Quotient, Sum, walk
from fieldsolver.space import Grid, Periodic
from fieldsolver.testing import expressions, scopes

u, v, k = build.field("u"), build.field("v"), build.parameter("k")
phi = build.field("phi", 3)
SCOPE = Scope({"u": u, "v": v, "k": k, "phi": phi}, {}, ("x", "y"))


def parse(text):
    return parse_expression(text, SCOPE)


@settings(max_examples=2000)
@given(st.data())
def test_text_and_graph_are_the_same_thing(data):
    scope = data.draw(scopes(complex_names=True))
    size = scope.symbols["phi"].components
    node = data.draw(
        expressions(scope, components=size, depth=4, nested=True, imaginary=True, vectors=True, forms=True)
    )
    text = str(node)
    again = parse_expression(text, scope)
    assert again is node
    assert str(again) == text


@settings(max_examples=100)
@given(st.data())
def test_nodes_survive_copies_as_themselves(data):
    node = data.draw(expressions(data.draw(scopes()), depth=3))
    assert copy.copy(node) is node
    assert copy.deepcopy(node) is node
    assert pickle.loads(pickle.dumps(node)) is node


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("u + v*k", lambda: u + v * k),
        ("-u**2", lambda: -(u**2)),
        ("(-u)**2", lambda: (-u) ** 2),
        ("-u*v", lambda: (-u) * v),
        ("-(u*v)", lambda: -(u * v)),
        ("u - v - k", lambda: (u - v) - k),
        ("u - (v - k)", lambda: u - (v - k)),
        ("u - v + k", lambda: (u - v) + k),
        ("u/v/k", lambda: (u / v) / k),
        ("u/(v/k)", lambda: u / (v / k)),
        ("u/v*k", lambda: (u / v) * k),
        ("u*(v/k)", lambda: u * (v / k)),
        ("u*v/k", lambda: (u * v) / k),
        ("u**v**k", lambda: u ** (v**k)),
        ("(u**v)**k", lambda: (u**v) ** k),
        ("2**-u", lambda: 2 ** (-u)),
        ("u**-2", lambda: u ** (-2)),
        ("u*-v", lambda: u * (-v)),
        ("u - -v", lambda: u - (-v)),
        ("--u", lambda: build.negate(-u)),
        ("+u", lambda: u),
        ("u + (v + k)", lambda: u + (v + k)),
        ("(u + v) + k", lambda: u + v + k),
        ("1e-3*u", lambda: 0.001 * u),
        ("phi[1]*phi", lambda: phi[1] * phi),
        ("(u + phi)[2]", lambda: (u + phi)[2]),
        ("where(u < v, 1, -1)", lambda: build.function("where", u < v, 1, -1)),
        ("u\n + v", lambda: u + v),
    ],
)
def test_precedence(text, meaning):
    assert parse(text) is meaning()
    assert parse(str(parse(text))) is meaning()


def test_what_is_different_stays_different():
    assert parse("u + (v + k)") is not parse("(u + v) + k")
    assert parse("u*v") is not parse("v*u")
    assert parse("2*u") is not parse("2.0*u")
    assert parse("-(u*v)") is not parse("-u*v")
    assert build.field("u", is_complex=True) is not u
    assert build.field("u", 2) is not u


def test_the_graph_is_what_was_written():
    """Nothing is simplified: 0*laplacian(u) still needs its boundary, u - u is a difference."""
    assert isinstance(parse("0*u"), Product)
    assert isinstance(parse("u - u"), Sum)
    assert isinstance(parse("u**1"), Power)
    assert isinstance(parse("u/1"), Quotient)
    assert isinstance(parse("--u"), Negative)


def test_common_parts_are_one_object():
    node = parse("sin(u*v) + sin(u*v)**2 + laplacian(sin(u*v))")
    assert sum(1 for part in walk(node) if str(part) == "u*v") == 1


def test_negative_numbers_are_negated_literals():
    for value in (-3, -0.5, -0.0, -2j, 3 - 2j, -0j):
        node = build.as_node(value) * u
        assert all(not str(n.value).startswith("-") for n in walk(node) if isinstance(n, Number))
        assert parse(str(node)) is node


def test_nodes_cannot_be_changed_or_tested():
    with pytest.raises(AttributeError, match="immutable"):
        u.components = 3
    with pytest.raises(TypeError, match=r"use where\(\.\.\.\)"):
        bool(u > 0)


def test_types_of_expressions():
    assert parse("phi*u").components == 3
    assert parse("phi[0]").components == 1
    assert not parse("abs(1j*u)").is_complex
    assert parse("1j*u").is_complex
    assert parse("u*k + sin(x)").pointwise
    assert not parse("u + d_dx(v)").pointwise


@pytest.mark.parametrize(
    "text", ["du/dt = v; dv/dt = -u", "du/dt=v\n\n dv / dt=-u # spring", "du/dt = (v\n+ 0);dv/dt = -u;"]
)
def test_statements(text):
    equation = FieldEquation(text)
    assert equation.fields == ("u", "v")
    assert FieldEquation(str(equation)).right_sides == equation.right_sides


def test_declared_names_win_over_coordinates_and_constants():
    """DESIGN section 3: a field x on a grid, a parameter e."""
    equation = FieldEquation("dx/dt = e*x", parameters={"e": 3.0})
    assert equation(0.0, torch.tensor([2.0], dtype=torch.float64)).item() == 6.0


def test_greek_names():
    equation = FieldEquation("dθ/dt = -λ*θ", parameters={"λ": 2.0})
    assert str(equation) == "dθ/dt = -λ*θ"


def test_equations_survive_copies():
    grid = Grid(8, extent=1)
    equation = FieldEquation(
        "du/dt = D*laplacian(u) - u**3", grid=grid, boundary=Periodic(), parameters={"D": Parameter(0.1)}
    )
    y = torch.randn(1, 8, dtype=torch.float64)
    for twin in (copy.deepcopy(equation), pickle.loads(pickle.dumps(equation))):
        assert torch.equal(twin(0.0, y), equation(0.0, y))
        assert twin.right_sides == equation.right_sides
        assert twin.raw["D"] is not equation.raw["D"]
