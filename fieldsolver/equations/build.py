"""Builders of graph nodes: the only place where types are checked.

Every builder takes nodes or plain numbers, checks components, arity and realness, and returns a node; it raises
`EquationTypeError` with a sentence that names the operands.
"""

from __future__ import annotations

import math
import numbers
from typing import Any

from fieldsolver.errors import EquationTypeError, UnknownNameError, listing, nearest
from fieldsolver.space.coordinate_systems import CARTESIAN

from .coordinates import refuse_word, slope_word
from .graph import (
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
    SignalSymbol,
    SpatialOperator,
    Stack,
    Sum,
    TimeSymbol,
    Transfer,
    Treatment,
    VelocitySymbol,
)
from .vocabulary import CONSTANTS, FUNCTIONS, MAX_EXPONENT, OPERATORS


def number(value: Any) -> Node:
    """A literal; a negative one becomes ``-(literal)`` so that printing and parsing agree."""
    if isinstance(value, bool) or not isinstance(value, numbers.Number):
        raise EquationTypeError(f"expected a number or part of an equation, got {value!r}")
    if isinstance(value, numbers.Complex) and not isinstance(value, numbers.Real):
        value = complex(value)
        if value.real:
            return add(number(value.real), number(complex(0, value.imag)))
        _check_finite(value.imag)
        part = Number((), (complex(0, abs(value.imag)),), is_complex=True)
        return negate(part) if math.copysign(1, value.imag) < 0 else part
    value = int(value) if isinstance(value, numbers.Integral) else float(value)  # type: ignore[arg-type]  # Real
    _check_finite(value)
    # -0.0 is negative too: it equals 0.0 in Python and would be taken for it.
    negative = value < 0 or (isinstance(value, float) and math.copysign(1, value) < 0)
    return negate(Number((), (-value,))) if negative else Number((), (value,))


def _check_finite(value: int | float) -> None:
    try:
        finite = math.isfinite(float(value))
    except OverflowError:
        finite = False  # an integer that no float can hold
    if not finite:
        raise EquationTypeError(f"numbers must be finite and below 1e308, got {str(value)[:40]}")


def as_node(value: Any) -> Node:
    """Return `value` if it is a node, else the literal; a matrix is no operand, it acts by ``@`` alone."""
    if isinstance(value, MatrixSymbol):
        raise EquationTypeError(f"{value.name} is a matrix, which acts by @ alone: write {value.name} @ phi")
    return value if isinstance(value, Node) else number(value)


def constant(name: str) -> Node:
    """``pi`` or ``e``."""
    if name not in CONSTANTS:
        raise UnknownNameError(f"no constant is called {name!r}; known: {listing(CONSTANTS)}")
    return Constant((), (name,))


def field(name: str, components: int = 1, *, is_complex: bool = False) -> FieldSymbol:
    """A field of the state."""
    return FieldSymbol((), (name,), components=components, is_complex=is_complex, depends=Depends.STATE | Depends.SPACE)


def velocity(name: str, components: int = 1, *, is_complex: bool = False) -> FieldSymbol:
    """The velocity of a field of second order in time."""
    return VelocitySymbol(
        (),
        (f"d{name}/dt", name),
        components=components,
        is_complex=is_complex,
        depends=Depends.STATE | Depends.SPACE,
    )


def matrix(name: str, rows: int, columns: int, *, is_complex: bool = False, spatial: bool = False) -> ParameterSymbol:
    """A matrix parameter, one for the whole grid or one per point."""
    depends = Depends.PARAMETER | (Depends.SPACE if spatial else Depends.NOTHING)
    return MatrixSymbol((), (name, rows, columns), is_complex=is_complex, depends=depends)


def signal(name: str, components: int = 1) -> ParameterSymbol:
    """A sampled input."""
    return SignalSymbol((), (name,), components=components, depends=Depends.PARAMETER | Depends.TIME)


def defined(name: str, definition: Node) -> Node:
    """A parameter that is an expression."""
    return DefinedSymbol((definition,), (name,), components=definition.components, vector=definition.vector)


def parameter(name: str, components: int = 1, *, is_complex: bool = False, spatial: bool = False) -> ParameterSymbol:
    """A declared parameter."""
    depends = Depends.PARAMETER | (Depends.SPACE if spatial else Depends.NOTHING)
    return ParameterSymbol((), (name,), components=components, is_complex=is_complex, depends=depends)


def coordinate(name: str, axis: int) -> Node:
    """A coordinate of the grid."""
    return CoordinateSymbol((), (name, axis), depends=Depends.SPACE)


def time() -> Node:
    """The time ``t``."""
    return TimeSymbol((), ("t",), depends=Depends.TIME)


