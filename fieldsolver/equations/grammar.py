"""Text to graph: a whitelist over Python's own parser. Nothing is ever evaluated.

The text may come from a stranger. It is parsed by `ast.parse`, and the tree is walked by a visitor that knows a dozen
constructs and refuses everything else by name. Size and depth are bounded before any recursion.
"""

from __future__ import annotations

import ast
import keyword
import re
import unicodedata
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from fieldsolver.errors import (
    EquationError,
    EquationSyntaxError,
    EquationTypeError,
    UnknownNameError,
    listing,
    nearest,
)
from fieldsolver.space.coordinate_systems import CARTESIAN, GRAPH

from . import build
from .coordinates import refuse_word
from .graph import Node
from .graph_domain import refuse_coordinate
from .vocabulary import (
    AXES,
    CONSTANTS,
    FORMS,
    FUNCTIONS,
    MAX_DEPTH,
    MAX_NODES,
    NOISES,
    OPERATORS,
    TRANSFERS,
    TREATMENTS,
)

MAX_CHARACTERS = 200_000
_SUGGESTIONS = {"lambda": "lam", "is": "i_s", "in": "i_n", "as": "a_s", "from": "frm", "del": "delta"}
_LOGIC = ("and", "or", "not", "if", "else")
_KEYWORD = re.compile(r"\b(" + "|".join(sorted(keyword.kwlist)) + r")\b")
_BINARY: dict[type[ast.operator], Callable[[Node, Node], Node]] = {
    ast.Add: build.add,
    ast.Sub: build.subtract,
    ast.Mult: build.multiply,
    ast.Div: build.divide,
    ast.Pow: build.power,
    ast.MatMult: build.matrix_product,
}
_COMPARE = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}
_REFUSED = {
    ast.Attribute: "attribute access (a dot)",
    ast.Lambda: "lambda",
    ast.NamedExpr: "assignment (:=)",
    ast.JoinedStr: "an f-string",
    ast.IfExp: "if ... else (use where(condition, a, b))",
    ast.BoolOp: "and/or (nest where(...) instead)",
    ast.List: "a list",
    ast.Tuple: "a tuple",
    ast.Dict: "a dict",
    ast.Set: "a set",
    ast.ListComp: "a comprehension",
    ast.GeneratorExp: "a comprehension",
    ast.Starred: "a star",
    ast.Await: "await",
    ast.Yield: "yield",
}


@dataclass(frozen=True)
class Scope:
    """The names that a text may use.

    Attributes:
        symbols: declared names and their nodes (fields, parameters); they win over everything else.
        modules: declared modules and a function that builds the call from its arguments.
        velocities: the velocity symbols of fields of second order in time, by field.
        kernels: names of the declared convolution kernels.
        axes: names of the grid's coordinates, in axis order; empty without a grid.
        coordinates: in which coordinates differential operators are meant.
    """

    symbols: Mapping[str, Node] = field(default_factory=dict)
    modules: Mapping[str, Callable[..., Node]] = field(default_factory=dict)
    axes: tuple[str, ...] = ()
    velocities: Mapping[str, Node] = field(default_factory=dict)
    kernels: frozenset[str] = frozenset()
    coordinates: str = CARTESIAN

    @property
    def dimension(self) -> int:
        """Number of axes of a field: those of the grid, or that of the vertices of a graph."""
        return 1 if self.coordinates == GRAPH else len(self.axes)

    def known(self) -> list[str]:
        """All names that mean something, for messages."""
        return [*self.symbols, *self.modules, *self.kernels, *self.axes, "t", *CONSTANTS]

    def resolve(self, name: str) -> Node | None:
        """The node of a plain name, or None."""
        if name in self.symbols:
            return self.symbols[name]
        if name in self.axes:
            return build.coordinate(name, self.axes.index(name))
        if name == "t":
            return build.time()
        if name in CONSTANTS:
            return build.constant(name)
        return None


def parse_expression(text: str, scope: Scope) -> Node:
    """Parse one expression.

    Raises:
        EquationSyntaxError: it does not parse, is too large, or uses a refused construct.
        UnknownNameError: a name is not in `scope`; says the column, the known names and the nearest one.
        EquationTypeError: the parts do not fit together.
    """
    if not isinstance(text, str):
        raise EquationSyntaxError(f"an expression is text, got {type(text).__name__}")
    source = text.strip()
    if not source:
        raise EquationSyntaxError("the expression is empty")
    _check_size(source)
    tree = _python_tree(source)
    return _Visitor(source, scope).visit(tree, 0)


