"""Manufactured solutions: an equation that is known to have a given solution.

Put any smooth function into an equation; what is left over becomes a source, and the function's own values become the
boundary and initial data. A solver of the new equation can then be held against the truth (Roache, J. Fluids Eng. 124
(2002) 4; Salari & Knupp, SAND2000-1444). The leftover is computed on the expression graph, exactly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fieldsolver.errors import EquationError

from .. import build
from ..calculus.evaluate import evaluate
from ..calculus.explicit import Explicit, Values
from ..calculus.normal_form import ZERO, check_length, minus, product, total
from ..calculus.partial_derivative import Partial
from ..field_equation import FieldEquation
from ..graph import Node
from ..lowering import held_sides
from .boundary import Conditions, exact_boundary, still_used
from .input import complete, parse_solution, refuse_equation
from .points import parameter_points

_ROUNDS = "the equation does not survive being written as text; rename the fields and parameters that are also words"


class Units:
    """Constant vectors (1, 0, ...), (0, 1, ...): with them, text can say what every component of a field is."""

    def __init__(self, taken: set[str]) -> None:
        self._taken = taken
        self.parameters: dict[str, Tensor] = {}

    def assemble(self, values: Values) -> Node:
        """``values[0]*unit_0 + values[1]*unit_1 + ...``; a single value is itself."""
        if len(values) == 1:
            return values[0]
        terms = [product(value, self._unit(len(values), index)) for index, value in enumerate(values)]
        return total(terms)

    def _unit(self, size: int, index: int) -> Node:
        name = f"unit_{index}_of_{size}"
        while name in self._taken:
            name += "_"
        self.parameters[name] = torch.eye(size, dtype=torch.float64)[index]
        return build.parameter(name, size)


@dataclass(frozen=True)
class Manufactured:
    """An equation with a known solution.

    Attributes:
        equation: the equation with a source in every right side that needs one and the solution's own boundary values.
        original: the equation it was made from.
        solution: the expressions of every state, velocities included, one per component.
        forcing: the source of every field, one expression per component.
        sources: the same as text, one expression per field.
        t0: the time of `initial`.
    """

    equation: FieldEquation
    original: FieldEquation
    solution: Mapping[str, Values]
    forcing: Mapping[str, Values]
    sources: Mapping[str, str]
    t0: float

    @property
    def initial(self) -> dict[str, Tensor]:
        """The states at `t0` on the grid, double precision, as `solve` takes them."""
        return self.exact(self.t0)

    def exact(self, t: float | Tensor) -> dict[str, Tensor]:
        """The states at time `t` on the grid, ``(*t, *grid)`` each, or ``(*t, c, *grid)``."""
        return self.equation.unpack(self.packed(t))

    def packed(self, t: float | Tensor) -> Tensor:
        """The states at time `t` as one tensor ``(*t, C, *grid)``, double precision."""
        return self.on_grid([node for values in self.solution.values() for node in values], t)

    def batched(self, t: float) -> Tensor:
        """`packed`, repeated for every sample of `PerSample` parameters if there are any."""
        state = self.packed(t)
        samples = [item.value.shape[0] for item in self.equation.declared.values() if item.place == "per sample"]
        return state.expand(*samples[:1], *state.shape)

    def rate(self, t: float | Tensor) -> Tensor:
        """The time derivative of the solution, ``(*t, C, *grid)``."""
        d_dt = Partial(build.time())
        return self.on_grid([d_dt(node) for values in self.solution.values() for node in values], t)

    def truncation(self, t: float) -> Tensor:
        """``du/dt - f(t, u)`` on the solution, with the discrete `f`: the error of the discretisation, ``(C, *grid)``.

        It is zero where unknowns lie on a Dirichlet wall, which holds them. With `PerSample` parameters it has their
        batch in front.
        """
        state = self.batched(t)
        with torch.no_grad():
            residual = self.rate(t) - self.equation(t, state)
        dimension = self.equation.dimension
        for name, (start, size) in self.equation.layout.fields.items():
            rows = residual.narrow(-1 - dimension, start, size)
            for axis, end in held_sides(self.equation.layout, name):
                rows.narrow(axis - dimension, -1 if end else 0, 1).zero_()
        return residual

    def on_grid(self, nodes: Sequence[Node], t: float | Tensor) -> Tensor:
        """Explicit scalars on the grid at time `t`, ``(*t, len(nodes), *grid)``; complex where the state is."""
        equation = self.equation
        t = torch.as_tensor(t, dtype=torch.float64)
        shape, grid = equation.space.grid_shape, equation.layout.grid
        given = parameter_points(equation, t if t.dim() == 0 else 0.0)  # a solution contains no signals; a source may
        if grid is not None:
            given |= dict(zip(grid.axes, grid.coordinates(), strict=True))
        given["t"] = t.reshape((*t.shape, *(1,) * len(shape)))
        dtype = torch.complex128 if equation.is_complex else torch.float64
        columns = [evaluate(node, given)[0].to(dtype).expand((*t.shape, *shape)) for node in nodes]
        return torch.stack(columns, dim=t.dim())

    def symbolic_residual(self, points: int = 3, digits: int = 30) -> float:
        """Residual of the new equation on the solution, by SymPy's derivatives in `digits` digits.

        The largest value of ``|d/dt u - f(u)|`` at random points, relative to the terms it is made of: zero up to the
        last of the digits when the sources are right, whatever the graph's own derivatives did.
        """
        from .proof import symbolic_residual

        return symbolic_residual(self, points, digits)


def manufacture(
    equation: FieldEquation, solution: Mapping[str, str | Sequence[str]], *, t0: float = 0.0, check: bool = True
) -> Manufactured:
    """See `FieldEquation.manufactured`."""
    refuse_equation(equation)
    states = parse_solution(equation, solution, smooth=check)
    units = Units({*equation.given.parameters, *equation.statements, *equation.given.modules, *equation.given.kernels})
    explicit = Explicit(states, equation.dimension, units.assemble, axes=equation.given.axes)
    sources = {name: _source(equation, name, states[name], explicit) for name in equation.statements}
    statements = {
        name: check_length(build.add(node, units.assemble(sources[name]))) if set(sources[name]) != {ZERO} else node
        for name, node in equation.statements.items()
    }
    made = _declare(equation, statements, exact_boundary(equation, states, explicit), units)
    texts = {name: str(units.assemble(values)) for name, values in sources.items()}
    result = Manufactured(made, equation, states, sources, texts, float(t0))
    if check:
        from .checks import check_manufactured

        check_manufactured(result, explicit)
    return result


def _source(equation: FieldEquation, name: str, exact: Values, explicit: Explicit) -> Values:
    d_dt = Partial(build.time())
    right = explicit(equation.statements[name])
    right = right * len(exact) if len(right) == 1 else right
    return tuple(total([d_dt(u, equation.orders[name]), minus(f)]) for u, f in zip(exact, right, strict=True))


def _declare(
    equation: FieldEquation,
    statements: Mapping[str, Node],
    boundary: Conditions | None,
    units: Units,
) -> FieldEquation:
    given = complete(equation)
    left = {1: "d{0}/dt", 2: "d2{0}/dt2"}
    text = "\n".join(f"{left[equation.orders[name]].format(name)} = {node}" for name, node in statements.items())
    made = FieldEquation(
        text,
        grid=given.grid,
        boundary=boundary,
        parameters={**still_used(equation, statements, boundary), **units.parameters},
        components=given.components,
        complex_fields=given.complex_fields,
        space_order=given.space_order,
        scheme=given.scheme,
    )
    if any(made.statements[name] is not node for name, node in statements.items()):
        raise EquationError(_ROUNDS)
    for name, raw in made.raw.items():  # trained values, not those of the declaration
        raw.data.copy_(equation.raw[name].data)
    return made