def add(left: Any, right: Any) -> Node:
    """``left + right``; a sum on the left is continued, which is how text is evaluated."""
    left, right = as_node(left), as_node(right)
    terms = left.operands if isinstance(left, Sum) else (left,)
    for vector, other in ((left, right), (right, left)):
        if vector.vector and not other.vector and other.components == 1:
            raise EquationTypeError(f"a vector and a scalar cannot be added: {vector} and {other}")
    return Sum((*terms, right), components=_common_components("+", left, right), vector=left.vector or right.vector)


def subtract(left: Any, right: Any) -> Node:
    """``left - right``."""
    return add(left, negate(right))


def negate(operand: Any) -> Node:
    """``-operand``."""
    operand = as_node(operand)
    _refuse_comparison("-", operand)
    return Negative((operand,), components=operand.components, vector=operand.vector)


def multiply(left: Any, right: Any) -> Node:
    """``left * right``; a product on the left is continued."""
    left, right = as_node(left), as_node(right)
    factors = left.operands if isinstance(left, Product) else (left,)
    if left.vector and right.vector:
        raise EquationTypeError(f"two vectors are multiplied by dot(a, b): {left} and {right}")
    return Product(
        (*factors, right), components=_common_components("*", left, right), vector=left.vector or right.vector
    )


def divide(left: Any, right: Any) -> Node:
    """``left / right``."""
    left, right = as_node(left), as_node(right)
    _refuse_vector("division by", right)
    return Quotient((left, right), components=_common_components("/", left, right), vector=left.vector)


def power(base: Any, exponent: Any) -> Node:
    """``base ** exponent``; literal integer exponents up to 64."""
    base, exponent = as_node(base), as_node(exponent)
    _refuse_vector("**", base, exponent)
    literal = exponent.operands[0] if isinstance(exponent, Negative) else exponent
    if isinstance(literal, Number) and isinstance(literal.value, int) and literal.value > MAX_EXPONENT:
        raise EquationTypeError(f"integer exponents go up to {MAX_EXPONENT}, got {literal.value}")
    return Power((base, exponent), components=_common_components("**", base, exponent))


def compare(operator: str, left: Any, right: Any) -> Node:
    """``left < right`` and the like, for the first argument of ``where``."""
    left, right = as_node(left), as_node(right)
    _refuse_vector(operator, left, right)
    if left.is_complex or right.is_complex:
        raise EquationTypeError(f"complex numbers have no order: {left} {operator} {right}")
    return Comparison((left, right), (operator,), components=_common_components(operator, left, right))


def function(name: str, *arguments: Any) -> Node:
    """An elementary function of `vocabulary.FUNCTIONS`."""
    if name not in FUNCTIONS:
        raise UnknownNameError(f"no function is called {name!r}; known: {listing(FUNCTIONS)}{nearest(name, FUNCTIONS)}")
    word = FUNCTIONS[name]
    nodes = tuple(as_node(argument) for argument in arguments)
    _check_arity(name, word.arity, nodes)
    if name == "where":
        if not isinstance(nodes[0], Comparison):
            raise EquationTypeError(f"where needs a comparison first, such as where(u > 0, a, b); got {nodes[0]}")
        _refuse_comparison(name, *nodes[1:])
    else:
        _refuse_comparison(name, *nodes)
    _refuse_vector(name, *nodes)
    if not word.complex_ok and any(node.is_complex for node in nodes):
        raise EquationTypeError(f"{name} is not defined for the complex argument {nodes[0]}")
    # |z|, Re z and Im z are real whatever z is; everything else inherits.
    is_complex = False if word.real else None
    return Function(nodes, (name,), components=_common_components(name, *nodes), is_complex=is_complex)


def operator(name: str, *arguments: Any, dimension: int, coordinates: str = CARTESIAN) -> Node:
    """A differential operator of `vocabulary.OPERATORS` on a grid of `dimension` axes (0: no grid)."""
    if name in OPERATORS:
        matrix = bool(arguments) and isinstance(arguments[0], MatrixSymbol)
        refuse_word(name, coordinates, matrix=matrix and name == "diffusion")
    return operator_in(coordinates, name, *arguments, dimension=dimension)


def slope(operand: Any, axis: int, *, dimension: int, coordinates: str = CARTESIAN) -> Node:
    """The physical component of ``gradient(operand)`` along one axis."""
    return operator_in(coordinates, slope_word(axis), operand, dimension=dimension)