def _check_size(source: str) -> None:
    if len(source) > MAX_CHARACTERS:
        raise EquationSyntaxError(f"the text has {len(source)} characters; at most {MAX_CHARACTERS} are allowed")
    depth = 0
    opened: list[int] = []
    for column, character in enumerate(source):
        if character in "([{":
            opened.append(column)
            depth = max(depth, len(opened))
        elif character in ")]}":
            if not opened:
                raise EquationSyntaxError(f"{character!r} closes a bracket that was never opened", source, column)
            opened.pop()
    if opened:
        raise EquationSyntaxError("this bracket is never closed", source, opened[-1])
    if depth > MAX_DEPTH:
        raise EquationSyntaxError(f"brackets are nested {depth} deep; at most {MAX_DEPTH} are allowed")
    for column, character in enumerate(source):
        # Python folds look-alikes (full-width u, superscripts) into ASCII names; what is shown must be what is meant.
        if not character.isascii() and unicodedata.normalize("NFKC", character) != character:
            folded = unicodedata.normalize("NFKC", character)
            raise EquationSyntaxError(f"{character!r} only looks like {folded!r}; write {folded!r}", source, column)
    found = _KEYWORD.search(source)
    if found:
        word = found.group()
        logic = "nest where(condition, a, b) instead; " if word in _LOGIC else ""
        advice = f"{logic}for a name, write {_SUGGESTIONS.get(word, word + '_')!r}"
        raise EquationSyntaxError(
            f"{word!r} is a Python keyword and cannot be used in an equation; {advice}", source, found.start()
        )


def _python_tree(source: str) -> ast.expr:
    flat = source.replace("\n", " ").replace("\r", " ")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)  # "1is" and friends are refused below anyway
            tree = ast.parse(flat, mode="eval").body
    except SyntaxError as error:
        column = max((error.offset or 1) - 1, 0)
        raise EquationSyntaxError(f"cannot be read: {error.msg}", source, min(column, len(source))) from None
    except (RecursionError, MemoryError):
        raise EquationSyntaxError("the expression is too long or nested too deep to be read; split it up") from None
    except ValueError as error:  # a lone surrogate, or a null byte
        raise EquationSyntaxError(f"the text cannot be read: {error}") from None
    count = sum(1 for node in ast.walk(tree) if isinstance(node, ast.expr))
    if count > MAX_NODES:
        raise EquationSyntaxError(f"the expression has {count} parts; at most {MAX_NODES} are allowed")
    return tree


def _is_flat(outer: ast.operator, inner: ast.operator) -> bool:
    """Whether ``(a inner b) outer c`` is one flat sum or product."""
    both = (type(outer), type(inner))
    return both == (ast.Mult, ast.Mult) or all(kind in (ast.Add, ast.Sub) for kind in both)


