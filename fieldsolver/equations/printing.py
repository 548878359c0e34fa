"""Text of a graph; parsing it again gives the same graph."""

from __future__ import annotations

from collections.abc import Callable

from .graph import (
    Comparison,
    Component,
    Convolution,
    Dot,
    Function,
    MatrixProduct,
    ModuleCall,
    Negative,
    Node,
    Noise,
    Number,
    Power,
    Product,
    Quotient,
    Reduction,
    SpatialOperator,
    Stack,
    Sum,
    Symbol,
    Transfer,
    Treatment,
    VelocitySymbol,
    walk,
)
from .vocabulary import OPERATORS

# Binding strength, as in Python: a child weaker than its place is put in brackets.
_COMPARISON, _SUM, _PRODUCT, _UNARY, _POWER, _ATOM = range(6)
_STRENGTH: dict[type[Node], int] = {
    Comparison: _COMPARISON,
    Sum: _SUM,
    Product: _PRODUCT,
    Quotient: _PRODUCT,
    MatrixProduct: _PRODUCT,
    Negative: _UNARY,
    Power: _POWER,
}


def to_text(root: Node) -> str:
    """Return `root` as text of the equation language."""
    texts: dict[Node, str] = {}
    for node in walk(root):
        texts[node] = _render(node, texts)
    return texts[root]


def _render(node: Node, texts: dict[Node, str]) -> str:
    def inside(child: Node, weakest: int) -> str:
        strength = _STRENGTH.get(type(child), _ATOM)
        return texts[child] if strength >= weakest else f"({texts[child]})"

    if isinstance(node, Number):
        return repr(node.value)
    if isinstance(node, VelocitySymbol):
        return f"d_dt({node.field})"
    if isinstance(node, Noise):
        kind, index, length = node.content
        return f"{kind}({index})" if length is None else f"{kind}({index}, {length!r})"
    if isinstance(node, Symbol) or not node.operands:
        return str(node.content[0])
    if isinstance(node, Sum):
        return _render_sum(node, inside)
    if isinstance(node, Product):
        first, *rest = node.operands
        # Unary minus binds tighter than * to its right: u*-v needs no brackets, but u*(v*w) and u*(v/w) do.
        return "*".join([inside(first, _PRODUCT), *(inside(factor, _UNARY) for factor in rest)])
    if isinstance(node, Quotient):
        return f"{inside(node.operands[0], _PRODUCT)}/{inside(node.operands[1], _UNARY)}"
    if isinstance(node, MatrixProduct):
        return f"{texts[node.operands[0]]} @ {inside(node.operands[1], _UNARY)}"
    if isinstance(node, Convolution):
        return f"convolve({node.content[0]}, {texts[node.operands[0]]})"
    if isinstance(node, Negative):
        return f"-{inside(node.operands[0], _UNARY)}"
    if isinstance(node, Power):
        return f"{inside(node.operands[0], _ATOM)}**{inside(node.operands[1], _UNARY)}"
    if isinstance(node, Comparison):
        left, right = node.operands
        return f"{inside(left, _SUM)} {node.content[0]} {inside(right, _SUM)}"
    if isinstance(node, Component):
        return f"{inside(node.operands[0], _ATOM)}[{node.content[0]}]"
    if isinstance(node, SpatialOperator) and node.coordinates != "cartesian" and OPERATORS[node.name].axis is not None:
        return f"gradient({texts[node.operands[0]]})[{OPERATORS[node.name].axis}]"
    if isinstance(node, (Function, SpatialOperator, ModuleCall, Dot, Reduction, Transfer, Treatment, Stack)):
        return f"{node.content[0]}({', '.join(texts[child] for child in node.operands)})"
    raise TypeError(f"no text is defined for {type(node).__name__} nodes")


def _render_sum(node: Node, inside: Callable[[Node, int], str]) -> str:
    first, *rest = node.operands
    parts = [inside(first, _SUM)]
    for term in rest:
        if isinstance(term, Negative):
            # -(a) after the first term prints as "- a"; a itself must then bind tighter than a sum ...
            operand = term.operands[0]
            # ... and a product, because (-a)*b and -(a*b) are different graphs.
            parts.append(f" - {inside(operand, _PRODUCT)}")
        else:
            parts.append(f" + {inside(term, _PRODUCT)}")
    return "".join(parts)
