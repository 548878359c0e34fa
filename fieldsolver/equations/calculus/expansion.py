"""Vector calculus in terms of derivatives along axes: what each composed operator means, as a graph.

``expand`` rewrites one node; the lowering and the analysis of linear parts share it, so that they cannot disagree.
"""

from __future__ import annotations

from functools import reduce

from fieldsolver.space.coordinate_systems import CARTESIAN

from .. import build
from ..graph import (
    Negative,
    Node,
    Product,
    Quotient,
    SpatialOperator,
    Stack,
    Sum,
)

COMPOSED: frozenset[str] = frozenset({"gradient", "divergence", "curl", "advection", "biharmonic"})


def is_composed(node: SpatialOperator) -> bool:
    """Whether `expand` says what `node` is made of.

    In curved coordinates the divergence is not a sum of gradients: it balances what flows through the faces of cells.
    """
    return node.name in COMPOSED and (node.name != "divergence" or node.coordinates == CARTESIAN)


def expand(node: SpatialOperator, dimension: int) -> Node:
    """A composed operator in terms of ``d_dx`` ..., ``laplacian`` and products.

    * ``gradient(u)`` = (d_dx u, d_dy u, ...)
    * ``divergence(v)`` = d_dx v_0 + d_dy v_1 + ...
    * ``curl(v)`` = (d_dy v_2 - d_dz v_1, d_dz v_0 - d_dx v_2, d_dx v_1 - d_dy v_0); its last entry in two dimensions
    * ``advection(v, u)`` = v_0 d_dx u + v_1 d_dy u + ...
    * ``biharmonic(u)`` = laplacian(laplacian(u))

    In curved coordinates ``d_dx`` ... are the physical components of the gradient.
    """
    operand = node.operands[-1]

    def d(axis: int, of: Node) -> Node:
        return build.slope(of, axis, dimension=dimension, coordinates=node.coordinates)

    match node.name:
        case "gradient":
            return build.stack(*[d(axis, operand) for axis in range(dimension)])
        case "divergence":
            return _sum([d(axis, component_of(operand, axis)) for axis in range(dimension)])
        case "curl":
            v = [component_of(operand, axis) for axis in range(dimension)]
            last = build.subtract(d(0, v[1]), d(1, v[0]))
            if dimension == 2:
                return last
            return build.stack(build.subtract(d(1, v[2]), d(2, v[1])), build.subtract(d(2, v[0]), d(0, v[2])), last)
        case "advection":
            velocity = node.operands[0]
            return _sum([build.multiply(component_of(velocity, axis), d(axis, operand)) for axis in range(dimension)])
        case "biharmonic":
            inner = build.operator_in(node.coordinates, "laplacian", operand, dimension=dimension)
            return build.operator_in(node.coordinates, "laplacian", inner, dimension=dimension)
    raise ValueError(f"{node.name} is not composed of other operators")


def component_of(node: Node, index: int) -> Node:
    """``node[index]``, pushed towards the leaves, where a component of a gradient is a single derivative."""
    if node.components == 1 and not node.vector:
        return node
    match node:
        case Stack():
            return node.operands[index]
        case SpatialOperator(name="gradient"):
            return build.slope(node.operands[0], index, dimension=node.components, coordinates=node.coordinates)
        case SpatialOperator(name="curl"):
            return component_of(expand(node, node.components), index)
        case Negative():
            return build.negate(component_of(node.operands[0], index))
        case Sum():
            return _sum([component_of(operand, index) for operand in node.operands])
        case Product():
            return reduce(build.multiply, [component_of(operand, index) for operand in node.operands])
        case Quotient():
            return build.divide(*[component_of(operand, index) for operand in node.operands])
    return build.component(node, index)


def _sum(terms: list[Node]) -> Node:
    return reduce(build.add, terms)