class _Visitor:
    def __init__(self, source: str, scope: Scope) -> None:
        self.source = source
        self.scope = scope

    def visit(self, node: ast.expr, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise self.syntax(f"the expression is nested more than {MAX_DEPTH} deep", node)
        try:
            return self._dispatch(node, depth + 1)
        except EquationError as error:
            if error.text is not None:
                raise
            raise type(error)(error.message, self.source, self._column(node)) from None

    def _dispatch(self, node: ast.expr, depth: int) -> Node:
        match node:
            case ast.Constant():
                return self._literal(node)
            case ast.Name():
                return self._name(node)
            case ast.BinOp():
                return self._binary(node, depth)
            case ast.UnaryOp(op=ast.USub()):
                return build.negate(self.visit(node.operand, depth))
            case ast.UnaryOp(op=ast.UAdd()):
                return self.visit(node.operand, depth)
            case ast.Compare():
                return self._compare(node, depth)
            case ast.Call():
                return self._call(node, depth)
            case ast.Subscript():
                return self._subscript(node, depth)
        construct = _REFUSED.get(type(node), f"{type(node).__name__}")
        raise self.syntax(f"{construct} is not part of the equation language", node)

    def _literal(self, node: ast.Constant) -> Node:
        if isinstance(node.value, bool) or not isinstance(node.value, (int, float, complex)):
            raise self.syntax(f"only numbers can be literals, got {node.value!r}", node)
        return build.number(node.value)

    def _name(self, node: ast.Name) -> Node:
        resolved = self.scope.resolve(node.id)
        if resolved is not None:
            return resolved
        if node.id in FUNCTIONS or node.id in OPERATORS or node.id in FORMS or node.id in self.scope.modules:
            raise self.syntax(f"{node.id} is a function; write {node.id}(...)", node)
        if self.scope.coordinates == GRAPH and node.id in AXES:
            refuse_coordinate(node.id)
        raise self.unknown(node.id, self.scope.known(), node)

    def _binary(self, node: ast.BinOp, depth: int) -> Node:
        # a + b + c + ... leans to the left as deep as it is long: walk down that side without recursion.
        chain: list[tuple[ast.BinOp, int]] = []
        first: ast.expr = node
        while isinstance(first, ast.BinOp) and type(first.op) in _BINARY:
            # Sums and products are flat in the graph; everything else nests there, and is bounded like brackets.
            if chain and not _is_flat(chain[-1][0].op, first.op):
                depth += 1
            chain.append((first, depth))
            first = first.left
        if isinstance(first, ast.BinOp):
            symbol = {ast.BitXor: "^ (use ** for powers)", ast.Mod: "%", ast.FloorDiv: "//"}
            shown = symbol.get(type(first.op), type(first.op).__name__)
            raise self.syntax(f"{shown} is not part of the language", first)
        result = self.visit(first, depth)
        for link, level in reversed(chain):
            right = self.visit(link.right, level)
            try:
                result = _BINARY[type(link.op)](result, right)
            except EquationTypeError as error:
                raise EquationTypeError(error.message, self.source, self._column(link.right)) from None
        return result

    def _compare(self, node: ast.Compare, depth: int) -> Node:
        if len(node.ops) != 1 or type(node.ops[0]) not in _COMPARE:
            raise self.syntax("comparisons are single and one of < <= > >=", node)
        left, right = self.visit(node.left, depth), self.visit(node.comparators[0], depth)
        return build.compare(_COMPARE[type(node.ops[0])], left, right)

    def _call(self, node: ast.Call, depth: int) -> Node:
        if not isinstance(node.func, ast.Name):
            raise self.syntax("only a plain name can be called", node)
        if node.keywords:
            raise self.syntax("arguments are given by position, without name=", node)
        name = node.func.id
        if name.startswith("__"):
            raise self.syntax(f"{name} is not part of the equation language", node)
        if name in self.scope.symbols:
            raise self.syntax(f"{name} is not a function; to multiply, write {name}*(...)", node)
        if name in FORMS:
            return self._form(name, node, depth)
        if name in OPERATORS and name not in self.scope.modules:
            refuse_word(name, self.scope.coordinates)  # before its arguments, which may make no sense there either
        arguments = [self.visit(argument, depth) for argument in node.args]
        if name in self.scope.modules:
            return self.scope.modules[name](*arguments)
        if name in FUNCTIONS:
            return build.function(name, *arguments)
        if name in OPERATORS:
            return build.operator(name, *arguments, dimension=self.scope.dimension, coordinates=self.scope.coordinates)
        raise self.unknown(name, [*self.scope.modules, *OPERATORS, *FUNCTIONS, *FORMS], node)

    def _form(self, name: str, node: ast.Call, depth: int) -> Node:
        """Words whose arguments are not all expressions."""
        arity = 2 if name in ("dot", "convolve", "coloured_noise") else 1
        if len(node.args) != arity:
            raise self.syntax(f"write {FORMS[name]}; got {len(node.args)} argument(s)", node)
        if name == "d_dt":
            return self._velocity(node.args[0])
        if name == "convolve":
            kernel = node.args[0]
            if not isinstance(kernel, ast.Name) or kernel.id not in self.scope.kernels:
                raise self.syntax(
                    f"convolve takes a declared kernel first; declared: {listing(sorted(self.scope.kernels))}", kernel
                )
            return build.convolution(
                kernel.id,
                self.visit(node.args[1], depth),
                dimension=self.scope.dimension,
                coordinates=self.scope.coordinates,
            )
        arguments = [self.visit(argument, depth) for argument in node.args]
        if name == "dot":
            return build.dot(*arguments)
        if name in NOISES:
            return build.noise(name, *arguments)
        if name in TRANSFERS:
            return build.transfer(name, *arguments)
        if name in TREATMENTS:
            return build.treatment(name, *arguments)
        return build.reduction(name, *arguments, dimension=self.scope.dimension)

    def _velocity(self, node: ast.expr) -> Node:
        if not isinstance(node, ast.Name) or node.id not in self.scope.velocities:
            known = listing(self.scope.velocities)
            message = f"d_dt is the velocity of a field with an equation 'd2u/dt2 = ...'; these are: {known}"
            raise self.syntax(message, node)
        return self.scope.velocities[node.id]

    def _subscript(self, node: ast.Subscript, depth: int) -> Node:
        return build.component(self.visit(node.value, depth), self.visit(node.slice, depth))

    def _column(self, node: ast.expr) -> int:
        # ast counts UTF-8 bytes; the caret wants characters.
        flat = self.source.replace("\n", " ").replace("\r", " ")
        return len(flat.encode()[: node.col_offset].decode(errors="ignore"))

    def syntax(self, message: str, node: ast.expr) -> EquationSyntaxError:
        return EquationSyntaxError(message, self.source, self._column(node))

    def unknown(self, name: str, known: list[str], node: ast.expr) -> UnknownNameError:
        return UnknownNameError(
            f"unknown name {name!r}; known here: {listing(known)}{nearest(name, known)}",
            self.source,
            self._column(node),
        )
