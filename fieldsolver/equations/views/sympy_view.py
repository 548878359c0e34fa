"""The graph as SymPy expressions; SymPy is loaded when a view is made, and only then.

Fields are functions ``u(t, x, y, z)`` of the time and the coordinates of the grid, a velocity is ``Derivative(u, t)``,
parameters are symbols, operators are derivatives. A value with several components is a column `sympy.Matrix` of entries
``phi_0, phi_1, ...``. SymPy simplifies while it builds, so the view of ``0*laplacian(u)`` is 0: use it to compute with,
never to decide what an equation needs.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cache, reduce
from typing import TYPE_CHECKING, Any

from fieldsolver.errors import EquationTypeError
from fieldsolver.space.coordinate_systems import SYSTEMS

from .. import build
from ..calculus.curvilinear import density, scales
from ..calculus.expansion import component_of, expand, is_composed
from ..coordinates import METRIC
from ..graph import (
    Comparison,
    Component,
    Constant,
    Convolution,
    CoordinateSymbol,
    DefinedSymbol,
    Depends,
    Dot,
    FieldSymbol,
    Function,
    MatrixProduct,
    MatrixSymbol,
    ModuleCall,
    Negative,
    Node,
    Noise,
    Number,
    ParameterSymbol,
    Power,
    Product,
    Quotient,
    Reduction,
    SpatialOperator,
    Stack,
    Sum,
    TimeSymbol,
    Transfer,
    Treatment,
    VelocitySymbol,
)
from ..parameters import Positive
from ..vocabulary import OPERATORS
from .sympy_functions import elementary, nonlocal_function, relation

if TYPE_CHECKING:
    import sympy

    from ..field_equation import FieldEquation


def to_sympy(
    node: Node, axes: Sequence[str] = (), *, positive: Collection[str] = (), exact: bool = False
) -> sympy.Expr | sympy.Matrix:
    """`node` as a SymPy expression, or as a column matrix if it has several components.

    Args:
        node: any node of a graph.
        axes: names of the grid's coordinates, in order; empty without a grid.
        positive: names of the parameters that are positive.
        exact: decimal literals become the fractions that they are in binary, for work in many digits.
    """
    return SympyView(axes, positive=positive, exact=exact).of(node)


class SympyView:
    """Translates nodes, and remembers which symbol stands for which node.

    Args:
        axes, positive, exact: as in `to_sympy`.
        known: what fields and velocities are, by name and component; the others are undefined functions.

    Attributes:
        symbols: the node of every symbol and function made so far, for `from_sympy`.
    """

    def __init__(
        self,
        axes: Sequence[str] = (),
        *,
        positive: Collection[str] = (),
        exact: bool = False,
        known: Mapping[str, Sequence[Any]] | None = None,
    ) -> None:
        import sympy

        self._sympy = sympy
        self._positive, self._exact, self._known = frozenset(positive), exact, dict(known or {})
        self.symbols: dict[Any, Node] = {}
        self.t = sympy.Symbol("t", real=True)
        self.coordinates = tuple(sympy.Symbol(name, real=True) for name in axes)
        self._entries: dict[Node, tuple[Any, ...]] = {}
        self._remember(self.t, build.time())
        for axis, coordinate in enumerate(self.coordinates):
            self._remember(coordinate, build.coordinate(coordinate.name, axis))

    @classmethod
    def of_equation(cls, equation: FieldEquation, **options: Any) -> SympyView:
        """A view that knows the axes and the positive parameters of `equation`."""
        if equation.layout.graph is not None:
            raise EquationTypeError("the operators of a graph are no derivatives, so SymPy has no words for them")
        axes = equation.given.axes
        positive = [name for name, item in equation.declared.items() if isinstance(item.transform, Positive)]
        return cls(axes, positive=positive, **options)

    def of(self, node: Node) -> Any:
        """An expression, or a column matrix."""
        entries = self.entries(node)
        if isinstance(node, MatrixSymbol):
            _, rows, columns = node.content
            return self._sympy.Matrix(rows, columns, list(entries))
        return entries[0] if node.components == 1 else self._sympy.Matrix(entries)

    def entries(self, node: Node) -> tuple[Any, ...]:
        """One expression per component."""
        if node not in self._entries:
            self._entries[node] = tuple(self._translate(node))
        return self._entries[node]

    def _translate(self, node: Node) -> Sequence[Any]:
        match node:
            case Number():
                return [self._number(node.value)]
            case Constant(content=(name,)):
                return [self._sympy.pi if name == "pi" else self._sympy.E]
            case TimeSymbol():
                return [self.t]
            case CoordinateSymbol():
                return [self.coordinates[node.axis]]
            case FieldSymbol():
                return self._field(node)
            case ParameterSymbol():
                return self._parameter(node)
            case DefinedSymbol() | Treatment():
                return self.entries(node.operands[0])
            case SpatialOperator():
                return self._operator(node)
            case Noise(content=(_, index, length)):
                name = f"xi_{index}" if length is None else f"eta_{index}"
                return [self._function_of_place(name, node, real=True)]
            case Component() | Stack() | Dot() | MatrixProduct():
                return self._over_components(node)
            case Reduction() | Convolution() | Transfer() | ModuleCall():
                return self._undefined(node)
        return self._by_component(node)

    # -- leaves ---------------------------------------------------------------------------------------------------

    def _remember(self, symbol: Any, node: Node) -> Any:
        if self.symbols.setdefault(symbol, node) is not node:
            other = self.symbols[symbol]
            raise EquationTypeError(f"{other} and {node} would both be called {symbol} in SymPy; rename one")
        return symbol

    def _number(self, value: int | float | complex) -> Any:
        if isinstance(value, complex):
            return self._number(value.imag) * self._sympy.I
        if isinstance(value, int) or value.is_integer():
            return self._sympy.Integer(int(value))
        return self._sympy.Rational(value) if self._exact else self._sympy.Float(value)

    def _field(self, node: FieldSymbol) -> Sequence[Any]:
        if node.name in self._known:
            return self._known[node.name]
        real = None if node.is_complex else True
        name = node.field if isinstance(node, VelocitySymbol) else node.name
        functions = []
        for index, entry in enumerate(_entries_of(node)):
            function = self._sympy.Function(_numbered(name, node.components, index), real=real)
            applied = function(self.t, *self.coordinates)
            applied = self._sympy.Derivative(applied, self.t) if isinstance(node, VelocitySymbol) else applied
            functions.append(self._remember(applied, entry))
        return functions

    def _parameter(self, node: ParameterSymbol) -> Sequence[Any]:
        if isinstance(node, MatrixSymbol):
            name, rows, columns = node.content
            return [self._symbol(f"{name}_{i}_{j}", node, own=False) for i in range(rows) for j in range(columns)]
        make = self._function_of_place if node.depends & (Depends.TIME | Depends.SPACE) else self._symbol
        names = [_numbered(node.name, node.components, index) for index in range(node.components)]
        return [make(name, entry) for name, entry in zip(names, _entries_of(node), strict=True)]

    def _assumptions(self, node: Node) -> dict[str, bool]:
        bare = node.operands[0] if isinstance(node, Component) else node
        if bare.content[0] in self._positive:
            return {"positive": True}
        return {} if node.is_complex else {"real": True}

    def _symbol(self, name: str, node: Node, own: bool = True) -> Any:
        symbol = self._sympy.Symbol(name, **self._assumptions(node))
        return self._remember(symbol, node) if own else symbol

    def _function_of_place(self, name: str, node: Node, **assumptions: bool) -> Any:
        """A signal or noise is a function of time, what varies in space one of the coordinates too."""
        arguments = (self.t,) if node.depends & (Depends.TIME | Depends.NOISE) else ()
        arguments += self.coordinates if node.depends & Depends.SPACE else ()
        function = self._sympy.Function(name, **(assumptions or self._assumptions(node)))
        return self._remember(function(*arguments), node)

    # -- what acts on other nodes ---------------------------------------------------------------------------------

    def _by_component(self, node: Node) -> list[Any]:
        below = [self.entries(operand) for operand in node.operands]
        return [
            self._combine(node, [entries[index if len(entries) > 1 else 0] for entries in below])
            for index in range(node.components)
        ]

    def _combine(self, node: Node, values: list[Any]) -> Any:
        match node:
            case Sum():
                return self._sympy.Add(*values)
            case Negative():
                return -values[0]
            case Product():
                return self._sympy.Mul(*values)
            case Quotient():
                return values[0] / values[1]
            case Power():
                return self._sympy.Pow(*values)
            case Comparison(content=(sign,)):
                return relation(sign, *values)
            case Function():
                return elementary(node.name, *values)
        raise EquationTypeError(f"{type(node).__name__} nodes have no counterpart in SymPy")

    def _over_components(self, node: Node) -> Sequence[Any]:
        match node:
            case Component(content=(index,), operands=(operand,)):
                pushed = component_of(operand, index)
                return self.entries(operand)[index : index + 1] if pushed is node else self.entries(pushed)
            case Stack():
                return [entry for operand in node.operands for entry in self.entries(operand)]
            case Dot(operands=(left, right)):
                pairs = zip(self.entries(left), self.entries(right), strict=True)
                return [self._sympy.Add(*[a * b for a, b in pairs])]
        matrix, operand = node.operands
        _, rows, columns = matrix.content
        entries, values = self.entries(matrix), self.entries(operand)
        return [self._sympy.Add(*[entries[i * columns + j] * values[j] for j in range(columns)]) for i in range(rows)]

    def _undefined(self, node: Node) -> list[Any]:
        """Integrals, convolutions, transfers and modules: functions that SymPy knows by name alone."""
        name = node.content[0]
        if isinstance(node, ModuleCall):
            inputs = [entry for operand in node.operands for entry in self.entries(operand)]
            names = [_numbered(name, node.components, index) for index in range(node.components)]
            make = self._sympy.Function if node.pointwise else nonlocal_function
            return [make(own)(*inputs) for own in names]
        entries = self.entries(node.operands[0])
        if isinstance(node, Convolution):
            return [nonlocal_function("convolve")(self._sympy.Symbol(name), entry) for entry in entries]
        return [nonlocal_function(name)(entry) for entry in entries]

    def _operator(self, node: SpatialOperator) -> Sequence[Any]:
        if is_composed(node):
            return self.entries(expand(node, len(self.coordinates)))
        if node.coordinates in SYSTEMS:
            return self._curvilinear(node)
        if node.coordinates == METRIC:
            raise EquationTypeError(f"{node} has no formula in SymPy: its metric is known on grid points only")
        if node.name == "fractional_laplacian":
            ((power,), operand) = (self.entries(each) for each in node.operands)
            return [nonlocal_function(node.name)(power, entry) for entry in operand]
        if isinstance(node.operands[0], MatrixSymbol):
            return [self._anisotropic(self.entries(node.operands[0]), u) for u in self.entries(node.operands[1])]
        below = [self.entries(operand) for operand in node.operands]
        count = node.components
        spread = [entries * count if len(entries) == 1 else entries for entries in below]
        return [self._derivatives(node.name, *values) for values in zip(*spread, strict=True)]

    def _curvilinear(self, node: SpatialOperator) -> Sequence[Any]:
        """The formulas of `calculus.curvilinear`."""
        (root,), h = self.entries(density(node.coordinates)), [self.entries(s)[0] for s in scales(node.coordinates)]
        d, axes = self._sympy.Derivative, self.coordinates

        def divergence(fluxes: Sequence[Any]) -> Any:
            return self._sympy.Add(*[d(root / h[i] * v, axes[i]) / root for i, v in enumerate(fluxes)])

        def slopes(u: Any) -> list[Any]:
            return [d(u, axis) / h[i] for i, axis in enumerate(axes)]

        below = [self.entries(operand) for operand in node.operands]
        if node.name == "divergence":
            return [divergence(below[0])]
        results = []
        for i in range(node.components):
            *before, u = (entries[i if len(entries) > 1 else 0] for entries in below)
            match node.name:
                case "gradient_squared":
                    results.append(self._sympy.Add(*[slope**2 for slope in slopes(u)]))
                case "laplacian" | "diffusion":
                    results.append(divergence([self._sympy.Mul(*before, slope) for slope in slopes(u)]))
                case _:
                    results.append(slopes(u)[OPERATORS[node.name].axis or 0])
        return results

    def _anisotropic(self, matrix: Sequence[Any], operand: Any) -> Any:
        """``sum_ij d_i (K_ij d_j u)``."""
        d, axes, n = self._sympy.Derivative, self.coordinates, len(self.coordinates)
        fluxes = [self._sympy.Add(*[matrix[i * n + j] * d(operand, axes[j]) for j in range(n)]) for i in range(n)]
        return self._sympy.Add(*[d(flux, axis) for flux, axis in zip(fluxes, axes, strict=True)])

    def _derivatives(self, name: str, *values: Any) -> Any:
        d, operand = self._sympy.Derivative, values[-1]
        axes = [c for axis, c in enumerate(self.coordinates) if OPERATORS[name].axis in (None, axis)]
        match name:
            case "gradient_squared":
                terms = [d(operand, c) ** 2 for c in axes]
            case "diffusion":
                terms = [d(values[0] * d(operand, c), c) for c in axes]
            case _:
                terms = [d(operand, c, OPERATORS[name].derivative_order) for c in axes]
        return reduce(lambda a, b: a + b, terms)


def _entries_of(node: Node) -> list[Node]:
    return [node] if node.components == 1 else [_component(node, index) for index in range(node.components)]


@cache
def _component(node: Node, index: int) -> Node:
    return component_of(node, index)


def _numbered(name: str, components: int, index: int) -> str:
    return name if components == 1 else f"{name}_{index}"