def operator_in(coordinates: str, name: str, *arguments: Any, dimension: int) -> Node:
    """The same as `operator`, for names that derived expressions alone contain, too."""
    if name not in OPERATORS:
        raise UnknownNameError(f"no operator is called {name!r}; known: {listing(OPERATORS)}{nearest(name, OPERATORS)}")
    word = OPERATORS[name]
    nodes = tuple(_operator_argument(name, argument) for argument in arguments)
    _check_arity(word.arguments, word.arity, nodes)
    _refuse_comparison(name, *nodes)
    if dimension == 0:
        raise EquationTypeError(f"{name} needs a grid; pass grid=fs.Grid(...) or drop the operator")
    if word.axis is not None and word.axis >= dimension:
        raise EquationTypeError(f"{name} needs an axis {'xyz'[word.axis]!r}, but the grid has {dimension}")
    if not nodes[-1].depends & Depends.SPACE:
        raise EquationTypeError(f"{name} acts on something that varies in space, but {nodes[-1]} does not")
    components, vector = _operator_type(name, nodes, dimension)
    content = (name,) if coordinates == CARTESIAN else (name, coordinates)
    return SpatialOperator(nodes, content, components=components, depends=Depends.SPACE, pointwise=False, vector=vector)


def _operator_argument(name: str, argument: Any) -> Node:
    """Only the coefficient of diffusion may be a matrix."""
    return argument if name == "diffusion" and isinstance(argument, MatrixSymbol) else as_node(argument)


def _operator_type(name: str, nodes: tuple[Node, ...], dimension: int) -> tuple[int, bool]:
    """Components of the result, and whether it is a vector."""
    operand = nodes[-1]
    match name:
        case "gradient":
            if operand.components != 1 or operand.vector:
                raise EquationTypeError(f"gradient needs a scalar, but {operand} has {operand.components} components")
            return dimension, True
        case "divergence":
            _need_vector(name, operand, dimension)
            return 1, False
        case "curl":
            if dimension == 1:
                raise EquationTypeError("curl needs a grid with 2 or 3 axes, but this one has 1")
            _need_vector(name, operand, dimension)
            return (3, True) if dimension == 3 else (1, False)
        case "advection":
            _need_vector("the velocity of advection", nodes[0], dimension)
            return operand.components, operand.vector
        case "diffusion" if isinstance(nodes[0], MatrixSymbol):
            _need_square(nodes[0], dimension)
            return operand.components, operand.vector
        case "fractional_laplacian" if nodes[0].depends & (Depends.SPACE | Depends.STATE):
            raise EquationTypeError(f"the power of fractional_laplacian is one number, but {nodes[0]} varies in space")
    _refuse_vector(name, *nodes[:-1])
    return _common_components(name, *nodes), operand.vector


def _need_square(matrix: MatrixSymbol, dimension: int) -> None:
    _, rows, columns = matrix.content
    if (rows, columns) != (dimension, dimension):
        raise EquationTypeError(
            f"the matrix of diffusion({matrix.name}, u) is {dimension} x {dimension} on this grid, one row per axis, "
            f"but {matrix.name} is {rows} x {columns}"
        )


def _need_vector(what: str, node: Node, dimension: int) -> None:
    if node.components != dimension:
        raise EquationTypeError(
            f"{what} needs a vector with {dimension} component(s), one per axis, but {node} has {node.components}"
        )


def dot(left: Any, right: Any) -> Node:
    """``sum_i a_i b_i``; no complex conjugate is taken."""
    nodes = (as_node(left), as_node(right))
    if nodes[0].components != nodes[1].components:
        raise EquationTypeError(
            f"dot needs equal numbers of components, got {nodes[0]} ({nodes[0].components}) and "
            f"{nodes[1]} ({nodes[1].components})"
        )
    _refuse_comparison("dot", *nodes)
    return Dot(nodes, ("dot",))


def stack(*nodes: Node) -> Node:
    """Scalars as the components of one value."""
    return Stack(nodes, ("stack",), components=len(nodes))


def matrix_product(left: Any, right: Any) -> Node:
    """``K @ phi`` with a matrix parameter ``K``."""
    right = as_node(right)
    if not isinstance(left, MatrixSymbol):
        raise EquationTypeError(f"@ needs a matrix parameter on its left, as in K @ phi; got {left}")
    if left.depends & Depends.SPACE:
        raise EquationTypeError(f"{left.name} is a field of matrices, which acts in diffusion({left.name}, u) alone")
    _, rows, columns = left.content
    if right.components != columns:
        raise EquationTypeError(
            f"{left.name} is a {rows} x {columns} matrix, but {right} has {right.components} component(s)"
        )
    _refuse_comparison("@", right)
    return MatrixProduct((left, right), ("@",), components=rows)


