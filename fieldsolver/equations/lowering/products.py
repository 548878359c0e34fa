"""Products on spectral axes, formed without aliases: cut before and after, or on a finer grid."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from torch import Tensor

from fieldsolver.space.schemes import Spectral

from ..graph import Depends, Negative, Node, Number, Power, Product, Sum
from . import arrays
from .axes import Transforms
from .place import Place
from .pointwise import pointwise_function

if TYPE_CHECKING:
    from .lower import Lowering


def degree(node: Node) -> int:
    """Degree of a polynomial in what varies in space; anything that is no polynomial counts as one factor."""
    if not node.depends & Depends.SPACE:
        return 0
    match node:
        case Product():
            return sum(degree(operand) for operand in node.operands)
        case Sum() | Negative():
            return max(degree(operand) for operand in node.operands)
        case Power() if _whole_exponent(node):
            return degree(node.operands[0]) * int(_whole_exponent(node))
    return 1


def _whole_exponent(node: Power) -> int:
    exponent = node.operands[1]
    return exponent.value if isinstance(exponent, Number) and isinstance(exponent.value, int) else 0


class Products:
    """Emits dealiased polynomials onto the tape of a `Lowering`."""

    def __init__(self, lowering: Lowering) -> None:
        self._lowering = lowering

    @cached_property
    def _axes(self) -> list[Transforms]:
        """The axes on which products are dealiased."""
        layout = self._lowering.layout
        chosen = [axis for axis, scheme in enumerate(layout.schemes) if isinstance(scheme, Spectral) and scheme.dealias]
        return [Transforms(self._lowering, axis) for axis in chosen if not layout.collocates(axis)]

    def dealiases(self, node: Node, place: Place) -> bool:
        """Whether `node` is a product that makes waves too short for the grid."""
        return bool(self._axes) and place.wall is None and degree(node) > 1

    def compile(self, node: Node, place: Place) -> int:
        """Register of the polynomial `node`, free of aliases."""
        from fieldsolver.space.spectral import padded, truncate

        leaves = _leaves(node)
        varying = [leaf for leaf in leaves if leaf.depends & Depends.SPACE]
        constant = [leaf for leaf in leaves if not leaf.depends & Depends.SPACE]
        lines = [[axis.line(leaf) for axis in self._axes] for leaf in varying]
        result = [axis.line(node) for axis in self._axes]
        dims = [axis.dim for axis in self._axes]
        registers = [self._full(leaf, place) for leaf in varying]
        registers += [self._lowering.cast(leaf, place) for leaf in constant]
        polynomial = partial(_evaluate, node, [*varying, *constant])
        ways = {"pad": partial(_padded, padded), "truncate": partial(_truncated, truncate)}
        scheme = self._lowering.layout.schemes[self._axes[0].axis]
        way = ways[str(getattr(scheme, "dealias", None))]
        return self._lowering.emit(partial(way, polynomial, degree(node), lines, result, dims), *registers)

    def _full(self, node: Node, place: Place) -> int:
        register = self._lowering.cast(node, place)
        for axis in self._axes:
            if not node.depends & Depends.STATE:
                points = axis.grid.shape[axis.axis]
                register = self._lowering.emit(partial(arrays.expand, dim=axis.dim, size=points), register)
        return register


def _padded(padded: Any, polynomial: Any, p: int, lines: Any, result: Any, dims: Any, *values: Any) -> Tensor:
    fields, rest = values[: len(lines)], values[len(lines) :]
    return padded(
        lambda *fine: polynomial(*fine, *rest),
        *fields, lines=lines, dims=dims, factor=(p + 1) / 2, output_lines=result,
    )  # fmt: skip


def _truncated(truncate: Any, polynomial: Any, p: int, lines: Any, result: Any, dims: Any, *values: Any) -> Tensor:
    fields, rest = values[: len(lines)], values[len(lines) :]
    cut = [truncate(field, line, dims, 2 / (p + 1)) for field, line in zip(fields, lines, strict=True)]
    return truncate(polynomial(*cut, *rest), result, dims, 2 / (p + 1))


def _leaves(node: Node) -> list[Node]:
    """The factors and terms of a polynomial, each once."""
    found: dict[Node, None] = {}
    stack = [node]
    while stack:
        part = stack.pop()
        if _is_polynomial(part):
            stack.extend(part.operands if not isinstance(part, Power) else part.operands[:1])
        else:
            found[part] = None
    return list(found)


def _is_polynomial(node: Node) -> bool:
    if not node.depends & Depends.SPACE:
        return False
    return isinstance(node, (Product, Sum, Negative)) or (isinstance(node, Power) and bool(_whole_exponent(node)))


def _evaluate(node: Node, leaves: Sequence[Node], *values: Any) -> Any:
    known: dict[Node, Any] = dict(zip(leaves, values, strict=True))

    def value(part: Node) -> Any:
        if part not in known:
            if isinstance(part, Power):
                known[part] = value(part.operands[0]) ** _whole_exponent(part)
            else:
                known[part] = pointwise_function(part)(*[value(operand) for operand in part.operands])
        return known[part]

    return value(node)
