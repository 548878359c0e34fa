"""Fields on grids of their own: which grid every expression lies on, and that nothing passes between grids unsaid.

An expression lies on the grid of the equation it stands in. Below ``restrict(...)`` or ``prolong(...)`` it lies on the
grid of the fields that are named there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fieldsolver.errors import EquationTypeError, GridError, ParameterError, listing, nearest
from fieldsolver.space.coupling import check_nested
from fieldsolver.space.graphs import Graph
from fieldsolver.space.grid import Grid

from .graph import Convolution, FieldSymbol, Node, ParameterSymbol, Transfer, VelocitySymbol, walk
from .parameters import Declared, declare

GridDeclaration = Grid | Graph | Mapping[str, Grid] | None
"""One grid or graph for all fields, a grid for each, or none."""


def grid_per_field(declared: Any, names: Sequence[str]) -> Any:
    """`declared`, checked if it is a grid for each field; one grid where all are equal.

    Raises:
        GridError: a field has no grid or is unknown, or the grids do not lie over the same domain.
    """
    if not isinstance(declared, Mapping):
        return declared
    for name in declared:
        if name not in names:
            raise GridError(f"grid names {name!r}, but the fields are {listing(names)}{nearest(name, names)}")
    missing = [name for name in names if name not in declared]
    if missing:
        raise GridError(f"grid gives nothing for the field {missing[0]!r}; add it, one fs.Grid per field")
    for name in names:
        if not isinstance(declared[name], Grid):
            raise GridError(f"grid[{name!r}] must be fs.Grid(shape, extent=...), got {declared[name]!r}")
        _check_same_domain(names[0], name, declared)
    grids = distinct_grids(declared)
    return grids[0] if len(grids) == 1 else {name: declared[name] for name in names}


def distinct_grids(declared: Any) -> tuple[Any, ...]:
    """The different grids, in the order in which fields name them; empty without any."""
    if declared is None:
        return ()
    return tuple(dict.fromkeys(declared.values())) if isinstance(declared, Mapping) else (declared,)


def _check_same_domain(first: str, name: str, grids: Mapping[str, Grid]) -> None:
    one, other = grids[first], grids[name]
    if one.dimension != other.dimension or one.centring != other.centring:
        raise GridError(f"the grids of {first!r} and {name!r} differ in dimension or centring: {one} and {other}")
    for axis, length in enumerate(one.lengths):
        ends, others = one.bounds[axis], other.bounds[axis]
        if any(abs(a - b) > 1e-12 * length for a, b in zip(ends, others, strict=True)):
            raise GridError(
                f"the grids of {first!r} and {name!r} lie over different bounds along {one.axes[axis]!r}, {ends} and "
                f"{others}; give both the same"
            )


def declare_on_grids(name: str, value: Any, shapes: Sequence[tuple[int, ...]]) -> Declared:
    """Read a parameter that may lie on any of several grids.

    Raises:
        ParameterError: it fits none of them.
    """
    for shape in shapes[:-1]:
        try:
            return declare(name, value, shape)
        except ParameterError:
            continue
    return declare(name, value, shapes[-1])


def origin(transfer: Transfer) -> FieldSymbol | None:
    """A field on the grid from which `transfer` takes; None if it names none."""
    stack, seen = list(transfer.operands), set()
    while stack:
        node = stack.pop()
        if isinstance(node, FieldSymbol):
            return node
        if node not in seen and not isinstance(node, Transfer):
            seen.add(node)
            stack.extend(node.operands)
    return None


def refuse_transfers(left: str, node: Node) -> None:
    """Refuse the words between grids where all fields share one."""
    for part in walk(node):
        if isinstance(part, Transfer):
            raise EquationTypeError(
                f"{left} contains {part}, but all fields lie on the same grid; leave out {part.content[0]}, or give "
                "every field a grid of its own, grid={'u': fs.Grid(...), 'v': fs.Grid(...)}"
            )


class Domains:
    """The grids of the fields of one system.

    Attributes:
        kernels: the grid on which every kernel is convolved, as far as expressions were checked.
    """

    def __init__(self, grids: Mapping[str, Grid], parameters: Mapping[str, Declared]) -> None:
        self._grids, self._parameters = grids, parameters
        self.kernels: dict[str, Grid] = {}

    def check(self, left: str, field: str, node: Node) -> None:
        """Check an expression on the grid of `field`; `left` names it in messages.

        Raises:
            EquationTypeError: a field of another grid without a transfer, or a transfer that leads elsewhere.
            GridError: the grids of a transfer are not nested.
            ParameterError: a `Spatial` parameter of another grid.
        """
        for part, grid in _placed(node, self._grids[field], self._source):
            match part:
                case FieldSymbol():
                    self._check_field(left, part, grid)
                case Transfer():
                    self._check_transfer(left, part, grid)
                case ParameterSymbol():
                    self._check_parameter(left, part, grid)
                case Convolution(content=(kernel, *_)):
                    if self.kernels.setdefault(kernel, grid) != grid:
                        raise EquationTypeError(
                            f"the kernel {kernel!r} is convolved on grids of {self.kernels[kernel].shape} and of "
                            f"{grid.shape} points; declare one kernel for each"
                        )

    def of(self, symbol: FieldSymbol) -> Grid:
        """The grid of a field or its velocity."""
        return self._grids[symbol.field if isinstance(symbol, VelocitySymbol) else symbol.name]

    def _source(self, transfer: Transfer) -> Grid:
        symbol = origin(transfer)
        if symbol is None:
            raise EquationTypeError(
                f"{transfer} names no field to tell which grid it takes from; transfer a field alone, and write the "
                "rest around it"
            )
        return self.of(symbol)

    def _check_field(self, left: str, symbol: FieldSymbol, grid: Grid) -> None:
        own = self.of(symbol)
        if own != grid:
            word = "restrict" if own.size > grid.size else "prolong"
            raise EquationTypeError(
                f"{left} uses {str(symbol)!r} on a grid of {grid.shape} points, but it lies on one of {own.shape}; "
                f"write {word}({symbol})"
            )

    def _check_transfer(self, left: str, transfer: Transfer, target: Grid) -> None:
        source, (operand,) = self._source(transfer), transfer.operands
        if source == target:
            raise EquationTypeError(
                f"{left} contains {transfer}, but {operand} lies on the grid of {left} already; leave "
                f"{transfer.content[0]} out"
            )
        word = "restrict" if source.size > target.size else "prolong"
        if transfer.content[0] != word:
            finer = "finer" if word == "restrict" else "coarser"
            raise EquationTypeError(
                f"{left} contains {transfer}, but {operand} comes from a {finer} grid, of {source.shape} points for "
                f"{target.shape}; write {word}({operand})"
            )
        check_nested(*sorted((source, target), key=lambda grid: grid.size))

    def _check_parameter(self, left: str, symbol: ParameterSymbol, grid: Grid) -> None:
        item = self._parameters[symbol.name]
        if item.place not in ("spatial", "matrix field"):
            return
        points = tuple(item.value.shape[-grid.dimension :])
        if any(n not in (1, whole) for n, whole in zip(points, grid.shape, strict=True)):
            raise ParameterError(
                f"{left} uses the fs.Spatial parameter {symbol.name!r} of {points} points on a grid of {grid.shape}; "
                "declare one for each grid"
            )


def _placed(root: Node, grid: Grid, source: Any) -> Iterator[tuple[Node, Grid]]:
    """Every node below `root` once per grid on which it is evaluated, in the order of the text."""
    stack, seen = [(root, grid)], set()
    while stack:
        node, place = stack.pop()
        if (node, place) in seen:
            continue
        seen.add((node, place))
        yield node, place
        below = source(node) if isinstance(node, Transfer) else place
        stack.extend((operand, below) for operand in reversed(node.operands))