def reduction(name: str, operand: Any, *, dimension: int) -> Node:
    """``integral(u)`` or ``mean(u)`` over the domain."""
    operand = as_node(operand)
    _refuse_comparison(name, operand)
    if dimension == 0:
        raise EquationTypeError(f"{name} needs a grid; pass grid=fs.Grid(...)")
    return Reduction(
        (operand,),
        (name,),
        components=operand.components,
        pointwise=False,
        vector=operand.vector,
        forgets=Depends.SPACE,  # one number per sample: whatever varied in space no longer does
    )


def convolution(kernel: str, operand: Any, *, dimension: int, coordinates: str = CARTESIAN) -> Node:
    """``convolve(kernel, operand)``."""
    refuse_word("convolve", coordinates)
    operand = as_node(operand)
    _refuse_comparison("convolve", operand)
    if dimension == 0:
        raise EquationTypeError("convolve needs a grid; pass grid=fs.Grid(...)")
    return Convolution(
        (operand,),
        (kernel,),
        components=operand.components,
        depends=Depends.SPACE,
        pointwise=False,
        vector=operand.vector,
    )


def transfer(name: str, operand: Any) -> Node:
    """``restrict(u)`` or ``prolong(u)``, between the grid of `operand` and that of the equation it stands in."""
    operand = as_node(operand)
    _refuse_comparison(name, operand)
    if not operand.depends & Depends.SPACE:
        raise EquationTypeError(f"{name} acts on something that varies in space, but {operand} does not")
    return Transfer((operand,), (name,), components=operand.components, pointwise=False, vector=operand.vector)


def treatment(name: str, operand: Any) -> Node:
    """``implicit(...)`` or ``explicit(...)``."""
    operand = as_node(operand)
    _refuse_comparison(name, operand)
    return Treatment((operand,), (name,), components=operand.components, vector=operand.vector)


def noise(kind: str, index: Any, length: Any = None) -> Node:
    """``white_noise(index)`` or ``coloured_noise(index, length)``."""
    index = index.value if isinstance(index, Number) else index
    if isinstance(index, bool) or not isinstance(index, int) or index < 0:
        raise EquationTypeError(f"a noise is numbered by an integer from 0 on, as in {kind}(0); got {index}")
    length = length.value if isinstance(length, Number) else length
    if kind == "coloured_noise" and not (isinstance(length, (int, float)) and length > 0):
        raise EquationTypeError(f"the correlation length of coloured_noise is a positive number, got {length}")
    return Noise((), (kind, index, length), depends=Depends.NOISE | Depends.SPACE)


def module_call(name: str, components: int, *arguments: Any, nonlocal_: bool = False) -> Node:
    """A declared module with `components` outputs; `nonlocal_` ones see the whole grid at once."""
    nodes = tuple(as_node(argument) for argument in arguments)
    _refuse_comparison(name, *nodes)
    depends = Depends.PARAMETER | (Depends.SPACE if nonlocal_ else Depends.NOTHING)
    return ModuleCall(nodes, (name,), components=components, depends=depends, pointwise=not nonlocal_)


def component(node: Any, index: Any) -> Node:
    """``node[index]``."""
    node = as_node(node)
    _refuse_comparison("[...]", node)
    if isinstance(index, Number):
        index = index.value
    if isinstance(index, bool) or not isinstance(index, int):
        raise EquationTypeError(f"a component is picked by an integer, got {index!r}")
    if not 0 <= index < node.components:
        raise EquationTypeError(
            f"{node} has {node.components} component(s), numbered from 0, and so no component {index}"
        )
    return Component((node,), (index,))


def _common_components(what: str, *nodes: Node) -> int:
    if what != "where":
        _refuse_comparison(what, *nodes)
    counts = {node.components for node in nodes} - {1}
    if len(counts) > 1:
        described = " and ".join(f"{node} ({node.components})" for node in nodes if node.components > 1)
        raise EquationTypeError(f"{what!r} needs equal numbers of components, got {described}")
    return counts.pop() if counts else 1


def _refuse_vector(what: str, *nodes: Node) -> None:
    for node in nodes:
        if node.vector:
            raise EquationTypeError(f"{what!r} is not defined for the vector {node}; take components or dot(a, b)")


def _refuse_comparison(what: str, *nodes: Node) -> None:
    for node in nodes:
        if isinstance(node, Comparison):
            raise EquationTypeError(f"a comparison such as {node} belongs inside where(...), not in {what!r}")


def _check_arity(name: str, arity: int, nodes: tuple[Node, ...]) -> None:
    if len(nodes) != arity:
        raise EquationTypeError(f"{name} takes {arity} argument(s), got {len(nodes)}")
