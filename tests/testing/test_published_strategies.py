"""The published strategies draw what they promise, and cost nothing until they are used."""

from __future__ import annotations

import subprocess
import sys

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings

import fieldsolver.testing
from fieldsolver.equations import FieldEquation, build
from fieldsolver.equations.grammar import Scope
from fieldsolver.equations.graph import Node, SpatialOperator, walk
from fieldsolver.space import Periodic, Robin
from fieldsolver.space.boundary import resolve_boundary
from fieldsolver.testing import boundaries, equation_texts, equations, expressions, grids, scopes


def test_the_names():
    names = fieldsolver.testing.__all__
    assert names == sorted(names, key=lambda name: (not name.isupper(), name[0].islower(), name))
    assert set(fieldsolver.testing.__all__) <= set(dir(fieldsolver.testing))
    with pytest.raises(AttributeError, match="has no attribute 'grid'"):
        _ = fieldsolver.testing.grid


def test_hypothesis_is_imported_when_used_and_not_before():
    code = """
import sys
import fieldsolver.testing
assert "hypothesis" not in sys.modules
sys.modules["hypothesis"] = None
try:
    fieldsolver.testing.grids
except ImportError as error:
    print(type(error).__name__, error)
"""
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "MissingDependencyError fieldsolver.testing.grids needs hypothesis; install it with: pip install" in shown


@settings(max_examples=50)
@given(st.data())
def test_boundaries_fit_their_grid(data):
    grid = data.draw(grids())
    assert all(7 <= points <= 9 for points in grid.shape)
    resolved = resolve_boundary(data.draw(boundaries(grid, ("u", "v"))), ("u", "v"), grid.axes)
    for axis, name in enumerate(grid.axes):
        if grid.centring == "node":
            assert isinstance(resolved["u"][axis, 0], Periodic) == (name in grid.periodic)
    plain = resolve_boundary(data.draw(boundaries(grid, ("u",), homogeneous=True, robin=False)), ("u",), grid.axes)
    for condition in plain["u"].values():
        assert not isinstance(condition, Robin)
        assert isinstance(condition, Periodic) or condition.value == 0


@settings(max_examples=50)
@given(st.data())
def test_expressions_keep_to_their_options(data):
    scope = data.draw(scopes())
    node = data.draw(expressions(scope, components=1, operators=False))
    assert isinstance(node, Node)
    assert node.components == 1
    assert node.pointwise
    single = data.draw(expressions(scope, components=1))
    operators = [n for n in walk(single) if isinstance(n, SpatialOperator)]
    assert all(operand.pointwise for n in operators for operand in n.operands)


@settings(max_examples=30)
@given(equations())
def test_equations_can_be_evaluated(equation):
    y = torch.zeros(2, *equation.state_shape, dtype=torch.float64)
    assert torch.isfinite(equation(0.5, y)).all()


@settings(max_examples=30)
@given(st.data())
def test_texts_of_systems(data):
    scope = Scope({"u": build.field("u"), "v": build.field("v")}, {}, ())
    text = data.draw(equation_texts(("u", "v"), scope, tame=True))
    assert FieldEquation(text).fields == ("u", "v")
