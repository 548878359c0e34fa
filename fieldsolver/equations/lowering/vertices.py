"""Operators and sums of an equation whose domain is a graph: nothing lies beyond it, so there are no walls to know."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from torch import Tensor

from fieldsolver.space.graphs import Graph

from .. import build
from ..calculus.expansion import COMPOSED, expand
from ..graph import Depends, FieldSymbol, Node, Reduction, SpatialOperator
from . import arrays
from .place import GRID, Place
from .pointwise import like_state

if TYPE_CHECKING:
    from .lower import Lowering


class Vertices:
    """Emits what couples vertices onto the tape of a `Lowering`.

    The graph itself lies in a register: where its weights are a parameter, it is put together at every evaluation.
    """

    def __init__(self, lowering: Lowering, graph: Graph) -> None:
        self._lowering, self._graph = lowering, graph

    def compile(self, node: SpatialOperator, _: Place) -> int:
        """Register of an operator."""
        if node.name in COMPOSED:
            return self._lowering.compile(expand(node, self._graph.dimension))
        operand = self._at_vertices(node.operands[-1])
        match node.name:
            case "laplacian":
                return self._emit(Graph.laplacian, operand)
            case "gradient_squared":
                return self._emit(Graph.gradient_squared, operand)
            case "diffusion":
                return self._diffusion(node.operands[0], operand)
        raise TypeError(f"a graph has no {node.name}")

    def reduction(self, node: Reduction) -> int:
        """Register of an integral or a mean, with the weights of the vertices."""
        function = Graph.mean if node.content[0] == "mean" else Graph.integral
        return self._emit(partial(_kept_axis, function), self._at_vertices(node.operands[0]))

    def _diffusion(self, coefficient: Node, operand: int) -> int:
        if not coefficient.depends & Depends.SPACE:
            factor = self._lowering.cast(coefficient, GRID)
            return self._lowering.emit(arrays.multiply, factor, self._emit(Graph.laplacian, operand))
        return self._emit(Graph.diffusion, self._at_vertices(coefficient), operand)

    def _at_vertices(self, node: Node) -> int:
        """A value for every vertex."""
        register = self._lowering.compile(node)
        if isinstance(node, FieldSymbol):
            return register
        spread = partial(_spread, vertices=self._graph.vertices)
        return self._lowering.emit(spread, register, self._lowering.like)

    def _emit(self, function: Callable[..., Tensor], *sources: int) -> int:
        return self._lowering.emit(function, self._register, *sources)

    @cached_property
    def _register(self) -> int:
        graph = self._graph
        if graph.parameter is None:
            return self._lowering.emit(lambda: graph)
        weights = self._lowering.compile(build.parameter(graph.parameter, len(graph.edges)))
        return self._lowering.emit(partial(_with_weights, graph), weights)


def _with_weights(graph: Graph, weights: Tensor) -> Graph:
    return graph.with_weights(weights.reshape(-1))


def _kept_axis(function: Callable[..., Tensor], graph: Graph, values: Tensor) -> Tensor:
    return function(graph, values).unsqueeze(-1)


def _spread(value: Any, like: Tensor, *, vertices: int) -> Tensor:
    return arrays.expand(like_state(value, like), dim=-1, size=vertices)
