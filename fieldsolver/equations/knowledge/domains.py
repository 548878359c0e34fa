"""Spectra and sums of whatever domain an equation has: the axes of its grid, or the vertices of its graph."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from torch import Tensor

from ..lowering import Layout
from . import spectra, vertices
from .spectra import AxisModes, Bound

if TYPE_CHECKING:
    from ..field_equation import FieldEquation


def modes(equation: FieldEquation, field: str, operators: Iterable[str]) -> list[AxisModes] | None:
    """Modes that all of `operators` share on the domain of a field; None if there are none that are known."""
    graph = vertices.current_graph(equation)
    return spectra.modes(equation.layout, field, operators) if graph is None else vertices.modes(equation, graph)


def operator_bound(equation: FieldEquation, field: str, name: str) -> Bound:
    """Bound on the spectrum of one operator acting on one field."""
    graph = vertices.current_graph(equation)
    if graph is None:
        return spectra.operator_bound(equation.layout.of(field), field, name)
    return vertices.operator_bound(equation, graph)


def transform_of(equation: FieldEquation, field: str, axis: int) -> str:
    """The transform that diagonalises the operators on a field along an axis, or ``"none"``."""
    graph = equation.layout.graph
    return spectra.transform_of(equation.layout, field, axis) if graph is None else vertices.transform(graph)


def weights(equation: FieldEquation, layout: Layout) -> Tensor:
    """Weights of integrals over a layout of the equation, float64 ``(*grid)``."""
    graph = vertices.current_graph(equation)
    return layout.weights() if graph is None else vertices.vertex_weights(graph)
