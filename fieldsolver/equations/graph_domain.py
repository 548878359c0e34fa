"""What an equation may say when its domain is a graph, which has neighbours but no coordinates and no walls."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NoReturn

from fieldsolver.errors import BoundaryError, EquationTypeError, GridError, ParameterError
from fieldsolver.space.coordinate_systems import GRAPH

from .coordinates import refuse_word
from .graph import Convolution, CoordinateSymbol, MatrixSymbol, Node, Noise, SpatialOperator, walk

if TYPE_CHECKING:
    from fieldsolver.space.graphs import Graph

    from .declaration import Given
    from .grammar import Scope
    from .parameters import Declared


def check_options(given: Given) -> None:
    """Refuse what says how a grid is bounded or discretised.

    Raises:
        BoundaryError: a boundary condition.
        GridError: a scheme, an order of differences, a metric or a mask.
    """
    if given.boundary is not None:
        raise BoundaryError("boundary= was given, but a graph has no walls; drop it")
    for option in ("scheme", "space_order", "metric", "mask"):
        if getattr(given, option) is not None:
            raise GridError(
                f"{option}= was given, but a graph has one Laplacian, that of Graph(..., laplacian=...); drop it"
            )


def check_graph(graph: Graph, nodes: Iterable[Node], parameters: Mapping[str, Declared]) -> None:
    """Refuse what an equation on a graph cannot contain, whichever front end it comes from.

    Raises:
        EquationTypeError: operators, coordinates or noise made for a grid.
        GridError: weights that cannot be.
        ParameterError: the parameter that holds the weights is missing or has another shape.
    """
    for node in walk(*nodes):
        _check_node(node)
    _check_weights(graph, parameters)


def weights_symbol(graph: Graph | None, scope: Scope) -> list[Node]:
    """The parameter that the weights of a graph are, so that it counts as used."""
    return [] if graph is None or graph.parameter is None else [scope.symbols[graph.parameter]]


def refuse_coordinate(name: str) -> NoReturn:
    """Refuse a coordinate; raises `EquationTypeError`."""
    raise EquationTypeError(
        f"a graph has no coordinate {name!r}; give its values at the vertices as a parameter, {name}=fs.Spatial(values)"
    )


def _check_node(node: Node) -> None:
    match node:
        case CoordinateSymbol():
            refuse_coordinate(node.name)
        case SpatialOperator():
            refuse_word(node.name, GRAPH, matrix=isinstance(node.operands[0], MatrixSymbol))
        case Convolution():
            refuse_word("convolve", GRAPH)
        case Noise(content=("coloured_noise", _, _)):
            raise EquationTypeError(f"{node} needs distances, and a graph has none; write white_noise(...)")


def _check_weights(graph: Graph, parameters: Mapping[str, Declared]) -> None:
    edges, name = len(graph.edges), graph.parameter
    if name is None:
        if graph.weights.requires_grad:
            raise GridError(
                "the weights of the graph require gradients, so they are a parameter of the equation; write "
                "Graph(..., weights='w') and parameters={'w': fs.Parameter(weights, positive=True)}"
            )
        return
    item = parameters.get(name)
    if item is None:
        raise ParameterError(
            f"the graph takes its weights from {name!r}, which is not declared with values; pass "
            f"parameters={{{name!r}: fs.Parameter(weights, positive=True)}}"
        )
    if item.place != "global" or item.value.shape != (edges,) or item.value.is_complex():
        kind = "complex" if item.value.is_complex() else item.place
        raise ParameterError(
            f"the weights {name!r} of the graph are one real number per edge, shape ({edges},), got a {kind} parameter "
            f"of shape {tuple(item.value.shape)}"
        )
    graph.check_weights(item.value.detach())
