"""The energy of a state: an expression of the equation language, integrated over the grid."""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from fieldsolver.equations import FieldEquation, build
from fieldsolver.equations.grammar import Scope, parse_expression
from fieldsolver.equations.graph import Comparison, Depends, Node
from fieldsolver.equations.lowering import Layout, Lowering
from fieldsolver.errors import EquationError, EquationTypeError


class Energy:
    """``E(t, y) = integral of density dx`` with the weights of the grid; one number per sample, summed in float64.

    Args:
        equation: declares the fields, parameters and boundary that the density may use.
        density: real scalar expression such as ``"0.5*v**2 + 0.5*gradient_squared(u)"``; None takes half the sum of the
            squares of all components of all fields.

    Attributes:
        density: its graph.
        weights: of the grid, ``(*grid)``.
        moves_by_itself: E can change while the state does not: the density or a wall depends on time.

    Raises:
        EquationError: the density does not parse, uses an unknown name, or is not a real scalar; or the fields of the
            equation lie on grids of different resolution.
    """

    def __init__(self, equation: FieldEquation, density: str | None) -> None:
        if equation.layout.domains:
            raise EquationError("an energy is integrated over one grid, but the fields lie on different ones")
        self.equation = equation
        text = half_squares(equation) if density is None else density
        self.density = _checked(parse_expression(text, scope_of(equation)), text)
        walls = [node for sides in equation.layout.wall_values.values() for node in sides.values()]
        self.moves_by_itself = any(node.depends & Depends.TIME for node in (self.density, *walls))
        self._adopt(equation.layout)

    def _adopt(self, layout: Layout) -> None:
        lowering = Lowering(layout)
        self._tape = lowering.finish([lowering.compile(self.density)])
        self.weights = layout.weights()

    def within(self, layout: Layout) -> Energy:
        """The same energy with the walls of another layout."""
        other = copy.copy(self)
        other._adopt(layout)
        return other

    def __call__(self, t: Tensor, y: Tensor) -> Tensor:
        """Energy ``(*lead)`` of states ``(*lead, C, *grid)`` at times that broadcast with ``(*lead)``."""
        return self.integral(self._cells(t, y))

    def size(self, t: Tensor, y: Tensor) -> Tensor:
        """Integral of the magnitude of the density, ``(*lead)``: of what round-off and changes are a share."""
        return self.integral(self._cells(t, y).abs())

    def _cells(self, t: Tensor, y: Tensor) -> Tensor:
        (value,) = self.equation.run_tape(self._tape, t, y)
        lead, grid = y.shape[: y.dim() - 1 - self.equation.dimension], self.equation.state_shape[1:]
        return torch.as_tensor(value, device=y.device).to(torch.float64).expand(*lead, 1, *grid)

    def integral(self, values: Tensor) -> Tensor:
        """Sum over components and weighted sum over the grid: ``(*lead, c, *grid)`` to ``(*lead)``."""
        weighted = values * self.weights.to(values.device)
        return weighted.flatten(start_dim=values.dim() - 1 - self.equation.dimension).sum(dim=-1)

    def gradient(self, t: Tensor, y: Tensor) -> Tensor:
        """dE/dy, with the weights inside: the change of E is ``Re sum conj(gradient) dy``; shape of `y`."""
        return torch.func.grad(lambda state: self(t, state).sum())(y)

    def along(self, t: Tensor, y: Tensor, dt: Tensor, dy: Tensor) -> tuple[Tensor, Tensor]:
        """E and its derivative along ``(dt, dy)``, both ``(*lead)``, by forward-mode differentiation."""
        energy, rate, *_ = torch.func.jvp(self.__call__, (t, y), (dt, dy))
        return energy, rate


def scope_of(equation: FieldEquation) -> Scope:
    """The names that an expression about `equation` may use: its fields, parameters and coordinates."""
    symbols: dict[str, Node] = {name: equation.state_symbol(name) for name in equation.statements}
    velocities = {name: equation.state_symbol(f"d{name}/dt") for name, order in equation.orders.items() if order == 2}
    for name, item in equation.declared.items():
        symbols[name] = build.parameter(
            name, item.components, is_complex=item.value.is_complex(), spatial=item.place == "spatial"
        )
    for name, node in equation.definitions.items():
        symbols[name] = build.defined(name, node)
    axes = equation.given.axes
    return Scope(symbols, {}, axes, velocities=velocities, coordinates=equation.layout.coordinates)


def half_squares(equation: FieldEquation) -> str:
    """``0.5*u**2 + ...`` over all components of all fields; ``|u|**2`` where they are complex."""
    squares = []
    for name, (_, size) in equation.layout.fields.items():
        word = str(equation.state_symbol(name))  # a velocity is written d_dt(u)
        for component in [word] if size == 1 else [f"{word}[{index}]" for index in range(size)]:
            if name in equation.complex_fields:
                squares.append(f"0.5*real({component})**2 + 0.5*imag({component})**2")
            else:
                squares.append(f"0.5*{component}**2")
    return " + ".join(squares)


def _checked(node: Node, text: str) -> Node:
    if isinstance(node, Comparison):
        raise EquationTypeError("an energy density cannot be a comparison; use where(...)", text)
    if node.components != 1:
        raise EquationTypeError(
            f"an energy density is a scalar, but this one has {node.components} components; "
            "add them up, as in u[0]**2 + u[1]**2",
            text,
        )
    if node.is_complex:
        raise EquationTypeError("an energy density is real; write real(u)**2 + imag(u)**2 for |u|**2", text)
    return node
