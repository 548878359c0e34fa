"""Hypothesis strategies: grids, boundaries, well-typed expressions over a scope, declared equations.

Everything drawn is valid: a grid fits its boundary, an expression its scope. ``tame`` expressions use smooth functions
whose values stay moderate for moderate states, so that numbers can be compared and differentiated.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hypothesis import strategies as st

from fieldsolver.equations import FieldEquation, build
from fieldsolver.equations.calculus.expansion import COMPOSED
from fieldsolver.equations.grammar import Scope
from fieldsolver.equations.graph import Depends, Negative, Node, Number
from fieldsolver.equations.vocabulary import CONSTANTS, FUNCTIONS, MAX_EXPONENT, OPERATORS, REDUCTIONS, TREATMENTS
from fieldsolver.space import Condition, Dirichlet, Grid, Neumann, Periodic, Robin

TAME_FUNCTIONS: tuple[str, ...] = ("sin", "cos", "tanh", "sigmoid", "atan")
_AXES = ("x", "y", "z")


@st.composite
def grids(
    draw: st.DrawFn,
    dimensions: Sequence[int] = (1, 2, 3),
    points: tuple[int, int] = (7, 9),
    periodic: Sequence[str] | None = None,
) -> Grid:
    """A grid with `points` (smallest, largest) per axis; `periodic` names its periodic axes, None draws them.

    The periodic axes of a cell-centred grid are a matter of its boundary alone; for `boundaries` see there.
    """
    dimension = draw(st.sampled_from(list(dimensions)))
    shape = tuple(draw(st.integers(*points)) for _ in range(dimension))
    bounds = []
    for _ in range(dimension):
        low = draw(st.sampled_from((-1.0, 0.0, 0.5)))
        bounds.append((low, low + draw(st.sampled_from((0.75, 1.0, 2.5)))))
    if periodic is None:
        periodic = [name for name in _AXES[:dimension] if draw(st.booleans())]
    centring = draw(st.sampled_from(("cell", "node")))
    closed = tuple(name for name in periodic if name in _AXES[:dimension]) if centring == "node" else ()
    return Grid(shape, bounds=bounds, centring=centring, periodic=closed)


@st.composite
def boundaries(
    draw: st.DrawFn,
    grid: Grid,
    fields: Sequence[str],
    *,
    homogeneous: bool = False,
    robin: bool = True,
    periodic: bool = True,
) -> dict[str, dict[str, Condition]]:
    """A complete boundary ``{field: {side: condition}}`` that fits `grid`.

    Args:
        homogeneous: all boundary values are zero; otherwise some are numbers or expressions in ``t``.
        robin: allow `Robin`.
        periodic: allow periodic axes (a node-centred grid says itself which they are).
    """
    resolved: dict[str, dict[str, Condition]] = {field: {} for field in fields}
    for axis, name in enumerate(grid.axes):
        closed = name in grid.periodic
        if grid.centring == "cell" and periodic:
            closed = draw(st.booleans())
        for field in fields:
            if closed:
                resolved[field][name] = Periodic()
                continue
            for end in "-+":
                resolved[field][name + end] = draw(_walls(grid.spacing[axis], homogeneous, robin))
    return resolved


def _walls(spacing: float, homogeneous: bool, robin: bool) -> st.SearchStrategy[Condition]:
    value: st.SearchStrategy[Any] = st.just(0)
    if not homogeneous:
        value = st.sampled_from((0, 0.5, -1.25, "0.3*cos(t)", "t - 1"))
    kinds: list[st.SearchStrategy[Condition]] = [st.builds(Dirichlet, value), st.builds(Neumann, value)]
    if robin:
        # b >= 1 and |a| <= 1 keep away from the singular ghost at a/2 + b/h = 0.
        kinds.append(st.builds(Robin, st.sampled_from((1.0, 0.5)), st.sampled_from((1.0, 2.0)), value))
    return st.one_of(kinds)


@st.composite
def scopes(draw: st.DrawFn, axes: Sequence[str] = ("x", "y"), *, complex_names: bool = False) -> Scope:
    """Names to write expressions in: scalar and vector fields, parameters, coordinates."""
    size = draw(st.sampled_from((2, 3)))
    symbols: dict[str, Node] = {
        "u": build.field("u"),
        "v": build.field("v"),
        "phi": build.field("phi", size),
        "D": build.parameter("D"),
        "θ": build.parameter("θ"),
        "w": build.parameter("w", size),
    }
    if complex_names:
        symbols["A"] = build.field("A", is_complex=True)
    return Scope(symbols, {}, tuple(axes))


@st.composite
def expressions(
    draw: st.DrawFn,
    scope: Scope,
    *,
    components: int = 1,
    depth: int = 3,
    operators: bool = True,
    nested: bool = False,
    tame: bool = False,
    imaginary: bool = False,
    vectors: bool = False,
    forms: bool = False,
) -> Node:
    """A random well-typed expression over `scope`, with 1 or `components` components.

    Args:
        components: the number of components of vectors; 1 draws scalars only.
        depth: how deep it may be nested.
        operators: allow differential operators (the scope must have axes).
        nested: allow operators inside operators.
        tame: smooth functions of moderate size only, see the module's text.
        imaginary: allow imaginary literals.
        vectors: allow gradients, divergences, curls and advection.
        forms: allow integrals, means and the treatments ``implicit`` and ``explicit``.
    """
    writer = _Writer(draw, scope, components, operators and bool(scope.axes), nested, tame, imaginary, vectors, forms)
    return writer.write(depth)


class _Writer:
    """Draws one node after the other; what does not fit is bent until it does, so nothing is thrown away."""

    def __init__(
        self,
        draw: st.DrawFn,
        scope: Scope,
        components: int,
        operators: bool,
        nested: bool,
        tame: bool,
        imaginary: bool,
        vectors: bool,
        forms: bool,
    ) -> None:
        self.draw, self.scope, self.components = draw, scope, components
        self.operators, self.nested, self.tame, self.imaginary = operators, nested, tame, imaginary
        self.vectors, self.forms = vectors and bool(scope.axes), forms and bool(scope.axes)

    def write(self, depth: int) -> Node:
        if depth == 0:
            return self.leaf()
        choices: list[Callable[[int], Node]] = [
            self.arithmetic,
            self.arithmetic,
            self.function,
            self.negated,
            self.power,
        ]
        if self.operators:
            choices += [self.operator, self.operator]
        if self.operators and self.vectors:
            choices.append(self.vector_calculus)
        if self.forms:
            choices.append(self.form)
        if self.scope.modules:
            choices.append(self.module)
        if not self.tame:
            choices += [self.quotient, self.where]
        return self.draw(st.sampled_from(choices))(depth - 1)

    def leaf(self) -> Node:
        names = [*self.scope.symbols, *self.scope.axes, "t"]
        kind = self.draw(st.integers(0, 9))
        if kind == 0:
            return self.literal()
        if kind == 1 and not self.tame:
            return build.constant(self.draw(st.sampled_from(sorted(CONSTANTS))))
        node = self.scope.resolve(self.draw(st.sampled_from(names)))
        if node is None:
            raise KeyError(f"the scope does not resolve its own names: {names}")
        if node.components not in (1, self.components):
            return build.component(node, self.draw(st.integers(0, node.components - 1)))
        return node

    def literal(self) -> Node:
        if self.tame:
            return build.number(self.draw(st.sampled_from((0, 1, 2, 0.5, 1.25, 3))))
        values: list[st.SearchStrategy[Any]] = [
            st.integers(0, 10**6),
            st.floats(0, 1e300, allow_nan=False, allow_infinity=False),
        ]
        if self.imaginary:
            values.append(st.floats(0, 1e9).map(lambda value: complex(0, value)))
        return build.number(self.draw(st.one_of(values)))

    def arithmetic(self, depth: int) -> Node:
        kinds = (build.add, build.subtract, build.multiply)
        return self.draw(st.sampled_from(kinds))(self.write(depth), self.write(depth))

    def quotient(self, depth: int) -> Node:
        return build.divide(self.write(depth), self.write(depth))

    def negated(self, depth: int) -> Node:
        return build.negate(self.write(depth))

    def power(self, depth: int) -> Node:
        if self.tame:
            return build.power(self.without_operators(depth), self.draw(st.integers(0, 3)))
        exponent = self.draw(st.one_of(st.integers(-64, 64), st.sampled_from((0.5, -1.5)), st.none()))
        drawn = self.write(depth) if exponent is None else build.number(exponent)
        literal = drawn.operands[0] if isinstance(drawn, Negative) else drawn
        too_large = isinstance(literal, Number) and isinstance(literal.value, int) and literal.value > MAX_EXPONENT
        return build.power(self.write(depth), 2 if too_large else drawn)

    def function(self, depth: int) -> Node:
        names = TAME_FUNCTIONS if self.tame else [name for name in FUNCTIONS if name != "where"]
        name = self.draw(st.sampled_from(sorted(names)))
        word = FUNCTIONS[name]
        arguments = [self.without_operators(depth) if self.tame else self.write(depth) for _ in range(word.arity)]
        if not word.complex_ok:
            arguments = [_made_real(node) for node in arguments]
        return build.function(name, *arguments)

    def where(self, depth: int) -> Node:
        left, right = _made_real(self.write(depth)), _made_real(self.write(depth))
        condition = build.compare(self.draw(st.sampled_from(("<", "<=", ">", ">="))), left, right)
        return build.function("where", condition, self.write(depth), self.write(depth))

    def operator(self, depth: int) -> Node:
        dimension = len(self.scope.axes)
        fitting = [
            name
            for name, word in OPERATORS.items()
            if name not in COMPOSED and not word.spectral and (word.axis is None or word.axis < dimension)
        ]
        name = self.draw(st.sampled_from(sorted(fitting)))
        write = self.write if self.nested else self.without_operators
        arguments = [write(depth) for _ in range(OPERATORS[name].arity)]
        if not arguments[-1].depends & Depends.SPACE:
            arguments[-1] = build.multiply(arguments[-1], self.varying())
        return build.operator(name, *arguments, dimension=dimension)

    def vector_calculus(self, depth: int) -> Node:
        """A scalar made of vectors."""
        dimension = len(self.scope.axes)

        def gradient() -> Node:
            node = self.without_operators(depth)
            node = build.component(node, 0) if node.components > 1 else node
            scalar = node if node.depends & Depends.SPACE else build.multiply(node, build.field("u"))
            return build.operator("gradient", scalar, dimension=dimension)

        kinds: list[Callable[[], Node]] = [
            lambda: build.operator("divergence", gradient(), dimension=dimension),
            lambda: build.operator("advection", gradient(), build.field("u"), dimension=dimension),
            lambda: build.dot(gradient(), gradient()),
            lambda: build.component(gradient(), dimension - 1),
        ]
        if self.nested:
            kinds.append(lambda: build.operator("biharmonic", self.varying(), dimension=dimension))
        if dimension > 1:
            kinds.append(lambda: build.component(build.operator("curl", gradient(), dimension=dimension), 0))
        return self.draw(st.sampled_from(kinds))()

    def form(self, depth: int) -> Node:
        kind = self.draw(st.sampled_from((*REDUCTIONS, *TREATMENTS)))
        node = self.write(depth)
        if kind in TREATMENTS:
            return build.treatment(kind, node)
        return build.reduction(kind, node, dimension=len(self.scope.axes))

    def without_operators(self, depth: int) -> Node:
        # Derivatives on a fine grid are large: the sine of one is as good as random.
        allowed, self.operators = self.operators, False
        node = self.write(depth)
        self.operators = allowed
        return node

    def varying(self) -> Node:
        """Something that varies in space."""
        symbols = [node for node in self.scope.symbols.values() if node.depends & Depends.SPACE]
        node = self.draw(st.sampled_from(symbols))
        return node if node.components in (1, self.components) else build.component(node, 0)

    def module(self, depth: int) -> Node:
        name = self.draw(st.sampled_from(sorted(self.scope.modules)))
        return self.scope.modules[name](self.write(depth))


def _made_real(node: Node) -> Node:
    return build.function("abs", node) if node.is_complex else node


@st.composite
def equation_texts(draw: st.DrawFn, fields: Sequence[str], scope: Scope, **options: Any) -> str:
    """The text of a system, one equation per name in `fields`; `options` go to `expressions`."""
    return "\n".join(f"d{name}/dt = {draw(expressions(scope, **options))}" for name in fields)


@st.composite
def equations(
    draw: st.DrawFn,
    fields: Sequence[str] = ("u", "v"),
    parameters: Mapping[str, Any] | None = None,
    *,
    grid: Grid | None = None,
    space_order: int | None = None,
    homogeneous: bool = False,
    **options: Any,
) -> FieldEquation:
    """A declared system of scalar fields with a random grid, boundary and right-hand sides.

    Args:
        fields: names of the fields.
        parameters: parameters as `FieldEquation` takes them, scalars; each is used at least once.
        grid: None draws one.
        space_order: None draws one.
        homogeneous: all boundary values are zero.
        options: for `expressions`; ``tame=True`` unless given.
    """
    options = {"tame": True, **options}
    given = {"D": 0.5, "k": 1.5} if parameters is None else dict(parameters)
    grid = draw(grids()) if grid is None else grid
    symbols: dict[str, Node] = {name: build.field(name) for name in fields}
    symbols |= {name: build.parameter(name) for name in given}
    scope = Scope(symbols, {}, grid.axes)
    sides = {name: draw(expressions(scope, **options)) for name in fields}
    for name in given:
        sides[fields[0]] = build.add(sides[fields[0]], build.multiply(symbols[name], symbols[fields[-1]]))
    return FieldEquation(
        "\n".join(f"d{name}/dt = {node}" for name, node in sides.items()),
        grid=grid,
        boundary=draw(boundaries(grid, fields, homogeneous=homogeneous)),
        parameters=given,
        space_order=draw(st.sampled_from((2, 4))) if space_order is None else space_order,
    )


__all__ = ["boundaries", "equation_texts", "equations", "expressions", "grids", "scopes"]
